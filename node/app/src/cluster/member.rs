//! A node's part in its cluster, put together and taken apart.

use super::agent::Agent;
use super::anchors::{self, AnchorCounters};
use super::config::ClusterConfig;
use super::control::{Control, ControlMachine, NotDone};
use super::identity::{ClusterError, Identity};
use super::leader::{Leader, LeaderParts};
use super::lease::{self, Observer, Unrenewed};
use super::operations::Operations;
use super::router::{Router, Served};
use crate::Environment;
use actors_audit::SignedTreeHead;
use actors_runtime::{Runtime, stored_shards};
use actors_store::Store;
use consensus_control::command::{Formation, NodeStart};
use consensus_control::{Command, Drain, NodeSpec};
use consensus_raft::{ControlPlane, MembershipError, Options, StopReason};
use node_ingest::http::NodeStatus;
use node_ingest::operations::ClusterOperations;
use node_rpc::peer::{PeerConfig, PeerId, PeerLimits, PeerNetwork, PeerTimes};
use node_rpc::secured::{RaftTransport, SecuredConfig};
use schema_types::cluster::{Epoch, NodeId};
use schema_types::error_code::ErrorCode;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The folder of the Raft log within a data directory.
const RAFT_FOLDER: &str = "raft";
/// The name of the network between entities.
const NETWORK: &str = "entities";
/// A lease is renewed, and looked at, so many times while it lasts.
const LEASE_PARTS: u64 = 5;
/// Pause before something that the cluster has to let happen is asked for again, milliseconds.
const PAUSE_MS: u64 = 100;
/// How often a node that ends looks whether its shards are gone, milliseconds.
const DRAIN_LOOK_MS: u64 = 50;
/// How long a node that ends waits for the control plane to take its last word, milliseconds.
const FAREWELL_MS_MAX: u64 = 2_000;
/// How long peers are given for calls under way when the node ends, milliseconds.
const PEER_GRACE_MS: u64 = 1_000;

/// What a member stands on.
pub(crate) struct MemberParts {
    pub(crate) environment: Environment,
    pub(crate) data: PathBuf,
    pub(crate) config: ClusterConfig,
    pub(crate) identity: Identity,
    pub(crate) spec: NodeSpec,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) runtime: Runtime,
    pub(crate) status: NodeStatus,
}

/// A running member of a cluster.
pub(crate) struct Member {
    shared: Arc<Shared>,
    config: ClusterConfig,
    leader: Arc<Leader>,
    identity: Identity,
    stopping: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// What the tasks of a member share.
struct Shared {
    node: NodeId,
    control: Control,
    store: Arc<dyn Store>,
    router: Arc<Router>,
    agent: Arc<Agent>,
    observer: Arc<Observer>,
    renewals: Arc<AtomicU64>,
    renewals_failed: AtomicU64,
    /// The run of this process, once it has its lease.
    incarnation: AtomicU64,
    status: NodeStatus,
    anchors: AnchorCounters,
    /// Why the process must end.
    failed: watch::Sender<Option<String>>,
}

impl Member {
    /// Starts the control plane, the way to other nodes, and the tasks. The node is a member of
    /// its cluster some time after this returns; until then it says that it is not ready.
    pub(crate) async fn start(parts: MemberParts) -> Result<Self, ClusterError> {
        let MemberParts { environment, data, config, identity, spec, store, runtime, status } =
            parts;
        status.set_waiting(Some("the node is not in its cluster yet".to_owned()));
        let node = identity.node();
        let plane = control_plane(&environment, &data, &config, &identity).await?;
        let control = Control::new(plane, Arc::clone(&environment.clock));
        let router = Router::new(node);
        router.call_over(peers(&environment, &config, node, &runtime).await?);
        runtime.forward_by(Arc::clone(&router) as Arc<dyn actors_runtime::Forward>);
        let (observer, renewals) = (Arc::new(Observer::default()), Arc::new(AtomicU64::new(0)));
        let leader = Leader::new(LeaderParts {
            control: control.clone(),
            store: Arc::clone(&store),
            observer: Arc::clone(&observer),
            renewals: Arc::clone(&renewals),
            voters_max: config.voters_max,
            balances: config.balances,
        });
        let way = Arc::clone(&router);
        let drill = config.drill.clone();
        let agent = Agent::new(node, control.clone(), runtime.clone(), way, drill);
        let shared = Arc::new(Shared {
            node,
            control,
            store,
            router,
            agent,
            observer,
            renewals,
            renewals_failed: AtomicU64::new(0),
            incarnation: AtomicU64::new(0),
            status,
            anchors: AnchorCounters::default(),
            failed: watch::Sender::new(None),
        });
        let formation = match identity.has_formed {
            true => Some(formation(&shared, &runtime, &config, (&identity, &spec)).await?),
            false => None,
        };
        let stopping = watch::Sender::new(false);
        let tasks = vec![
            tokio::spawn(live(Arc::clone(&shared), spec, formation, stopping.subscribe())),
            tokio::spawn(Arc::clone(&shared.agent).run(stopping.subscribe())),
            tokio::spawn(Arc::clone(&leader).run(stopping.subscribe())),
        ];
        Ok(Self { shared, config, leader, identity, stopping, tasks })
    }

