//! Limits and sizes of the embedded store and their relations (LIM-1). The limits of the port
//! (keys, values, transactions, the window) are in `actors_store::limits`.

/// Commits that wait for the log, at most; past it callers get `Overloaded`.
pub const QUEUE_COMMITS_MAX: usize = 8_192;
/// Bytes of commits that wait for the log, at most; past it callers get `Overloaded`.
pub const QUEUE_BYTES_MAX: usize = 64 << 20;
/// Commits in one batch (one log record, one sync), at most.
pub const BATCH_COMMITS_MAX: usize = 4_096;
/// Bytes after which a batch is closed; one larger commit still fits.
pub const BATCH_BYTES_MAX: usize = 1 << 20;
/// Pause after a checkpoint that found no space, before the next try, in microseconds.
pub const CHECKPOINT_RETRY_MICROS: u64 = 1_000_000;
/// Delay that an overloaded caller is told to wait, in milliseconds.
pub const RETRY_AFTER_MS: u64 = 10;
/// Keys remembered for conflict detection, at most; past it the window gets shorter.
pub const RESOLVER_KEYS_MAX: usize = 1 << 20;
/// Slots of the filter in front of conflict detection, a power of two.
pub const RESOLVER_FILTER_SLOTS: usize = 1 << 18;
/// Default length of a log segment, in bytes.
pub const SEGMENT_BYTES_DEFAULT: u64 = 16 << 20;
/// Default size of the overlay at which it is written to the index, in bytes.
pub const OVERLAY_BYTES_DEFAULT: usize = 64 << 20;
/// The growing overlay may be this many times its default while the frozen one is written.
pub const OVERLAY_GROWTH_MAX: usize = 8;
/// Finished log segments kept for reuse, at most.
pub const SPARE_SEGMENTS_MAX: usize = 4;
/// Log segments since the last checkpoint at which the next one starts, at most.
pub const LOG_SEGMENTS_MAX: u64 = 16;
/// Target size of a block of a run, in bytes.
pub const RUN_BLOCK_BYTES: usize = 8 << 10;
/// Runs of similar size that are merged into one.
pub const RUNS_MERGED: usize = 4;
/// Alignment of log records, in bytes: no write touches a page that holds an acknowledged one.
pub const RECORD_ALIGNMENT_BYTES: usize = 4_096;

const _: () = assert!(RESOLVER_FILTER_SLOTS.is_power_of_two());
const _: () = assert!(BATCH_COMMITS_MAX <= 1 << 16, "the order in a batch is 16 bits wide");
const _: () = assert!(BATCH_COMMITS_MAX <= QUEUE_COMMITS_MAX);
const _: () = assert!(BATCH_BYTES_MAX <= QUEUE_BYTES_MAX);
const _: () = assert!(actors_store::limits::TRANSACTION_BYTES_MAX <= QUEUE_BYTES_MAX);
