//! What the node counted and the process used, sampled around a measurement.

use crate::process::Process;
use node_app::Node;

/// Counters at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// CPU time of this process, microseconds.
    pub cpu_micros: u64,
    /// Syncs of the store's log.
    pub fsyncs: u64,
    /// Bytes written to the store's log.
    pub log_bytes: u64,
    /// Batches that the committer committed.
    pub batches: u64,
    /// Units in those batches.
    pub units: u64,
    /// Events written to journals.
    pub events: u64,
    /// Audit records written.
    pub audit_records: u64,
    /// The store is not in this process: nothing is known of its syncs and bytes.
    pub store_is_elsewhere: bool,
}

impl Counters {
    /// The counters of a node in this process.
    #[must_use]
    pub fn of(node: &Node) -> Self {
        let store = node.store_stats();
        let stats = store.unwrap_or_default();
        let metrics = node.gateway().runtime.metrics();
        Self {
            cpu_micros: Process::Own.cpu_micros(),
            fsyncs: stats.log_syncs,
            log_bytes: stats.log_bytes,
            batches: metrics.batches_committed.get(),
            units: metrics.units_committed.get(),
            events: metrics.events_recorded.get(),
            audit_records: metrics.audit_records.get(),
            store_is_elsewhere: store.is_none(),
        }
    }

    /// What was added since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let added = |now: u64, then: u64| now.saturating_sub(then);
        Self {
            cpu_micros: added(self.cpu_micros, earlier.cpu_micros),
            fsyncs: added(self.fsyncs, earlier.fsyncs),
            log_bytes: added(self.log_bytes, earlier.log_bytes),
            batches: added(self.batches, earlier.batches),
            units: added(self.units, earlier.units),
            events: added(self.events, earlier.events),
            audit_records: added(self.audit_records, earlier.audit_records),
            store_is_elsewhere: self.store_is_elsewhere,
        }
    }

    /// Adds another span's counters.
    pub fn add(&mut self, other: &Self) {
        self.cpu_micros += other.cpu_micros;
        self.store_is_elsewhere |= other.store_is_elsewhere;
        self.fsyncs += other.fsyncs;
        self.log_bytes += other.log_bytes;
        self.batches += other.batches;
        self.units += other.units;
        self.events += other.events;
        self.audit_records += other.audit_records;
    }
}
