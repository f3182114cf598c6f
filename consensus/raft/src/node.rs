//! Assembles a node from its parts and runs it until it is asked to stop or has to. The handle
//! that callers hold is in `control_plane`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use node_env::DirectoryLock;
use openraft::SnapshotPolicy;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::batcher;
use crate::config::{Environment, Options};
use crate::core::Core;
use crate::error::{IdReused, StartError, StopReason};
use crate::handler::NodeHandler;
use crate::limits::{
    APPEND_ENTRIES_MAX, CALLS_MAX, MAINTENANCE_INTERVAL_MS, PROPOSALS_MAX, SNAPSHOT_CHUNK_BYTES,
    SNAPSHOT_CHUNK_TIMEOUT_MS,
};
use crate::log_store::LogStore;
use crate::machine::ErasedMachine;
use crate::net::client::Peers;
use crate::net::hello::Me;
use crate::net::server;
use crate::network::Network;
use crate::raft_types::Raft;
use crate::runtime;
use crate::state_machine::{self, StateMachine};
use crate::stop::StopCell;
use crate::storage::Storage;
use crate::worker::DiskWorker;

/// Something that a caller wants done inside the node.
pub(crate) type Call =
    Box<dyn FnOnce(Arc<Core>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// What a node is started with.
pub(crate) struct Start {
    pub(crate) environment: Environment,
    pub(crate) options: Options,
    pub(crate) machine: Arc<dyn ErasedMachine>,
    pub(crate) stop: StopCell,
    pub(crate) applied: Arc<watch::Sender<u64>>,
    pub(crate) calls: mpsc::Receiver<Call>,
    pub(crate) ready: oneshot::Sender<Result<(), StartError>>,
    /// Set when nothing of the node is left.
    pub(crate) ended: watch::Sender<bool>,
}

/// Runs a node on a runtime of its own, on this thread.
pub(crate) fn run_on_thread(start: Start) {
    let ended = start.ended.clone();
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            runtime.block_on(run(start));
            drop(runtime);
        }
        Err(error) => {
            let reason = error.to_string();
            // Whoever started it may have gone.
            let _gone = start.ready.send(Err(StartError::Thread { reason }));
        }
    }
    ended.send_replace(true);
}

/// Runs a node on the runtime of the caller.
pub(crate) async fn run_inline(start: Start) {
    let ended = start.ended.clone();
    run(start).await;
    ended.send_replace(true);
}

async fn run(start: Start) {
    let Start { environment, options, machine, stop, applied, mut calls, ready, ended: _ } = start;
    runtime::seed_thread(environment.rng.next_u64());
    let parts = Parts { environment, options, machine, stop: stop.clone(), applied };
    let (core, lock, waiting) = match assemble(parts).await {
        Ok(assembled) => assembled,
        Err((error, reason)) => {
            stop.stop(reason);
            let _gone = ready.send(Err(error));
            return;
        }
    };
    let (transport, me) = (core.transport, core.core.me);
    let core = core.core;
    let mut tasks = JoinSet::new();
    let handler = Arc::new(NodeHandler(Arc::clone(&core)));
    tasks.spawn(server::serve(transport, me, handler));
    let timeout = Duration::from_millis(core.options.config.propose_timeout_ms);
    tasks.spawn(batcher::run(core.raft.clone(), waiting, timeout));
    tasks.spawn(maintain(Arc::clone(&core)));
    tasks.spawn(watch_raft(core.raft.clone(), stop.clone()));
    let _gone = ready.send(Ok(()));

    let mut called = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            _reason = stop.stopped() => break,
            Some(_done) = called.join_next() => {}
            // Those that are not taken yet fill the channel, and then callers are refused.
            call = calls.recv(), if called.len() < CALLS_MAX => match call {
                Some(call) => {
                    called.spawn(call(Arc::clone(&core)));
                }
                None => stop.stop(StopReason::Requested),
            },
        }
    }
    called.shutdown().await;
    tasks.shutdown().await;
    // It fails only when its task has ended already.
    let _ended = core.raft.shutdown().await;
    drop(core);
    drop(lock);
}

struct Parts {
    environment: Environment,
    options: Options,
    machine: Arc<dyn ErasedMachine>,
    stop: StopCell,
    applied: Arc<watch::Sender<u64>>,
}

struct Assembled {
    core: Arc<Core>,
    transport: Arc<dyn crate::transport::Transport>,
}

type Assembly = (Assembled, Box<dyn DirectoryLock>, mpsc::Receiver<batcher::Waiting>);

async fn assemble(parts: Parts) -> Result<Assembly, (StartError, StopReason)> {
    assemble_parts(parts).await.map_err(|error| {
        let reason = StopReason::Raft { reason: error.to_string() };
        (error, reason)
    })
}

