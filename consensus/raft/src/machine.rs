//! What is replicated: a pure state machine, seen through [`Machine`], and its type-erased form
//! inside this crate. No Raft here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec;

/// Why the bytes of a snapshot are not a state of this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("snapshot does not fit this machine: {reason}")]
pub struct RestoreError {
    /// What is wrong; no patient data.
    pub reason: String,
}

/// A deterministic state machine. `apply` reads no clock, does no I/O and draws no randomness:
/// the same commands in the same order give the same state and outcomes on every node (DET-1,
/// TIME-1). A command is validated again in `apply`, because what held when it was proposed may
/// not hold when it is committed.
pub trait Machine: Sized + Send + 'static {
    /// What is proposed. Its encoded form is at most
    /// [`COMMAND_BYTES_MAX`](crate::limits::COMMAND_BYTES_MAX) bytes.
    type Command: Serialize + DeserializeOwned + Send + 'static;
    /// What applying a command answers, refusals included.
    type Outcome: Serialize + DeserializeOwned + Send + 'static;

    /// Applies one committed command. Commands that shared an entry share its index and are
    /// applied in order.
    fn apply(&mut self, index: u64, command: Self::Command) -> Self::Outcome;

    /// The whole state as bytes, below [`SNAPSHOT_BYTES_MAX`](crate::limits::SNAPSHOT_BYTES_MAX).
    fn snapshot(&self) -> Vec<u8>;

    /// The state that [`Machine::snapshot`] wrote.
    ///
    /// # Errors
    /// [`RestoreError`] when the bytes are not such a state, for example of a newer version.
    fn restore(bytes: &[u8]) -> Result<Self, RestoreError>;
}

/// A machine without its types: commands and outcomes are bytes.
pub(crate) trait ErasedMachine: Send + Sync + 'static {
    /// Applies an encoded command; nothing when this version cannot read it.
    fn apply(&self, index: u64, command: &[u8]) -> Option<Vec<u8>>;
    /// Whether this version can read the command.
    fn understands(&self, command: &[u8]) -> bool;
    fn snapshot(&self) -> Vec<u8>;
    fn restore(&self, bytes: &[u8]) -> Result<(), RestoreError>;
}

/// The machine that the handle reads and the state machine task writes.
pub(crate) struct Shared<M>(Arc<Mutex<M>>);

impl<M> Clone for Shared<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M> Shared<M> {
    pub(crate) fn new(machine: M) -> Self {
        Self(Arc::new(Mutex::new(machine)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, M> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: Machine> ErasedMachine for Shared<M> {
    fn apply(&self, index: u64, command: &[u8]) -> Option<Vec<u8>> {
        let command = codec::decode::<M::Command>(command).ok()?;
        codec::encode(&self.lock().apply(index, command)).ok()
    }

    fn understands(&self, command: &[u8]) -> bool {
        codec::decode::<M::Command>(command).is_ok()
    }

    fn snapshot(&self) -> Vec<u8> {
        self.lock().snapshot()
    }

    fn restore(&self, bytes: &[u8]) -> Result<(), RestoreError> {
        let restored = M::restore(bytes)?;
        *self.lock() = restored;
        Ok(())
    }
}
