//! The first reason for which a node stopped, seen by everybody who waits for it. A node stops
//! once; later reasons are consequences.

use std::sync::Arc;

use tokio::sync::watch;

use crate::error::StopReason;

/// Clones share the reason.
#[derive(Debug, Clone)]
pub(crate) struct StopCell {
    reason: Arc<watch::Sender<Option<StopReason>>>,
}

impl StopCell {
    pub(crate) fn new() -> Self {
        Self { reason: Arc::new(watch::Sender::new(None)) }
    }

    /// Keeps the reason if it is the first, and tells everybody.
    pub(crate) fn stop(&self, reason: StopReason) {
        self.reason.send_if_modified(|kept| {
            let first = kept.is_none();
            if first {
                *kept = Some(reason);
            }
            first
        });
    }

    pub(crate) fn reason(&self) -> Option<StopReason> {
        self.reason.borrow().clone()
    }

    /// The reason, or that Raft ended without one.
    pub(crate) fn reason_or_ended(&self) -> StopReason {
        self.reason().unwrap_or_else(|| StopReason::Raft { reason: "its tasks ended".to_owned() })
    }

    /// Waits for the reason.
    pub(crate) async fn stopped(&self) -> StopReason {
        let mut reason = self.reason.subscribe();
        let stopped = reason.wait_for(Option::is_some).await.ok().and_then(|kept| kept.clone());
        stopped.unwrap_or_else(|| self.reason_or_ended())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_stays() {
        let cell = StopCell::new();
        assert_eq!(cell.reason(), None);
        cell.stop(StopReason::Disk { reason: "sync".to_owned() });
        cell.stop(StopReason::Requested);
        assert_eq!(cell.reason(), Some(StopReason::Disk { reason: "sync".to_owned() }));
    }
}
