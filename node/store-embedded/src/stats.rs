//! Counters of the store. Export to a metrics system is not here.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters at one moment, all since the store was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Commits that are durable.
    pub commits: u64,
    /// Commits refused by a conflict or because they were too old.
    pub conflicts: u64,
    /// Batches written, each one log record.
    pub batches: u64,
    /// Syncs of the log.
    pub log_syncs: u64,
    /// Bytes written to the log, padding included.
    pub log_bytes: u64,
    /// Log records applied when the store was opened.
    pub recovered_records: u64,
    /// Checkpoints finished.
    pub checkpoints: u64,
    /// Merges of runs finished.
    pub compactions: u64,
    /// Checkpoints and merges put off because there was no space.
    pub checkpoints_without_space: u64,
    /// Runs in the index now.
    pub runs: u64,
    /// Bytes of the runs in the index now.
    pub run_bytes: u64,
    /// Estimated bytes of the overlays in memory now.
    pub overlay_bytes: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) conflicts: AtomicU64,
    pub(crate) batches: AtomicU64,
    pub(crate) log_syncs: AtomicU64,
    pub(crate) log_bytes: AtomicU64,
    pub(crate) recovered_records: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) compactions: AtomicU64,
    pub(crate) checkpoints_without_space: AtomicU64,
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl Counters {
    pub(crate) fn snapshot(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            commits: read(&self.commits),
            conflicts: read(&self.conflicts),
            batches: read(&self.batches),
            log_syncs: read(&self.log_syncs),
            log_bytes: read(&self.log_bytes),
            recovered_records: read(&self.recovered_records),
            checkpoints: read(&self.checkpoints),
            compactions: read(&self.compactions),
            checkpoints_without_space: read(&self.checkpoints_without_space),
            ..Stats::default()
        }
    }
}
