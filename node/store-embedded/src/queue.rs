//! The bounded queue of commits that wait for the log (LIM-1). Callers push from any thread,
//! one thread takes everything that waits.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use actors_store::{CommitError, CommitLane, CommitRequest, Committed, Lanes};
use futures::channel::oneshot;

use crate::limits::{
    BATCH_BYTES_MAX, BATCH_COMMITS_MAX, QUEUE_BYTES_MAX, QUEUE_COMMITS_MAX, RETRY_AFTER_MS,
};
use crate::record::MUTATION_BYTES_MAX;

/// Where the answer to a commit goes.
pub(crate) type Reply = oneshot::Sender<Result<Committed, CommitError>>;

/// A commit that waits.
pub(crate) struct Pending {
    pub(crate) request: CommitRequest,
    pub(crate) bytes: usize,
    pub(crate) reply: Reply,
}

impl Pending {
    /// Bytes that it takes in a log record, at most.
    pub(crate) fn record_bytes(&self) -> usize {
        self.bytes + self.request.mutations.len() * MUTATION_BYTES_MAX
    }
}

/// What a commit is told, and where.
pub(crate) struct Answer {
    pub(crate) reply: Reply,
    pub(crate) lane: Option<CommitLane>,
    pub(crate) result: Result<Committed, CommitError>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Pending>,
    bytes: usize,
    /// Lanes of which a commit was refused here, before it reached the writer.
    lanes: Lanes,
    closed: bool,
}

impl State {
    fn room_for(&self, pending: &Pending) -> Result<(), CommitError> {
        if self.closed {
            return Err(CommitError::Stopped { reason: "the store is closed".to_owned() });
        }
        let full = self.waiting.len() >= QUEUE_COMMITS_MAX
            || (self.bytes + pending.bytes > QUEUE_BYTES_MAX && !self.waiting.is_empty());
        if full {
            return Err(CommitError::Overloaded { retry_after_ms: RETRY_AFTER_MS });
        }
        Ok(())
    }
}

/// See the module.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a commit, or refuses it at once: with the error found by the caller, if any.
    pub(crate) fn push(
        &self,
        pending: Pending,
        checked: Result<(), CommitError>,
    ) -> Result<(), CommitError> {
        let mut state = self.state();
        let lane = pending.request.lane;
        state.lanes.admit(lane)?;
        let taken = checked.and_then(|()| state.room_for(&pending));
        state.lanes.settle(lane, taken)?;
        let was_empty = state.waiting.is_empty();
        state.bytes += pending.bytes;
        state.waiting.push_back(pending);
        drop(state);
        if was_empty {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Takes the next batch; waits for one. `None` when the queue is closed and empty.
    pub(crate) fn take(&self) -> Option<Vec<Pending>> {
        let waiting = |state: &mut State| state.waiting.is_empty() && !state.closed;
        let state = self.arrived.wait_while(self.state(), waiting);
        batch(&mut state.unwrap_or_else(PoisonError::into_inner))
    }

    /// As [`Queue::take`], without waiting.
    pub(crate) fn take_now(&self) -> Option<Vec<Pending>> {
        batch(&mut self.state())
    }

    /// Whether no commit waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.state().waiting.is_empty()
    }

    /// Takes no more commits; what waits can still be taken.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.arrived.notify_all();
    }
}

fn batch(state: &mut State) -> Option<Vec<Pending>> {
    let (mut count, mut bytes) = (0, 0);
    for pending in state.waiting.iter().take(BATCH_COMMITS_MAX) {
        if count > 0 && bytes + pending.bytes > BATCH_BYTES_MAX {
            break;
        }
        count += 1;
        bytes += pending.bytes;
    }
    if count == 0 {
        return None;
    }
    if !node_env::planted!("store-queue-bytes-not-returned") {
        state.bytes -= bytes;
    }
    Some(state.waiting.drain(..count).collect())
}
