//! Limits of the store, the same for every adapter (they are FoundationDB's), and their
//! relations. LIM-1: past a limit the caller gets an error with its name, never silence.

/// Bytes of keys, values and conflict ranges in one transaction, at most.
pub const TRANSACTION_BYTES_MAX: usize = 10_000_000;
/// Bytes above which a transaction should be split; a wish, not enforced by the store.
pub const TRANSACTION_BYTES_WANTED_MAX: usize = 1_000_000;
/// Age of a read version, in microseconds, up to which reads and commits are served.
pub const TRANSACTION_WINDOW_MICROS_MAX: u64 = 5_000_000;
/// Bytes of a key, at most.
pub const KEY_BYTES_MAX: usize = 10_000;
/// Bytes of a value, at most.
pub const VALUE_BYTES_MAX: usize = 100_000;
/// Payload bytes of one chunk when something larger than a value is stored in pieces.
pub const CHUNK_BYTES_MAX: usize = 90_000;
/// Different lanes of commits while a store is open, at most; one more is refused.
pub const LANES_MAX: usize = 4_096;
/// Items of one range page, at most; a larger limit in a query is cut to this.
pub const RANGE_ITEMS_MAX: usize = 10_000;

const _: () = assert!(TRANSACTION_BYTES_WANTED_MAX <= TRANSACTION_BYTES_MAX);
const _: () = assert!(CHUNK_BYTES_MAX < VALUE_BYTES_MAX);
const _: () = assert!(KEY_BYTES_MAX < VALUE_BYTES_MAX);
