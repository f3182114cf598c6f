//! Following alerts and scores as they change, whatever changed them: messages, devices, timers,
//! people. The audit log names every entity that a commit touched, so a watcher reads it from where
//! it last stood, asks those patients (which audits the look), and is told the differences.
//!
//! A slow watcher is never sent a backlog: what it gets next is the state then.

use crate::gateway::{Caller, Gateway};
use crate::http::limits::{WATCH_INTERVAL_MS, WATCH_QUEUE_MAX, WATCH_RECORDS_MAX};
use actors_patient::Patient;
use actors_patient::command::{Command, Read, Reply};
use actors_runtime::{SubmitError, query, trail};
use schema_types::error_code::ErrorCode;
use schema_types::ids::{AlertId, EntityId, EntityKind};
use schema_types::patient::{Alert, AlertStatus};
use schema_types::score::{Score, ScoreModel};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::mpsc;

/// What a watcher is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// An alert as it is now; resolved ones for the last time.
    Alert(EntityId, Box<Alert>),
    /// The current result of a model.
    Score(EntityId, Box<Score>),
    /// More happened than could be followed; every open alert follows anew.
    Lagged,
    /// Watching ended.
    Failed(SubmitError),
}

/// What is to be watched.
#[derive(Debug, Clone)]
pub struct Watch {
    /// Who watches: the audit log names this caller for every look.
    pub caller: Caller,
    /// Whether results of models are wanted too.
    pub scores: bool,
}

