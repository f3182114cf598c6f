//! Commands that one source sends without waiting, to an entity whose shard is elsewhere or moves
//! (ORD-1).

use super::cluster::{Cluster, Way, shard_of};
use super::world::{potassium, submit};
use crate::{Runtime, trail};
use schema_types::ids::EntityId;
use std::time::Duration;
use tokio::task::JoinHandle;

const COMMANDS: u32 = 40;

fn names() -> Vec<String> {
    (0..COMMANDS).map(|number| format!("c{number:03}")).collect()
}

/// Sends commands one behind the other, and waits for none.
async fn send_all(node: &Runtime, patient: &EntityId, pause_ms: u64) -> Vec<JoinHandle<()>> {
    let mut sent = Vec::new();
    for (number, name) in (0..).zip(names()) {
        let (node, patient) = (node.clone(), patient.clone());
        sent.push(tokio::spawn(async move {
            submit(&node, &patient, &name, potassium(40, number)).await.unwrap();
        }));
        tokio::task::yield_now().await;
        if pause_ms > 0 {
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        }
    }
    sent
}

/// The names of commands in the order in which they took effect.
async fn effects(node: &Runtime, patient: &EntityId) -> Vec<String> {
    let snapshot = node.snapshot().await.unwrap();
    let mut entries = trail::of_entity(&*snapshot, patient, 10_000).await.unwrap();
    entries.retain(|entry| entry.record.events > 0);
    entries.sort_by_key(|entry| entry.record.sequence);
    entries.into_iter().map(|entry| entry.record.command_id.as_str().to_owned()).collect()
}

async fn finish(sent: Vec<JoinHandle<()>>) {
    for one in sent {
        one.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_sent_again_is_not_overtaken_ord_1() {
    let cluster = Cluster::new(2, &[1]).await;
    let patient = cluster.patients(&[1]).remove(0);
    let mut calls = 0;
    cluster.rule(move |_| {
        calls += 1;
        if calls % 3 == 1 { Way::Unreached } else { Way::Through }
    });
    finish(send_all(&cluster.nodes[0], &patient, 0).await).await;
    assert_eq!(effects(&cluster.nodes[0], &patient).await, names());
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_comes_and_goes_keeps_the_order_of_a_source_ord_1() {
    let cluster = Cluster::new(2, &[1]).await;
    let patient = cluster.patients(&[1]).remove(0);
    let node = cluster.nodes[0].clone();
    let to = patient.clone();
    let sending = tokio::spawn(async move { send_all(&node, &to, 1).await });
    for turn in 0..6 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        cluster.hand_over(shard_of(&patient), turn % 2).await;
    }
    finish(sending.await.unwrap()).await;
    assert_eq!(effects(&cluster.nodes[0], &patient).await, names());
}

#[tokio::test(start_paused = true)]
async fn commands_behind_each_other_share_a_batch_where_the_owner_is_local() {
    let cluster = Cluster::new(2, &[0]).await;
    let patient = cluster.patients(&[0]).remove(0);
    let node = &cluster.nodes[0];
    submit(node, &patient, "first", potassium(40, COMMANDS)).await.unwrap();
    let before = node.metrics().batches_committed.get();
    let names = names();
    let sent =
        (0..).zip(&names).map(|(number, name)| submit(node, &patient, name, potassium(40, number)));
    for done in futures::future::join_all(sent).await {
        done.unwrap();
    }
    let batches = node.metrics().batches_committed.get() - before;
    assert!(batches < u64::from(COMMANDS) / 4, "{batches} batches");
    assert_eq!(effects(node, &patient).await[1..], names);
}
