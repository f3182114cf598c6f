//! What the MLLP gateway counted. Names carry no patient data (PHI-1).

use crate::hl7::{Disposition, Received};
use actors_runtime::metrics::Counter;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the MLLP gateway counted since it started.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections that were accepted.
    pub connections_opened: Counter,
    /// Connections that ended.
    pub connections_closed: Counter,
    /// Connections that found no room.
    pub connections_refused: Counter,
    /// Messages that took effect.
    pub messages_accepted: Counter,
    /// Messages that had taken effect before.
    pub messages_repeated: Counter,
    /// Messages and other pieces kept in quarantine.
    pub messages_quarantined: Counter,
    /// Messages that the sender was asked to send again.
    pub messages_refused: Counter,
    /// Bytes read.
    pub received_bytes: Counter,
    /// Bytes written.
    pub sent_bytes: Counter,
    /// The most bytes of unfinished messages that one connection ever held.
    buffered_bytes_peak: AtomicU64,
}

impl Counters {
    /// Metric names with their values, in stable order.
    #[must_use]
    pub fn snapshot(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("medulla_mllp_connections_opened_total", self.connections_opened.get()),
            ("medulla_mllp_connections_closed_total", self.connections_closed.get()),
            ("medulla_mllp_connections_refused_total", self.connections_refused.get()),
            ("medulla_mllp_messages_accepted_total", self.messages_accepted.get()),
            ("medulla_mllp_messages_repeated_total", self.messages_repeated.get()),
            ("medulla_mllp_messages_quarantined_total", self.messages_quarantined.get()),
            ("medulla_mllp_messages_refused_total", self.messages_refused.get()),
            ("medulla_mllp_received_bytes_total", self.received_bytes.get()),
            ("medulla_mllp_sent_bytes_total", self.sent_bytes.get()),
            ("medulla_mllp_buffered_peak_bytes", self.buffered_bytes_peak()),
        ]
    }

    /// The most bytes of unfinished messages that one connection ever held.
    #[must_use]
    pub fn buffered_bytes_peak(&self) -> u64 {
        self.buffered_bytes_peak.load(Ordering::Relaxed)
    }

    pub(super) fn note_buffered(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.buffered_bytes_peak.fetch_max(bytes, Ordering::Relaxed);
    }

    pub(super) fn note(&self, received: &Received) {
        let counter = match received.disposition {
            Disposition::Accepted => &self.messages_accepted,
            Disposition::Duplicate => &self.messages_repeated,
            Disposition::Quarantined { .. } => &self.messages_quarantined,
            Disposition::Refused { .. } => &self.messages_refused,
        };
        counter.add(1);
    }
}
