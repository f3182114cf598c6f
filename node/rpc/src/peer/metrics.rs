//! What a peer network counted since it started. Peers are no labels: their state is in
//! [`super::PeerNetwork::peers`].

use super::fault::{FAULTS, PeerFault};
use super::limits::WARNING_PAUSE_MICROS;
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
    pub(crate) answers_refused: AtomicU64,
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
    pub(crate) faults: FaultCounters,
}

/// How often what went wrong, and when that was last worth a line in the log.
#[derive(Debug, Default)]
pub(crate) struct FaultCounters {
    counts: [AtomicU64; FAULTS.len()],
    quiet_until_micros: AtomicU64,
}

impl FaultCounters {
    pub(crate) fn add(&self, fault: PeerFault) {
        if let Some(count) = self.counts.get(fault as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a connection that came to nothing, or a session's end, and logs it. Strangers
    /// cannot fill the log: of what is worth a warning, one in a second is one.
    pub(crate) fn note(
        &self,
        fault: PeerFault,
        (network, whom): (&str, &dyn std::fmt::Display),
        now_micros: u64,
    ) {
        self.add(fault);
        let quiet_until = self.quiet_until_micros.load(Ordering::Relaxed);
        let is_warned = fault.is_alarming() && now_micros >= quiet_until;
        let fault = fault.word();
        if is_warned {
            let quiet_until = now_micros.saturating_add(WARNING_PAUSE_MICROS);
            self.quiet_until_micros.store(quiet_until, Ordering::Relaxed);
            tracing::warn!(network, peer = %whom, fault, "a peer connection was refused");
        } else {
            tracing::debug!(network, peer = %whom, fault, "no peer connection");
        }
    }

    /// Each fault's word and count.
    pub(crate) fn snapshot(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        FAULTS.iter().zip(&self.counts).map(move |((_, word), counter)| (*word, count(counter)))
    }
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
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
            ("answers_refused", &self.answers_refused),
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
        let faults = self.faults.snapshot();
        let faults = faults.map(|(word, count)| (format!("fault_{word}"), count));
        named
            .chain(faults)
            .map(|(name, value)| (format!("medulla_peer_{name}_total"), value))
            .collect()
    }
}
