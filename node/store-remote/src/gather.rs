//! The writing end of a connection, for both sides: what is ready in one turn of the executor
//! leaves in one system call. Where the bytes come from is the caller's.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;

use crate::error::LinkError;
use crate::limits::{REPLIES_WAITING_BYTES_MAX, WRITE_BUFFER_KEPT_BYTES};

/// What a source has for the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The batch has bytes now.
    Bytes,
    /// Not yet; the source tells by its `Notify`.
    Nothing,
    /// Nothing, for ever.
    Closed,
}

/// Where the bytes come from.
pub(crate) trait Outgoing {
    /// Told when there is something to take.
    fn ready(&self) -> &Notify;
    /// Moves what waits into an empty batch.
    fn take(&self, batch: &mut Vec<u8>) -> Taken;
    /// The batch is in the socket.
    fn written(&self);
}

/// Writes until the source is closed, the socket fails, or it takes nothing for too long.
pub(crate) async fn write_gathered(
    outgoing: &impl Outgoing,
    socket: &mut (impl AsyncWrite + Unpin),
    stall: Duration,
) -> Result<(), LinkError> {
    let mut batch = Vec::new();
    loop {
        match outgoing.take(&mut batch) {
            Taken::Bytes => {}
            Taken::Closed => break,
            Taken::Nothing => {
                outgoing.ready().notified().await;
                // Everybody who is ready to write in this turn does so first.
                tokio::task::yield_now().await;
                continue;
            }
        }
        write_all(&batch, socket, stall).await?;
        outgoing.written();
        batch.clear();
        batch.shrink_to(WRITE_BUFFER_KEPT_BYTES);
    }
    // The peer sees the end of the stream; one that is gone needs no farewell.
    drop(tokio::time::timeout(stall, socket.shutdown()).await);
    Ok(())
}

async fn write_all(
    mut bytes: &[u8],
    socket: &mut (impl AsyncWrite + Unpin),
    stall: Duration,
) -> Result<(), LinkError> {
    while !bytes.is_empty() {
        let written = tokio::time::timeout(stall, socket.write(bytes)).await;
        let stalled = |_| LinkError::Stalled(u64::try_from(stall.as_millis()).unwrap_or(u64::MAX));
        match written.map_err(stalled)?? {
            0 => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
            count => bytes = bytes.split_at_checked(count).map_or(&[], |(_, rest)| rest),
        }
    }
    Ok(())
}

/// Replies of a session that wait for the socket.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    state: Mutex<Waiting>,
    ready: Notify,
    room: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// Bytes that the socket is being given.
    leaving_bytes: usize,
    is_closed: bool,
}

impl Replies {
    fn state(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a reply; after the end it is dropped.
    pub(crate) fn put(&self, put: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        if state.is_closed {
            return;
        }
        put(&mut state.bytes);
        drop(state);
        self.ready.notify_one();
    }

    /// Whether the reply to one more request may be added (LIM-1).
    pub(crate) fn has_room(&self) -> bool {
        let state = self.state();
        state.bytes.len() + state.leaving_bytes < REPLIES_WAITING_BYTES_MAX
    }

    /// Ends when there may be room again.
    pub(crate) async fn room(&self) {
        self.room.notified().await;
    }

    /// Takes no more replies; those that wait still leave.
    pub(crate) fn close(&self) {
        self.state().is_closed = true;
        self.ready.notify_one();
    }
}

impl Outgoing for Replies {
    fn ready(&self) -> &Notify {
        &self.ready
    }

    fn take(&self, batch: &mut Vec<u8>) -> Taken {
        let mut state = self.state();
        if state.bytes.is_empty() {
            return if state.is_closed { Taken::Closed } else { Taken::Nothing };
        }
        std::mem::swap(batch, &mut state.bytes);
        state.leaving_bytes = batch.len();
        Taken::Bytes
    }

    fn written(&self) {
        self.state().leaving_bytes = 0;
        self.room.notify_one();
    }
}
