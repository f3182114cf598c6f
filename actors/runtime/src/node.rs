//! The runtime of one node: assembled from the store, a clock and a signing key; takes commands,
//! answers when they are durable, runs outbox, timers and passivation until it is shut down.

use crate::admission::Admission;
use crate::audit_log::AuditLogs;
use crate::committer::{self, CommitterHandle, CommitterParts};
use crate::config::RuntimeConfig;
use crate::directory::{Directory, FailureHook, HostedEntity, Supervision};
use crate::error::SubmitError;
use crate::forward::{Forward, Forwarding};
use crate::group::Groups;
use crate::head_keys::HeadKeys;
use crate::hosting;
use crate::limits::{ADMISSION_INTERVAL_MS, NAME_BYTES_MAX, SHARDS_LOST_MAX, TOUCHED_MAX};
use crate::metrics::Metrics;
use crate::outbox::{self, OutboxHandle};
use crate::ownership;
use crate::passivator;
use crate::remote;
use crate::shards::Served;
use crate::supervisor::EntitySupervisor;
use crate::timers;
use crate::unit::{CommitFailure, PreparedAudit, Unit, Work};
use actors_audit::{HeadSigner, SignedTreeHead};
use actors_device::Device;
use actors_facility::Facility;
use actors_patient::Patient;
use actors_store::{CommitLane, CommitRequest, Mutation, Snapshot, Store, keys};
use node_env::Clock;
use node_env::trace::Tracer;
use ractor::{Actor, ActorCell, ActorId};
use schema_types::audit::AuditDraft;
use schema_types::ids::{EntityId, ShardCount, ShardId};
use schema_types::time::Timestamp;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// What the runtime stands on.
pub struct RuntimeParts {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Signs audit heads (AUD-2).
    pub signer: Arc<HeadSigner>,
    /// Settings.
    pub config: RuntimeConfig,
}

/// The runtime of one node. Cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    pub(crate) inner: Arc<NodeInner>,
}

#[doc(hidden)]
pub struct NodeInner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: RuntimeConfig,
    pub(crate) shards: ShardCount,
    pub(crate) served: Arc<Served>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) committer: CommitterHandle,
    pub(crate) outbox: OutboxHandle,
    pub(crate) admission: Arc<Admission>,
    pub(crate) patients: Directory<Patient>,
    pub(crate) devices: Directory<Device>,
    pub(crate) facilities: Directory<Facility>,
    supervision: Supervision,
    stopped: Arc<watch::Sender<Option<String>>>,
    ending: watch::Sender<bool>,
    pub(crate) head_keys: Arc<HeadKeys>,
    /// The way to other nodes, in a cluster.
    pub(crate) forward: Forwarding,
    pub(crate) tracer: OnceLock<Tracer>,
    pub(crate) groups: Groups,
}

impl HostedEntity for Patient {
    fn directory(node: &NodeInner) -> &Directory<Self> {
        &node.patients
    }
}

impl HostedEntity for Device {
    fn directory(node: &NodeInner) -> &Directory<Self> {
        &node.devices
    }
}

impl HostedEntity for Facility {
    fn directory(node: &NodeInner) -> &Directory<Self> {
        &node.facilities
    }
}

