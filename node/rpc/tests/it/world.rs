//! A node for tests: runtime, RPC server on an ephemeral port, and clients.

use actors_audit::HeadSigner;
use actors_runtime::{Runtime, RuntimeConfig, RuntimeParts, trail};
use actors_store::MemoryStore;
use capnp_rpc::{RpcSystem, rpc_twoparty_capnp, twoparty};
use futures::AsyncReadExt;
use node_client::{Client, ClientConfig, NewObservation, RetryPolicy};
use node_env::fake::{ManualClock, SeededRng};
use node_env::real::{TcpNetwork, ThreadSpawner};
use node_env::{Network, Offload};
use node_ingest::gateway::Gateway;
use node_ingest::limits::IngestLimits;
use node_rpc::{DevelopmentAuthenticator, RpcExecution, RpcLimits, RpcParts, RpcServer};
use schema_types::audit::AuditOutcome;
use schema_types::ids::{EntityId, TenantId};
use schema_wire::rpc_capnp::{gateway, session};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, LocalSet};
use tokio_util::compat::TokioAsyncReadCompatExt;

/// 2026-11-23T00:00:00Z.
pub(crate) const NOW: i64 = 1_795_392_000_000_000;
pub(crate) const SECOND: i64 = 1_000_000;

/// What outlives a server.
pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    store: Arc<MemoryStore>,
    pub(crate) runtime: RuntimeConfig,
    pub(crate) limits: RpcLimits,
}

/// A running server.
pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    pub(crate) gateway: Gateway,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Node {
    /// The outcomes in the audit trail of an entity, oldest first.
    pub(crate) async fn outcomes(&self, entity: &EntityId) -> Vec<AuditOutcome> {
        let snapshot = self.gateway.runtime.snapshot().await.unwrap();
        let entries = trail::of_entity(&*snapshot, entity, 1_000).await.unwrap();
        entries.into_iter().map(|entry| entry.record.outcome).collect()
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::new(NOW));
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let runtime = RuntimeConfig { shards: 4, timer_interval_ms: 10, ..Default::default() };
        Self { clock, store, runtime, limits: RpcLimits::default() }
    }

    /// Starts a server; `address` to listen where an earlier one did.
    pub(crate) async fn start_at(&self, address: Option<SocketAddr>) -> Node {
        let runtime = Runtime::start(RuntimeParts {
            store: self.store.clone(),
            clock: self.clock.clone(),
            signer: Arc::new(HeadSigner::new(&[7; 32])),
            config: self.runtime.clone(),
        });
        let gateway = Gateway {
            runtime: runtime.await.unwrap(),
            tenant: TenantId::new("t1"),
            limits: IngestLimits::default(),
            rng: Arc::new(SeededRng::new(11)),
            offload: Offload::Pool,
        };
        let parts = RpcParts {
            gateway: gateway.clone(),
            authenticator: Arc::new(DevelopmentAuthenticator),
            limits: self.limits.clone(),
            node: "node-1".to_owned(),
            execution: RpcExecution::Threads { spawner: Arc::new(ThreadSpawner), count: 1 },
        };
        let server = RpcServer::start(parts).unwrap();
        let wanted = address.unwrap_or_else(|| "127.0.0.1:0".parse().unwrap());
        let listener = TcpNetwork.listen(&wanted.to_string()).await.unwrap();
        let address = listener.local_address().unwrap();
        let (stop, stopped) = oneshot::channel();
        let stopped = async move { drop(stopped.await) };
        let serving = tokio::spawn(server.serve(listener, stopped));
        Node { address, gateway, stop, serving }
    }

    pub(crate) async fn start(&self) -> Node {
        self.start_at(None).await
    }
}

impl Node {
    pub(crate) fn config(&self) -> ClientConfig {
        ClientConfig {
            address: self.address.to_string(),
            principal: "nurse:ada".to_owned(),
            // A busy machine is no reason to fail; tests of deadlines set their own.
            deadline_ms: 100_000,
            rng: Arc::new(node_env::real::RealRng),
            ..ClientConfig::default()
        }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.config()).await.unwrap()
    }

    /// A client that never tries again.
    pub(crate) async fn impatient(&self) -> Client {
        let retry = RetryPolicy::NEVER;
        Client::connect(ClientConfig { retry, ..self.config() }).await.unwrap()
    }

    /// Stops the server and the runtime, as a node does.
    pub(crate) async fn stop(self) -> SocketAddr {
        self.stop.send(()).unwrap();
        self.serving.await.unwrap();
        assert!(self.gateway.runtime.shut_down(10_000).await);
        self.address
    }

    /// How many observations of a patient are recorded.
    pub(crate) async fn recorded(&self, client: &Client, patient: &str) -> u64 {
        client.read(patient).await.unwrap().observations_total
    }
}

/// A heart rate, `seconds` before now.
pub(crate) fn heart_rate(value: i64, seconds: i64) -> NewObservation {
    NewObservation::quantity("8867-4", value.into(), "/min", NOW - seconds * SECOND)
}

/// A potassium, `seconds` before now; from 6.5 on it is critical by itself.
pub(crate) fn potassium(tenths: i64, seconds: i64) -> NewObservation {
    let value = schema_types::Decimal::new(tenths, 1);
    NewObservation::quantity("2823-3", value, "mmol/L", NOW - seconds * SECOND)
}

/// Speaks the protocol itself: for what the client crate keeps from happening.
pub(crate) async fn raw<T, F>(address: SocketAddr, work: impl FnOnce(gateway::Client) -> F) -> T
where
    F: Future<Output = T>,
{
    let local = LocalSet::new();
    local
        .run_until(async move {
            let stream = TcpStream::connect(address).await.unwrap();
            let (reader, writer) = TokioAsyncReadCompatExt::compat(stream).split();
            let side = rpc_twoparty_capnp::Side::Client;
            let network = twoparty::VatNetwork::new(
                futures::io::BufReader::new(reader),
                futures::io::BufWriter::new(writer),
                side,
                capnp::message::ReaderOptions::new(),
            );
            let mut system = RpcSystem::new(Box::new(network), None);
            let gateway = system.bootstrap(rpc_twoparty_capnp::Side::Server);
            let running = tokio::task::spawn_local(async move { drop(system.await) });
            let result = work(gateway).await;
            running.abort();
            result
        })
        .await
}

/// Logs in with development credentials; nothing is awaited.
pub(crate) fn log_in(gateway: &gateway::Client) -> session::Client {
    let mut login = gateway.login_request();
    let mut development = login.get().init_credentials().init_development();
    development.set_principal("nurse:ada");
    development.set_purpose("TREAT");
    login.send().pipeline.get_session()
}

/// The stable code in the reason of a failed call.
pub(crate) fn code<T>(result: Result<T, capnp::Error>) -> String {
    let Err(error) = result else { return "none".to_owned() };
    let at = error.extra.find("MED-").unwrap_or_else(|| panic!("no code in {}", error.extra));
    error.extra[at..].split(' ').next().unwrap().to_owned()
}
