//! Every limit of the HTTP gateway that no operator changes, by name (LIM-1).

use crate::limits::BODY_BYTES_MAX;

/// Bytes of request bodies held in memory at once, over all requests.
pub const BODY_BYTES_IN_FLIGHT_MAX: usize = 512 * 1024 * 1024;
/// Bytes kept of a body that is larger than the limit; the rest is never read.
pub const REFUSED_PREFIX_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a form in a `POST _search`.
pub const FORM_BYTES_MAX: usize = 60 * 1024;
/// Bytes of the principal's name, the purpose or a command id in a header.
pub const HEADER_BYTES_MAX: usize = 256;
/// Alert watchers at once.
pub const WATCHERS_MAX: usize = 64;
/// Patients that a search without an identifier looks at.
pub const PATIENTS_SCANNED_MAX: usize = 20_000;
/// Resources of a directory that one search looks at.
pub const RESOURCES_SCANNED_MAX: usize = 100_000;
/// Records joined into one patient that a read follows.
pub const JOINED_RECORDS_MAX: usize = 64;
/// Writes of one command of a batch.
pub const BATCH_WRITES_MAX: usize = 500;
/// Owners that a batch is stored at, at the same time.
pub const BATCH_OWNERS_AT_ONCE_MAX: usize = 16;
/// Bytes of a body from which on it is parsed outside the tasks that answer requests.
pub const PARSE_INLINE_BYTES_MAX: usize = 256 * 1024;
/// Bytes of a body that goes into the commit of its command; a longer one is archived before.
pub const ARCHIVE_INLINE_BYTES_MAX: usize = 64 * 1024;
/// Items of one timeline.
pub const TIMELINE_ITEMS_MAX: usize = 10_000;
/// Items of one kind of resource in a summary of a patient.
pub const SUMMARY_ITEMS_MAX: usize = 50;
/// Audit records that one request reads of one entity.
pub const TRAIL_RECORDS_MAX: usize = 100_000;
/// Audit records that a watcher looks at in one turn, per shard; past it the watcher starts over.
pub const WATCH_RECORDS_MAX: usize = 10_000;
/// Changes that wait for one watcher.
pub const WATCH_QUEUE_MAX: usize = 256;
/// Milliseconds between two looks of a watcher.
pub const WATCH_INTERVAL_MS: u64 = 1_000;
/// Milliseconds that requests in work have after the end of serving was asked for.
pub const SHUTDOWN_GRACE_MS: u64 = 5_000;
/// Pause after the system could not accept a connection, milliseconds.
pub const ACCEPT_PAUSE_MS: u64 = 1_000;
/// Retry hint of a refused request, milliseconds.
pub const RETRY_AFTER_MS: u64 = 1_000;

const _: () = assert!(BODY_BYTES_IN_FLIGHT_MAX >= BODY_BYTES_MAX);
const _: () = assert!(ARCHIVE_INLINE_BYTES_MAX < PARSE_INLINE_BYTES_MAX);
