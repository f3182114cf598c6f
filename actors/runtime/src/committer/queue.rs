//! What the committer is asked for, and the bounded queue in which it is asked (LIM-1).

use crate::audit_log::ShardLog;
use crate::limits::COMMIT_QUEUE_UNITS_MAX;
use crate::ownership::Held;
use crate::unit::Work;
use schema_types::ids::ShardId;
use tokio::sync::{mpsc, oneshot};

/// What the committer is asked for.
pub(crate) enum Request {
    /// To commit.
    Commit(Work),
    /// To take over a shard that was claimed: its log goes on where the store has it.
    Open(Box<(Held, ShardLog)>, oneshot::Sender<()>),
    /// To finish what it has of a shard and to take no more of it.
    Close(ShardId, oneshot::Sender<()>),
}

/// Where units are handed in.
#[derive(Clone)]
pub(crate) struct CommitterHandle {
    queue: mpsc::Sender<Request>,
}

/// A place in the committer's queue.
pub(crate) struct Reserved<'a>(mpsc::Permit<'a, Request>);

impl Reserved<'_> {
    pub(crate) fn send(self, work: Work) {
        self.0.send(Request::Commit(work));
    }
}

impl CommitterHandle {
    /// Waits for a place in the queue (bounded; admission keeps the wait short).
    pub(crate) async fn reserve(&self) -> Option<Reserved<'_>> {
        self.queue.reserve().await.ok().map(Reserved)
    }

    /// Hands in work; `false` when the committer has ended.
    pub(crate) async fn send(&self, work: Work) -> bool {
        self.queue.send(Request::Commit(work)).await.is_ok()
    }

    /// Commits for a shard from now on; `false` when the committer has ended.
    pub(crate) async fn open(&self, held: Held, log: ShardLog) -> bool {
        let (done, opened) = oneshot::channel();
        let request = Request::Open(Box::new((held, log)), done);
        self.queue.send(request).await.is_ok() && opened.await.is_ok()
    }

    /// Commits nothing for a shard any more and waits for what is in flight; `false` when the
    /// committer has ended.
    pub(crate) async fn close(&self, shard: ShardId) -> bool {
        let (done, closed) = oneshot::channel();
        self.queue.send(Request::Close(shard, done)).await.is_ok() && closed.await.is_ok()
    }
}

/// A queue for units, and the receiving end for [`run`].
pub(crate) fn queue() -> (CommitterHandle, mpsc::Receiver<Request>) {
    let (sender, receiver) = mpsc::channel(COMMIT_QUEUE_UNITS_MAX);
    (CommitterHandle { queue: sender }, receiver)
}
