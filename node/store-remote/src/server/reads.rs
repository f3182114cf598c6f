//! Reads of a session: its snapshots, and pages that are bounded in bytes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actors_store::limits::RANGE_ITEMS_MAX;
use actors_store::{RangePage, RangeQuery, ReadError, Snapshot};
use tokio::time::Instant;

use crate::limits::{PAGE_BYTES_MAX, PAGE_PART_ITEMS_MAX, SNAPSHOT_MS_MAX};

struct Held {
    snapshot: Arc<dyn Snapshot>,
    begun_at: Instant,
}

/// The snapshots of a session, by the id of the request that began them (LIM-1).
#[derive(Default)]
pub(crate) struct Snapshots {
    held: BTreeMap<u64, Held>,
}

impl Snapshots {
    /// Holds one more. Gives whether the oldest one had to go.
    pub(crate) fn hold(&mut self, id: u64, snapshot: Arc<dyn Snapshot>, max: usize) -> bool {
        self.held.insert(id, Held { snapshot, begun_at: Instant::now() });
        let is_full = self.held.len() > max;
        if is_full {
            self.held.pop_first();
        }
        is_full
    }

    /// One that is held.
    ///
    /// # Errors
    /// `TooOld` when it is gone.
    pub(crate) fn find(&self, id: u64) -> Result<Arc<dyn Snapshot>, ReadError> {
        self.held.get(&id).map(|held| Arc::clone(&held.snapshot)).ok_or(ReadError::TooOld)
    }

    pub(crate) fn release(&mut self, id: u64) {
        self.held.remove(&id);
    }

    /// Drops those that are older than any store serves.
    pub(crate) fn sweep(&mut self) {
        let age_max = Duration::from_millis(SNAPSHOT_MS_MAX);
        self.held.retain(|_, held| held.begun_at.elapsed() <= age_max);
    }
}

/// One page; shorter than its limit, and with `more`, when its bytes are many.
pub(crate) async fn page(
    snapshot: &dyn Snapshot,
    query: RangeQuery,
) -> Result<RangePage, ReadError> {
    let limit = query.limit.min(RANGE_ITEMS_MAX);
    let mut found = RangePage::default();
    let mut bytes = 0;
    let mut rest = Some(RangeQuery { limit, ..query });
    while let Some(mut wanted) = rest {
        wanted.limit = (limit - found.items.len()).min(PAGE_PART_ITEMS_MAX);
        let part = snapshot.range(wanted.clone()).await?;
        rest = wanted.after(&part);
        found.more = part.more;
        for item in part.items {
            if bytes >= PAGE_BYTES_MAX {
                found.more = true;
                return Ok(found);
            }
            bytes += item.0.len() + item.1.len();
            found.items.push(item);
        }
        if found.items.len() >= limit {
            break;
        }
    }
    Ok(found)
}
