//! The resolver: decides whether what a transaction read was written since. Exact within its
//! window, which ends by time or by what is remembered. Knows nothing of values; the keys are
//! those of the parts that the batches became.

use std::collections::VecDeque;
use std::sync::Arc;

use actors_store::limits::TRANSACTION_WINDOW_MICROS_MAX;
use actors_store::{CommitError, CommitRequest, KeyRange, Mutation, Version};
use bytes::Bytes;

use crate::batch::Batch;
use crate::codec::index;
use crate::limits::{RESOLVER_BYTES_MAX, RESOLVER_FILTER_SLOTS, RESOLVER_KEYS_MAX};
use crate::part::Part;
use crate::row::Wanted;

/// What one batch wrote.
struct Past {
    version: Version,
    written_at_micros: u64,
    part: Arc<Part>,
    marked: Marked,
}

/// What counts as written beside the keys of the rows.
#[derive(Default)]
struct Marked {
    /// Sorted, once the batch is at its end.
    keys: Vec<Bytes>,
    ranges: Vec<KeyRange>,
}

impl Past {
    fn keys(&self) -> usize {
        self.part.len() + self.marked.keys.len()
    }
}

/// Writes of the window, and those of the batch that is being put together.
pub(crate) struct Resolver {
    past: VecDeque<Past>,
    keys_remembered: usize,
    bytes_remembered: usize,
    ranges_remembered: usize,
    /// Read versions below this cannot be checked any more.
    oldest_version: Version,
    /// Per slot the newest version of any key that hashes to it: the common question, about one
    /// key that was not written lately, is answered without a search.
    filter: Vec<Version>,
    marked: Marked,
}

impl Resolver {
    /// A resolver that knows nothing of writes up to this version.
    pub(crate) fn new(version: Version) -> Self {
        Self {
            past: VecDeque::new(),
            keys_remembered: 0,
            bytes_remembered: 0,
            ranges_remembered: 0,
            oldest_version: version,
            filter: vec![version; RESOLVER_FILTER_SLOTS],
            marked: Marked::default(),
        }
    }

    /// Whether everything the request read is unchanged up to now, this batch included.
    pub(crate) fn check(
        &self,
        request: &CommitRequest,
        batch: &mut Batch,
    ) -> Result<(), CommitError> {
        if request.read_conflicts.is_empty() {
            return Ok(());
        }
        let is_old = request.read_version < self.oldest_version;
        if is_old && !node_env::planted!("old-reads-pass-resolver") {
            return Err(CommitError::TooOld);
        }
        let version = request.read_version;
        let mut reads = request.read_conflicts.iter();
        if reads.any(|range| self.written_since(range, version, batch)) {
            return Err(CommitError::Conflict);
        }
        Ok(())
    }

    /// Remembers what an accepted request writes, whose rows are in the batch already.
    pub(crate) fn accept(&mut self, version: Version, request: CommitRequest, batch: &mut Batch) {
        for hash in batch.written_hashes() {
            self.filter[slot(hash)] = version;
        }
        for mutation in request.mutations {
            if let Mutation::ClearRange { range } = mutation {
                self.marked.ranges.push(range);
            }
        }
        for range in request.write_conflicts {
            if range.is_single() {
                self.filter[slot(Wanted::new(&range.begin).short_hash())] = version;
                self.marked.keys.push(range.begin);
            } else if !range.is_empty() {
                self.marked.ranges.push(range);
            }
        }
    }

    /// Ends the batch: its writes took effect at this version.
    pub(crate) fn finish_batch(&mut self, version: Version, part: Arc<Part>, now_micros: u64) {
        let mut marked = std::mem::take(&mut self.marked);
        marked.keys.sort_unstable();
        let past = Past { version, written_at_micros: now_micros, part, marked };
        self.keys_remembered += past.keys();
        self.bytes_remembered += past.part.bytes;
        self.ranges_remembered += past.marked.ranges.len();
        self.past.push_back(past);
        self.forget_old(now_micros);
    }

    /// Ends the batch: its writes did not take effect.
    pub(crate) fn abandon_batch(&mut self) {
        self.marked = Marked::default();
    }

    /// Forgets batches that left the window.
    pub(crate) fn forget_old(&mut self, now_micros: u64) {
        while let Some(oldest) = self.past.front() {
            let end = oldest.written_at_micros.saturating_add(TRANSACTION_WINDOW_MICROS_MAX);
            let fits = self.keys_remembered <= RESOLVER_KEYS_MAX
                && self.bytes_remembered <= RESOLVER_BYTES_MAX;
            if end >= now_micros && fits {
                break;
            }
            self.keys_remembered -= oldest.keys();
            self.bytes_remembered -= oldest.part.bytes;
            self.ranges_remembered -= oldest.marked.ranges.len();
            self.oldest_version = oldest.version;
            self.past.pop_front();
        }
    }

    fn written_since(&self, read: &KeyRange, version: Version, batch: &mut Batch) -> bool {
        if read.is_empty() {
            return false;
        }
        let marked = &self.marked;
        if marked.ranges.iter().any(|range| range.intersects(read)) {
            return true;
        }
        let untouched =
            read.is_single() && self.filter[slot(Wanted::new(&read.begin).short_hash())] <= version;
        if untouched && self.ranges_remembered == 0 {
            return false;
        }
        let mut marked_keys = marked.keys.iter();
        if !untouched && (batch.holds_any(read) || marked_keys.any(|key| read.contains(key))) {
            return true;
        }
        let after = version + u64::from(node_env::planted!("conflict-window-off-by-one"));
        let newer = self.past.iter().rev().take_while(|past| past.version > after);
        newer.into_iter().any(|past| {
            past.marked.ranges.iter().any(|range| range.intersects(read))
                || (!untouched && (past.part.holds_any(read) || holds_key(&past.marked.keys, read)))
        })
    }
}

fn holds_key(keys: &[Bytes], read: &KeyRange) -> bool {
    let first = keys.partition_point(|key| *key < read.begin);
    keys.get(first).is_some_and(|key| *key < read.end)
}

fn slot(hash: u32) -> usize {
    index(hash) & (RESOLVER_FILTER_SLOTS - 1)
}
