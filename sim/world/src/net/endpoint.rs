//! The network as one host has it: `node_env::Network` over the simulated streams.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use node_env::fake::FakeDisk;
use node_env::net::{BoxedReader, BoxedWriter, Detached, Listener, NetFuture, Network, Stream};
use node_env::{BoxedStream, Clock};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::sim_net::SimNet;
use super::state::{Opening, Segment, host_of};
use crate::time::HostTime;

/// Largest segment, bytes.
const SEGMENT_BYTES_MAX: usize = 16 * 1024;

/// The network seen from one host, whose address is `127.0.0.<host>`.
#[derive(Clone)]
pub struct HostNetwork {
    net: SimNet,
    host: u8,
    time: Arc<HostTime>,
    power: FakeDisk,
}

impl HostNetwork {
    /// The view of a host. When the power of its disk goes, it sends nothing more.
    #[must_use]
    pub const fn new(net: SimNet, host: u8, time: Arc<HostTime>, power: FakeDisk) -> Self {
        Self { net, host, time, power }
    }

    fn now(&self) -> u64 {
        self.time.monotonic_micros()
    }
}

fn parse(address: &str) -> io::Result<SocketAddr> {
    address.parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}

impl Network for HostNetwork {
    fn listen<'a>(&'a self, address: &'a str) -> NetFuture<'a, Box<dyn Listener>> {
        Box::pin(async move {
            let mut address = parse(address)?;
            let mut state = self.net.lock();
            if host_of(address) != self.host {
                return Err(io::ErrorKind::AddrNotAvailable.into());
            }
            if address.port() == 0 {
                address.set_port(state.free_port(self.host));
            }
            if !state.listen(self.host, address) {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            Ok(Box::new(SimListener { network: self.clone(), address }) as Box<dyn Listener>)
        })
    }

    fn connect<'a>(&'a self, address: &'a str) -> NetFuture<'a, BoxedStream> {
        Box::pin(async move {
            let to = parse(address)?;
            let id = self.net.lock().open(self.now(), self.host, [127, 0, 0, self.host], to);
            let half = Half { network: self.clone(), id, end: 0 };
            let stream = SimStream { half: Arc::new(half), writes: true };
            std::future::poll_fn(|context| stream.half.poll_opened(context)).await?;
            Ok(Box::new(stream) as BoxedStream)
        })
    }
}

struct SimListener {
    network: HostNetwork,
    address: SocketAddr,
}

impl Listener for SimListener {
    fn local_address(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    fn accept(&self) -> NetFuture<'_, BoxedStream> {
        Box::pin(std::future::poll_fn(|context| {
            let mut state = self.network.net.lock();
            let Some(listener) = state.listeners.get_mut(&self.address) else {
                return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
            };
            let Some(id) = listener.waiting.pop_front() else {
                listener.acceptor = Some(context.waker().clone());
                return Poll::Pending;
            };
            let half = Half { network: self.network.clone(), id, end: 1 };
            Poll::Ready(Ok(
                Box::new(SimStream { half: Arc::new(half), writes: true }) as BoxedStream
            ))
        }))
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        self.network.net.lock().listeners.remove(&self.address);
    }
}

/// One end of a stream; the last one to drop it leaves.
struct Half {
    network: HostNetwork,
    id: u64,
    end: usize,
}

impl Half {
    fn poll_opened(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.network.net.lock();
        let refused = || Poll::Ready(Err(io::ErrorKind::ConnectionRefused.into()));
        let Some(stream) = state.streams.get_mut(&self.id) else { return refused() };
        if stream.ends[0].is_reset {
            return refused();
        }
        // `Opened` has arrived when it has touched the pipe.
        let has_answer = stream.opening == Opening::Open && stream.pipes[0].is_answered;
        if has_answer {
            return Poll::Ready(Ok(()));
        }
        stream.opener = Some(context.waker().clone());
        Poll::Pending
    }

    fn poll_read(
        &self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.network.net.lock();
        let Some(stream) = state.streams.get_mut(&self.id) else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        };
        let is_reset = stream.ends[self.end].is_reset;
        let pipe = &mut stream.pipes[1 - self.end];
        if !pipe.arrived.is_empty() {
            while buffer.remaining() > 0 && !pipe.arrived.is_empty() {
                let (front, _) = pipe.arrived.as_slices();
                let count = front.len().min(buffer.remaining());
                buffer.put_slice(&front[..count]);
                pipe.arrived.drain(..count);
            }
            let writer = pipe.writer.take();
            state.wake(writer);
            return Poll::Ready(Ok(()));
        }
        if is_reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if pipe.has_ended {
            return Poll::Ready(Ok(()));
        }
        pipe.reader = Some(context.waker().clone());
        Poll::Pending
    }

    fn poll_write(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.network.power.is_powered() {
            return Poll::Pending;
        }
        let now = self.network.now();
        let mut state = self.network.net.lock();
        let Some(stream) = state.streams.get_mut(&self.id) else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        if stream.ends[self.end].is_reset || stream.pipes[self.end].is_closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let pipe = &mut stream.pipes[self.end];
        let count = bytes.len().min(pipe.room()).min(SEGMENT_BYTES_MAX);
        if count == 0 && !bytes.is_empty() {
            pipe.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        state.send(now, self.id, self.end, Segment::Bytes(bytes[..count].to_vec()));
        Poll::Ready(Ok(count))
    }

    /// Sends the end of this direction, once.
    fn close(&self) {
        if !self.network.power.is_powered() {
            return;
        }
        let now = self.network.now();
        let mut state = self.network.net.lock();
        let Some(stream) = state.streams.get_mut(&self.id) else { return };
        let pipe = &mut stream.pipes[self.end];
        if pipe.is_closed || stream.ends[self.end].is_reset {
            return;
        }
        pipe.is_closed = true;
        state.send(now, self.id, self.end, Segment::End);
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        self.close();
        let now = self.network.now();
        self.network.net.lock().leave(now, self.id, self.end);
    }
}

/// A stream, or a half of one: only what may write sends the end when it is dropped.
struct SimStream {
    half: Arc<Half>,
    writes: bool,
}

impl Drop for SimStream {
    fn drop(&mut self) {
        if self.writes {
            self.half.close();
        }
    }
}

impl Stream for SimStream {
    fn peer_address(&self) -> io::Result<SocketAddr> {
        let state = self.half.network.net.lock();
        let stream = state.streams.get(&self.half.id);
        let stream = stream.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))?;
        Ok(stream.ends[1 - self.half.end].address)
    }

    fn split(mut self: Box<Self>) -> (BoxedReader, BoxedWriter) {
        let writer = Self { half: Arc::clone(&self.half), writes: true };
        self.writes = false;
        (self, Box::new(writer))
    }

    fn detach(self: Box<Self>) -> io::Result<Box<dyn Detached>> {
        Ok(self)
    }
}

impl Detached for SimStream {
    fn attach(self: Box<Self>) -> io::Result<BoxedStream> {
        Ok(self)
    }
}

impl AsyncRead for SimStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.half.poll_read(context, buffer)
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.half.poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.half.close();
        Poll::Ready(Ok(()))
    }
}
