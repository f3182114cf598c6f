//! Putting a node together and taking it apart: store, audit key, runtime, gateways, anchors.

use crate::audit_anchor::AnchorWriter;
use crate::cluster::{ClusterConfig, ClusterError, Member, MemberParts, load_or_make};
use crate::config::NodeConfig;
use crate::error::NodeError;
use crate::signing_key;
use crate::store::{Client, OpenStore};
use crate::telemetry;
use actors_audit::HeadSigner;
use actors_runtime::{Runtime, RuntimeParts};
use consensus_control::{Feature, NodeSpec, PublicKey};
use node_env::{Clock, Disk, Listener, Network, Offload, Rng};
use node_ingest::gateway::Gateway;
use node_ingest::http::{self, NodeStatus};
use node_ingest::mllp::{self, Counters};
use node_ingest::operations::ClusterOperations;
use node_rpc::{DevelopmentAuthenticator, RpcExecution, RpcParts, RpcServer};
use node_store_embedded::{Execution, Stats};
use schema_types::ids::TenantId;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The outside world of a node.
#[derive(Clone)]
pub struct Environment {
    /// Where the files are.
    pub disk: Arc<dyn Disk>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Carries all connections.
    pub network: Arc<dyn Network>,
    /// Who does the store's work; without threads here, nothing of the node has any.
    pub execution: Execution,
}

impl Environment {
    /// Where long computations go: with threads, not to the tasks that answer.
    fn offload(&self) -> Offload {
        self.execution.spawner().map_or(Offload::InPlace, |_| Offload::Pool)
    }

    /// What protected connections are made with.
    pub(crate) fn clock_and_network(&self) -> (Arc<dyn Clock>, Arc<dyn Network>) {
        (Arc::clone(&self.clock), Arc::clone(&self.network))
    }
}

/// A running node.
pub struct Node {
    gateway: Gateway,
    store: OpenStore,
    member: Option<Member>,
    anchors: Arc<AnchorWriter>,
    mllp: Option<SocketAddr>,
    http: Option<SocketAddr>,
    rpc: Option<SocketAddr>,
    stopping: watch::Sender<bool>,
    servers: Vec<JoinHandle<()>>,
    grace_ms: u64,
}

/// Assembles a node and starts it. When this returns, its listeners accept.
///
/// # Errors
/// [`NodeError`] with a stable code; nothing is left running then.
///
/// # Panics
/// With an RPC listener but without threads in the environment, outside a `tokio` local set: RPC
/// is served by local tasks then.
pub async fn assemble(environment: Environment, config: NodeConfig) -> Result<Node, NodeError> {
    let listeners = Listeners::bind(&*environment.network, &config).await?;
    let foundation = Foundation::lay(&environment, &config, &listeners).await?;
    let Foundation { store, runtime, anchors, mut status, member } = foundation;
    let gateway = Gateway {
        runtime,
        tenant: TenantId::new(config.tenant.clone()),
        limits: config.ingest.clone(),
        rng: Arc::clone(&environment.rng),
        offload: environment.offload(),
    };
    let mut node = Node {
        mllp: listeners.mllp.as_ref().and_then(|listener| listener.local_address().ok()),
        http: listeners.http.as_ref().and_then(|listener| listener.local_address().ok()),
        rpc: listeners.rpc.as_ref().and_then(|listener| listener.local_address().ok()),
        gateway,
        store,
        member,
        anchors,
        stopping: watch::Sender::new(false),
        servers: Vec::new(),
        grace_ms: config.grace_ms,
    };
    let rpc = match &listeners.rpc {
        Some(_) => Some(rpc_server(&environment, &config, node.gateway.clone())?),
        None => None,
    };
    let counters = Arc::new(Counters::default());
    let of_rpc = rpc.as_ref().map(RpcServer::metrics);
    status.metrics = Some(node.further_metrics(&counters, of_rpc));
    if let (Some(server), Some(listener)) = (rpc, listeners.rpc) {
        let stopped = wait_for_stop(node.stopping.subscribe());
        node.servers.push(tokio::spawn(server.serve(listener, stopped)));
    }
    node.serve((listeners.mllp, listeners.http), status, counters);
    node.anchor(config.anchor_interval_seconds);
    Ok(node)
}

/// What the gateways stand on.
struct Foundation {
    store: OpenStore,
    runtime: Runtime,
    anchors: Arc<AnchorWriter>,
    status: NodeStatus,
    member: Option<Member>,
}

