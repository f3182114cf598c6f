//! What a peer network counted since it started. Peers are no labels: their state is in
//! [`super::PeerNetwork::peers`].

use super::fault::{FAULTS, PeerFault};
use std::sync::atomic::{AtomicU64, Ordering};

/// The counters of a network.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) sessions_opened: AtomicU64,
    pub(crate) sessions_ended: AtomicU64,
    pub(crate) dials: AtomicU64,
    pub(crate) calls: AtomicU64,
    pub(crate) calls_answered: AtomicU64,
    pub(crate) calls_refused: AtomicU64,
    pub(crate) calls_overloaded: AtomicU64,
    pub(crate) calls_late: AtomicU64,
    pub(crate) calls_lost: AtomicU64,
    pub(crate) answers_unmatched: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) requests_refused: AtomicU64,
    pub(crate) requests_late: AtomicU64,
    pub(crate) handlers_failed: AtomicU64,
    pub(crate) replies_refused: AtomicU64,
    pub(crate) batches_sent: AtomicU64,
    pub(crate) batches_received: AtomicU64,
    pub(crate) batches_stale: AtomicU64,
    pub(crate) batch_bytes_sent: AtomicU64,
    /// Sessions that ended, connections that were refused and dials that failed, by cause.
    faults: [AtomicU64; FAULTS.len()],
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn fault(&self, fault: PeerFault) {
        if let Some(counter) = self.faults.get(fault as usize) {
            Self::add(counter);
        }
    }

    pub(crate) fn snapshot(&self) -> Vec<(String, u64)> {
        let all = [
            ("sessions_opened", &self.sessions_opened),
            ("sessions_ended", &self.sessions_ended),
            ("dials", &self.dials),
            ("calls", &self.calls),
            ("calls_answered", &self.calls_answered),
            ("calls_refused", &self.calls_refused),
            ("calls_overloaded", &self.calls_overloaded),
            ("calls_late", &self.calls_late),
            ("calls_lost", &self.calls_lost),
            ("answers_unmatched", &self.answers_unmatched),
            ("requests", &self.requests),
            ("requests_refused", &self.requests_refused),
            ("requests_late", &self.requests_late),
            ("handlers_failed", &self.handlers_failed),
            ("replies_refused", &self.replies_refused),
            ("batches_sent", &self.batches_sent),
            ("batches_received", &self.batches_received),
            ("batches_stale", &self.batches_stale),
            ("batch_sent_bytes", &self.batch_bytes_sent),
        ];
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let named = all.into_iter().map(|(name, counter)| (name.to_owned(), value(counter)));
        let faults = FAULTS.iter().zip(&self.faults);
        let faults = faults.map(|((_, word), counter)| (format!("fault_{word}"), value(counter)));
        named
            .chain(faults)
            .map(|(name, value)| (format!("medulla_peer_{name}_total"), value))
            .collect()
    }
}
