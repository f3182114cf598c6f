//! What is shared between an entity's actor, its callers, the committer and the passivator:
//! counters that say whether the entity may be put to sleep, and the generation of its
//! speculative state.

use schema_types::ids::EntityId;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use tokio::sync::Notify;

/// The shared part of one resident entity.
#[derive(Debug)]
pub(crate) struct Residency {
    pub(crate) entity: EntityId,
    /// Commands that wait or are in flight.
    in_flight: AtomicU32,
    /// Units handed to the committer, and how many of them are settled; they settle in order.
    units_sent: AtomicU64,
    units_settled: AtomicU64,
    /// Generations up to and including this one were discarded by a failed commit.
    discarded_generation: AtomicU64,
    /// Events behind the last snapshot. Only the actor writes it.
    events_since_snapshot: AtomicU32,
    failed: AtomicBool,
    /// Held for a group of another node whose fate is not known here.
    held: AtomicBool,
    settled: Notify,
}

impl Residency {
    pub(crate) fn new(entity: EntityId) -> Self {
        Self {
            entity,
            in_flight: AtomicU32::new(0),
            units_sent: AtomicU64::new(0),
            units_settled: AtomicU64::new(0),
            discarded_generation: AtomicU64::new(0),
            events_since_snapshot: AtomicU32::new(0),
            failed: AtomicBool::new(false),
            held: AtomicBool::new(false),
            settled: Notify::new(),
        }
    }

    /// Takes a place among the commands in flight; `None` when all are taken (LIM-1).
    pub(crate) fn enter(self: &Arc<Self>, in_flight_max: u32) -> Option<InFlight> {
        let before = self.in_flight.fetch_add(1, Ordering::AcqRel);
        if before >= in_flight_max {
            if !node_env::planted!("entity-place-leaks-when-full") {
                self.in_flight.fetch_sub(1, Ordering::AcqRel);
            }
            return None;
        }
        Some(InFlight(Arc::clone(self)))
    }

    pub(crate) fn unit_sent(&self) {
        self.units_sent.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn unit_settled(&self) {
        self.units_settled.fetch_add(1, Ordering::AcqRel);
        self.settled.notify_waiters();
    }

    /// How many units were handed to the committer, and how many of those are settled.
    pub(crate) fn units(&self) -> (u64, u64) {
        let settled = self.units_settled.load(Ordering::Acquire);
        (self.units_sent.load(Ordering::Acquire), settled)
    }

    fn has_units(&self) -> bool {
        let (sent, settled) = self.units();
        sent != settled
    }

    /// Waits until the committer holds no unit of this entity.
    pub(crate) async fn units_settled(&self) {
        loop {
            let notified = self.settled.notified();
            if !self.has_units() {
                return;
            }
            notified.await;
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        let is_settled = !self.has_units() || node_env::planted!("sleeps-with-commit-in-flight");
        self.in_flight.load(Ordering::Acquire) == 0 && is_settled
    }

    /// A commit of this generation failed: everything behind it is void (ACK-1).
    pub(crate) fn discard(&self, generation: u64) {
        self.discarded_generation.fetch_max(generation, Ordering::AcqRel);
    }

    pub(crate) fn is_discarded(&self, generation: u64) -> bool {
        self.discarded_generation.load(Ordering::Acquire) >= generation
    }

    /// The entity was let go in the middle of its work: nothing that is decided here counts.
    pub(crate) fn abandon(&self) {
        self.discard(u64::MAX);
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.is_discarded(u64::MAX)
    }

    pub(crate) fn events_since_snapshot(&self) -> u32 {
        self.events_since_snapshot.load(Ordering::Acquire)
    }

    pub(crate) fn set_events_since_snapshot(&self, events: u32) {
        self.events_since_snapshot.store(events, Ordering::Release);
    }

    pub(crate) fn set_held(&self, held: bool) {
        self.held.store(held, Ordering::Release);
    }

    pub(crate) fn is_held(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }

    pub(crate) fn mark_failed(&self) {
        self.failed.store(true, Ordering::Release);
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }
}

/// A place among the commands in flight of an entity; freed when dropped.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Residency>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}
