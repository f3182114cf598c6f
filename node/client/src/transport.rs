//! The writing end of a connection, for both sides of the RPC: messages that are written in one
//! turn of the executor leave in one system call. Cap'n Proto flushes after every message, which
//! costs more than the message itself when hundreds are answered by one commit.

use futures::io::AsyncWrite;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tokio::io::AsyncWriteExt;

/// Bytes that wait for the socket; past it writers wait too (LIM-1).
pub const WAITING_BYTES_MAX: usize = 256 << 10;

#[derive(Default)]
struct Shared {
    waiting: Vec<u8>,
    is_writing: bool,
    is_closed: bool,
    failed: Option<ErrorKind>,
    /// The task that writes, when it has nothing to write.
    writer: Option<Waker>,
    /// Whoever waits for room or for the end.
    blocked: Option<Waker>,
}

impl Shared {
    fn wake_writer(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }

    fn wake_blocked(&mut self) {
        if let Some(blocked) = self.blocked.take() {
            blocked.wake();
        }
    }

    fn check(&self) -> Result<()> {
        self.failed.map_or(Ok(()), |kind| Err(Error::from(kind)))
    }
}

/// Takes messages; dropping it lets what waits go out and ends [`GatheredWrites`].
pub struct Gather {
    shared: Rc<RefCell<Shared>>,
}

/// Writes to the socket what was gathered; must run as a task of the same thread.
pub struct GatheredWrites {
    shared: Rc<RefCell<Shared>>,
}

/// The two halves.
#[must_use]
pub fn gather() -> (Gather, GatheredWrites) {
    let shared = Rc::new(RefCell::new(Shared::default()));
    (Gather { shared: Rc::clone(&shared) }, GatheredWrites { shared })
}

impl AsyncWrite for Gather {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let mut shared = self.shared.borrow_mut();
        shared.check()?;
        if shared.waiting.len() >= WAITING_BYTES_MAX {
            shared.blocked = Some(cx.waker().clone());
            return Poll::Pending;
        }
        shared.waiting.extend_from_slice(bytes);
        shared.wake_writer();
        Poll::Ready(Ok(bytes.len()))
    }

    /// What was written is on its way at the end of this turn.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(self.shared.borrow().check())
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let mut shared = self.shared.borrow_mut();
        shared.check()?;
        if shared.waiting.is_empty() && !shared.is_writing {
            return Poll::Ready(Ok(()));
        }
        shared.blocked = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Gather {
    fn drop(&mut self) {
        let mut shared = self.shared.borrow_mut();
        shared.is_closed = true;
        shared.wake_writer();
    }
}

impl GatheredWrites {
    /// Writes until the other half is dropped and everything is out, or the socket fails.
    pub async fn run(self, mut socket: impl tokio::io::AsyncWrite + Unpin) {
        let mut batch = Vec::new();
        while self.something_waits().await {
            // Everybody who is ready to write in this turn does so first.
            tokio::task::yield_now().await;
            {
                let mut shared = self.shared.borrow_mut();
                std::mem::swap(&mut batch, &mut shared.waiting);
                shared.is_writing = true;
                shared.wake_blocked();
            }
            let written = socket.write_all(&batch).await;
            batch.clear();
            let mut shared = self.shared.borrow_mut();
            shared.is_writing = false;
            shared.failed = written.err().map(|error| error.kind());
            shared.wake_blocked();
            if shared.failed.is_some() {
                return;
            }
        }
        // The peer sees the end of the stream; one that is gone needs no farewell.
        drop(socket.shutdown().await);
    }

    async fn something_waits(&self) -> bool {
        poll_fn(|cx| {
            let mut shared = self.shared.borrow_mut();
            if !shared.waiting.is_empty() {
                return Poll::Ready(true);
            }
            if shared.is_closed {
                return Poll::Ready(false);
            }
            shared.writer = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::io::AsyncWriteExt as _;
    use tokio::io::AsyncReadExt as _;
    use tokio::task::LocalSet;

    #[tokio::test]
    async fn what_is_written_in_one_turn_leaves_together_and_in_order() {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let local = LocalSet::new();
        let (mut gather, writes) = gather();
        local.spawn_local(writes.run(near));
        let read = local.run_until(async move {
            for number in 0_u8..100 {
                gather.write_all(&[number; 10]).await.unwrap();
                gather.flush().await.unwrap();
            }
            drop(gather);
            let mut first = vec![0; 2_000];
            let length = far.read(&mut first).await.unwrap();
            assert_eq!(length, 1_000, "one write carries all");
            let mut rest = Vec::new();
            far.read_to_end(&mut rest).await.unwrap();
            assert!(rest.is_empty());
            first.truncate(length);
            first
        });
        let expected: Vec<u8> = (0_u8..100).flat_map(|number| [number; 10]).collect();
        assert_eq!(read.await, expected);
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_stops_the_writer_lim_1() {
        let (near, mut far) = tokio::io::duplex(64);
        let local = LocalSet::new();
        let (mut gather, writes) = gather();
        local.spawn_local(writes.run(near));
        let total = WAITING_BYTES_MAX * 4;
        local.spawn_local(async move {
            for _ in 0..total / 1_024 {
                gather.write_all(&[7; 1_024]).await.unwrap();
                assert!(gather.shared.borrow().waiting.len() <= WAITING_BYTES_MAX + 1_024);
            }
        });
        let mut read = Vec::new();
        local.run_until(far.read_to_end(&mut read)).await.unwrap();
        assert_eq!(read.len(), total);
    }

    #[tokio::test]
    async fn a_broken_socket_is_told_to_the_writer() {
        let (near, far) = tokio::io::duplex(64);
        drop(far);
        let local = LocalSet::new();
        let (mut gather, writes) = gather();
        local.spawn_local(writes.run(near));
        let error = local.run_until(async move {
            loop {
                if let Err(error) = gather.write_all(b"x").await {
                    return error;
                }
                tokio::task::yield_now().await;
            }
        });
        assert_eq!(error.await.kind(), ErrorKind::BrokenPipe);
    }
}
