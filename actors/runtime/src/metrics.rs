//! Counters of the runtime. Names and labels carry no patient data (PHI-1).

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($( $(#[$doc:meta])* $name:ident, $metric:literal; )*) => {
        /// What the runtime counted since it started.
        #[derive(Debug, Default)]
        pub struct Metrics { $( $(#[$doc])* pub $name: Counter, )* }

        impl Metrics {
            /// Metric names with their values, in stable order.
            #[must_use]
            pub fn snapshot(&self) -> Vec<(&'static str, u64)> {
                vec![$(($metric, self.$name.get()),)*]
            }
        }
    };
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `count`.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

counters! {
    /// Commands that were accepted.
    commands_accepted, "medulla_runtime_commands_accepted_total";
    /// Commands that were refused by their entity.
    commands_rejected, "medulla_runtime_commands_rejected_total";
    /// Commands that were repeats.
    commands_repeated, "medulla_runtime_commands_repeated_total";
    /// Commands that found no room (LIM-1).
    commands_overloaded, "medulla_runtime_commands_overloaded_total";
    /// Events written to journals.
    events_recorded, "medulla_runtime_events_recorded_total";
    /// Observations written to journals.
    batches_committed, "medulla_runtime_batches_committed_total";
    /// Units in committed batches.
    units_committed, "medulla_runtime_units_committed_total";
    /// Batches that failed.
    batches_failed, "medulla_runtime_batches_failed_total";
    /// Audit records written (AUD-1).
    audit_records, "medulla_runtime_audit_records_total";
    /// Entities started.
    entities_activated, "medulla_runtime_entities_activated_total";
    /// Shards that turned out to be another owner's (OWN-1).
    shards_lost, "medulla_runtime_shards_lost_total";
    /// Entities that found no room to become resident (LIM-1).
    entities_refused, "medulla_runtime_entities_refused_total";
    /// Entities put to sleep.
    entities_passivated, "medulla_runtime_entities_passivated_total";
    /// Entities that failed and were restarted.
    entities_failed, "medulla_runtime_entities_failed_total";
    /// Speculative states dropped after a failed commit.
    entities_reloaded, "medulla_runtime_entities_reloaded_total";
    /// Outbox messages that took effect.
    outbox_delivered, "medulla_runtime_outbox_delivered_total";
    /// Outbox messages that their receiver refused.
    outbox_refused, "medulla_runtime_outbox_refused_total";
    /// Timers that fired.
    timers_fired, "medulla_runtime_timers_fired_total";
    /// Entities held for groups that other nodes put together.
    group_members_held, "medulla_runtime_group_members_held_total";
    /// Times that an owner stopped waiting for the groups of a shard.
    group_marks_renewed, "medulla_runtime_group_marks_renewed_total";
    /// Snapshots written.
    snapshots_written, "medulla_runtime_snapshots_written_total";
}
