//! Several nodes over one served store, each on a runtime of its own, so that one can be killed:
//! its runtime is dropped, and with it every task and socket.

use crate::world::{caller, result};
use actors_patient::command::{Command, Read, Reply};
use actors_store::Store;
use node_app::cluster::{
    ClusterConfig, ClusterError, Drill, JoinWithin, Membership, PeerSecurity, Timeouts,
};
use node_app::{Environment, Node, NodeConfig, NodeError, StoreConfig, assemble};
use node_env::real::{RealClock, RealDisk, RealRng, TcpNetwork, ThreadSpawner};
use node_ingest::gateway::Gateway;
use node_ingest::hl7::{self, Disposition};
use node_ingest::operations::{ClusterOperations, Operation};
use node_store_embedded::{EmbeddedStore, Execution, Options};
use node_store_remote::{RemoteServer, ServedStore, ServerConfig};
use serde_json::Value;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const LEASE_MS: u64 = 600;
const PATIENCE_MS: u64 = 800;
const SHARDS: u16 = 6;
const WAIT_SECONDS_MAX: u64 = 60;
const LOOK_MS: u64 = 20;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// A port below those that the system gives to connections: one of these could be gone when a
/// node wants it.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 5_000).unwrap();
    let mut ports = std::iter::repeat_with(|| first + NEXT.fetch_add(1, Ordering::Relaxed));
    let free = ports.find_map(|port| TcpListener::bind(("127.0.0.1", 12_000 + port)).ok());
    free.unwrap().local_addr().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "real processes' worth of nodes take real time")]
fn now() -> Instant {
    Instant::now()
}

/// Waits until something is so.
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let begin = now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(WAIT_SECONDS_MAX), "not in time: {what}");
        std::thread::park_timeout(Duration::from_millis(LOOK_MS));
    }
}

/// What one node is started with, again and again.
#[derive(Clone)]
pub(crate) struct Setting {
    pub(crate) name: String,
    pub(crate) data: PathBuf,
    peer: SocketAddr,
    raft: SocketAddr,
    pub(crate) security: PeerSecurity,
    pub(crate) drill: Option<Arc<dyn Drill>>,
    pub(crate) balances: bool,
}

/// A node that runs.
pub(crate) struct Running {
    node: Option<Node>,
    runtime: Option<Runtime>,
    pub(crate) operations: Arc<dyn ClusterOperations>,
    pub(crate) gateway: Gateway,
}

pub(crate) struct Cluster {
    folder: tempfile::TempDir,
    store: SocketAddr,
    _server: (RemoteServer, Runtime),
    pub(crate) settings: Vec<Setting>,
    pub(crate) nodes: Vec<Option<Running>>,
}

impl Cluster {
    /// Starts a served store and `count` nodes named `n1`, `n2` and so on.
    pub(crate) fn start(count: usize, setting: impl Fn(&mut Setting)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let environment = node_store_embedded::Environment {
            disk: Arc::new(RealDisk),
            clock: Arc::new(RealClock::new()),
            rng: Arc::new(RealRng),
            execution: Execution::Threads(Arc::new(ThreadSpawner)),
        };
        let options = Options::new(folder.path().join("store"));
        let store = Arc::new(EmbeddedStore::open(environment, &options).unwrap());
        let served = ServedStore::new(store as Arc<dyn Store>);
        let serving = runtime();
        let listening =
            RemoteServer::listen(served, (&TcpNetwork, "127.0.0.1:0"), ServerConfig::default());
        let server = serving.block_on(listening).unwrap();
        let store = server.local_address().unwrap();
        let _server = (server, serving);
        let (settings, nodes) = (Vec::new(), Vec::new());
        let mut cluster = Self { folder, store, _server, settings, nodes };
        for _ in 0..count {
            let at = cluster.add(&setting);
            cluster.run(at).unwrap();
        }
        cluster.settle();
        cluster
    }

    /// A further node that does not run yet.
    pub(crate) fn add(&mut self, setting: impl Fn(&mut Setting)) -> usize {
        let at = self.settings.len();
        let name = format!("n{}", at + 1);
        let data = self.folder.path().join(&name);
        let (peer, raft) = (free_address(), free_address());
        let security = PeerSecurity::InsecureDevelopment;
        let (drill, balances) = (None, true);
        let mut new = Setting { name, data, peer, raft, security, drill, balances };
        setting(&mut new);
        self.settings.push(new);
        self.nodes.push(None);
        at
    }