    /// What operators see and ask for.
    pub(crate) fn operations(&self) -> Arc<dyn ClusterOperations> {
        Arc::new(Operations {
            control: self.shared.control.clone(),
            leader: Arc::clone(&self.leader),
            identity: self.identity.clone(),
        })
    }

    /// Waits until the process must end; gives the reason.
    pub(crate) async fn failed(&self) -> String {
        let mut failed = self.shared.failed.subscribe();
        let reason = failed.wait_for(Option::is_some).await;
        reason.ok().and_then(|reason| reason.clone()).unwrap_or_default()
    }

    /// Has the cluster remember audit heads (AUD-2).
    pub(crate) fn anchoring(&self) -> Anchoring {
        Anchoring(Arc::clone(&self.shared))
    }

    /// Names and values of the member's metrics.
    pub(crate) fn metrics(&self) -> impl Fn() -> Vec<(String, u64)> + Send + Sync + use<> {
        let (shared, leader) = (Arc::clone(&self.shared), Arc::clone(&self.leader));
        move || shared.metrics(&leader)
    }

    /// Gives the shards of this node to others, so that its end fails no call. Returns when they
    /// are gone, when nobody is there to take them, or when `drain_ms` are over.
    pub(crate) async fn drain(&self) {
        let shared = &self.shared;
        shared.status.set_waiting(Some("the node is being drained".to_owned()));
        if !shared.has_heirs() {
            return;
        }
        let drain = Command::DrainNode { node: shared.node, drain: Drain::ForRestart };
        let limit = Duration::from_millis(self.config.drain_ms);
        let given = tokio::time::timeout(limit, async {
            while let Err(refused) = shared.control.propose(drain.clone()).await {
                if refused.code == ErrorCode::ClusterRefused {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
            }
            while shared.is_concerned() && shared.has_heirs() {
                tokio::time::sleep(Duration::from_millis(DRAIN_LOOK_MS)).await;
            }
        });
        if given.await.is_err() {
            tracing::warn!("not every shard was given to another node in time");
        }
    }

    /// Says farewell and stops: to be called when nothing is in flight any more.
    pub(crate) async fn stop(self) {
        let shared = &self.shared;
        let incarnation = shared.incarnation.load(Ordering::Acquire);
        let farewell = Command::StopNode { node: shared.node, incarnation };
        let limit = Duration::from_millis(FAREWELL_MS_MAX);
        if incarnation > 0
            && tokio::time::timeout(limit, shared.control.propose(farewell)).await.is_err()
        {
            tracing::debug!("the cluster will see by the lease that this node stopped");
        }
        self.stopping.send_replace(true);
        for task in self.tasks {
            // A task that panicked has nothing left to stop.
            drop(task.await);
        }
        if let Some(network) = shared.router.network() {
            network.shut_down(Duration::from_millis(PEER_GRACE_MS)).await;
        }
        shared.control.plane.shutdown().await;
    }
}

/// Anchors audit heads, also while the member is being taken apart.
pub(crate) struct Anchoring(Arc<Shared>);

impl Anchoring {
    pub(crate) async fn anchor(&self, heads: &[SignedTreeHead]) {
        anchors::anchor(&self.0.control, self.0.node, heads, &self.0.anchors).await;
    }
}

impl Shared {
    fn fail(&self, reason: String) {
        tracing::error!(reason, "this node must end");
        self.failed.send_if_modified(|failed| {
            let is_first = failed.is_none();
            failed.get_or_insert(reason);
            is_first
        });
    }

    /// Whether others may take this node's shards.
    fn has_heirs(&self) -> bool {
        self.control.read(|state| {
            let mut others = state.nodes().iter().filter(|(id, _)| **id != self.node);
            others.any(|(_, node)| node.may_get_shards())
        })
    }

    /// Whether this node owns a shard or has to let go of one.
    fn is_concerned(&self) -> bool {
        self.control.read(|state| {
            let owns = state.owned_by(self.node).next().is_some();
            owns || state.not_open().iter().any(|shard| {
                let source = state.shards().get(shard).and_then(consensus_control::Shard::source);
                source.is_some_and(|source| source.node == self.node)
            })
        })
    }