/// Open alerts of one patient, audited there; none when the patient has no such record any more.
///
/// # Errors
/// [`SubmitError`].
pub async fn open_alerts(
    gateway: &Gateway,
    caller: &Caller,
    patient: &EntityId,
) -> Result<Vec<Alert>, SubmitError> {
    let read = Command::Read(Read::OpenAlerts);
    match gateway.ask::<Patient>(caller, patient.clone(), read).await {
        Ok(Reply::Alerts(alerts)) => Ok(alerts),
        Ok(_) => Err(SubmitError::OutcomeUnknown),
        Err(SubmitError::Rejected(rejection)) if rejection.code == ErrorCode::PatientUnknown => {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

/// Starts a watcher: every open alert first, then changes. It ends when the receiver is dropped.
#[must_use]
pub fn watch(gateway: Gateway, watch: Watch) -> mpsc::Receiver<Change> {
    let (sender, receiver) = mpsc::channel(WATCH_QUEUE_MAX);
    tokio::spawn(async move {
        let mut watcher = Watcher::new(gateway, watch, sender);
        if let Err(End::Store(error)) = watcher.run().await {
            // Nobody listens when the receiver is gone too.
            drop(watcher.sender.send(Change::Failed(error)).await);
        }
    });
    receiver
}

/// Why a watcher ends.
enum End {
    /// Nobody listens.
    Left,
    Store(SubmitError),
}

impl From<SubmitError> for End {
    fn from(error: SubmitError) -> Self {
        Self::Store(error)
    }
}

struct Watcher {
    gateway: Gateway,
    watch: Watch,
    sender: mpsc::Sender<Change>,
    /// The next audit record to look at, by shard.
    next: BTreeMap<u16, u64>,
    /// What the watcher was told of open alerts.
    told: BTreeMap<(EntityId, AlertId), Alert>,
    scores: BTreeMap<(EntityId, ScoreModel), Score>,
}

impl Watcher {
    const fn new(gateway: Gateway, watch: Watch, sender: mpsc::Sender<Change>) -> Self {
        Self {
            gateway,
            watch,
            sender,
            next: BTreeMap::new(),
            told: BTreeMap::new(),
            scores: BTreeMap::new(),
        }
    }

    async fn run(&mut self) -> Result<(), End> {
        self.start_over().await?;
        loop {
            tokio::time::sleep(Duration::from_millis(WATCH_INTERVAL_MS)).await;
            if self.sender.is_closed() {
                return Err(End::Left);
            }
            match self.touched().await? {
                Some(patients) => {
                    for patient in patients {
                        self.look(&patient).await?;
                    }
                }
                None => {
                    self.tell(Change::Lagged).await?;
                    self.start_over().await?;
                }
            }
        }
    }

    async fn tell(&self, change: Change) -> Result<(), End> {
        self.sender.send(change).await.map_err(|_| End::Left)
    }

    /// Tells every open alert and follows the audit log from its present end.
    async fn start_over(&mut self) -> Result<(), End> {
        let snapshot = self.gateway.runtime.snapshot().await?;
        self.next.clear();
        for shard in trail::shards(&*snapshot).await? {
            let head = trail::newest_head(&*snapshot, shard).await?;
            self.next.insert(shard, head.map_or(0, |head| head.head.size));
        }
        let known: BTreeSet<EntityId> =
            self.told.keys().map(|(patient, _)| patient.clone()).collect();
        let mut patients = known;
        let mut after = None;
        loop {
            let tenant = &self.gateway.tenant;
            let page = query::with_open_alerts(&*snapshot, tenant, after, 1_000).await?;
            patients.extend(page.entities);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        drop(snapshot);
        for patient in patients {
            self.look(&patient).await?;
        }
        Ok(())
    }

    /// Patients that commits changed since the last look; `None` when there were too many.
    async fn touched(&mut self) -> Result<Option<BTreeSet<EntityId>>, End> {
        let snapshot = self.gateway.runtime.snapshot().await?;
        let mut patients = BTreeSet::new();
        for shard in trail::shards(&*snapshot).await? {
            // One that came to be since is read from its beginning.
            let next = self.next.entry(shard).or_default();
            let head = trail::newest_head(&*snapshot, shard).await?;
            let size = head.map_or(0, |head| head.head.size);
            let unread = usize::try_from(size.saturating_sub(*next)).unwrap_or(usize::MAX);
            if unread > WATCH_RECORDS_MAX {
                return Ok(None);
            }
            while *next < size {
                let entry = trail::record_at(&*snapshot, shard, *next).await?;
                *next += 1;
                let record = entry.map(|entry| entry.record);
                let changed = record.filter(|record| {
                    record.events > 0
                        && record.entity.kind() == EntityKind::Patient
                        && *record.entity.tenant() == self.gateway.tenant
                });
                patients.extend(changed.map(|record| record.entity));
            }
        }
        Ok(Some(patients))
    }

    /// Asks a patient and tells what is different from what was told.
    async fn look(&mut self, patient: &EntityId) -> Result<(), End> {
        let open = open_alerts(&self.gateway, &self.watch.caller, patient).await?;
        let of_patient = (patient.clone(), AlertId::default())..;
        let mut told: BTreeMap<AlertId, Alert> = self
            .told
            .range(of_patient)
            .take_while(|((one, _), _)| one == patient)
            .map(|((_, id), alert)| (id.clone(), alert.clone()))
            .collect();
        for alert in open {
            let before = told.remove(&alert.id);
            if before.as_ref() != Some(&alert) {
                self.told.insert((patient.clone(), alert.id.clone()), alert.clone());
                self.tell(Change::Alert(patient.clone(), Box::new(alert))).await?;
            }
        }
        for (id, mut alert) in told {
            self.told.remove(&(patient.clone(), id));
            alert.status = AlertStatus::Resolved;
            alert.changed_at = self.gateway.runtime.now();
            self.tell(Change::Alert(patient.clone(), Box::new(alert))).await?;
        }
        if self.watch.scores {
            self.look_at_scores(patient).await?;
        }
        Ok(())
    }

    async fn look_at_scores(&mut self, patient: &EntityId) -> Result<(), End> {
        let read = Command::Read(Read::Explain { model: None, as_of: None });
        let reply = self.gateway.ask::<Patient>(&self.watch.caller, patient.clone(), read).await;
        let explanations = match reply {
            Ok(Reply::Explained(explanations)) => explanations,
            Ok(_) => return Err(SubmitError::OutcomeUnknown.into()),
            Err(SubmitError::Rejected(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for explanation in explanations {
            let score = explanation.score;
            let key = (patient.clone(), score.model);
            if self.scores.get(&key) != Some(&score) {
                self.scores.insert(key, score.clone());
                self.tell(Change::Score(patient.clone(), Box::new(score))).await?;
            }
        }
        Ok(())
    }
}
