//! Everything that happens to one patient, in journal order, as a source of pushes.

use super::follower::Told;
use super::push::Source;
use super::{OnePage, PatientPosition, Start};
use crate::failure::Failure;
use crate::limits::PUSH_ITEMS_MAX;
use crate::service::Service;
use crate::show;
use crate::timeline::{self, Item};
use actors_patient::Patient;
use actors_patient::command::{Command, Read};
use actors_runtime::load::{self, JournalReader};
use capnp::capability::Promise;
use node_ingest::gateway::Caller;
use schema_types::audit::{AuditAction, AuditOutcome};
use schema_types::ids::{EntityId, ShardId};
use schema_wire::rpc_capnp as wire;
use std::sync::Arc;
use tokio::sync::broadcast::{self, error::RecvError};

/// The source of one subscription.
pub(crate) struct PatientSource {
    service: Arc<Service>,
    caller: Caller,
    patient: EntityId,
    position: PatientPosition,
    told: broadcast::Receiver<Told>,
    /// Whether the journal may hold more than was read.
    has_news: bool,
    /// The shard and the length of its audit log when it was last read.
    seen: Option<(ShardId, u64)>,
}

impl PatientSource {
    /// Begins at a position. The look at the patient is audited there, and refused there.
    pub(crate) async fn open(
        service: Arc<Service>,
        caller: Caller,
        patient: EntityId,
        start: Start,
    ) -> Result<Self, Failure> {
        let gateway = &service.gateway;
        let told = service.follower.listen(&gateway.runtime, &gateway.tenant);
        let read = Command::Read(Read::OpenAlerts);
        service.ask::<Patient>(&caller, patient.clone(), read).await?;
        let snapshot = gateway.runtime.snapshot().await?;
        let last = load::load::<Patient>(&*snapshot, &patient).await?.sequence;
        drop(snapshot);
        let position = match start {
            Start::Now => PatientPosition(last),
            Start::Beginning => PatientPosition(0),
            Start::After(position) => PatientPosition::read(&position, last)?,
        };
        Ok(Self { service, caller, patient, position, told, has_news: true, seen: None })
    }

    async fn wait_for_news(&mut self) {
        loop {
            match self.told.recv().await {
                Ok(Told::Began(heads) | Told::Advanced(heads)) => {
                    // A shard that nobody knows is between two owners: look, to be sure.
                    let shard = self.service.gateway.runtime.shard_at(self.patient.hash());
                    let head = shard.and_then(|shard| heads.get(usize::from(shard.0)));
                    let seen = shard.zip(head.copied());
                    if seen.is_none() || seen != self.seen {
                        self.seen = seen;
                        return;
                    }
                }
                Ok(Told::Found(_)) => {}
                Err(RecvError::Lagged(_) | RecvError::Closed) => return,
            }
        }
    }

    async fn read(&mut self) -> Result<Vec<Item>, Failure> {
        let snapshot = self.service.gateway.runtime.snapshot().await?;
        let narrow = OnePage { snapshot: &*snapshot, rows_max: PUSH_ITEMS_MAX };
        let mut reader = JournalReader::new(&self.patient, self.position.0 + 1);
        let rows = reader.next_page::<Patient>(&narrow).await?.unwrap_or_default();
        drop(snapshot);
        let mut items = Vec::new();
        for row in rows {
            if items.len() >= PUSH_ITEMS_MAX {
                return Ok(items);
            }
            let events = u64::try_from(row.events.len()).unwrap_or(0);
            self.position = PatientPosition(row.record.sequence + events.saturating_sub(1));
            items.extend(timeline::items_of(&row.record, row.events));
        }
        self.has_news = !items.is_empty();
        Ok(items)
    }
}

impl Source for PatientSource {
    type Item = Item;
    type Subscriber = wire::patient_subscriber::Client;

    async fn next(&mut self) -> Result<Vec<Item>, Failure> {
        if !self.has_news {
            self.wait_for_news().await;
            self.has_news = true;
        }
        let items = self.read().await?;
        if !items.is_empty() {
            let what = (AuditAction::Read, "rpc-subscription", AuditOutcome::Done);
            self.service.audit(&self.caller, self.patient.clone(), what).await?;
        }
        Ok(items)
    }

    fn position(&self) -> Vec<u8> {
        self.position.to_bytes()
    }

    fn push(
        subscriber: &Self::Subscriber,
        items: &[Item],
        position: &[u8],
    ) -> Promise<(), capnp::Error> {
        let mut request = subscriber.push_request();
        let mut builder = request.get();
        builder.set_position(position);
        let mut list = builder.init_items(show::count(items.len()));
        for (place, item) in (0..).zip(items) {
            timeline::write(list.reborrow().get(place), item);
        }
        let sent = request.send().promise;
        Promise::from_future(async move { sent.await.map(|_| ()) })
    }

    async fn end(subscriber: &Self::Subscriber, failure: &Failure) {
        let mut request = subscriber.end_request();
        failure.write(request.get().init_failure());
        drop(request.send().promise.await);
    }
}
