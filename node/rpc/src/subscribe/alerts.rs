//! The alerts of all patients, or of those that a filter names, as a source of pushes. Behind the
//! follower it reads the store; at the end it listens. Positions count audit records, so the two
//! join without gap or repeat.

use super::follower::{Change, Found, Told, found_at};
use super::push::Source;
use super::{AlertPosition, Start, heads};
use crate::failure::Failure;
use crate::limits::{FOLLOW_RECORDS_PER_TURN_MAX, PUSH_ITEMS_MAX};
use crate::service::Service;
use crate::show;
use actors_patient::Patient;
use actors_patient::command::{Command, Read, Reply};
use actors_runtime::load;
use capnp::capability::Promise;
use node_ingest::gateway::Caller;
use schema_types::error_code::ErrorCode;
use schema_types::ids::EntityId;
use schema_types::patient::{Alert, AlertCondition, EncounterStatus, PatientState};
use schema_wire::rpc_capnp as wire;
use std::sync::Arc;
use tokio::sync::broadcast;

/// Which patients are wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) patient: Option<EntityId>,
    pub(crate) facility: String,
    pub(crate) ward: String,
}

impl Filter {
    fn is_placed(&self) -> bool {
        !self.facility.is_empty() || !self.ward.is_empty()
    }

    fn wants_place(&self, state: &PatientState) -> bool {
        let matches = |wanted: &str, is: &str| wanted.is_empty() || wanted == is;
        let open = state.encounters.values().filter(|stay| stay.status == EncounterStatus::Open);
        open.filter_map(|stay| stay.location.as_ref()).any(|location| {
            matches(&self.facility, &location.facility) && matches(&self.ward, &location.ward)
        })
    }
}

/// One item to push.
pub(crate) struct Item {
    patient: EntityId,
    change: Change,
    alert: Option<Alert>,
}

/// The source of one subscription.
pub(crate) struct AlertSource {
    service: Arc<Service>,
    caller: Caller,
    filter: Filter,
    position: AlertPosition,
    told: broadcast::Receiver<Told>,
    /// Whether everything before what is listened to was read.
    is_live: bool,
}

impl AlertSource {
    /// Begins at a position. Listening comes first, so that nothing falls between.
    pub(crate) async fn open(
        service: Arc<Service>,
        caller: Caller,
        filter: Filter,
        start: Start,
    ) -> Result<Self, Failure> {
        let gateway = &service.gateway;
        let told = service.follower.listen(&gateway.runtime, &gateway.tenant);
        let snapshot = gateway.runtime.snapshot().await?;
        let heads = heads(&*snapshot).await?;
        let position = match start {
            Start::Now => AlertPosition(heads),
            Start::After(_) if node_env::planted!("subscription-resumes-at-now") => {
                AlertPosition(heads)
            }
            Start::Beginning => AlertPosition(vec![0; heads.len()]),
            Start::After(position) => AlertPosition::read(&position, &heads)?,
        };
        drop(snapshot);
        Ok(Self { service, caller, filter, position, told, is_live: false })
    }