impl NodeInner {
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_unix_micros(self.clock.wall_unix_micros())
    }

    pub(crate) fn supervisor(&self) -> Option<ActorCell> {
        self.supervision.supervisor()
    }

    pub(crate) fn on_failure(&self, actor: ActorId, hook: FailureHook) {
        self.supervision.on_failure(actor, hook);
    }

    pub(crate) fn take_failure_hook(&self, actor: ActorId) -> Option<FailureHook> {
        self.supervision.take(actor)
    }

    pub(crate) fn forget_failure_hook(&self, actor: ActorId) {
        drop(self.supervision.take(actor));
    }

    pub(crate) fn ending(&self) -> watch::Receiver<bool> {
        self.ending.subscribe()
    }

    /// Notes that the store stopped for good, when an error says so.
    pub(crate) fn note(&self, error: &SubmitError) {
        if let SubmitError::StoreStopped { reason } = error {
            note_stopped(&self.stopped, reason);
        }
    }

    pub(crate) fn is_ending(&self) -> bool {
        *self.ending.borrow()
    }

    /// Waits; `false` when the node ends meanwhile.
    pub(crate) async fn wait_ms(&self, ms: u64) -> bool {
        let mut ending = self.ending.subscribe();
        let wait = ending.wait_for(|ending| *ending);
        tokio::time::timeout(Duration::from_millis(ms), wait).await.is_err()
    }

    /// The shard of an entity, if it is here.
    ///
    /// # Errors
    /// [`SubmitError::NotServed`].
    pub(crate) fn shard_of(&self, entity: &EntityId) -> Result<ShardId, SubmitError> {
        let shard = self.served.shard_of(entity.hash());
        shard.ok_or(SubmitError::NotServed { shard: None })
    }

    /// Commits rows that belong to no decision but to an entity, whose shard must be ours.
    pub(crate) async fn commit_rows(
        &self,
        subject: &EntityId,
        rows: Vec<Mutation>,
    ) -> Result<(), SubmitError> {
        self.commit_unit(Some(subject.clone()), None, rows).await
    }

    async fn commit_unit(
        &self,
        subject: Option<EntityId>,
        audit: Option<PreparedAudit>,
        mutations: Vec<Mutation>,
    ) -> Result<(), SubmitError> {
        let (sender, settled) = oneshot::channel();
        let unit = Unit {
            origin: None,
            subject,
            home: None,
            audit,
            mutations,
            preconditions: Vec::new(),
            outbox: Vec::new(),
            done: Box::new(move |result: Result<u64, CommitFailure>| drop(sender.send(result))),
        };
        if !self.committer.send(Work::one(unit)).await {
            return Err(SubmitError::ShuttingDown);
        }
        match settled.await {
            Ok(result) => result.map(|_| ()).map_err(SubmitError::from),
            Err(_) => Err(SubmitError::OutcomeUnknown),
        }
    }
}

impl Runtime {
    /// Starts the runtime: checks the shard count and, unless the configuration leaves that to a
    /// cluster, claims and opens every shard and delivers what an earlier run left in the outbox.
    ///
    /// # Errors
    /// [`SubmitError::Damaged`] when stored data contradict themselves,
    /// [`SubmitError::StoreStopped`] when the store cannot be used.
    pub async fn start(parts: RuntimeParts) -> Result<Self, SubmitError> {
        let RuntimeParts { store, clock, signer, config } = parts;
        let shards = shard_count(&store, config.shards).await?;
        let head_keys = Arc::new(HeadKeys::new(signer, config.trusted_audit_keys.clone()));
        let incarnation = ownership::next_incarnation(&store, &config.node).await?;
        let served = Arc::new(Served::default());
        let (lost, lost_shards) = mpsc::channel(SHARDS_LOST_MAX);
        let metrics = Arc::new(Metrics::default());
        let admission = Arc::new(Admission::new(config.in_flight_max));
        let (handle, queue) = committer::queue();
        let (outbox, lanes) = outbox::lanes();
        let stopped = Arc::new(watch::Sender::new(None));
        tokio::spawn(committer::run(
            CommitterParts {
                store: Arc::clone(&store),
                clock: Arc::clone(&clock),
                logs: AuditLogs::new(Arc::clone(&head_keys)),
                served: Arc::clone(&served),
                lost,
                lane: lane(&config.node, incarnation),
                metrics: Arc::clone(&metrics),
                admission: Arc::clone(&admission),
                outbox: outbox.clone(),
                stopped: Arc::clone(&stopped),
                batch_units_max: config.batch_units_max.max(1),
            },
            queue,
        ));
        let inner = Arc::new(NodeInner {
            groups: Groups::new(&config.node, incarnation),
            admission,
            patients: Directory::new(&config, &served, &metrics),
            devices: Directory::new(&config, &served, &metrics),
            facilities: Directory::new(&config, &served, &metrics),
            committer: handle,
            outbox,
            supervision: Supervision::default(),
            stopped,
            ending: watch::Sender::new(false),
            store,
            clock,
            config,
            shards,
            served,
            metrics,
            head_keys,
            forward: Forwarding::default(),
            tracer: OnceLock::new(),
        });
        let runtime = Self { inner };
        runtime.start_tasks(lanes, lost_shards).await?;
        if runtime.inner.config.opens_all_shards {
            runtime.open_all().await?;
        }
        Ok(runtime)
    }

    async fn start_tasks(
        &self,
        lanes: outbox::OutboxLanes,
        lost: mpsc::Receiver<ShardId>,
    ) -> Result<(), SubmitError> {
        let node = &self.inner;
        let (supervisor, _task) = Actor::spawn(None, EntitySupervisor, Arc::downgrade(node))
            .await
            .map_err(|_| SubmitError::EntityFailed)?;
        node.supervision.set_supervisor(supervisor.get_cell());
        outbox::start(node, lanes);
        tokio::spawn(hosting::follow_losses(Arc::clone(node), lost));
        tokio::spawn(timers::run(Arc::clone(node)));
        tokio::spawn(adapt_admission(Arc::clone(node)));
        tokio::spawn(passivator::passivate::<Patient>(Arc::clone(node)));
        tokio::spawn(passivator::passivate::<Device>(Arc::clone(node)));
        tokio::spawn(passivator::passivate::<Facility>(Arc::clone(node)));
        Ok(())
    }

