//! The port itself: snapshots to read from, commits to write with. Object-safe, with boxed
//! futures, so that an adapter is chosen when the node starts. Retrying is the caller's.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::error::{CommitError, ReadError};
use crate::limits::TRANSACTION_BYTES_MAX;
use crate::mutation::{KeyRange, Mutation, Versionstamp, check_range};

/// Version of the store: grows with every commit, says nothing about time.
pub type Version = u64;
/// A key and its value.
pub type KeyValue = (Bytes, Bytes);
/// Result of a read, later.
pub type ReadFuture<'a, T> = BoxFuture<'a, Result<T, ReadError>>;
/// Result of a commit, later. Owns what it needs, so it can be kept and awaited anywhere.
pub type CommitFuture = BoxFuture<'static, Result<Committed, CommitError>>;

/// Which keys a range read wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeQuery {
    /// First key, included.
    pub begin: Bytes,
    /// Last key, excluded.
    pub end: Bytes,
    /// Items wanted, at most [`RANGE_ITEMS_MAX`](crate::limits::RANGE_ITEMS_MAX) are given.
    pub limit: usize,
    /// From the end downwards instead of from the begin upwards.
    pub reverse: bool,
}

impl RangeQuery {
    /// Forward query over a range.
    #[must_use]
    pub fn forward(range: KeyRange, limit: usize) -> Self {
        Self { begin: range.begin, end: range.end, limit, reverse: false }
    }

    /// Backward query over a range.
    #[must_use]
    pub fn backward(range: KeyRange, limit: usize) -> Self {
        Self { begin: range.begin, end: range.end, limit, reverse: true }
    }

    /// The query for what is left after a page, or nothing when the page was the last one.
    #[must_use]
    pub fn after(&self, page: &RangePage) -> Option<Self> {
        let (last, _) = page.items.last()?;
        if !page.more {
            return None;
        }
        let mut rest = self.clone();
        if self.reverse {
            rest.end = last.clone();
        } else {
            rest.begin = KeyRange::single(last).end;
        }
        Some(rest)
    }
}

/// Part of a range, in key order (descending for a reverse query).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RangePage {
    /// Keys and values.
    pub items: Vec<KeyValue>,
    /// Whether the range may hold further items beyond these; false means certainly none.
    pub more: bool,
}

/// The store as of one version. Cheap to hold for a moment; reads fail with `TooOld` when it is
/// older than the transaction window.
pub trait Snapshot: Send + Sync {
    /// The read version; one pair with the data seen here.
    fn version(&self) -> Version;

    /// Value of a key.
    ///
    /// # Errors
    /// [`ReadError`].
    fn get<'a>(&'a self, key: &'a [u8]) -> ReadFuture<'a, Option<Bytes>>;

    /// One page of a range; an empty or inverted range gives an empty page.
    ///
    /// # Errors
    /// [`ReadError`].
    fn range(&self, query: RangeQuery) -> ReadFuture<'_, RangePage>;
}

/// A line of commits that depend on each other, for a caller that sends the next one before it
/// knows the fate of the last. Commits of one lane take effect in the order in which
/// [`Store::commit`] was called. Once one commit of a generation has failed, for whatever
/// reason, every later one of that generation (and of older ones) fails with
/// [`CommitError::Abandoned`] and nothing of it is written, until the caller uses a higher
/// generation. So what took effect of a generation is always a prefix of what was submitted,
/// across crashes too. Commits without a lane, and those of other lanes, are not concerned.
///
/// Where a result is unknown, the commits sent behind it may be unknown too
/// ([`CommitError::UnknownResult`]), but never in effect without it; a store that has stopped for
/// good may answer [`CommitError::Stopped`] instead. The pair is not stored: it counts while the
/// store is open, and the calls of one lane must come one after the other (from one thread, or
/// under one lock).
///
/// An adapter whose database has no such order (FoundationDB) keeps, per lane, a queue of its
/// own and the generation that failed: it sends the next commit only when the last one is known
/// to have taken effect, resolves an unknown result first (a marker key of the lane, written by
/// each commit and read by the next), and answers `Abandoned` itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommitLane {
    /// Which lane; at most [`LANES_MAX`](crate::limits::LANES_MAX) different ones while a store
    /// is open.
    pub id: u64,
    /// Grows by the caller's will, after a failure; never goes back within a lane.
    pub generation: u64,
}

/// What a transaction wants to commit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommitRequest {
    /// Version at which everything was read; ignored when `read_conflicts` is empty.
    pub read_version: Version,
    /// What was read: a later write in any of these is a conflict.
    pub read_conflicts: Vec<KeyRange>,
    /// Ranges to be treated as written, beside the keys of the mutations, which always are
    /// (a versionstamped key counts with its final bytes).
    pub write_conflicts: Vec<KeyRange>,
    /// The changes, in order.
    pub mutations: Vec<Mutation>,
    /// The line of commits that this one belongs to, if any.
    pub lane: Option<CommitLane>,
}

impl CommitRequest {
    /// Bytes that count towards the size limit.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let ranges = self.read_conflicts.iter().chain(&self.write_conflicts);
        let conflict_bytes: usize = ranges.map(|range| range.begin.len() + range.end.len()).sum();
        conflict_bytes + self.mutations.iter().map(Mutation::size_bytes).sum::<usize>()
    }

    /// Checks sizes, offsets and ranges; adapters call it before they queue.
    ///
    /// # Errors
    /// `TooLarge`, `KeyTooLarge`, `ValueTooLarge`, `Invalid`.
    pub fn validate(&self) -> Result<(), CommitError> {
        self.mutations.iter().try_for_each(Mutation::validate)?;
        self.read_conflicts.iter().chain(&self.write_conflicts).try_for_each(check_range)?;
        let bytes = self.size_bytes();
        if bytes > TRANSACTION_BYTES_MAX {
            return Err(CommitError::TooLarge { bytes, bytes_max: TRANSACTION_BYTES_MAX });
        }
        Ok(())
    }
}

/// A commit that is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// Version at which it took effect; several commits can share one.
    pub version: Version,
    /// Its versionstamp: unique, ordered, the one that was put into versionstamped keys.
    pub versionstamp: Versionstamp,
}

/// An ordered key-value store with serializable transactions.
pub trait Store: Send + Sync + 'static {
    /// A snapshot that shows every commit acknowledged before this call.
    ///
    /// # Errors
    /// [`ReadError::Stopped`], [`ReadError::Failed`].
    fn begin(&self) -> ReadFuture<'_, Arc<dyn Snapshot>>;

    /// Commits. The request is queued when this is called, not when the future is first polled:
    /// two calls from one thread take effect in their order (unless one fails). The future ends
    /// only when the commit is durable (ACK-1); dropping it does not undo the commit. A request
    /// without mutations and write conflicts is only checked for conflicts.
    ///
    /// # Errors
    /// [`CommitError`].
    fn commit(&self, request: CommitRequest) -> CommitFuture;
}
