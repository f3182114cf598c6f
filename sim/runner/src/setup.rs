//! What runs on the hosts of a simulated hospital: a store that is served, the nodes on it, each
//! the production assembly, and what is seen of them from inside.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actors_store::Store;
use futures::FutureExt;
use futures::future::{BoxFuture, LocalBoxFuture};
use node_app::cluster::{ClusterConfig, Join, JoinError, Membership, Timeouts};
use node_app::{Environment, Node, NodeConfig, StoreConfig, assemble};
use node_env::{Clock, Disk, Network};
use node_store_embedded::{EmbeddedStore, Execution, Options};
use node_store_remote::{PlainAcceptor, RemoteServer, ServedStore, ServerConfig};
use schema_types::cluster::{Epoch, NodeId};
use schema_types::ids::ShardId;
use serde_json::Value;
use sim_checks::{ClusterSample, CommitLog, NodeSample, Place, RaftSample, RecordingStore};
use sim_world::HostContext;

use crate::driver::SteppedDriver;
use crate::lines::{HttpAsk, http};

/// The host of the served store.
pub(crate) const STORE_HOST: u8 = 9;
/// The host that asks nodes to let a new one in never matters: joins go to any node.
const HTTP_PORT: u16 = 80;
const MLLP_PORT: u16 = 2575;
const PEER_PORT: u16 = 7100;
const RAFT_PORT: u16 = 7200;
const STORE_PORT: u16 = 7400;
/// Time between two looks at a node from inside.
const SAMPLE_MS: u64 = 500;
/// The same in microseconds.
pub(crate) const SAMPLE_MICROS: u64 = SAMPLE_MS * 1_000;
/// What each part of an orderly end is given: a supervisor has little patience.
const STOP_MS_MAX: u64 = 3_000;
/// Time between two tries to start a node that others keep from starting.
const START_AGAIN_MS: u64 = 300;

/// `127.0.0.<host>:port`.
fn address(host: u8, port: u16) -> String {
    format!("127.0.0.{host}:{port}")
}

/// Where a node takes messages.
pub(crate) fn mllp_address(host: u8) -> String {
    address(host, MLLP_PORT)
}

/// Where a node serves HTTP.
pub(crate) fn http_address(host: u8) -> String {
    address(host, HTTP_PORT)
}

/// Kinds of clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Topology {
    /// One node on a store of its own.
    Alone,
    /// Several nodes on one store that is served.
    Served {
        /// How many nodes.
        nodes: u8,
    },
}

impl Topology {
    pub(crate) fn nodes(self) -> Vec<u8> {
        match self {
            Self::Alone => vec![1],
            Self::Served { nodes } => (1..=nodes).collect(),
        }
    }
}

/// What is collected while the world runs; shared by the programs of its hosts.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) samples: Vec<ClusterSample>,
    pub(crate) ids: BTreeMap<u8, NodeId>,
    pub(crate) audit_keys: Vec<[u8; 32]>,
    pub(crate) ends: BTreeMap<String, u64>,
}

pub(crate) type SharedSeen = Rc<RefCell<Seen>>;

/// Notes that a process ended by itself, and why.
fn note_end(seen: &SharedSeen, why: String) {
    *seen.borrow_mut().ends.entry(why).or_default() += 1;
}

/// The host that serves the store: one listener for each node, so that commits can be told apart.
pub(crate) fn store_program(
    nodes: Vec<u8>,
    log: Arc<CommitLog>,
    seen: SharedSeen,
) -> impl Fn(HostContext) -> LocalBoxFuture<'static, ()> {
    move |context| {
        let (nodes, log, seen) = (nodes.clone(), Arc::clone(&log), Rc::clone(&seen));
        async move {
            if let Err(error) = serve_store(&context, &nodes, &log).await {
                note_end(&seen, format!("store: {error:#}"));
            }
        }
        .boxed_local()
    }
}

fn environment(context: &HostContext, execution: Execution) -> Environment {
    Environment {
        disk: Arc::new(context.disk.clone()) as Arc<dyn Disk>,
        clock: Arc::clone(&context.time) as Arc<dyn Clock>,
        rng: Arc::clone(&context.rng) as Arc<dyn node_env::Rng>,
        network: Arc::clone(&context.network),
        execution,
    }
}