    fn metrics(&self, leader: &Leader) -> Vec<(String, u64)> {
        let (owned, not_open, alive) = self.control.read(|state| {
            let alive = state.nodes().values().filter(|node| node.is_alive()).count();
            (state.owned_by(self.node).count(), state.not_open().len(), alive)
        });
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let (agent, router) = (&self.agent.counters, &self.router.counters);
        let own = [
            ("medulla_cluster_shards_owned", count(owned)),
            ("medulla_cluster_shards_not_open", count(not_open)),
            ("medulla_cluster_nodes_alive", count(alive)),
            ("medulla_cluster_leads", u64::from(leader.plan().is_some())),
            ("medulla_cluster_log_applied", *self.control.plane.applied().borrow()),
            ("medulla_cluster_proposals_refused_total", load(&leader.proposals_refused)),
            ("medulla_cluster_lease_renewals_total", load(&self.renewals)),
            ("medulla_cluster_lease_renewals_failed_total", load(&self.renewals_failed)),
            ("medulla_cluster_steps_total", load(&agent.steps)),
            ("medulla_cluster_steps_failed_total", load(&agent.steps_failed)),
            ("medulla_cluster_shards_dropped_total", load(&agent.dropped)),
            ("medulla_cluster_audit_heads_anchored_total", load(&self.anchors.anchored)),
            ("medulla_cluster_audit_heads_contradicted_total", load(&self.anchors.contradicted)),
            ("medulla_cluster_calls_forwarded_total", load(&router.calls)),
            ("medulla_cluster_calls_unreached_total", load(&router.unreached)),
            ("medulla_cluster_calls_lost_total", load(&router.lost)),
        ];
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
        let peers = self.router.network().map(|network| network.metrics()());
        own.chain(peers.into_iter().flatten()).collect()
    }
}

async fn control_plane(
    environment: &Environment,
    data: &Path,
    config: &ClusterConfig,
    identity: &Identity,
) -> Result<ControlPlane<ControlMachine>, ClusterError> {
    let failed = |reason: String| ClusterError::ControlPlane { reason };
    let secured = SecuredConfig::new(config.security.clone(), environment.clock_and_network());
    let transport = RaftTransport::bind(identity.node(), config.raft, secured)
        .await
        .map_err(|error| ClusterError::Peers { reason: format!("{}: {error}", config.raft) })?;
    let execution = match environment.execution.spawner().cloned() {
        Some(spawner) => consensus_raft::Execution::Threads(spawner),
        None => consensus_raft::Execution::Inline,
    };
    let outside = consensus_raft::Environment {
        disk: Arc::clone(&environment.disk),
        rng: Arc::clone(&environment.rng),
        execution,
        transport: Arc::new(transport),
    };
    let options = Options {
        cluster: identity.cluster()?,
        node: identity.node(),
        address: config.raft.to_string(),
        directory: data.join(RAFT_FOLDER),
        config: consensus_raft::Config::default(),
    };
    let plane = ControlPlane::start(outside, options, ControlMachine::default()).await;
    plane.map_err(|error| failed(error.to_string()))
}

async fn peers(
    environment: &Environment,
    config: &ClusterConfig,
    node: NodeId,
    runtime: &Runtime,
) -> Result<PeerNetwork, ClusterError> {
    let peer = PeerConfig {
        id: PeerId::new(node.0),
        network: NETWORK.to_owned(),
        carrier: Arc::clone(&environment.network),
        listen: config.peer,
        security: config.security.clone(),
        times: PeerTimes::default(),
        limits: PeerLimits::default(),
        clock: Arc::clone(&environment.clock),
        rng: Arc::clone(&environment.rng),
    };
    let network = PeerNetwork::start(peer, Arc::new(Served(runtime.clone()))).await;
    network.map_err(|error| ClusterError::Peers { reason: error.to_string() })
}

/// How this node forms its cluster: over the equal shards of the store, above every epoch in it.
async fn formation(
    shared: &Shared,
    runtime: &Runtime,
    config: &ClusterConfig,
    (identity, spec): (&Identity, &NodeSpec),
) -> Result<Formation, ClusterError> {
    let in_use = |reason: String| ClusterError::StoreInUse { reason };
    let snapshot = shared.store.begin().await.map_err(|error| in_use(error.to_string()))?;
    let stored = stored_shards(&*snapshot).await.map_err(|error| in_use(error.to_string()))?;
    let shards = runtime.shards().0;
    let is_formed = shared.control.read(|state| state.cluster().is_some());
    let is_foreign = stored.iter().any(|stored| stored.shard >= shards || stored.owner.is_none());
    if is_foreign && !is_formed {
        return Err(in_use("its shards were split or merged by a plan that is lost".to_owned()));
    }
    let owned = stored.iter().filter(|stored| stored.owner.is_some());
    let epoch_floor = owned.map(|stored| stored.epoch).max().unwrap_or(Epoch(0));
    let (join_key, first, timeouts) = (identity.join_key, spec.clone(), config.timeouts);
    Ok(Formation { join_key, first, shards, epoch_floor, timeouts })
}

/// Comes into the cluster, and then lives in it: renews the lease and looks at the others'.
async fn live(
    shared: Arc<Shared>,
    spec: NodeSpec,
    formation: Option<Formation>,
    mut stopping: watch::Receiver<bool>,
) {
    let living = async {
        if let Some(formation) = formation
            && let Err(reason) = form(&shared, formation).await
        {
            return shared.fail(reason);
        }
        match come_in(&shared, spec).await {
            Ok(incarnation) => renew(&shared, incarnation).await,
            Err(reason) => shared.fail(reason),
        }
    };
    tokio::select! {
        biased;
        _ = stopping.wait_for(|stop| *stop) => {}
        reason = shared.control.plane.stopped() => {
            if reason != StopReason::Requested {
                shared.fail(format!("the control plane stopped: {reason}"));
            }
        }
        () = living => {}
    }
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
}

async fn form(shared: &Shared, formation: Formation) -> Result<(), String> {
    loop {
        match shared.control.plane.initialize().await {
            Ok(()) | Err(MembershipError::AlreadyInitialized) => break,
            Err(MembershipError::Stopped { reason }) => return Err(reason),
            Err(_) => pause().await,
        }
    }
    if shared.control.read(|state| state.cluster().is_some()) {
        return Ok(());
    }
    propose_until_decided(shared, Command::FormCluster(formation)).await
}

/// Proposes until it is decided.
async fn propose_until_decided(shared: &Shared, command: Command) -> Result<(), String> {
    loop {
        match shared.control.propose(command.clone()).await {
            Ok(_) => return Ok(()),
            Err(NotDone { code: ErrorCode::ClusterRefused, word, message }) => {
                return Err(format!("{word}: {message}"));
            }
            Err(refused) => {
                tracing::debug!(reason = refused.message, "asking the control plane again");
                pause().await;
            }
        }
    }
}

/// Takes the lease for this run and tells the cluster that the node started. Waits until the
/// cluster has let the node into the Raft log.
async fn come_in(shared: &Shared, spec: NodeSpec) -> Result<u64, String> {
    let is_known = || shared.control.read(|state| state.nodes().contains_key(&shared.node));
    while !is_known() {
        pause().await;
    }
    let row = loop {
        match lease::take(&shared.store, shared.node).await {
            Ok(row) => break row,
            Err(error) => {
                tracing::info!(?error, "the lease cannot be taken yet");
                pause().await;
            }
        }
    };
    let (incarnation, lease_counter) = (row.incarnation, row.counter);
    let start = NodeStart { node: shared.node, incarnation, lease_counter, spec };
    propose_until_decided(shared, Command::StartNode(start)).await?;
    shared.incarnation.store(incarnation, Ordering::Release);
    Ok(incarnation)
}

/// Renews and looks, until the process must end.
async fn renew(shared: &Shared, incarnation: u64) {
    loop {
        let lease_ms = shared.control.read(|state| state.timeouts().lease_ms);
        tokio::time::sleep(Duration::from_millis((lease_ms / LEASE_PARTS).max(1))).await;
        match lease::renew(&shared.store, shared.node, incarnation).await {
            Ok(_) => {
                shared.renewals.fetch_add(1, Ordering::Relaxed);
            }
            Err(Unrenewed::Overtaken) => {
                return shared.fail("a later run of this node is about".to_owned());
            }
            Err(Unrenewed::Store(reason)) => {
                shared.renewals_failed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(reason, "the lease could not be renewed");
            }
        }
        shared.look().await;
        if let Some(reason) = shared.control.must_stop() {
            return shared.fail(reason);
        }
    }
}

impl Shared {
    /// Looks at the leases that count, and says whether this node is ready.
    async fn look(&self) {
        let (watched, own) = self.control.read(|state| {
            let lives = state.nodes().iter().map(|(id, node)| (*id, node.life));
            let own = state.nodes().get(&self.node).map(consensus_control::Node::state);
            (lease::watched(lives, self.node), own)
        });
        let seen = (self.control.monotonic_ms(), self.renewals.load(Ordering::Relaxed));
        if let Err(error) = self.observer.look(&self.store, &watched, seen).await {
            tracing::debug!(%error, "leases could not be read");
        }
        use consensus_control::NodeState;
        self.status.set_waiting(match own {
            Some(NodeState::Up) => None,
            Some(NodeState::Draining) => Some("the node is being drained".to_owned()),
            Some(state) => Some(format!("the node is {} in its cluster", state.name())),
            None => Some("the node is not in its cluster yet".to_owned()),
        });
    }
}