async fn assemble_parts(parts: Parts) -> Result<Assembly, StartError> {
    let Parts { environment, options, machine, stop, applied } = parts;
    let Environment { disk, rng, execution, transport } = environment;
    let storage = Storage::open(&disk, rng.as_ref(), &options)?;
    let me = Me {
        cluster: options.cluster,
        node: options.node,
        incarnation: storage.identity.incarnation,
    };
    let log_worker = DiskWorker::start("raft-log", &execution)?;
    let log = LogStore::new(storage.log, storage.vote, storage.ballot, log_worker, stop.clone());
    let state_machine = StateMachine::open(
        state_machine::Parts {
            machine: Arc::clone(&machine),
            file: storage.snapshot_file,
            worker: DiskWorker::start("raft-snapshot", &execution)?,
            stop: stop.clone(),
            applied: Arc::clone(&applied),
        },
        storage.snapshot,
    )?;
    check_own_id(&state_machine, &me)?;
    let reused = stop.clone();
    let on_reused = move |id: IdReused| reused.stop(StopReason::IdReused(id));
    let peers = Peers::new(me, Arc::clone(&transport), on_reused);
    let network = Network { peers: Arc::clone(&peers) };
    let config = Arc::new(raft_config(&options));
    let raft = Raft::new(me.node.0, config, network, log.clone(), state_machine.clone())
        .await
        .map_err(|fatal| {
            let raft = || StopReason::Raft { reason: fatal.to_string() };
            StartError::Stopped(stop.reason().unwrap_or_else(raft))
        })?;
    let (batch, waiting) = mpsc::channel(PROPOSALS_MAX);
    let core = Core {
        options,
        me,
        raft,
        peers,
        log,
        state_machine,
        machine,
        stop,
        batch,
        applied,
        changing: tokio::sync::Mutex::new(()),
    };
    Ok((Assembled { core: Arc::new(core), transport }, storage.lock, waiting))
}

fn check_own_id(state_machine: &StateMachine, me: &Me) -> Result<(), StartError> {
    match state_machine.known_incarnation(me.node.0) {
        Some(known) if known != me.incarnation => {
            let found = me.incarnation;
            Err(StartError::IdReused(IdReused { node: me.node.0, known, found }))
        }
        Some(_) | None => Ok(()),
    }
}

fn raft_config(options: &Options) -> openraft::Config {
    let config = &options.config;
    openraft::Config {
        cluster_name: "medulla".to_owned(),
        heartbeat_interval: config.heartbeat_ms,
        election_timeout_min: config.election_timeout_ms_min,
        election_timeout_max: config.election_timeout_ms_max,
        install_snapshot_timeout: SNAPSHOT_CHUNK_TIMEOUT_MS,
        max_payload_entries: APPEND_ENTRIES_MAX,
        // More than the distance between snapshots, or a snapshot would not help who lags.
        replication_lag_threshold: config.snapshot_entries * 2 + config.log_entries_kept,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(config.snapshot_entries),
        snapshot_max_chunk_size: SNAPSHOT_CHUNK_BYTES as u64,
        max_in_snapshot_log_to_keep: config.log_entries_kept,
        ..openraft::Config::default()
    }
}

/// Ends the node when Raft ends, also when it panicked and says nothing.
async fn watch_raft(raft: Raft, stop: StopCell) {
    let mut metrics = raft.metrics();
    loop {
        let state = metrics.borrow_and_update().running_state.clone();
        if let Err(fatal) = state {
            stop.stop(StopReason::Raft { reason: fatal.to_string() });
            return;
        }
        if metrics.changed().await.is_err() {
            stop.stop(StopReason::Raft { reason: "its task panicked".to_owned() });
            return;
        }
    }
}

/// Looks after what openraft 0.9 leaves to its user: half-done changes of the voters, a leader
/// that gave up its vote, and a log that grows in bytes rather than in entries.
async fn maintain(core: Arc<Core>) {
    let mut interval = tokio::time::interval(Duration::from_millis(MAINTENANCE_INTERVAL_MS));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let metrics = core.metrics();
        let membership = metrics.membership_config.membership();
        core.peers.retain(|node| membership.get_node(&node.0).is_some());
        let leads = metrics.current_leader == Some(metrics.id);
        if leads && membership.get_joint_config().len() > 1 {
            core.finish_left_change().await;
        }
        // Without heartbeats the voters elect one of themselves when the lease is over.
        let votes = membership.voter_ids().any(|voter| voter == metrics.id);
        core.raft.runtime_config().heartbeat(votes || !leads);
        if core.log.bytes() > core.options.config.snapshot_log_bytes {
            shrink_log(&core, &metrics).await;
        }
    }
}

async fn shrink_log(core: &Core, metrics: &crate::raft_types::Metrics) {
    let (applied, snapshot) = (metrics.last_applied, metrics.snapshot);
    let shrunk = match snapshot {
        Some(snapshot) if Some(snapshot) == applied => {
            core.raft.trigger().purge_log(snapshot.index).await
        }
        Some(_) | None => core.raft.trigger().snapshot().await,
    };
    if let Err(fatal) = shrunk {
        tracing::debug!(%fatal, "log is not shrunk");
    }
}