impl Foundation {
    async fn lay(
        environment: &Environment,
        config: &NodeConfig,
        listeners: &Listeners,
    ) -> Result<Self, NodeError> {
        let disk = &*environment.disk;
        disk.create_dir(&config.data)?;
        // A store of its own comes first: it has the lock of the data directory.
        let alone = match &config.cluster {
            None => {
                let client = Client { name: &config.runtime.node, node: None };
                Some(OpenStore::open(environment, config, client).await?)
            }
            Some(_) => None,
        };
        let signer = signing_key::load_or_create(disk, &*environment.rng, &config.data)?;
        let mut runtime_config = config.runtime.clone();
        let mut part = None;
        let store = match (alone, &config.cluster) {
            (None, Some(cluster)) => {
                let spec = spec(config, cluster, listeners, &signer);
                let outside = (disk, &*environment.rng);
                let identity = load_or_make(outside, &config.data, cluster, &spec).await?;
                runtime_config.node = identity.store_name();
                runtime_config.opens_all_shards = false;
                let (name, node) = (identity.client_name(), Some(identity.node()));
                part = Some((cluster, identity, spec));
                let client = Client { name: &name, node };
                OpenStore::open(environment, config, client).await?
            }
            (Some(store), _) => store,
            (None, None) => return Err(ClusterError::NotConfigured.into()),
        };
        let anchors = Arc::new(AnchorWriter::open(disk, &config.data)?);
        let parts = RuntimeParts {
            store: store.port(),
            clock: Arc::clone(&environment.clock),
            signer: Arc::new(signer),
            config: runtime_config,
        };
        let runtime = Runtime::start(parts).await?;
        runtime.trace_by(config.tracer.clone());
        let mut status = NodeStatus::new(config.runtime.node.clone(), runtime.now());
        let mut member = None;
        if let Some((cluster, identity, spec)) = part {
            let started = Member::start(MemberParts {
                environment: environment.clone(),
                data: config.data.clone(),
                config: cluster.clone(),
                identity,
                spec,
                store: store.port(),
                runtime: runtime.clone(),
                status: status.clone(),
            });
            let started = started.await?;
            status.cluster = Some(started.operations());
            member = Some(started);
        }
        Ok(Self { store, runtime, anchors, status, member })
    }
}

/// What the node says about itself to its cluster.
fn spec(
    config: &NodeConfig,
    cluster: &ClusterConfig,
    listeners: &Listeners,
    signer: &HeadSigner,
) -> NodeSpec {
    let shown = |listener: &Listening| {
        let address = listener.as_ref().and_then(|listener| listener.local_address().ok());
        address.map(|address| address.to_string()).unwrap_or_default()
    };
    NodeSpec {
        name: config.runtime.node.clone(),
        rpc_address: shown(&listeners.rpc),
        internal_address: cluster.peer.to_string(),
        raft_address: cluster.raft.to_string(),
        http_address: shown(&listeners.http),
        zone: cluster.zone.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        features: Feature::supported(),
        audit_key: PublicKey::new(signer.public()),
    }
}

/// Enters a new node's data directory into its cluster without running it; gives the node's id.
///
/// # Errors
/// [`NodeError::Cluster`] when it is not let in.
pub async fn enrol(environment: &Environment, config: &NodeConfig) -> Result<u64, NodeError> {
    let Some(cluster) = &config.cluster else { return Err(ClusterError::NotConfigured.into()) };
    let disk = &*environment.disk;
    disk.create_dir(&config.data)?;
    let signer = signing_key::load_or_create(disk, &*environment.rng, &config.data)?;
    let spec = spec(config, cluster, &Listeners::default(), &signer);
    let outside = (disk, &*environment.rng);
    Ok(load_or_make(outside, &config.data, cluster, &spec).await?.node().0)
}

fn rpc_server(
    environment: &Environment,
    config: &NodeConfig,
    gateway: Gateway,
) -> Result<RpcServer, NodeError> {
    let execution = match environment.execution.spawner().cloned() {
        Some(spawner) => RpcExecution::Threads { spawner, count: rpc_threads(config) },
        None => RpcExecution::Inline,
    };
    let started = RpcServer::start(RpcParts {
        gateway,
        authenticator: Arc::new(DevelopmentAuthenticator),
        limits: config.rpc_limits.clone(),
        node: config.runtime.node.clone(),
        execution,
    });
    started.map_err(|error| {
        let address = config.rpc.clone().unwrap_or_default();
        NodeError::Listen { address, reason: error.to_string() }
    })
}

fn rpc_threads(config: &NodeConfig) -> usize {
    if config.rpc_threads > 0 {
        return config.rpc_threads;
    }
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get) / 2
}

/// Names and values of metrics, when they are asked for.
type MoreMetrics = Arc<dyn Fn() -> Vec<(String, u64)> + Send + Sync>;

/// A listener, when one is wanted.
type Listening = Option<Box<dyn Listener>>;

#[derive(Default)]
struct Listeners {
    mllp: Listening,
    http: Listening,
    rpc: Listening,
}

impl Listeners {
    async fn bind(network: &dyn Network, config: &NodeConfig) -> Result<Self, NodeError> {
        Ok(Self {
            mllp: bind(network, config.mllp.as_ref()).await?,
            http: bind(network, config.http.as_ref()).await?,
            rpc: bind(network, config.rpc.as_ref()).await?,
        })
    }
}

async fn bind(network: &dyn Network, address: Option<&String>) -> Result<Listening, NodeError> {
    let Some(address) = address else { return Ok(None) };
    match network.listen(address).await {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            Err(NodeError::AddressInUse { address: address.clone() })
        }
        Err(error) => {
            Err(NodeError::Listen { address: address.clone(), reason: error.to_string() })
        }
    }
}

