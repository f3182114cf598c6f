//! The resolver: decides whether what a transaction read was written since. Exact within its
//! window, which ends by time or by the number of keys remembered. Knows nothing of values.

use std::collections::{BTreeSet, VecDeque};

use actors_store::limits::TRANSACTION_WINDOW_MICROS_MAX;
use actors_store::{CommitError, CommitRequest, KeyRange, Mutation, Version};
use bytes::Bytes;

use crate::codec::hash64;
use crate::limits::{RESOLVER_FILTER_SLOTS, RESOLVER_KEYS_MAX};

/// What one batch wrote.
struct Past {
    version: Version,
    written_at_micros: u64,
    /// Sorted.
    keys: Vec<Bytes>,
    ranges: Vec<KeyRange>,
}

/// Writes of the window, and those of the batch that is being put together.
pub(crate) struct Resolver {
    past: VecDeque<Past>,
    keys_remembered: usize,
    ranges_remembered: usize,
    /// Read versions below this cannot be checked any more.
    oldest_version: Version,
    /// Per slot the newest version of any key that hashes to it: the common question, about one
    /// key that was not written lately, is answered without a search.
    filter: Vec<Version>,
    batch_keys: BTreeSet<Bytes>,
    batch_ranges: Vec<KeyRange>,
}

impl Resolver {
    /// A resolver that knows nothing of writes up to this version.
    pub(crate) fn new(version: Version) -> Self {
        Self {
            past: VecDeque::new(),
            keys_remembered: 0,
            ranges_remembered: 0,
            oldest_version: version,
            filter: vec![version; RESOLVER_FILTER_SLOTS],
            batch_keys: BTreeSet::new(),
            batch_ranges: Vec::new(),
        }
    }

    /// Whether everything the request read is unchanged up to now, this batch included.
    pub(crate) fn check(&self, request: &CommitRequest) -> Result<(), CommitError> {
        if request.read_conflicts.is_empty() {
            return Ok(());
        }
        if request.read_version < self.oldest_version {
            return Err(CommitError::TooOld);
        }
        let read_version = request.read_version;
        if request.read_conflicts.iter().any(|range| self.written_since(range, read_version)) {
            return Err(CommitError::Conflict);
        }
        Ok(())
    }

    /// Remembers what an accepted request writes. Its placeholders must be filled in.
    pub(crate) fn accept(
        &mut self,
        version: Version,
        mutations: &[Mutation],
        write_conflicts: Vec<KeyRange>,
    ) {
        for mutation in mutations {
            match mutation {
                Mutation::Set { key, .. }
                | Mutation::Clear { key }
                | Mutation::Add { key, .. }
                | Mutation::SetVersionstampedKey { key, .. }
                | Mutation::SetVersionstampedValue { key, .. } => {
                    self.accept_key(version, key.clone());
                }
                Mutation::ClearRange { range } => self.batch_ranges.push(range.clone()),
            }
        }
        for range in write_conflicts {
            if range.is_single() {
                self.accept_key(version, range.begin);
            } else if !range.is_empty() {
                self.batch_ranges.push(range);
            }
        }
    }

    fn accept_key(&mut self, version: Version, key: Bytes) {
        self.filter[slot(&key)] = version;
        self.batch_keys.insert(key);
    }

    /// Ends the batch: its writes took effect at this version.
    pub(crate) fn finish_batch(&mut self, version: Version, now_micros: u64) {
        let keys: Vec<Bytes> = std::mem::take(&mut self.batch_keys).into_iter().collect();
        let ranges = std::mem::take(&mut self.batch_ranges);
        self.keys_remembered += keys.len();
        self.ranges_remembered += ranges.len();
        self.past.push_back(Past { version, written_at_micros: now_micros, keys, ranges });
        self.forget_old(now_micros);
    }

    /// Ends the batch: its writes did not take effect.
    pub(crate) fn abandon_batch(&mut self) {
        self.batch_keys.clear();
        self.batch_ranges.clear();
    }

    /// Forgets batches that left the window.
    pub(crate) fn forget_old(&mut self, now_micros: u64) {
        while let Some(oldest) = self.past.front() {
            let end = oldest.written_at_micros.saturating_add(TRANSACTION_WINDOW_MICROS_MAX);
            if end >= now_micros && self.keys_remembered <= RESOLVER_KEYS_MAX {
                break;
            }
            self.keys_remembered -= oldest.keys.len();
            self.ranges_remembered -= oldest.ranges.len();
            self.oldest_version = oldest.version;
            self.past.pop_front();
        }
    }

    fn written_since(&self, read: &KeyRange, version: Version) -> bool {
        if read.is_empty() {
            return false;
        }
        if self.batch_ranges.iter().any(|range| range.intersects(read)) {
            return true;
        }
        let point = read.is_single();
        let untouched = point && self.filter[slot(&read.begin)] <= version;
        if untouched && self.ranges_remembered == 0 {
            return false;
        }
        if !untouched
            && self.batch_keys.range(read.begin.clone()..read.end.clone()).next().is_some()
        {
            return true;
        }
        let newer = self.past.iter().rev().take_while(|past| past.version > version);
        newer.into_iter().any(|past| {
            past.ranges.iter().any(|range| range.intersects(read))
                || (!untouched && holds_key(&past.keys, read))
        })
    }
}

fn holds_key(keys: &[Bytes], read: &KeyRange) -> bool {
    let first = keys.partition_point(|key| *key < read.begin);
    keys.get(first).is_some_and(|key| *key < read.end)
}

fn slot(key: &[u8]) -> usize {
    let mask = RESOLVER_FILTER_SLOTS as u64 - 1;
    usize::try_from(hash64(key) & mask).unwrap_or(0)
}
