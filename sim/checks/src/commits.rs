//! Commits as the store took them: who wrote under which shard, and who claimed which (OWN-1). The
//! recorder is a store itself; the world puts one between each node and its store.

use crate::history::Micros;
use crate::limits::COMMITS_MAX;
use actors_store::keys::{self, Family};
use actors_store::tuple::TupleReader;
use actors_store::{
    CommitFuture, CommitRequest, Mutation, ReadFuture, Snapshot, Store, Versionstamp,
};
use bytes::Bytes;
use schema_types::cluster::{Epoch, NodeId};
use schema_types::ids::ShardId;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// One commit that took effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitEntry {
    /// Which node committed.
    pub node: NodeId,
    /// In which of its runs.
    pub incarnation: u64,
    /// When the store said that it is durable.
    pub durable_at: Micros,
    /// Its place in the order of commits.
    pub stamp: Versionstamp,
    /// What it wrote.
    pub written: Written,
}

/// What a commit writes, as far as a property needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    /// Shards whose owner row it sets: epoch and owner.
    pub claims: Vec<(ShardId, Epoch, String)>,
    /// Shards to whose audit log it adds: those under whose fence it was made.
    pub shards: BTreeSet<ShardId>,
    /// Journal and audit rows that it sets. Such a row is written once and stays.
    pub appended: Vec<Bytes>,
    /// Journal and audit rows that it takes away.
    pub removed: Vec<Bytes>,
}

impl Written {
    /// What a request would write. Pure; costs a look at each key.
    #[must_use]
    pub fn of(request: &CommitRequest) -> Self {
        let mut written = Self::default();
        for mutation in &request.mutations {
            match mutation {
                Mutation::Set { key, value } => written.note_set(key, value),
                Mutation::Clear { key } | Mutation::Add { key, .. } => written.note_lost(key),
                Mutation::SetVersionstampedKey { key, .. }
                | Mutation::SetVersionstampedValue { key, .. } => written.note_lost(key),
                Mutation::ClearRange { range } => written.note_lost(&range.begin),
            }
        }
        written
    }

    fn note_set(&mut self, key: &Bytes, value: &[u8]) {
        if let Ok(shard) = keys::parse_owner(key) {
            if let Some((epoch, owner)) = read_owner(value) {
                self.claims.push((ShardId(shard), epoch, owner));
            }
        } else if let Ok((shard, _)) = keys::parse_audit(Family::AuditLeaf, key) {
            self.shards.insert(ShardId(shard));
            self.appended.push(key.clone());
        } else if keys::open(Family::Journal, key).is_ok() {
            self.appended.push(key.clone());
        }
    }

    /// The key, or the first key of a range, does not keep its value.
    fn note_lost(&mut self, key: &Bytes) {
        let is_of = |family| keys::open(family, key).is_ok();
        if is_of(Family::Journal) || is_of(Family::AuditLeaf) {
            self.removed.push(key.clone());
        }
    }

    /// Nothing that a property looks at.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.claims.is_empty()
            && self.shards.is_empty()
            && self.appended.is_empty()
            && self.removed.is_empty()
    }
}

/// Epoch and owner of an owner row.
pub(crate) fn read_owner(value: &[u8]) -> Option<(Epoch, String)> {
    let mut reader = TupleReader::new(value);
    Some((Epoch(reader.unsigned().ok()?), reader.text().ok()?))
}

/// The commits of a run, in the order in which they were reported durable.
#[derive(Debug, Default)]
pub struct CommitLog(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    entries: Vec<CommitEntry>,
    dropped: usize,
}

impl CommitLog {
    /// Adds a commit that took effect.
    pub fn push(&self, entry: CommitEntry) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.entries.len() < COMMITS_MAX {
            kept.entries.push(entry);
        } else {
            kept.dropped += 1;
        }
    }

    /// The commits, in the order of the store, and whether none was dropped for want of room.
    #[must_use]
    pub fn take(&self) -> (Vec<CommitEntry>, bool) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept { mut entries, dropped } = std::mem::take(&mut *kept);
        entries.sort_by_key(|entry| entry.stamp);
        (entries, dropped == 0)
    }
}

/// Tells the time of the world.
pub type WorldClock = Arc<dyn Fn() -> Micros + Send + Sync>;

/// A store that keeps account of one node's commits. A commit whose result the node never learns
/// is not recorded: put the recorder beneath whatever loses replies.
pub struct RecordingStore {
    store: Arc<dyn Store>,
    log: Arc<CommitLog>,
    who: (NodeId, u64),
    clock: WorldClock,
}

impl RecordingStore {
    /// Records the commits of one run of a node.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        log: Arc<CommitLog>,
        (node, incarnation): (NodeId, u64),
        clock: WorldClock,
    ) -> Self {
        Self { store, log, who: (node, incarnation), clock }
    }
}

impl Store for RecordingStore {
    fn begin(&self) -> ReadFuture<'_, Arc<dyn Snapshot>> {
        self.store.begin()
    }

    fn commit(&self, request: CommitRequest) -> CommitFuture {
        let written = Written::of(&request);
        let committing = self.store.commit(request);
        if written.is_empty() {
            return committing;
        }
        let (log, clock) = (Arc::clone(&self.log), Arc::clone(&self.clock));
        let (node, incarnation) = self.who;
        Box::pin(async move {
            let committed = committing.await?;
            let (durable_at, stamp) = (clock(), committed.versionstamp);
            log.push(CommitEntry { node, incarnation, durable_at, stamp, written });
            Ok(committed)
        })
    }
}
