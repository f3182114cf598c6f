//! A view of a snapshot whose pages hold few rows: for readers of one journal row that would
//! otherwise read a page of them.

use actors_store::{RangePage, RangeQuery, Snapshot, Version};
use bytes::Bytes;
use futures::future::BoxFuture;

/// A snapshot whose range reads give at most some rows at once.
pub(crate) struct OnePage<'a> {
    pub(crate) snapshot: &'a dyn Snapshot,
    pub(crate) rows_max: usize,
}

impl Snapshot for OnePage<'_> {
    fn version(&self) -> Version {
        self.snapshot.version()
    }

    fn get<'a>(
        &'a self,
        key: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<Bytes>, actors_store::ReadError>> {
        self.snapshot.get(key)
    }

    fn range(
        &self,
        mut query: RangeQuery,
    ) -> BoxFuture<'_, Result<RangePage, actors_store::ReadError>> {
        query.limit = query.limit.min(self.rows_max);
        self.snapshot.range(query)
    }
}
