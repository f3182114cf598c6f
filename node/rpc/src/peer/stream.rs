//! The connection as the cluster crate sees it: our own stream, protected or not, with a meter on
//! it that knows when the peer was last heard, how many batches have really been written, whether a
//! frame broke the agreement; and a way to cut it at once.

use super::fault::PeerFault;
use super::frames::FrameMeter;
use super::limits::BATCHES_UNTAKEN_MAX;
use futures::task::AtomicWaker;
use node_env::{BoxedDuplex, Clock};
use ractor_cluster::{BoxRead, BoxWrite, ClusterBidiStream};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf};
use tokio::sync::Notify;

/// What is known of a connection while it is used.
pub(crate) struct Meter {
    clock: Arc<dyn Clock>,
    frame_bytes_max: u64,
    /// Grows with each successful read.
    reads: AtomicU64,
    heard_at_micros: AtomicU64,
    batches_written: AtomicU64,
    batches_read: AtomicU64,
    batches_taken: AtomicU64,
    /// Told when a batch has been written.
    progress: Arc<Notify>,
    fault: OnceLock<PeerFault>,
    is_cut: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl Meter {
    pub(crate) fn new(clock: Arc<dyn Clock>, frame_bytes_max: u64, progress: Arc<Notify>) -> Self {
        Self {
            heard_at_micros: AtomicU64::new(clock.monotonic_micros()),
            clock,
            frame_bytes_max,
            reads: AtomicU64::new(0),
            batches_written: AtomicU64::new(0),
            batches_read: AtomicU64::new(0),
            batches_taken: AtomicU64::new(0),
            progress,
            fault: OnceLock::new(),
            is_cut: AtomicBool::new(false),
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
        }
    }

    /// How often something was heard.
    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// When something was heard last, monotonic microseconds.
    pub(crate) fn heard_at_micros(&self) -> u64 {
        self.heard_at_micros.load(Ordering::Relaxed)
    }

    /// Batches that the connection has taken over.
    pub(crate) fn batches_written(&self) -> u64 {
        self.batches_written.load(Ordering::Acquire)
    }

    /// Notes that the gateway has dealt with a batch.
    pub(crate) fn take_batch(&self) {
        self.batches_taken.fetch_add(1, Ordering::AcqRel);
        self.reader.wake();
    }

    /// Whether so much was read and not yet dealt with that reading waits: the cluster's queues
    /// between the two have no bound of their own (LIM-1).
    pub(crate) fn is_behind(&self) -> bool {
        let read = self.batches_read.load(Ordering::Acquire);
        read.saturating_sub(self.batches_taken.load(Ordering::Acquire)) >= BATCHES_UNTAKEN_MAX
    }

    /// What was wrong with the connection, if anything was.
    pub(crate) fn fault(&self) -> Option<PeerFault> {
        self.fault.get().copied()
    }

    /// Ends the connection in both directions; whoever reads or writes is woken.
    pub(crate) fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
        self.reader.wake();
        self.writer.wake();
    }

    fn heard(&self) {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.heard_at_micros.store(self.clock.monotonic_micros(), Ordering::Relaxed);
    }

    fn fail(&self, fault: PeerFault) -> io::Error {
        // The first fault is the cause of the others.
        let _first = self.fault.get_or_init(|| fault);
        io::Error::new(io::ErrorKind::InvalidData, fault.word())
    }

    fn cut_error() -> io::Error {
        io::Error::new(io::ErrorKind::ConnectionAborted, "the session ended")
    }
}

/// A connection with its meter, ready for the cluster crate.
pub(crate) struct MeteredStream {
    pub(crate) stream: BoxedDuplex,
    pub(crate) meter: Arc<Meter>,
}

impl ClusterBidiStream for MeteredStream {
    fn split(self: Box<Self>) -> (BoxRead, BoxWrite) {
        let (reader, writer) = tokio::io::split(self.stream);
        let read = MeteredRead {
            inner: reader,
            meter: Arc::clone(&self.meter),
            frames: FrameMeter::default(),
        };
        let write =
            MeteredWrite { inner: writer, meter: self.meter, frames: FrameMeter::default() };
        (Box::new(read), Box::new(write))
    }
}

struct MeteredRead {
    inner: ReadHalf<BoxedDuplex>,
    meter: Arc<Meter>,
    frames: FrameMeter,
}

impl AsyncRead for MeteredRead {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.meter.reader.register(context.waker());
        if this.meter.is_cut.load(Ordering::Acquire) {
            // As if the other side had closed: the cluster's actors then end in their usual order.
            return Poll::Ready(Ok(()));
        }
        if this.meter.is_behind() {
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        if let Err(error) = ready!(Pin::new(&mut this.inner).poll_read(context, buffer)) {
            return Poll::Ready(Err(error));
        }
        let heard = &buffer.filled()[before..];
        if heard.is_empty() {
            return Poll::Ready(Ok(()));
        }
        this.meter.heard();
        if let Err(fault) = this.frames.feed(heard, this.meter.frame_bytes_max) {
            buffer.set_filled(before);
            return Poll::Ready(Err(this.meter.fail(fault)));
        }
        this.meter.batches_read.store(this.frames.actor_frames, Ordering::Release);
        Poll::Ready(Ok(()))
    }
}

struct MeteredWrite {
    inner: WriteHalf<BoxedDuplex>,
    meter: Arc<Meter>,
    frames: FrameMeter,
}

impl AsyncWrite for MeteredWrite {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.meter.writer.register(context.waker());
        if this.meter.is_cut.load(Ordering::Acquire) {
            return Poll::Ready(Err(Meter::cut_error()));
        }
        let written = match ready!(Pin::new(&mut this.inner).poll_write(context, bytes)) {
            Ok(written) => written,
            Err(error) => return Poll::Ready(Err(error)),
        };
        // What we write ourselves is not judged by size: the other side does that.
        if let Err(fault) = this.frames.feed(&bytes[..written], u64::MAX) {
            return Poll::Ready(Err(this.meter.fail(fault)));
        }
        if this.meter.batches_written.swap(this.frames.actor_frames, Ordering::AcqRel)
            != this.frames.actor_frames
        {
            this.meter.progress.notify_one();
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.meter.writer.register(context.waker());
        if this.meter.is_cut.load(Ordering::Acquire) {
            return Poll::Ready(Err(Meter::cut_error()));
        }
        Pin::new(&mut this.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
