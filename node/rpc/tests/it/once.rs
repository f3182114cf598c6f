//! Retries have one effect (ONCE-1), whatever happens to the connection between.

use super::world::{Node, World, heart_rate};
use node_client::{ClientConfig, NewObservation};
use schema_types::error_code::ErrorCode;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_has_no_second_effect_and_other_content_is_refused() {
    let node = World::new().start().await;
    let client = node.client().await;
    let named = |value| heart_rate(value, 1).with_command_id("c1");
    let first = client.observe("p1", named(80)).await.unwrap();
    assert!(!first.repeated);
    let again = client.observe("p1", named(80)).await.unwrap();
    assert!(again.repeated && again.sequence == 0);
    let other = client.observe("p1", named(81)).await.unwrap_err();
    assert_eq!(other.code(), ErrorCode::CommandIdReused);
    let batch = vec![("p1".to_owned(), named(80)), ("p2".to_owned(), named(80))];
    let results = client.observe_many(batch).await.unwrap();
    assert!(results[0].as_ref().unwrap().repeated, "by the same name in a batch");
    assert!(!results[1].as_ref().unwrap().repeated, "names are those of a patient");
    assert_eq!(node.recorded(&client, "p1").await, 1);
    node.stop().await;
}

/// Passes bytes to the node, and cuts the first connections behind the answer's beginning: the
/// server did the work, the client does not know.
async fn cutting_proxy(node: &Node, cuts: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, target) = (listener.local_addr().unwrap(), node.address);
    tokio::spawn(async move {
        for connection in 0.. {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut far = TcpStream::connect(target).await.unwrap();
            tokio::spawn(async move {
                if connection >= cuts {
                    drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
                    return;
                }
                let (mut near_read, mut near_write) = near.into_split();
                let (mut far_read, mut far_write) = far.into_split();
                let up = async { drop(tokio::io::copy(&mut near_read, &mut far_write).await) };
                let down = async {
                    // The first login passes, and some answers; then none does.
                    let passes = if connection == 0 { 2_000 } else { 200 };
                    let mut passed = 0;
                    let mut buffer = [0; 4_096];
                    while passed < passes {
                        let count = far_read.read(&mut buffer).await.unwrap_or(0);
                        if count == 0 || near_write.write_all(&buffer[..count]).await.is_err() {
                            return;
                        }
                        passed += count;
                    }
                    drop(far_read.read(&mut buffer).await);
                };
                tokio::select! { () = up => {}, () = down => {} }
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_and_a_retry_have_one_effect() {
    let node = World::new().start().await;
    let proxy = cutting_proxy(&node, 3).await;
    let config = ClientConfig { address: proxy.to_string(), ..node.config() };
    let client = node_client::Client::connect(config).await.unwrap();
    for value in 0..20 {
        let receipt = client.observe("p1", heart_rate(60 + value, 100 - value)).await.unwrap();
        assert!(receipt.recorded || receipt.repeated);
    }
    let items: Vec<(String, NewObservation)> =
        (0..20).map(|value| ("p1".to_owned(), heart_rate(90 + value, 50 - value))).collect();
    for result in client.observe_many(items).await.unwrap() {
        result.unwrap();
    }
    let direct = node.client().await;
    assert_eq!(node.recorded(&direct, "p1").await, 40);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_goes_on_with_a_restarted_node() {
    let world = World::new();
    let node = world.start().await;
    let client = node.client().await;
    let named = || heart_rate(80, 1).with_command_id("c1");
    client.observe("p1", named()).await.unwrap();
    let address = node.stop().await;
    let node = world.start_at(Some(address)).await;
    let again = client.observe("p1", named()).await.unwrap();
    assert!(again.repeated, "the name outlives the node");
    assert_eq!(node.recorded(&client, "p1").await, 1);
    node.stop().await;
    let lost = client.observe("p1", named()).await.unwrap_err();
    assert!(lost.is_transient(), "{lost}");
}