impl Node {
    /// Metrics of what is not the runtime: the store, the cluster, the MLLP gateway and the RPC
    /// server.
    fn further_metrics(
        &self,
        counters: &Arc<Counters>,
        of_rpc: Option<MoreMetrics>,
    ) -> MoreMetrics {
        let of_store = self.store.metrics();
        let of_member = self.member.as_ref().map(Member::metrics);
        let tracer = self.gateway.runtime.tracer().clone();
        let counters = Arc::clone(counters);
        Arc::new(move || {
            let all = of_store().into_iter().chain(counters.snapshot());
            let all = all.chain(telemetry::metrics(&tracer));
            let all = all.map(|(name, value)| (name.to_owned(), value));
            let all = all.chain(of_member.iter().flat_map(|of_member| of_member()));
            all.chain(of_rpc.iter().flat_map(|of_rpc| of_rpc())).collect()
        })
    }

    fn serve(
        &mut self,
        (mllp, http): (Listening, Listening),
        status: NodeStatus,
        counters: Arc<Counters>,
    ) {
        if let Some(listener) = mllp {
            let stopped = wait_for_stop(self.stopping.subscribe());
            let serving = mllp::serve(listener, self.gateway.clone(), counters, stopped);
            self.servers.push(tokio::spawn(serving));
        }
        if let Some(listener) = http {
            let stopped = wait_for_stop(self.stopping.subscribe());
            let router = http::router(self.gateway.clone(), status);
            self.servers.push(tokio::spawn(async move {
                if let Err(error) = http::serve(listener, router, stopped).await {
                    tracing::error!(error = %error, "the HTTP listener failed");
                }
            }));
        }
    }

    /// Copies audit heads out of the store now and then (AUD-2).
    fn anchor(&mut self, interval_seconds: u64) {
        let anchors = Arc::clone(&self.anchors);
        let runtime = self.gateway.runtime.clone();
        let anchoring = self.member.as_ref().map(Member::anchoring);
        let mut stopping = self.stopping.subscribe();
        self.servers.push(tokio::spawn(async move {
            let interval = Duration::from_secs(interval_seconds.max(1));
            while tokio::time::timeout(interval, stopping.wait_for(|stop| *stop)).await.is_err() {
                match (anchors.write(&runtime).await, &anchoring) {
                    (Ok(heads), Some(anchoring)) => anchoring.anchor(&heads).await,
                    (Ok(_), None) => {}
                    (Err(error), _) => {
                        tracing::warn!(code = %error.code(), "audit heads could not be anchored");
                    }
                }
            }
        }));
    }

    /// The gateway, for callers in the same process.
    #[must_use]
    pub const fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// The cluster, for operators in the same process; nothing when the node is alone.
    #[must_use]
    pub fn operations(&self) -> Option<Arc<dyn ClusterOperations>> {
        self.member.as_ref().map(Member::operations)
    }

    /// The address of the MLLP listener.
    #[must_use]
    pub const fn mllp_address(&self) -> Option<SocketAddr> {
        self.mllp
    }

    /// The address of the HTTP listener.
    #[must_use]
    pub const fn http_address(&self) -> Option<SocketAddr> {
        self.http
    }

    /// The address of the RPC listener.
    #[must_use]
    pub const fn rpc_address(&self) -> Option<SocketAddr> {
        self.rpc
    }

    /// Counters of the store, when it is the node's own.
    #[must_use]
    pub fn store_stats(&self) -> Option<Stats> {
        self.store.stats()
    }

    /// Waits until the node must end: its store stopped for good, or its cluster must not have it
    /// any longer. Gives the reason.
    pub async fn failed(&self) -> String {
        let Some(member) = &self.member else { return self.gateway.runtime.stopped().await };
        tokio::select! {
            reason = self.gateway.runtime.stopped() => format!("the store stopped: {reason}"),
            reason = member.failed() => reason,
        }
    }

    /// Stops: shards go to other nodes, listeners close, what is in flight is finished, heads are
    /// anchored, the store is closed. `true` when everything in flight was finished in time.
    pub async fn stop(self) -> bool {
        if let Some(member) = &self.member {
            member.drain().await;
        }
        self.stopping.send_replace(true);
        let grace = Duration::from_millis(self.grace_ms);
        let servers = futures::future::join_all(self.servers);
        let closed = tokio::time::timeout(grace, servers).await.is_ok();
        let drained = self.gateway.runtime.shut_down(self.grace_ms).await;
        if let Err(error) = self.anchors.write(&self.gateway.runtime).await {
            tracing::warn!(code = %error.code(), "audit heads could not be anchored");
        }
        if let Some(member) = self.member {
            member.stop().await;
        }
        self.store.close().await;
        closed && drained
    }
}

async fn wait_for_stop(mut stopping: watch::Receiver<bool>) {
    // A dropped sender means that the node is gone: stop as well.
    drop(stopping.wait_for(|stop| *stop).await);
}