    /// Reads a part of the logs; sets `is_live` when it came to their end.
    async fn catch_up(&mut self) -> Result<Vec<Item>, Failure> {
        let gateway = &self.service.gateway;
        let snapshot = gateway.runtime.snapshot().await?;
        let ends = heads(&*snapshot).await?;
        self.position.reach(ends.len());
        let mut left = FOLLOW_RECORDS_PER_TURN_MAX;
        let mut found = Vec::new();
        let mut items = 0;
        'shards: for (shard, end) in (0_u16..).zip(ends) {
            let Some(next) = self.position.0.get_mut(usize::from(shard)) else { break };
            while *next < end {
                if left == 0 || items >= PUSH_ITEMS_MAX {
                    break 'shards;
                }
                left -= 1;
                let one = found_at(&*snapshot, &gateway.tenant, (shard, *next)).await?;
                *next += 1;
                items += one.as_ref().map_or(0, |one| one.changes.len());
                found.extend(one);
            }
        }
        self.is_live = left > 0 && items < PUSH_ITEMS_MAX;
        drop(snapshot);
        let mut ready = Vec::new();
        for one in &found {
            ready.extend(self.items_of(one).await?);
        }
        Ok(ready)
    }

    /// Takes what is told; waits for the first only.
    async fn listen(&mut self) -> Result<Vec<Item>, Failure> {
        let mut told = self.told.recv().await.ok();
        let mut items = Vec::new();
        while let Some(one) = told {
            match one {
                Told::Found(found) => items.extend(self.take(&found).await?),
                // It began after our last look into the store: what came between is only there.
                Told::Began(heads) if self.position.is_behind(&heads) => {
                    self.is_live = false;
                    return Ok(items);
                }
                Told::Began(_) => {}
                Told::Advanced(heads) => self.advance(&heads),
            }
            if items.len() >= PUSH_ITEMS_MAX {
                return Ok(items);
            }
            told = match self.told.try_recv() {
                Ok(one) => Some(one),
                Err(broadcast::error::TryRecvError::Empty) => return Ok(items),
                Err(_) => None,
            };
        }
        // Some were lost: the store has them, from the position on.
        self.is_live = node_env::planted!("subscriber-skips-what-it-missed");
        Ok(items)
    }

    async fn take(&mut self, found: &Found) -> Result<Vec<Item>, Failure> {
        self.position.reach(usize::from(found.shard) + 1);
        match self.position.0.get_mut(usize::from(found.shard)) {
            // Read from the store before.
            Some(next) if found.index < *next => Ok(Vec::new()),
            Some(next) => {
                *next = found.index + 1;
                self.items_of(found).await
            }
            None => Ok(Vec::new()),
        }
    }

    fn advance(&mut self, heads: &[u64]) {
        self.position.reach(heads.len());
        for (next, head) in self.position.0.iter_mut().zip(heads) {
            *next = (*next).max(*head);
        }
    }

    /// The items of a record that the filter lets through. The look at the patient is audited
    /// there (AUD-1); for those who are not wanted nobody looks, and nothing leaves.
    async fn items_of(&self, found: &Found) -> Result<Vec<Item>, Failure> {
        if self.filter.patient.as_ref().is_some_and(|wanted| *wanted != found.patient) {
            return Ok(Vec::new());
        }
        if self.filter.is_placed() && !self.is_placed(&found.patient).await? {
            return Ok(Vec::new());
        }
        let read = Command::Read(Read::State);
        let asked = self.service.ask::<Patient>(&self.caller, found.patient.clone(), read).await;
        let state = match asked {
            Ok(Reply::State(state)) => Some(state),
            Ok(_) => return Err(Failure::unexpected()),
            Err(failure) if failure.code == ErrorCode::PatientUnknown => None,
            Err(failure) => return Err(failure),
        };
        let item = |change: &Change| Item {
            patient: found.patient.clone(),
            change: change.clone(),
            alert: state.as_ref().and_then(|state| alert_of(state, &change.condition)),
        };
        Ok(found.changes.iter().map(item).collect())
    }

    async fn is_placed(&self, patient: &EntityId) -> Result<bool, Failure> {
        let snapshot = self.service.gateway.runtime.snapshot().await?;
        let loaded = load::load::<Patient>(&*snapshot, patient).await?;
        Ok(self.filter.wants_place(&loaded.state))
    }
}

/// The open alert of a condition, or the newest that was resolved.
fn alert_of(state: &PatientState, condition: &AlertCondition) -> Option<Alert> {
    let resolved = state.resolved_alerts.iter().rev();
    let mut all = state.alerts.get(condition).into_iter().chain(resolved);
    all.find(|alert| alert.condition == *condition).cloned()
}

impl Source for AlertSource {
    type Item = Item;
    type Subscriber = wire::alert_subscriber::Client;

    async fn next(&mut self) -> Result<Vec<Item>, Failure> {
        if self.is_live { self.listen().await } else { self.catch_up().await }
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
            let mut shown = list.reborrow().get(place);
            shown.set_patient(item.patient.key());
            shown.set_sequence(item.change.sequence);
            shown.set_at_unix_micros(item.change.at.unix_micros());
            shown.set_change(item.change.kind);
            shown.set_condition(&show::condition(&item.change.condition)[..]);
            if let Some(alert) = &item.alert {
                show::alert(shown.init_alert(), alert);
            }
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
