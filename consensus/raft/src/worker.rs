//! A thread that does the file operations of one part, in order, so that a sync does not hold up
//! the runtime; or nobody, when the work is to be done in place.

use node_env::SpawnError;
use tokio::sync::{mpsc, oneshot};

use crate::config::Execution;
use crate::limits::DISK_JOBS_MAX;

type Job = Box<dyn FnOnce() + Send>;

/// The worker has ended, or its job panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("disk thread ended")]
pub(crate) struct WorkerGone;

#[derive(Clone)]
pub(crate) struct DiskWorker {
    jobs: Option<mpsc::Sender<Job>>,
}

impl DiskWorker {
    pub(crate) fn start(name: &str, execution: &Execution) -> Result<Self, SpawnError> {
        let Execution::Threads(spawner) = execution else {
            return Ok(Self { jobs: None });
        };
        let (sender, mut receiver) = mpsc::channel::<Job>(DISK_JOBS_MAX);
        let body = move || {
            while let Some(job) = receiver.blocking_recv() {
                job();
            }
        };
        spawner.spawn_thread(name, Box::new(body))?;
        Ok(Self { jobs: Some(sender) })
    }

    /// Runs the job and answers what it answers. A job that was handed over is done even when
    /// the caller no longer waits.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, WorkerGone> {
        let Some(jobs) = &self.jobs else { return Ok(job()) };
        let (sender, receiver) = oneshot::channel();
        let boxed: Job = Box::new(move || {
            // Nobody waits any more: the result goes nowhere, the work is done.
            let _unheard = sender.send(job());
        });
        jobs.send(boxed).await.map_err(|_closed| WorkerGone)?;
        receiver.await.map_err(|_dropped| WorkerGone)
    }
}