fn store_options(folder: &str) -> Options {
    let mut options = Options::new(folder);
    options.segment_bytes = 256 * 1024;
    options.overlay_bytes = 256 * 1024;
    options
}

async fn serve_store(
    context: &HostContext,
    nodes: &[u8],
    log: &Arc<CommitLog>,
) -> anyhow::Result<()> {
    let outside = environment(context, Execution::Stepped(SteppedDriver::new(context)));
    let outside = node_store_embedded::Environment {
        disk: outside.disk,
        clock: outside.clock,
        rng: outside.rng,
        execution: outside.execution,
    };
    let store = Arc::new(EmbeddedStore::open(outside, &store_options("/store"))?);
    let mut servers = Vec::new();
    for node in nodes {
        let time = Arc::clone(&context.time);
        let clock = Arc::new(move || time.monotonic_micros());
        let who = (NodeId(u64::from(*node)), 1);
        let inner = Arc::clone(&store) as Arc<dyn Store>;
        let recorded = RecordingStore::new(inner, Arc::clone(log), who, clock);
        let port = STORE_PORT + u16::from(*node);
        let acceptor = PlainAcceptor::bind(&*context.network, &context.address(port)).await?;
        let served = ServedStore::new(Arc::new(recorded) as Arc<dyn Store>);
        servers.push(RemoteServer::start(served, acceptor, ServerConfig::default()));
    }
    let mut stopping = context.stopping.clone();
    loop {
        let step = Duration::from_millis(SAMPLE_MS);
        if tokio::time::timeout(step, stopping.wait_for(|stop| *stop)).await.is_ok() {
            break;
        }
        if let Some(reason) = store.stopped() {
            anyhow::bail!("the store stopped: {reason}");
        }
    }
    drop(servers);
    store.close();
    Ok(())
}

/// Asks the other nodes, over HTTP, to be let in.
struct JoinOver {
    network: Arc<dyn Network>,
    others: Vec<u8>,
}

impl Join for JoinOver {
    fn ask(&self, request: Value) -> BoxFuture<'_, Result<Value, JoinError>> {
        Box::pin(async move {
            let mut reason = "nobody answers".to_owned();
            for other in &self.others {
                let body = Some(request.clone());
                let ask =
                    HttpAsk { method: "POST", path: "/api/v1/nodes", principal: "join", body };
                match http(&self.network, &http_address(*other), ask).await {
                    Ok(answer) if answer.status < 300 => return Ok(answer.body),
                    Ok(answer) => reason = answer.body.to_string(),
                    Err(error) => reason = error.kind().to_string(),
                }
            }
            Err(JoinError { reason, may_repeat: true })
        })
    }
}

/// How nodes are configured in a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NodeSettings {
    pub(crate) topology: Topology,
    pub(crate) shards: u16,
    pub(crate) idle_seconds_max: u64,
    pub(crate) snapshot_interval_events: u32,
}

/// The host of a node.
pub(crate) fn node_program(
    settings: NodeSettings,
    seen: SharedSeen,
) -> impl Fn(HostContext) -> LocalBoxFuture<'static, ()> {
    move |context| {
        let seen = Rc::clone(&seen);
        async move { run_node(context, settings, seen).await }.boxed_local()
    }
}

fn config(context: &HostContext, settings: &NodeSettings) -> NodeConfig {
    let mut config = NodeConfig::new("/data");
    config.mllp = Some(context.address(MLLP_PORT));
    config.http = Some(context.address(HTTP_PORT));
    config.runtime.node = format!("n{}", context.host);
    config.runtime.shards = settings.shards;
    config.runtime.idle_seconds_max = settings.idle_seconds_max;
    config.runtime.snapshot_interval_events = settings.snapshot_interval_events;
    config.segment_bytes = 256 * 1024;
    config.grace_ms = STOP_MS_MAX;
    let Topology::Served { nodes } = settings.topology else { return config };
    let membership = if context.host == 1 {
        Membership::Form
    } else {
        let others = (1..=nodes).filter(|node| *node != context.host).collect();
        let network = Arc::clone(&context.network);
        Membership::Join(Arc::new(JoinOver { network, others }))
    };
    let at = |port| SocketAddr::from(([127, 0, 0, context.host], port));
    let mut cluster = ClusterConfig::new(membership, at(PEER_PORT), at(RAFT_PORT));
    cluster.timeouts = Timeouts::default();
    cluster.drain_ms = STOP_MS_MAX;
    config.cluster = Some(cluster);
    let port = STORE_PORT + u16::from(context.host);
    config.store = StoreConfig::Remote { address: address(STORE_HOST, port) };
    config
}

