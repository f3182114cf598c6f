//! Limits and times of the adapter and their relations (LIM-1). Those of the port (keys, values,
//! transactions, the window) are in `actors_store::limits`; those that an operator may set are in
//! [`config`](crate::config).

use actors_store::limits::{KEY_BYTES_MAX, RANGE_ITEMS_MAX, VALUE_BYTES_MAX};

/// Bytes that go before every key of the port. With its option `raw_access` a FoundationDB client
/// takes keys that are longer than 10,000 bytes by just this much (room for a tenant's prefix), so
/// that the port's longest key fits.
pub const PREFIX_BYTES: usize = 8;
/// Bytes of a key as FoundationDB sees it, at most.
pub const CLUSTER_KEY_BYTES_MAX: usize = KEY_BYTES_MAX + PREFIX_BYTES;
/// Bytes by which a versionstamped key or value is longer on its way to the cluster: the offset.
/// The longest one of the port is therefore this much shorter than a plain one.
pub const STAMP_OFFSET_BYTES: usize = 4;
/// Characters of the name of a store, at most.
pub const NAME_CHARACTERS_MAX: usize = 100;
/// Database handles, at most.
pub const DATABASES_MAX: usize = 64;

/// Read versions that are asked for at once, at most; further opens of snapshots join the next.
pub const READ_VERSIONS_IN_FLIGHT_MAX: usize = 4;
/// Opens of snapshots that wait for a read version, at most; one more fails.
pub const BEGINS_WAITING_MAX: usize = 65_536;
/// Reads in flight, at most; further ones wait their turn.
pub const READS_IN_FLIGHT_MAX: usize = 1_024;
/// Commits that the cluster works on at once, at most; further ones wait their turn.
pub const COMMITS_IN_FLIGHT_MAX: usize = 1_024;
/// Bytes of one page of a range, at most, one answer of the cluster not counted; the page is
/// shorter then and says that there is more.
pub const PAGE_BYTES_MAX: usize = 4 << 20;
/// Bytes that one answer of the cluster to a range read is asked to have, about.
pub const PAGE_PART_BYTES: usize = 80_000;

/// Age of a version, in microseconds, up to which a commit that has read nothing uses it instead
/// of asking for one.
pub const RECENT_VERSION_MICROS_MAX: u64 = 1_000_000;
/// First pause before something is tried again, in milliseconds; doubles.
pub const BACKOFF_MS_MIN: u64 = 4;
/// Longest pause, in milliseconds. Each is drawn between half of it and all of it.
pub const BACKOFF_MS_MAX: u64 = 500;
/// Time for which the client library may overrun its own time limit before it is given up, in
/// milliseconds.
pub const CLIENT_GRACE_MS: u64 = 1_000;
/// Delay that an overloaded caller is told to wait, in milliseconds.
pub const RETRY_AFTER_MS: u64 = 20;

/// Marker keys that one sweep looks at, at most.
pub const SWEEP_KEYS_MAX: usize = 10_000;
/// Distance in versions (about a million a second, so a week) at which the marker of a process
/// counts as left behind.
pub const MARKER_VERSIONS_MAX: i64 = 604_800_000_000;
/// Distance in versions at which an absent marker proves nothing any more: well before a sweep.
pub const PROOF_VERSIONS_MAX: i64 = MARKER_VERSIONS_MAX / 2;

const _: () = assert!(VALUE_BYTES_MAX > STAMP_OFFSET_BYTES);
const _: () = assert!(BACKOFF_MS_MIN <= BACKOFF_MS_MAX);
const _: () = assert!(SWEEP_KEYS_MAX <= RANGE_ITEMS_MAX);
const _: () = assert!(PAGE_PART_BYTES <= PAGE_BYTES_MAX);
