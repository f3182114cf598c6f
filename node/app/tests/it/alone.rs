//! Nodes that have no thread: everything of them, of their store and of their clients is on the one
//! thread of a runtime, as in the simulator.

use crate::cluster_world::free_address;
use crate::world::{DATA, START, World, caller, result};
use actors_store::Store;
use node_app::cluster::{ClusterConfig, JoinWithin, Membership, Timeouts};
use node_app::{Environment, Node, NodeConfig, StoreConfig, assemble};
use node_client::{Client, ClientConfig, NewObservation, RetryPolicy};
use node_env::fake::{FakeDisk, SeededRng};
use node_env::real::{RealClock, TcpNetwork};
use node_ingest::hl7::{self, Disposition};
use node_store_embedded::{Driver, EmbeddedStore, Execution, Options, Stage, Stages, Wake};
use node_store_remote::{RemoteServer, ServedStore, ServerConfig};
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::LocalSet;

fn config() -> NodeConfig {
    let any = Some("127.0.0.1:0".to_owned());
    let (mllp, http, rpc) = (any.clone(), any.clone(), any);
    NodeConfig { mllp, http, rpc, segment_bytes: 256 * 1024, ..NodeConfig::new(DATA) }
}

async fn client(node: &Node) -> Client {
    let config = ClientConfig {
        address: node.rpc_address().unwrap().to_string(),
        execution: node_client::Execution::Inline,
        retry: RetryPolicy::NEVER,
        network: Arc::new(TcpNetwork),
        ..ClientConfig::default()
    };
    Client::connect(config).await.unwrap()
}

/// Sends a bundle so large that production parses it on another thread.
async fn send_bundle(node: &Node) -> String {
    let filling = "x".repeat(300_000);
    let tag = format!("{{\"tag\":[{{\"display\":\"{filling}\"}}]}}");
    let body = format!("{{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"meta\":{tag}}}");
    let mut stream = TcpStream::connect(node.http_address().unwrap()).await.unwrap();
    let head = format!(
        "POST /fhir HTTP/1.1\r\nhost: x\r\nx-medulla-purpose: TREAT\r\nconnection: close\r\n\
         content-type: application/fhir+json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Runs on one thread, and no other is begun by the runtime.
fn alone(work: impl Future<Output = ()>) {
    let threads = Arc::new(AtomicUsize::new(0));
    let started = Arc::clone(&threads);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().on_thread_start(move || {
        started.fetch_add(1, Ordering::SeqCst);
    });
    let runtime = runtime.build().unwrap();
    LocalSet::new().block_on(&runtime, work);
    drop(runtime);
    assert_eq!(threads.load(Ordering::SeqCst), 0, "there is a thread for blocking work");
}

#[test]
fn a_node_without_threads_serves_rpc_and_http_and_stops() {
    alone(async {
        let world = World::new(3);
        let node = assemble(world.environment(), config()).await.unwrap();
        let client = client(&node).await;
        let heart_rate = NewObservation::quantity("8867-4", 71.into(), "/min", START);
        client.observe("p1", heart_rate).await.unwrap();
        assert_eq!(client.read("p1").await.unwrap().observations_total, 1);
        let answer = send_bundle(&node).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(node.stop().await, "everything in flight was finished");
        assert!(client.read("p1").await.is_err(), "its connection is closed");
    });
}

/// Drives a store from a task, as the simulator does.
struct FromATask;

impl Driver for FromATask {
    fn drive(&self, stages: Weak<Stages>) -> Wake {
        let (bell, mut rung) = watch::channel(());
        tokio::task::spawn_local(async move {
            while rung.changed().await.is_ok() {
                let Some(stages) = stages.upgrade() else { return };
                for stage in Stage::ALL {
                    while stages.step(stage) {
                        tokio::task::yield_now().await;
                    }
                }
            }
        });
        Box::new(move |_| bell.send_replace(()))
    }
}

/// The outside world of a host with a disk of its own.
fn host(seed: u64, execution: Execution) -> Environment {
    Environment {
        disk: Arc::new(FakeDisk::new(seed)),
        clock: Arc::new(RealClock::new()),
        rng: Arc::new(SeededRng::new(seed)),
        network: Arc::new(TcpNetwork),
        execution,
    }
}

async fn serve_store() -> RemoteServer {
    let Environment { disk, clock, rng, network, execution } =
        host(100, Execution::Stepped(Arc::new(FromATask)));
    let environment = node_store_embedded::Environment { disk, clock, rng, execution };
    let store = EmbeddedStore::open(environment, &Options::new(DATA)).unwrap();
    let served = ServedStore::new(Arc::new(store) as Arc<dyn Store>);
    let listening = (&*network, "127.0.0.1:0");
    RemoteServer::listen(served, listening, ServerConfig::default()).await.unwrap()
}

async fn start_member(number: u64, store: &RemoteServer, membership: Membership) -> Node {
    let mut cluster = ClusterConfig::new(membership, free_address(), free_address());
    cluster.timeouts = Timeouts { lease_ms: 2_000, step_patience_ms: 4_000 };
    cluster.drain_ms = 10_000;
    let mut config = NodeConfig { cluster: Some(cluster), ..config() };
    config.store = StoreConfig::Remote { address: store.local_address().unwrap().to_string() };
    config.runtime.node = format!("n{number}");
    config.runtime.shards = 6;
    assemble(host(number, Execution::Inline), config).await.unwrap()
}

fn is_settled(node: &Node) -> bool {
    let operations = node.operations().unwrap();
    let shards = operations.shards();
    let owned = |name: &str| shards.iter().any(|it| it["owner"] == name && it["state"] == "open");
    operations.nodes().iter().filter(|it| it["state"] == "up").count() == 3
        && ["n1", "n2", "n3"].iter().all(|name| owned(name))
        && shards.iter().all(|shard| shard["state"] == "open")
}

/// Waits until every node sees all of them up and with shards.
async fn settle(nodes: &[Node]) {
    let mut look = tokio::time::interval(Duration::from_millis(20));
    let settled = async {
        while !nodes.iter().all(is_settled) {
            look.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), settled).await.expect("the cluster settles");
}

#[test]
fn a_cluster_and_its_store_share_one_thread() {
    alone(async {
        let store = serve_store().await;
        let mut nodes = vec![start_member(1, &store, Membership::Form).await];
        for number in [2, 3] {
            let membership = Membership::Join(Arc::new(JoinWithin(nodes[0].operations().unwrap())));
            nodes.push(start_member(number, &store, membership).await);
        }
        settle(&nodes).await;
        for (node, minute) in nodes.iter().zip(1..) {
            for patient in ["p1", "p2", "p3", "p4"] {
                let raw = result(patient, &format!("{patient}-{minute}"), minute);
                let received = hl7::receive(node.gateway(), &caller(), &raw, "mllp").await;
                assert_eq!(received.disposition, Disposition::Accepted, "{patient} at {minute}");
            }
        }
        let client = client(&nodes[1]).await;
        for patient in ["p1", "p2", "p3", "p4"] {
            let state = client.read(&format!("H.{patient}")).await.unwrap();
            assert_eq!(state.observations_total, 3, "{patient}");
        }
        for node in nodes.into_iter().rev() {
            assert!(node.stop().await, "everything in flight was finished");
        }
        assert!(store.shut_down().await);
    });
}
