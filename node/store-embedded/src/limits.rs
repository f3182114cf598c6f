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
/// Batches that wait for one sync, at most; past it the writer waits.
pub const SYNC_BATCHES_MAX: usize = 4;
/// Commits of a batch that the writer syncs itself when nothing else is going on, at most: it
/// saves a change of threads.
pub const SYNC_AT_ONCE_COMMITS_MAX: usize = 2;
/// Bytes of such a batch, at most.
pub const SYNC_AT_ONCE_BYTES_MAX: usize = 64 << 10;
/// Pause after a checkpoint that found no space, before the next try, in microseconds.
pub const CHECKPOINT_RETRY_MICROS: u64 = 1_000_000;
/// Delay that an overloaded caller is told to wait, in milliseconds.
pub const RETRY_AFTER_MS: u64 = 10;
/// Keys remembered for conflict detection, at most; past it the window gets shorter.
pub const RESOLVER_KEYS_MAX: usize = 1 << 20;
/// Bytes held for conflict detection, at most; past it the window gets shorter.
pub const RESOLVER_BYTES_MAX: usize = 256 << 20;
/// Rows of the batch being put together that are searched one by one before they are sorted.
pub const BATCH_UNSORTED_MAX: usize = 64;
/// Slots of the filter in front of conflict detection, a power of two.
pub const RESOLVER_FILTER_SLOTS: usize = 1 << 18;
/// Default length of a log segment, in bytes.
pub const SEGMENT_BYTES_DEFAULT: u64 = 16 << 20;
/// Default size of the overlay at which it is written to the index, in bytes.
pub const OVERLAY_BYTES_DEFAULT: usize = 192 << 20;
/// The growing overlay may be this many times its default while the frozen one is written.
pub const OVERLAY_GROWTH_MAX: usize = 3;
/// Parts of the overlay of similar size that are merged into one.
pub const PARTS_MERGED: usize = 8;
/// Rows of a part that is merged from others, at most: larger merges cost more than they save.
pub const PART_ROWS_MAX: usize = 1 << 18;
/// Rows of a merge of parts that the writer does itself while a sync is under way, at most.
pub const PART_ROWS_AT_ONCE_MAX: usize = 4 << 10;
/// Parts of the growing overlay, at most; past it the writer merges before it goes on.
pub const PARTS_MAX: usize = 48;
/// Rows that recovery gathers before it sorts them into a part.
pub const RECOVERED_ROWS_MAX: usize = 1 << 17;
/// Share of the overlay, as a divisor, from which on what recovery found is written to the index
/// at once: it frees the memory, and the next start need not read it from the log again.
pub const RECOVERED_SHARE_DIVISOR: usize = 8;
/// Bytes of small records that recovery gathers before it makes a part, at most.
pub const RECOVERED_EXTRA_BYTES_MAX: usize = 16 << 20;
/// Length from which a chunk of the overlay is kept as it is when parts are merged, in bytes;
/// rows of smaller ones are copied together.
pub const CHUNK_KEPT_BYTES: usize = 32 << 10;
/// Length of the pieces into which the items of a page are copied, in bytes.
pub const PAGE_CHUNK_BYTES: usize = 16 << 10;
/// Log segments ready for use that are kept ahead of the writer.
pub const READY_SEGMENTS: usize = 1;
/// Finished log segments kept for reuse, at most.
pub const SPARE_SEGMENTS_MAX: usize = 24;
/// Log segments since the last checkpoint at which the next one starts, at most.
pub const LOG_SEGMENTS_MAX: u64 = 16;
/// Target size of a block of a run, in bytes.
pub const RUN_BLOCK_BYTES: usize = 8 << 10;
/// Runs of similar size that are merged into one.
pub const RUNS_MERGED: usize = 6;
/// Alignment of log records, in bytes: no write touches a page that holds an acknowledged one.
pub const RECORD_ALIGNMENT_BYTES: usize = 4_096;

const _: () = assert!(RESOLVER_FILTER_SLOTS.is_power_of_two());
const _: () = assert!(PART_ROWS_AT_ONCE_MAX <= PART_ROWS_MAX);
const _: () = assert!(BATCH_COMMITS_MAX <= 1 << 16, "the order in a batch is 16 bits wide");
const _: () = assert!(BATCH_COMMITS_MAX <= QUEUE_COMMITS_MAX);
const _: () = assert!(BATCH_BYTES_MAX <= QUEUE_BYTES_MAX);
const _: () = assert!(actors_store::limits::TRANSACTION_BYTES_MAX <= QUEUE_BYTES_MAX);
/// Bytes of a log segment that are copied at once after a failed sync.
pub const COPY_CHUNK_BYTES: usize = 1 << 20;
