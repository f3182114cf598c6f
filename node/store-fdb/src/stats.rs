//! What a store has done since it was opened, as counters. Exporting them is the node's.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the store was opened; of each counter for itself, so not of one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FdbStats {
    /// Snapshots opened.
    pub begins: u64,
    /// Read versions asked for; fewer than snapshots when they were shared.
    pub read_versions: u64,
    /// Reads of a key or of a part of a range sent to the cluster.
    pub reads: u64,
    /// Commits that took effect.
    pub commits: u64,
    /// Commits answered `Conflict`.
    pub conflicts: u64,
    /// Tries of reads, read versions and commits beyond the first.
    pub retries: u64,
    /// Tries of commits that ended without saying what became of them.
    pub unknown: u64,
    /// Of these, found to have taken effect.
    pub found_done: u64,
    /// Of these, found (and made sure) to have no effect.
    pub found_void: u64,
    /// Commits answered `UnknownResult`.
    pub unknown_answered: u64,
    /// Commits refused or given up as `Overloaded`.
    pub overloaded: u64,
    /// Commits that wait or are in flight now.
    pub commits_waiting: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) begins: Counter,
    pub(crate) read_versions: Counter,
    pub(crate) reads: Counter,
    pub(crate) commits: Counter,
    pub(crate) conflicts: Counter,
    pub(crate) retries: Counter,
    pub(crate) unknown: Counter,
    pub(crate) found_done: Counter,
    pub(crate) found_void: Counter,
    pub(crate) unknown_answered: Counter,
    pub(crate) overloaded: Counter,
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(crate) fn read(&self, commits_waiting: usize) -> FdbStats {
        FdbStats {
            begins: self.begins.get(),
            read_versions: self.read_versions.get(),
            reads: self.reads.get(),
            commits: self.commits.get(),
            conflicts: self.conflicts.get(),
            retries: self.retries.get(),
            unknown: self.unknown.get(),
            found_done: self.found_done.get(),
            found_void: self.found_void.get(),
            unknown_answered: self.unknown_answered.get(),
            overloaded: self.overloaded.get(),
            commits_waiting: u64::try_from(commits_waiting).unwrap_or(u64::MAX),
        }
    }
}
