//! The seam to FoundationDB: the few calls of its client that the adapter makes, as traits. Behind
//! them is the real client (feature `fdb`) or, in tests, a cluster in memory that does its worst.
//! Everything above works the same over both.

use actors_store::Versionstamp;
use bytes::Bytes;
use futures::future::BoxFuture;

use crate::code::Code;

/// Result of a call, later. Dropping it takes the call back, except that a commit on its way may
/// still take effect.
pub type ClientFuture<T> = BoxFuture<'static, Result<T, Code>>;

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Only reads; it is never committed.
    Read,
    /// Writes; what it reads it reads before it writes.
    Commit,
}

/// An atomic change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Atomic {
    /// Adds little-endian integers as long as the operand.
    Add,
    /// Sets a key whose last four bytes say, little-endian, where its versionstamp goes.
    VersionstampedKey,
    /// Sets a value whose last four bytes say, little-endian, where its versionstamp goes.
    VersionstampedValue,
}

/// Which side of a conflict a range is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConflictSide {
    /// As if it had been read.
    Read,
    /// As if it had been written.
    Write,
}

/// A read of part of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeRead {
    /// First key, included.
    pub begin: Bytes,
    /// Last key, excluded.
    pub end: Bytes,
    /// Rows wanted at most, at least 1.
    pub limit: usize,
    /// Bytes wanted at most, about.
    pub target_bytes: usize,
    /// From the end downwards.
    pub reverse: bool,
}

/// Rows of a range, with whether there may be more behind them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rows {
    /// Keys and values in the order of the read.
    pub items: Vec<(Bytes, Bytes)>,
    /// False means certainly none. A short answer says nothing.
    pub more: bool,
}

/// A commit that took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Landed {
    /// Its version.
    pub version: i64,
    /// Its versionstamp.
    pub versionstamp: Versionstamp,
}

/// A handle on a cluster.
pub trait Client: Send + Sync + 'static {
    /// A new transaction. Touches no network.
    ///
    /// # Errors
    /// A [`Code`].
    fn transaction(&self, purpose: Purpose) -> Result<Box<dyn ClientTransaction>, Code>;
}

/// A transaction. Reads see neither its own writes nor add conflicts. Writes apply in the order of
/// the calls; each counts as written, and what is wrong with one is said by the commit.
pub trait ClientTransaction: Send + Sync + 'static {
    /// Fixes the version of reads; before the first of them.
    fn set_read_version(&self, version: i64);

    /// The read version: the one that was set, else a new one that shows every commit that was
    /// acknowledged before this call.
    fn read_version(&self) -> ClientFuture<i64>;

    /// Value of a key.
    fn get(&self, key: &[u8]) -> ClientFuture<Option<Bytes>>;

    /// Some rows of a range, at least one if there is any.
    fn get_range(&self, read: &RangeRead) -> ClientFuture<Rows>;

    /// Sets a key.
    fn set(&self, key: &[u8], value: &[u8]);

    /// Removes the keys from `begin` (included) to `end` (excluded).
    fn clear_range(&self, begin: &[u8], end: &[u8]);

    /// Changes a key.
    fn atomic(&self, kind: Atomic, key: &[u8], operand: &[u8]);

    /// Adds a conflict range.
    ///
    /// # Errors
    /// A [`Code`].
    fn add_conflict(&self, side: ConflictSide, begin: &[u8], end: &[u8]) -> Result<(), Code>;

    /// Commits: is on its way when this returns, whatever becomes of the future.
    fn commit(self: Box<Self>) -> ClientFuture<Landed>;
}