    /// Starts a node, for the first time or again.
    pub(crate) fn run(&mut self, at: usize) -> Result<(), NodeError> {
        let Setting { name, data, peer, raft, security, drill, balances } =
            self.settings[at].clone();

        let other = self.nodes.iter().flatten().next();
        let membership = match other {
            None => Membership::Form,
            Some(other) => Membership::Join(Arc::new(JoinWithin(Arc::clone(&other.operations)))),
        };
        let mut cluster = ClusterConfig::new(membership, peer, raft);
        cluster.timeouts = Timeouts { lease_ms: LEASE_MS, step_patience_ms: PATIENCE_MS };
        (cluster.security, cluster.drill, cluster.drain_ms) = (security, drill, 5_000);
        cluster.balances = balances;
        let mut config = NodeConfig::new(data);
        config.store = StoreConfig::Remote { address: self.store.to_string() };
        config.cluster = Some(cluster);
        config.runtime.node = name;
        config.anchor_interval_seconds = 1;
        config.runtime.shards = SHARDS;
        let runtime = runtime();
        let environment = Environment {
            disk: Arc::new(RealDisk),
            clock: Arc::new(RealClock::new()),
            rng: Arc::new(RealRng),
            network: Arc::new(TcpNetwork),
            // On the node's own runtime, so that all of it ends with that.
            execution: Execution::Inline,
        };
        let node = runtime.block_on(async {
            let mut again = tokio::time::interval(Duration::from_millis(LOOK_MS));
            loop {
                again.tick().await;
                match assemble(environment.clone(), config.clone()).await {
                    // What was killed a moment ago still goes down.
                    Err(
                        NodeError::Disk(_)
                        | NodeError::Cluster(
                            ClusterError::ControlPlane { .. } | ClusterError::Peers { .. },
                        ),
                    ) => {}
                    other => return other,
                }
            }
        })?;
        let (operations, gateway) = (node.operations().unwrap(), node.gateway().clone());
        let (node, runtime) = (Some(node), Some(runtime));
        self.nodes[at] = Some(Running { node, runtime, operations, gateway });
        Ok(())
    }

    pub(crate) fn node(&self, at: usize) -> &Running {
        self.nodes[at].as_ref().unwrap()
    }

    /// Ends a node as kill -9 would.
    pub(crate) fn kill(&mut self, at: usize) {
        drop(self.nodes[at].take());
    }

    /// Ends a node as SIGTERM would; gives whether all in flight was finished.
    pub(crate) fn terminate(&mut self, at: usize) -> bool {
        let mut running = self.nodes[at].take().unwrap();
        let (node, runtime) = (running.node.take().unwrap(), running.runtime.take().unwrap());
        let is_drained = runtime.block_on(node.stop());
        runtime.shutdown_background();
        is_drained
    }

    /// Waits until every node that runs is up and every shard is open.
    pub(crate) fn settle(&self) {
        let running = self.nodes.iter().flatten().count();
        until("every node up and every shard open", || {
            self.nodes.iter().flatten().all(|node| {
                let up = node.operations.nodes().iter().filter(|it| it["state"] == "up").count();
                let shards = node.operations.shards();
                up == running
                    && !shards.is_empty()
                    && shards.iter().all(|shard| shard["state"] == "open")
            })
        });
    }

    /// Has a node do what an operator asks for; gives the answer or the code of the refusal.
    pub(crate) fn operate(&self, at: usize, operation: Operation) -> Result<Value, String> {
        let node = self.node(at);
        let answer = node.runtime().block_on(node.operations.operate(operation));
        answer.map_err(|error| format!("{} {}", error.code, error.message))
    }

    /// The shards whose owner is this node.
    pub(crate) fn shards_of(&self, observer: usize, at: usize) -> Vec<u16> {
        let owner = &self.settings[at].name;
        let shards = self.node(observer).operations.shards();
        let of = shards.iter().filter(|shard| shard["owner"] == owner[..]);
        of.map(|shard| u16::try_from(shard["shard"].as_u64().unwrap()).unwrap()).collect()
    }

    /// A patient whose shard this is.
    pub(crate) fn patient_in(&self, observer: usize, shard: u16) -> String {
        let runtime = &self.node(observer).gateway.runtime;
        let is_there = |name: &String| {
            let hash = self.node(observer).gateway.patient(&format!("H.{name}")).hash();
            runtime.shard_at(hash).is_some_and(|found| found.0 == shard)
        };
        (0..10_000).map(|number| format!("p{number}")).find(is_there).unwrap()
    }
}

impl Running {
    pub(crate) fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().unwrap()
    }

    /// Sends one result of a patient to this node.
    pub(crate) fn send(&self, patient: &str, control_id: &str, minute: u32) -> Disposition {
        let (raw, sender) = (result(patient, control_id, minute), caller());
        let receiving = hl7::receive(&self.gateway, &sender, &raw, "mllp");
        self.runtime().block_on(receiving).disposition
    }

    /// How many observations of a patient there are.
    pub(crate) fn observations(&self, patient: &str) -> u64 {
        let entity = self.gateway.patient(&format!("H.{patient}"));
        let question = Command::Read(Read::State);
        let asker = caller();
        let asking = self.gateway.ask::<actors_patient::Patient>(&asker, entity, question);
        match self.runtime().block_on(asking) {
            Ok(Reply::State(state)) => state.observations_total,
            _ => 0,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.node.take());
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
