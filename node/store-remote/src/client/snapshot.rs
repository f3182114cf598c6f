//! A snapshot that the server holds for this client. It lives as long as its session.

use std::sync::Arc;

use actors_store::{RangePage, RangeQuery, ReadError, ReadFuture, Snapshot, Version};
use bytes::Bytes;
use futures::FutureExt;

use crate::client::pending::{Answer, NoAnswer, Pending, Waiting};
use crate::client::shared::{Shared, SnapshotName};
use crate::message;

/// See the module. Dropping it gives it back, with whatever is sent next.
pub(crate) struct RemoteSnapshot {
    pub(crate) shared: Arc<Shared>,
    pub(crate) name: SnapshotName,
    pub(crate) version: Version,
}

impl RemoteSnapshot {
    /// Sends a read and waits for its answer, for a bounded time in all.
    async fn read<T>(
        &self,
        wrap: fn(Waiting<T>) -> Pending,
        put: impl FnOnce(&mut Vec<u8>, u64) + Send,
    ) -> Result<T, ReadError> {
        let answer = async {
            let place = self.shared.place().await?;
            let answer = self.shared.queue_read(
                self.name,
                |reply| wrap(Waiting { reply, _place: place }),
                put,
            )?;
            answer.await.unwrap_or(Err(NoAnswer::Lost)) as Answer<T>
        };
        match self.shared.within_deadline(answer).await? {
            Ok(found) => Ok(found),
            Err(NoAnswer::Read(error)) => Err(error),
            Err(NoAnswer::Lost) => Err(self.shared.lost_read()),
        }
    }
}

impl Snapshot for RemoteSnapshot {
    fn version(&self) -> Version {
        self.version
    }

    fn get<'a>(&'a self, key: &'a [u8]) -> ReadFuture<'a, Option<Bytes>> {
        let snapshot = self.name.id;
        self.read(Pending::Get, move |out, id| message::put_get(out, id, snapshot, key)).boxed()
    }

    fn range(&self, query: RangeQuery) -> ReadFuture<'_, RangePage> {
        let snapshot = self.name.id;
        self.read(Pending::Range, move |out, id| message::put_range(out, id, snapshot, &query))
            .boxed()
    }
}

impl Drop for RemoteSnapshot {
    fn drop(&mut self) {
        self.shared.release(self.name);
    }
}