    /// A snapshot of what is durable now.
    ///
    /// # Errors
    /// [`SubmitError`] when the store cannot be read.
    pub async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, SubmitError> {
        Ok(self.inner.store.begin().await?)
    }

    /// Commits rows with an audit record (AUD-1): for what no entity decides, such as quarantine.
    ///
    /// # Errors
    /// [`SubmitError`]; nothing was done unless it is [`SubmitError::OutcomeUnknown`].
    pub async fn record(&self, audit: AuditDraft, rows: Vec<Mutation>) -> Result<(), SubmitError> {
        if self.inner.belongs_elsewhere(&audit.entity) {
            let call = remote::encode_record(&audit, &rows)?;
            return self
                .inner
                .record_anywhere(&audit, call, || Box::pin(self.record_owned(&audit, rows.clone())))
                .await;
        }
        self.record_owned(&audit, rows).await
    }

    pub(crate) async fn record_owned(
        &self,
        audit: &AuditDraft,
        rows: Vec<Mutation>,
    ) -> Result<(), SubmitError> {
        self.inner.commit_unit(None, Some(prepare(audit)?), rows).await
    }

    /// Commits an audit record by which several entities are found: for what one answer tells of
    /// many (AUD-1).
    ///
    /// # Errors
    /// Like [`Runtime::record`]; [`SubmitError::TooLarge`] beyond [`TOUCHED_MAX`] entities.
    pub async fn record_touching(
        &self,
        audit: AuditDraft,
        touched: &[EntityId],
    ) -> Result<(), SubmitError> {
        if self.inner.belongs_elsewhere(&audit.entity) {
            let call = remote::encode_record_touching(&audit, touched)?;
            return self
                .inner
                .record_anywhere(&audit, call, || {
                    Box::pin(self.record_touching_owned(&audit, touched))
                })
                .await;
        }
        self.record_touching_owned(&audit, touched).await
    }

    pub(crate) async fn record_touching_owned(
        &self,
        audit: &AuditDraft,
        touched: &[EntityId],
    ) -> Result<(), SubmitError> {
        if touched.len() > TOUCHED_MAX {
            return Err(SubmitError::TooLarge { bytes: touched.len() });
        }
        let mut prepared = prepare(audit)?;
        prepared.touched = touched.iter().filter(|one| **one != audit.entity).cloned().collect();
        self.inner.commit_unit(None, Some(prepared), Vec::new()).await
    }

    /// Archives raw bytes under their digest ahead of the command that refers to them.
    ///
    /// # Errors
    /// [`SubmitError`] when the store refuses.
    pub async fn archive(&self, content: &[u8]) -> Result<(), SubmitError> {
        let digest = schema_types::ids::MessageDigest::of(content);
        crate::blob::stage(&self.inner.store, crate::blob::chunk_rows(digest, content)).await
    }

