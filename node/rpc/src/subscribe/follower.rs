//! One reader of the audit logs for all subscribers of a node: it tells them which alerts changed
//! and how far the logs have been read. It runs while somebody subscribes, and keeps a bounded
//! number of changes; whoever is further behind reads the store itself (LIM-1).

use super::{OnePage, heads};
use crate::limits::{FOLLOW_INTERVAL_MS, FOLLOWER_CHANGES_MAX};
use actors_patient::{Event, Patient};
use actors_runtime::load::JournalReader;
use actors_runtime::{Runtime, SubmitError, trail};
use actors_store::Snapshot;
use schema_types::audit::AuditDraft;
use schema_types::ids::{EntityId, EntityKind, TenantId};
use schema_types::patient::AlertCondition;
use schema_types::time::Timestamp;
use schema_wire::rpc_capnp::AlertChange;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast;

/// A change of an alert, as the journal tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// Journal sequence of the event.
    pub(crate) sequence: u64,
    pub(crate) at: Timestamp,
    pub(crate) kind: AlertChange,
    pub(crate) condition: AlertCondition,
}

/// What one audit record has to do with alerts.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) shard: u16,
    pub(crate) index: u64,
    pub(crate) patient: EntityId,
    pub(crate) changes: Vec<Change>,
}

/// What subscribers are told.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    /// A reader began here: what was committed before is not told.
    Began(Arc<[u64]>),
    /// Alerts changed.
    Found(Arc<Found>),
    /// The logs were read up to here.
    Advanced(Arc<[u64]>),
}

/// The one reader.
pub(crate) struct Follower {
    told: broadcast::Sender<Told>,
    is_running: Mutex<bool>,
}

impl Default for Follower {
    fn default() -> Self {
        let (told, _) = broadcast::channel(FOLLOWER_CHANGES_MAX);
        Self { told, is_running: Mutex::new(false) }
    }
}

impl Follower {
    /// Listens from now on. Must be called where entities run.
    pub(crate) fn listen(
        self: &Arc<Self>,
        runtime: &Runtime,
        tenant: &TenantId,
    ) -> broadcast::Receiver<Told> {
        let mut is_running = self.is_running.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = self.told.subscribe();
        if !*is_running {
            *is_running = true;
            let (follower, runtime) = (Arc::clone(self), runtime.clone());
            tokio::spawn(follower.run(runtime, tenant.clone()));
        }
        receiver
    }

    /// Whether nobody listens any more; the reader must end then.
    fn is_left(&self) -> bool {
        let mut is_running = self.is_running.lock().unwrap_or_else(PoisonError::into_inner);
        *is_running = self.told.receiver_count() > 0;
        !*is_running
    }

    async fn run(self: Arc<Self>, runtime: Runtime, tenant: TenantId) {
        let mut next: Option<Vec<u64>> = None;
        while !self.is_left() {
            if let Err(error) = self.turn(&runtime, &tenant, &mut next).await {
                // The store is busy, or it stopped: subscribers learn that from their own reads.
                tracing::debug!(code = %error.code(), "the follower will read again");
            }
            tokio::time::sleep(Duration::from_millis(FOLLOW_INTERVAL_MS)).await;
        }
    }

    /// Begins at the ends of the logs. Subscribers that listened before may have read less far.
    fn begin(&self, ends: &[u64]) -> Vec<u64> {
        drop(self.told.send(Told::Began(ends.into())));
        ends.to_vec()
    }

    async fn turn(
        &self,
        runtime: &Runtime,
        tenant: &TenantId,
        next: &mut Option<Vec<u64>>,
    ) -> Result<(), SubmitError> {
        let snapshot = runtime.snapshot().await?;
        let ends = heads(&*snapshot).await?;
        let from = next.get_or_insert_with(|| self.begin(&ends));
        from.resize(ends.len(), 0);
        if *from == ends {
            return Ok(());
        }
        for (shard, (from, end)) in (0..).zip(from.iter_mut().zip(&ends)) {
            while *from < *end {
                if let Some(found) = found_at(&*snapshot, tenant, (shard, *from)).await? {
                    // Nobody listening is no loss.
                    drop(self.told.send(Told::Found(Arc::new(found))));
                }
                *from += 1;
            }
        }
        drop(self.told.send(Told::Advanced(ends.into())));
        Ok(())
    }
}

/// What the audit record at a place has to do with alerts.
pub(super) async fn found_at(
    snapshot: &dyn Snapshot,
    tenant: &TenantId,
    (shard, index): (u16, u64),
) -> Result<Option<Found>, SubmitError> {
    let entry = trail::record_at(snapshot, shard, index).await?;
    let entry = entry.ok_or_else(|| SubmitError::Damaged { place: "audit record".to_owned() })?;
    let record = entry.record;
    let is_change = record.events > 0
        && record.entity.kind() == EntityKind::Patient
        && record.entity.tenant() == tenant;
    if !is_change {
        return Ok(None);
    }
    let changes = changes_of(snapshot, &record).await?;
    let found = Found { shard, index, patient: record.entity, changes };
    Ok((!found.changes.is_empty()).then_some(found))
}

async fn changes_of(
    snapshot: &dyn Snapshot,
    record: &AuditDraft,
) -> Result<Vec<Change>, SubmitError> {
    let first = record.sequence.saturating_sub(u64::from(record.events)) + 1;
    let snapshot = OnePage { snapshot, rows_max: 1 };
    let mut reader = JournalReader::new(&record.entity, first);
    let rows = reader.next_page::<Patient>(&snapshot).await?.unwrap_or_default();
    let row = rows.into_iter().next().filter(|row| row.record.sequence == first);
    let row = row.ok_or_else(|| SubmitError::Damaged { place: "journal row".to_owned() })?;
    let changed = (first..).zip(&row.events).filter_map(|(sequence, event)| {
        let (kind, condition, at) = alert_change(event)?;
        Some(Change { sequence, at, kind, condition: condition.clone() })
    });
    Ok(changed.collect())
}

/// What an event changes about an alert, if anything that subscribers are told.
pub(crate) fn alert_change(event: &Event) -> Option<(AlertChange, &AlertCondition, Timestamp)> {
    match event {
        Event::AlertRaised { alert } => {
            Some((AlertChange::Raised, &alert.condition, alert.raised_at))
        }
        Event::AlertSeverityChanged { condition, at, .. } => {
            Some((AlertChange::SeverityChanged, condition, *at))
        }
        Event::AlertAcknowledged { condition, at, .. } => {
            Some((AlertChange::Acknowledged, condition, *at))
        }
        Event::AlertEscalated { condition, at } => Some((AlertChange::Escalated, condition, *at)),
        Event::AlertResolved { condition, at } => Some((AlertChange::Resolved, condition, *at)),
        Event::DemographicsStated { .. }
        | Event::MovementRecorded { .. }
        | Event::ObservationRecorded { .. }
        | Event::ScoreRecorded { .. }
        | Event::ScoresRecorded { .. }
        | Event::AlertSuppressed { .. }
        | Event::AlertCalmed { .. }
        | Event::ResourceStored { .. }
        | Event::DeviceAssociated { .. }
        | Event::DeviceDissociated { .. }
        | Event::LinkAdded { .. }
        | Event::LinkRemoved { .. }
        | Event::ContributionReceived { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_says_first_where_it_begins() {
        let follower = Follower::default();
        let mut told = follower.told.subscribe();
        assert_eq!(follower.begin(&[3, 0]), [3, 0]);
        let first = told.try_recv().unwrap();
        assert!(matches!(&first, Told::Began(heads) if **heads == [3, 0]), "{first:?}");
    }
}
