//! Operating system threads as a value that is handed in, for the few parts that block (the
//! store's log), and where long computations go. Asynchronous tasks are not here: they belong to
//! the executor of the caller.

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

/// Where work goes that computes for long, so that it does not hold up the tasks that answer.
#[cfg(feature = "net")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offload {
    /// The threads for blocking work of the caller's executor.
    Pool,
    /// The caller, in place: where nothing may run beside it.
    InPlace,
}

#[cfg(feature = "net")]
impl Offload {
    /// Does the work. Must be called on the executor; dropping the future does not end what the
    /// pool has begun.
    ///
    /// # Errors
    /// [`ThreadPanicked`] when the pool did not finish it.
    pub async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ThreadPanicked> {
        match self {
            Self::Pool => tokio::task::spawn_blocking(work).await.map_err(|_| ThreadPanicked),
            Self::InPlace => Ok(work()),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[tokio::test]
    async fn work_is_done_where_it_is_sent() {
        let here = thread::current().id();
        let there = Offload::Pool.run(|| thread::current().id()).await.unwrap();
        assert_ne!(there, here);
        assert_eq!(Offload::InPlace.run(|| thread::current().id()).await, Ok(here));
        let failed = Offload::Pool.run(|| panic!("as a test wants it")).await;
        assert_eq!(failed, Err::<(), _>(ThreadPanicked));
    }
}