    /// The node's wall time, for `now` in envelopes (TIME-1).
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.now()
    }

    /// The counters.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Resident patients, devices and facilities.
    #[must_use]
    pub fn resident(&self) -> (usize, usize, usize) {
        let node = &self.inner;
        (node.patients.len(), node.devices.len(), node.facilities.len())
    }

    /// Why the store stopped, if it did.
    #[must_use]
    pub fn stop_reason(&self) -> Option<String> {
        self.inner.stopped.borrow().clone()
    }

    /// Waits until the store stops for good; gives the reason.
    pub async fn stopped(&self) -> String {
        let mut stopped = self.inner.stopped.subscribe();
        let reason = stopped.wait_for(Option::is_some).await;
        reason.ok().and_then(|reason| reason.clone()).unwrap_or_default()
    }

    /// The number of equal shards that the data began with; see [`crate::trail::shards`] for those
    /// that there are.
    #[must_use]
    pub fn shards(&self) -> ShardCount {
        self.inner.shards
    }

    /// The newest head of every shard that is open here, signed alone (AUD-2).
    ///
    /// # Errors
    /// [`SubmitError::Damaged`] when a stored head is not ours.
    pub async fn anchor_heads(&self) -> Result<Vec<SignedTreeHead>, SubmitError> {
        let node = &self.inner;
        let snapshot = self.snapshot().await?;
        let mut heads = Vec::new();
        for ShardId(shard) in node.served.open_shards() {
            let Some(stored) = crate::trail::newest_head(&*snapshot, shard).await? else {
                continue;
            };
            if !node.head_keys.accepts(&stored) {
                let place = format!("audit head signature of shard {shard}");
                return Err(SubmitError::Damaged { place });
            }
            heads.push(node.head_keys.signer.sign(stored.head));
        }
        Ok(heads)
    }

    /// The public key that verifies audit heads (AUD-2).
    #[must_use]
    pub fn audit_public_key(&self) -> [u8; 32] {
        self.inner.head_keys.signer.public()
    }

    /// Every public key under which audit heads of this store may be signed, this node's first.
    #[must_use]
    pub fn audit_public_keys(&self) -> Vec<[u8; 32]> {
        self.inner.head_keys.all()
    }

    /// Sends commands for entities that are not served here to their owners from now on. Set once.
    pub fn forward_by(&self, forward: Arc<dyn Forward>) {
        // A second way would be a programming error; the first one stays.
        self.inner.forward.set(forward);
    }

    /// Accepts heads signed by another node, whose shards this node may take over.
    pub fn trust_audit_key(&self, key: [u8; 32]) {
        self.inner.head_keys.trust(key);
    }

    /// Takes no more commands and waits until those in flight are settled, at most `grace_ms`.
    /// `true` when all were.
    pub async fn shut_down(&self, grace_ms: u64) -> bool {
        let node = &self.inner;
        node.ending.send_replace(true);
        let settled = node.admission.emptied();
        let drained = tokio::time::timeout(Duration::from_millis(grace_ms), settled).await;
        if let Some(supervisor) = node.supervision.supervisor() {
            supervisor.stop(None);
        }
        drained.is_ok()
    }
}

/// The lane of a node's commits: of its own among the nodes that share a store, and above what an
/// earlier run of the node may still have on its way.
fn lane(node: &str, incarnation: u64) -> CommitLane {
    const FAILURES_PER_RUN: u64 = 1 << 32;
    let id = schema_types::ids::MessageDigest::of(node.as_bytes()).0;
    let id = id.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte));
    CommitLane { id, generation: incarnation.saturating_mul(FAILURES_PER_RUN) }
}

/// Fits the room for bulk to the pace of the node until it ends.
async fn adapt_admission(node: Arc<NodeInner>) {
    let mut settled = 0;
    let mut before = node.clock.monotonic_micros();
    while node.wait_ms(ADMISSION_INTERVAL_MS).await {
        let now = node.clock.monotonic_micros();
        settled = node.admission.adapt(settled, now.saturating_sub(before) / 1_000);
        before = now;
    }
}

/// Names go into audit records, which have limits of their own (LIM-1).
fn prepare(audit: &AuditDraft) -> Result<PreparedAudit, SubmitError> {
    let names = [audit.source.as_str(), audit.command_id.as_str(), audit.principal.as_str()];
    let others = [audit.purpose.as_str(), audit.operation.as_str()];
    match names.iter().chain(&others).map(|name| name.len()).max() {
        Some(bytes) if bytes > NAME_BYTES_MAX => Err(SubmitError::TooLarge { bytes }),
        Some(_) | None => PreparedAudit::new(audit),
    }
}

/// The first reason stands.
pub(crate) fn note_stopped(stopped: &watch::Sender<Option<String>>, reason: &str) {
    stopped.send_if_modified(|stopped| {
        let is_first = stopped.is_none();
        stopped.get_or_insert_with(|| reason.to_owned());
        is_first
    });
}

/// The shard count of the data: written once, then the configured one is only a wish.
async fn shard_count(store: &Arc<dyn Store>, wanted: u16) -> Result<ShardCount, SubmitError> {
    let key = keys::meta("shard-count");
    if let Some(value) = store.begin().await?.get(&key).await? {
        let bytes = <[u8; 2]>::try_from(&value[..])
            .map_err(|_| SubmitError::Damaged { place: "shard count".to_owned() })?;
        return Ok(ShardCount(u16::from_be_bytes(bytes)));
    }
    let wanted = wanted.max(1);
    let request = CommitRequest {
        mutations: vec![
            Mutation::set(key, wanted.to_be_bytes().to_vec()),
            crate::live::complete_mark(),
        ],
        ..CommitRequest::default()
    };
    store.commit(request).await?;
    Ok(ShardCount(wanted))
}