async fn run_node(context: HostContext, settings: NodeSettings, seen: SharedSeen) {
    let execution = match settings.topology {
        Topology::Alone => Execution::Stepped(SteppedDriver::new(&context)),
        Topology::Served { .. } => Execution::Inline,
    };
    let outside = environment(&context, execution);
    let starting = assemble(outside, config(&context, &settings));
    let node = match starting.await {
        Ok(node) => node,
        Err(error) => {
            note_end(&seen, format!("n{}: {error}", context.host));
            tokio::time::sleep(Duration::from_millis(START_AGAIN_MS)).await;
            return;
        }
    };
    note_node(&node, &seen);
    let mut stopping = context.stopping.clone();
    let asked = tokio::select! {
        _ = stopping.wait_for(|stop| *stop) => true,
        reason = node.failed() => {
            note_end(&seen, format!("n{} ended: {reason}", context.host));
            false
        }
        () = sample_for_ever(&node, &context, &seen) => false,
    };
    if asked {
        node.stop().await;
    }
}

fn note_node(node: &Node, seen: &SharedSeen) {
    let key = node.gateway().runtime.audit_public_key();
    let mut seen = seen.borrow_mut();
    if !seen.audit_keys.contains(&key) {
        seen.audit_keys.push(key);
    }
}

async fn sample_for_ever(node: &Node, context: &HostContext, seen: &SharedSeen) {
    let mut ticks = tokio::time::interval(Duration::from_millis(SAMPLE_MS));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let sampled = sample(node, context).await;
        let at = context.time.world_micros();
        // Until the node knows of its own entry nobody can say which node it is.
        let Some(sample) = sampled else { continue };
        let mut seen = seen.borrow_mut();
        seen.ids.insert(context.host, sample.node);
        seen.samples.push(ClusterSample { at, nodes: vec![sample] });
    }
}

async fn sample(node: &Node, context: &HostContext) -> Option<NodeSample> {
    let Some(operations) = node.operations() else {
        return Some(unseen(NodeId(u64::from(context.host)), context));
    };
    let names: BTreeMap<String, u64> = (operations.nodes().iter())
        .filter_map(|shown| Some((shown["node"].as_str()?.to_owned(), shown["id"].as_u64()?)))
        .collect();
    let own = *names.get(&format!("n{}", context.host))?;
    let mut taken = unseen(NodeId(own), context);
    for shown in operations.shards() {
        let Some(shard) = shown["shard"].as_u64().and_then(|shard| u16::try_from(shard).ok())
        else {
            continue;
        };
        let epoch = Epoch(shown["epoch"].as_u64().unwrap_or(0));
        let owner = shown["owner"].as_str().and_then(|name| names.get(name)).copied();
        let place = Place { epoch, owner: owner.map(NodeId), is_open: shown["state"] == "open" };
        taken.view.insert(ShardId(shard), place);
    }
    for shard in node.gateway().runtime.open_shards() {
        let epoch = taken.view.get(&shard).map_or(Epoch(0), |place| place.epoch);
        taken.owned.insert(shard, epoch);
    }
    taken.raft = raft(&operations.control().await["raft"]);
    Some(taken)
}

/// A node of which nothing is known yet.
const fn unseen(node: NodeId, context: &HostContext) -> NodeSample {
    NodeSample {
        node,
        incarnation: context.incarnation,
        owned: BTreeMap::new(),
        view: BTreeMap::new(),
        raft: None,
        gauges: Vec::new(),
    }
}

fn raft(shown: &Value) -> Option<RaftSample> {
    Some(RaftSample {
        term: shown["term"].as_u64()?,
        voted_for: None,
        is_leader: shown["role"] == "leader",
        committed_index: shown["applied_index"].as_u64().unwrap_or(0),
        applied_index: shown["applied_index"].as_u64().unwrap_or(0),
        applied_digest: None,
    })
}
