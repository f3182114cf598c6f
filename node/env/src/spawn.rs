//! Operating system threads as a value that is handed in, for the few parts that block (the
//! store's log). Asynchronous tasks are not here: they belong to the executor of the caller.

/// Why a thread could not be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("thread {name} could not be started: {reason}")]
pub struct SpawnError {
    /// Name that the thread would have had.
    pub name: String,
    /// What the operating system said.
    pub reason: String,
}

/// The joined thread ended by a panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("thread panicked")]
pub struct ThreadPanicked;

/// Handle of a started thread. Dropping it detaches the thread.
pub trait JoinThread: Send {
    /// Waits for the thread to end.
    ///
    /// # Errors
    /// [`ThreadPanicked`] when it ended by a panic.
    fn join(self: Box<Self>) -> Result<(), ThreadPanicked>;
}

/// Starts threads.
pub trait Spawner: Send + Sync + 'static {
    /// Starts a named thread (at most 15 bytes of the name are visible to the system).
    ///
    /// # Errors
    /// [`SpawnError`] when the system refuses.
    fn spawn_thread(
        &self,
        name: &str,
        body: Box<dyn FnOnce() + Send>,
    ) -> Result<Box<dyn JoinThread>, SpawnError>;
}
