//! Admission: how many commands a node works on at once (LIM-1). Alarms and what people do find
//! room when bulk no longer does, and bulk is held to what the node gets through in a short time,
//! so that work which is admitted is also answered soon.

use crate::error::SubmitError;
use crate::limits::{
    ADMISSION_BULK_FLOOR, ADMISSION_QUEUE_TARGET_MS, RETRY_AFTER_MS, RETRY_AFTER_MS_MAX,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tokio::sync::Notify;

/// How much a command minds waiting. Decides who is refused first when the node is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum Urgency {
    /// Observations and imports: the sender repeats them.
    Bulk,
    /// Movements of patients and what people read and enter.
    #[default]
    Routine,
    /// Alerts and their answers.
    Alarm,
}

/// The counters behind admission.
#[derive(Debug)]
pub(crate) struct Admission {
    most: usize,
    in_flight: AtomicUsize,
    /// Commands settled since the start.
    settled: AtomicU64,
    /// What bulk may have in flight now.
    bulk_most: AtomicUsize,
    /// Commands settled a second, smoothed.
    rate: AtomicU64,
    emptied: Notify,
}

/// A place on the node; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Admission>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.settled.fetch_add(1, Ordering::Relaxed);
        if self.0.in_flight.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.emptied.notify_waiters();
        }
    }
}

impl Admission {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            in_flight: AtomicUsize::new(0),
            settled: AtomicU64::new(0),
            bulk_most: AtomicUsize::new(share(most, Urgency::Bulk)),
            rate: AtomicU64::new(0),
            emptied: Notify::new(),
        }
    }

    /// Commands in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Takes a place, or says when to come again.
    pub(crate) fn enter(self: &Arc<Self>, urgency: Urgency) -> Result<Place, SubmitError> {
        let most = match urgency {
            Urgency::Bulk => self.bulk_most.load(Ordering::Acquire),
            Urgency::Routine | Urgency::Alarm => share(self.most, urgency),
        };
        let before = self.in_flight.fetch_add(1, Ordering::AcqRel);
        if before < most {
            return Ok(Place(Arc::clone(self)));
        }
        if !node_env::planted!("admission-leaks-when-full") {
            self.in_flight.fetch_sub(1, Ordering::AcqRel);
        }
        Err(SubmitError::Overloaded {
            what: "commands of the node",
            retry_after_ms: self.retry_after_ms(before),
        })
    }

    /// When a place is likely: the time in which what is in flight is worked off.
    fn retry_after_ms(&self, in_flight: usize) -> u64 {
        let rate = self.rate.load(Ordering::Relaxed).max(1);
        let in_flight = u64::try_from(in_flight).unwrap_or(u64::MAX);
        let wait_ms = in_flight.saturating_mul(1_000) / rate;
        wait_ms.clamp(RETRY_AFTER_MS, RETRY_AFTER_MS_MAX)
    }

    /// Fits the room for bulk to what was settled in the last `elapsed_ms`: by Little's law that
    /// bounds the time from admission to answer. An idle node keeps its last measure, and the
    /// floor lets it find out that it can do more.
    pub(crate) fn adapt(&self, settled_before: u64, elapsed_ms: u64) -> u64 {
        let settled = self.settled.load(Ordering::Relaxed);
        let is_busy = self.in_flight() >= self.bulk_most.load(Ordering::Acquire) / 2;
        let now = settled.saturating_sub(settled_before).saturating_mul(1_000) / elapsed_ms.max(1);
        let smooth = self.rate.load(Ordering::Relaxed);
        if is_busy || now > smooth {
            let rate = if smooth == 0 { now } else { (smooth.saturating_mul(3) + now) / 4 };
            self.rate.store(rate, Ordering::Relaxed);
            let fits = rate.saturating_mul(ADMISSION_QUEUE_TARGET_MS) / 1_000;
            let fits = usize::try_from(fits).unwrap_or(usize::MAX).max(ADMISSION_BULK_FLOOR);
            self.bulk_most.store(fits.min(share(self.most, Urgency::Bulk)), Ordering::Release);
        }
        settled
    }

    /// Waits until nothing is in flight.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.in_flight() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

/// What each class may fill: the last eighth is for alarms, the eighth before for routine.
const fn share(most: usize, urgency: Urgency) -> usize {
    match urgency {
        Urgency::Bulk => most - most / 4,
        Urgency::Routine => most - most / 8,
        Urgency::Alarm => most,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_find_room_when_bulk_and_routine_do_not_lim_1() {
        let admission = Arc::new(Admission::new(16));
        let mut held = Vec::new();
        for (urgency, most) in [(Urgency::Bulk, 12), (Urgency::Routine, 14), (Urgency::Alarm, 16)] {
            while let Ok(place) = admission.enter(urgency) {
                held.push(place);
            }
            assert_eq!(held.len(), most, "{urgency:?}");
        }
        assert!(matches!(
            admission.enter(Urgency::Alarm),
            Err(SubmitError::Overloaded { retry_after_ms, .. }) if retry_after_ms > 0
        ));
        held.clear();
        assert_eq!(admission.in_flight(), 0);
    }

    #[test]
    fn bulk_gets_what_the_node_works_off_in_the_target_time() {
        let admission = Arc::new(Admission::new(16_384));
        let before = admission.adapt(0, 100);
        for _ in 0..400 {
            drop(admission.enter(Urgency::Bulk).unwrap());
        }
        // 400 in 100 ms are 4,000 a second: 1,000 in the quarter of a second that is the target.
        let before = admission.adapt(before, 100);
        assert_eq!(admission.bulk_most.load(Ordering::Relaxed), ADMISSION_BULK_FLOOR.max(1_000));
        for _ in 0..10_000 {
            drop(admission.enter(Urgency::Bulk).unwrap());
        }
        let before = admission.adapt(before, 100);
        let risen = admission.bulk_most.load(Ordering::Relaxed);
        assert!(risen > ADMISSION_BULK_FLOOR, "{risen}");
        admission.adapt(before, 100);
        assert_eq!(admission.bulk_most.load(Ordering::Relaxed), risen, "an idle node keeps it");
    }
}
