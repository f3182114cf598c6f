//! A client-side transaction: read-your-writes over a snapshot, conflict ranges collected along
//! the way, one commit at the end. It holds no lock and does not retry.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{CommitError, ReadError};
use crate::limits::RANGE_ITEMS_MAX;
use crate::mutation::{KeyRange, Mutation, add_little_endian};
use crate::port::{CommitRequest, Committed, KeyValue, RangePage, RangeQuery, Snapshot, Store};

/// What this transaction did to one key.
#[derive(Debug, Clone)]
enum Local {
    /// The value is known without the snapshot; `None` is a cleared key.
    Known(Option<Bytes>),
    /// Deltas to apply to what the snapshot holds.
    Added(i64),
}

/// Reads and writes that commit together or not at all.
pub struct Transaction {
    store: Arc<dyn Store>,
    snapshot: Arc<dyn Snapshot>,
    request: CommitRequest,
    written: BTreeMap<Bytes, Local>,
    cleared: Vec<KeyRange>,
}

/// Whether a read makes the transaction conflict with later writes of what it read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Isolation {
    Serializable,
    Snapshot,
}

impl Transaction {
    /// Begins at the newest version.
    ///
    /// # Errors
    /// As [`Store::begin`].
    pub async fn begin(store: &Arc<dyn Store>) -> Result<Self, ReadError> {
        let snapshot = store.begin().await?;
        Ok(Self::at(store, snapshot))
    }

    /// Begins at a snapshot that is already held; nothing is awaited.
    #[must_use]
    pub fn at(store: &Arc<dyn Store>, snapshot: Arc<dyn Snapshot>) -> Self {
        let request = CommitRequest { read_version: snapshot.version(), ..Default::default() };
        Self {
            store: Arc::clone(store),
            snapshot,
            request,
            written: BTreeMap::new(),
            cleared: Vec::new(),
        }
    }

    /// The read version.
    #[must_use]
    pub fn read_version(&self) -> u64 {
        self.request.read_version
    }

