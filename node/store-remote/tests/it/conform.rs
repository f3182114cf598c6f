//! The conformance suite of the port, through the protocol: over TCP and in memory, in front of
//! the reference model and of the embedded store.

use std::sync::Arc;

use actors_store::conformance::{Subject, run_all};
use actors_store::limits::TRANSACTION_WINDOW_MICROS_MAX;
use actors_store::{MemoryStore, Store};
use node_env::fake::{FakeDisk, ManualClock, SeededRng};
use node_env::real::{TcpNetwork, ThreadSpawner};
use node_store_embedded::{EmbeddedStore, Environment, Execution, Options};
use node_store_remote::{
    ClientConfig, Liveness, RemoteServer, RemoteStore, ServedStore, ServerConfig,
};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::net::{Net, Wire};
use crate::world::config;

struct Remote {
    clock: Arc<ManualClock>,
    store: Arc<RemoteStore>,
    _server: RemoteServer,
}

impl Subject for Remote {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn pass_window(&self) {
        let micros = u32::try_from(TRANSACTION_WINDOW_MICROS_MAX).unwrap() + 1;
        self.clock.advance_micros(micros);
    }
}

fn memory(clock: Arc<ManualClock>) -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(clock))
}

fn embedded(clock: Arc<ManualClock>) -> Arc<dyn Store> {
    let environment = Environment {
        disk: Arc::new(FakeDisk::new(1)),
        clock,
        rng: Arc::new(SeededRng::new(9)),
        execution: Execution::Threads(Arc::new(ThreadSpawner)),
    };
    let options = Options { segment_bytes: 32 << 10, overlay_bytes: 1 << 10, ..Options::new("/d") };
    Arc::new(EmbeddedStore::open(environment, &options).unwrap())
}

/// On real time, and on a machine that may be busy with other things.
const PATIENT: Liveness = Liveness { heartbeat_ms: 500, silence_ms_max: 120_000 };

fn patient_server() -> ServerConfig {
    ServerConfig { liveness: PATIENT, ..ServerConfig::default() }
}

fn patient_client(name: &str) -> ClientConfig {
    let (read_ms_max, first_connect_ms_max) = (120_000, 120_000);
    ClientConfig { liveness: PATIENT, read_ms_max, first_connect_ms_max, ..config(name, 1) }
}

async fn over_tcp(served: Arc<ServedStore>) -> (Arc<RemoteStore>, RemoteServer) {
    let server = RemoteServer::listen(served, (&TcpNetwork, "127.0.0.1:0"), patient_server());
    let server = server.await.unwrap();
    let address = server.local_address().unwrap().to_string();
    (
        RemoteStore::connect((Arc::new(TcpNetwork), &address), patient_client("tcp"))
            .await
            .unwrap(),
        server,
    )
}

async fn in_memory(served: Arc<ServedStore>) -> (Arc<RemoteStore>, RemoteServer) {
    let net = Net::default();
    let server = RemoteServer::start(served, net.listen(), patient_server());
    let store = RemoteStore::start(net.connector(&Wire::new()), patient_client("memory"));
    store.wait_connected().await.unwrap();
    (store, server)
}

async fn check<F>(
    open: fn(Arc<ManualClock>) -> Arc<dyn Store>,
    connect: impl Fn(Arc<ServedStore>) -> F + Send + Sync,
) where
    F: Future<Output = (Arc<RemoteStore>, RemoteServer)>,
{
    let factory = || -> Box<dyn Subject> {
        let clock = Arc::new(ManualClock::new(0));
        let served = ServedStore::new(open(clock.clone()));
        let connecting = connect(served);
        let (store, server) = block_in_place(|| Handle::current().block_on(connecting));
        Box::new(Remote { clock, store, _server: server })
    };
    let passed = run_all(&factory).await.unwrap();
    assert!(passed.len() >= 25, "{passed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms_over_tcp_before_the_reference_model() {
    check(memory, over_tcp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms_over_tcp_before_the_embedded_store() {
    check(embedded, over_tcp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms_in_memory_before_the_reference_model() {
    check(memory, in_memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms_in_memory_before_the_embedded_store() {
    check(embedded, in_memory).await;
}
