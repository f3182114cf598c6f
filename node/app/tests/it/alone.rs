//! A node that has no thread: everything of it, and its client, is on the one thread of a runtime,
//! as in the simulator.

use crate::world::{DATA, START, World};
use node_app::{Node, NodeConfig, assemble};
use node_client::{Client, ClientConfig, Execution, NewObservation};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

fn config() -> NodeConfig {
    let any = Some("127.0.0.1:0".to_owned());
    let (mllp, http, rpc) = (any.clone(), any.clone(), any);
    NodeConfig { mllp, http, rpc, segment_bytes: 256 * 1024, ..NodeConfig::new(DATA) }
}

async fn client(node: &Node) -> Client {
    let config = ClientConfig {
        address: node.rpc_address().unwrap().to_string(),
        execution: Execution::Inline,
        network: Arc::new(node_env::real::TcpNetwork),
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

#[test]
fn a_node_without_threads_serves_rpc_and_http_and_stops() {
    let threads = Arc::new(AtomicUsize::new(0));
    let started = Arc::clone(&threads);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().on_thread_start(move || {
        started.fetch_add(1, Ordering::SeqCst);
    });
    let runtime = runtime.build().unwrap();
    let world = World::new(3);
    LocalSet::new().block_on(&runtime, async {
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
    drop(runtime);
    assert_eq!(
        threads.load(Ordering::SeqCst),
        0,
        "the runtime has begun a thread for blocking work"
    );
}