    /// Value of a key as this transaction sees it; conflicts with later writes of the key.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn get(&mut self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        self.read_key(key, Isolation::Serializable).await
    }

    /// As [`Transaction::get`], without a conflict.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn snapshot_get(&mut self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        self.read_key(key, Isolation::Snapshot).await
    }

    /// One page of a range as this transaction sees it; conflicts with later writes of the part
    /// that was read, absent keys included.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn get_range(&mut self, query: RangeQuery) -> Result<RangePage, ReadError> {
        self.read_range(query, Isolation::Serializable).await
    }

    /// As [`Transaction::get_range`], without a conflict.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn snapshot_get_range(&mut self, query: RangeQuery) -> Result<RangePage, ReadError> {
        self.read_range(query, Isolation::Snapshot).await
    }

    /// Sets a key.
    pub fn set(&mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        let (key, value) = (key.into(), value.into());
        self.written.insert(key.clone(), Local::Known(Some(value.clone())));
        self.request.mutations.push(Mutation::Set { key, value });
    }

    /// Removes a key.
    pub fn clear(&mut self, key: impl Into<Bytes>) {
        let key = key.into();
        self.written.insert(key.clone(), Local::Known(None));
        self.request.mutations.push(Mutation::Clear { key });
    }

    /// Removes all keys of a range.
    pub fn clear_range(&mut self, range: KeyRange) {
        self.written.retain(|key, _| !range.contains(key));
        self.cleared.push(range.clone());
        self.request.mutations.push(Mutation::ClearRange { range });
    }

    /// Adds to a little-endian integer without reading it.
    pub fn add(&mut self, key: impl Into<Bytes>, delta: i64) {
        let key = key.into();
        let local = match self.local(&key) {
            None => Local::Added(delta),
            Some(Local::Added(before)) => Local::Added(before.wrapping_add(delta)),
            Some(Local::Known(value)) => {
                let sum = add_little_endian(value.as_deref(), delta);
                Local::Known(Some(Bytes::copy_from_slice(&sum)))
            }
        };
        self.written.insert(key.clone(), local);
        self.request.mutations.push(Mutation::Add { key, delta });
    }

    /// Sets a key that carries the commit's versionstamp at `offset`. Not visible to the reads
    /// of this transaction: the key is not known yet.
    pub fn set_versionstamped_key(
        &mut self,
        key: impl Into<Bytes>,
        offset: usize,
        value: impl Into<Bytes>,
    ) {
        let (key, value) = (key.into(), value.into());
        self.request.mutations.push(Mutation::SetVersionstampedKey { key, offset, value });
    }

    /// Sets a value that carries the commit's versionstamp at `offset`. Reads of this
    /// transaction see the value with its placeholder.
    pub fn set_versionstamped_value(
        &mut self,
        key: impl Into<Bytes>,
        value: impl Into<Bytes>,
        offset: usize,
    ) {
        let (key, value) = (key.into(), value.into());
        self.written.insert(key.clone(), Local::Known(Some(value.clone())));
        self.request.mutations.push(Mutation::SetVersionstampedValue { key, value, offset });
    }

    /// Adds any change without making it visible to the reads of this transaction.
    pub fn push(&mut self, mutation: Mutation) {
        self.request.mutations.push(mutation);
    }

    /// Makes the transaction conflict with later writes in the range.
    pub fn add_read_conflict(&mut self, range: KeyRange) {
        self.request.read_conflicts.push(range);
    }

    /// Makes later transactions that read in the range conflict with this one.
    pub fn add_write_conflict(&mut self, range: KeyRange) {
        self.request.write_conflicts.push(range);
    }

    /// Bytes that count towards the size limit so far.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.request.size_bytes()
    }

    /// The request as it stands, for a caller that commits by other means.
    #[must_use]
    pub fn into_request(self) -> CommitRequest {
        self.request
    }

    /// Commits; ends when the changes are durable.
    ///
    /// # Errors
    /// [`CommitError`].
    pub async fn commit(self) -> Result<Committed, CommitError> {
        self.store.commit(self.request).await
    }

    fn local(&self, key: &[u8]) -> Option<Local> {
        if let Some(local) = self.written.get(key) {
            return Some(local.clone());
        }
        let cleared = self.cleared.iter().any(|range| range.contains(key));
        cleared.then_some(Local::Known(None))
    }

    async fn read_key(
        &mut self,
        key: &[u8],
        isolation: Isolation,
    ) -> Result<Option<Bytes>, ReadError> {
        let local = self.local(key);
        if let Some(Local::Known(value)) = local {
            return Ok(value);
        }
        let stored = self.snapshot.get(key).await?;
        if isolation == Isolation::Serializable {
            self.request.read_conflicts.push(KeyRange::single(key));
        }
        Ok(match local {
            Some(Local::Added(delta)) => {
                Some(Bytes::copy_from_slice(&add_little_endian(stored.as_deref(), delta)))
            }
            Some(Local::Known(_)) | None => stored,
        })
    }

    async fn read_range(
        &mut self,
        query: RangeQuery,
        isolation: Isolation,
    ) -> Result<RangePage, ReadError> {
        let page = self.merged_page(&query).await?;
        if isolation == Isolation::Serializable && query.begin < query.end {
            let mut read = KeyRange::new(query.begin.clone(), query.end.clone());
            if let Some(rest) = query.after(&page) {
                if query.reverse {
                    read.begin = rest.end;
                } else {
                    read.end = rest.begin;
                }
            }
            self.request.read_conflicts.push(read);
        }
        Ok(page)
    }

    async fn merged_page(&self, query: &RangeQuery) -> Result<RangePage, ReadError> {
        let limit = query.limit.min(RANGE_ITEMS_MAX);
        if query.begin >= query.end {
            return Ok(RangePage::default());
        }
        let mut items: Vec<KeyValue> = Vec::new();
        let mut rest = Some(RangeQuery { limit: limit.max(1), ..query.clone() });
        while let Some(wanted) = rest {
            let page = self.snapshot.range(wanted.clone()).await?;
            rest = wanted.after(&page);
            let covered = covered_range(&wanted, rest.as_ref());
            items.extend(self.overlay(&covered, page.items, query.reverse));
            if items.len() >= limit {
                break;
            }
        }
        let more = items.len() > limit || rest.is_some();
        items.truncate(limit);
        Ok(RangePage { items, more })
    }

    /// The stored items of one covered range with this transaction's own changes laid over.
    fn overlay(&self, covered: &KeyRange, stored: Vec<KeyValue>, reverse: bool) -> Vec<KeyValue> {
        if self.written.is_empty() && self.cleared.is_empty() {
            return stored;
        }
        let mut merged: BTreeMap<Bytes, Bytes> = BTreeMap::new();
        for (key, value) in stored {
            if !self.cleared.iter().any(|range| range.contains(&key)) {
                merged.insert(key, value);
            }
        }
        let bounds = (Bound::Included(&covered.begin), Bound::Excluded(&covered.end));
        for (key, local) in self.written.range::<Bytes, _>(bounds) {
            match local {
                Local::Known(Some(value)) => {
                    merged.insert(key.clone(), value.clone());
                }
                Local::Known(None) => {
                    merged.remove(key);
                }
                Local::Added(delta) => {
                    let before = merged.get(key).map(Bytes::as_ref);
                    let sum = add_little_endian(before, *delta);
                    merged.insert(key.clone(), Bytes::copy_from_slice(&sum));
                }
            }
        }
        if reverse { merged.into_iter().rev().collect() } else { merged.into_iter().collect() }
    }
}

fn covered_range(wanted: &RangeQuery, rest: Option<&RangeQuery>) -> KeyRange {
    match rest {
        None => KeyRange::new(wanted.begin.clone(), wanted.end.clone()),
        Some(rest) if wanted.reverse => KeyRange::new(rest.end.clone(), wanted.end.clone()),
        Some(rest) => KeyRange::new(wanted.begin.clone(), rest.begin.clone()),
    }
}
