//! Stores and servers that stop, and come back.

use std::sync::Arc;

use actors_store::{CommitError, ReadError, Store};
use futures::FutureExt;
use node_env::fake::{FakeDisk, ManualClock, SeededRng};
use node_store_embedded::{EmbeddedStore, Environment, Execution, Options};
use node_store_remote::{RemoteServer, RemoteStore, ServedStore, ServerConfig};

use crate::net::{Net, Wire};
use crate::world::{World, config, count, get, lane, number};

#[tokio::test(start_paused = true)]
async fn a_store_that_has_stopped_is_told_to_every_call() {
    let world = World::new();
    let server = world.serve();
    let client = world.connected(config("a", 1), &Wire::new()).await;
    client.commit(count("k", None)).await.unwrap();
    assert_eq!(server.served().stopped(), None);
    world.memory.stop("the disk is gone");
    let committed = client.commit(count("k", None)).await;
    let reason = "the disk is gone".to_owned();
    assert_eq!(committed, Err(CommitError::Stopped { reason: reason.clone() }));
    let begun = client.begin().await.map(|_| ());
    assert_eq!(begun, Err(ReadError::Stopped { reason: reason.clone() }));
    assert_eq!(server.served().stopped(), Some(reason.clone()));
    assert_eq!(server.served().until_stopped().await, reason);
    assert_eq!(client.stopped(), None, "it is the store that has stopped, not the client");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_shuts_down_answers_what_the_store_has() {
    let world = World::new();
    let server = world.serve();
    let client = world.connected(config("a", 1), &Wire::new()).await;
    world.gate.close();
    let sent = client.commit(count("k", lane(1, 1)));
    world.gate.until_waiting(1).await;
    let mut ending = std::pin::pin!(server.shut_down());
    assert!(ending.as_mut().now_or_never().is_none());
    world.gate.open();
    assert!(ending.await, "all sessions ended in time");
    sent.await.unwrap();
    let _next = world.serve();
    client.begin().await.unwrap();
    client.commit(count("k", lane(1, 1))).await.unwrap();
    assert_eq!(world.stored("k").await, number(2));
    assert_eq!(client.connections(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_ever_and_the_next_server_knows() {
    let world = World::new();
    let server = world.serve();
    let client = world.connected(config("a", 1), &Wire::new()).await;
    world.gate.close();
    let sent = client.commit(count("k", lane(1, 1)));
    world.gate.until_waiting(1).await;
    assert!(!server.shut_down().await, "a commit is still under way");
    let _next = world.serve();
    let begun = client.begin().await.map(|_| ());
    assert!(matches!(begun, Err(ReadError::Failed { .. })), "{begun:?}");
    world.gate.open();
    assert_eq!(get(client.as_ref(), "k").await, number(1));
    assert!(sent.await.is_err());
}

struct Node {
    disk: FakeDisk,
    net: Net,
}

impl Node {
    /// Opens the embedded store on the disk, as a process that starts, and serves it.
    fn start(&self) -> (Arc<EmbeddedStore>, RemoteServer) {
        let environment = Environment {
            disk: Arc::new(self.disk.clone()),
            clock: Arc::new(ManualClock::new(0)),
            rng: Arc::new(SeededRng::new(9)),
            execution: Execution::Inline,
        };
        let options = Options { segment_bytes: 32 << 10, ..Options::new("/data") };
        let store = Arc::new(EmbeddedStore::open(environment, &options).unwrap());
        let served = ServedStore::new(store.clone());
        (store, RemoteServer::start(served, self.net.listen(), ServerConfig::default()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_goes_on_when_the_server_comes_back_with_its_data_ack_1() {
    let node = Node { disk: FakeDisk::new(1), net: Net::default() };
    let (store, server) = node.start();
    let client = RemoteStore::start(node.net.connector(&Wire::new()), config("a", 1));
    client.wait_connected().await.unwrap();
    for generation in 1..=5 {
        client.commit(count("k", lane(1, generation))).await.unwrap();
    }
    let old = client.begin().await.unwrap();
    // What was acknowledged is on the disk, not only in the process.
    node.disk.cut_power();
    assert!(server.shut_down().await);
    drop(store);
    node.disk.restart();
    let (_store, _server) = node.start();
    assert_eq!(get(client.as_ref(), "k").await, number(5));
    assert_eq!(old.get(b"k").await, Err(ReadError::TooOld));
    client.commit(count("k", lane(1, 5))).await.unwrap();
    assert_eq!(get(client.as_ref(), "k").await, number(6));
}
