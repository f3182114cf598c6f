//! Shards that move between nodes which share a store.

use super::world::{
    World, patient, potassium, state, submit, timer_rows, until, verified_records, verified_shards,
};
use crate::{Forward, ForwardError, Outcome, Runtime, RuntimeConfig, ShardGrant, SubmitError};
use actors_patient::command::Reply;
use bytes::Bytes;
use futures::future::BoxFuture;
use schema_types::cluster::{Epoch, HashRange};
use schema_types::ids::{EntityId, ShardCount, ShardId};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

const SHARDS: ShardCount = ShardCount(4);

fn range(shard: ShardId) -> HashRange {
    HashRange::equal(SHARDS, shard).unwrap()
}

fn grant(shard: ShardId, epoch: u64) -> ShardGrant {
    ShardGrant {
        shard,
        range: range(shard),
        epoch: Epoch(epoch),
        inherits: Vec::new(),
        retires: Vec::new(),
    }
}

fn all() -> impl Iterator<Item = ShardId> {
    (0..SHARDS.0).map(ShardId)
}

async fn node(world: &World, name: &str) -> Runtime {
    let config = RuntimeConfig {
        node: name.to_owned(),
        shards: SHARDS.0,
        opens_all_shards: false,
        trusted_audit_keys: ["a", "b"].map(World::audit_key).to_vec(),
        snapshot_interval_events: 5,
        ..RuntimeConfig::default()
    };
    world.start_with(config).await
}

async fn open_all(runtime: &Runtime, epoch: u64) {
    for shard in all() {
        runtime.open_shard(&grant(shard, epoch)).await.unwrap();
    }
}

/// Asks one node and then the other until one of them has the shard.
async fn submit_somewhere(
    nodes: &[Runtime; 2],
    entity: &EntityId,
    number: u32,
) -> Result<Outcome<Reply>, SubmitError> {
    loop {
        for node in nodes {
            match submit(node, entity, &format!("m{number}"), potassium(40, number)).await {
                Err(SubmitError::NotServed { .. }) => {}
                result => return result,
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_shard_is_opened_only_in_an_epoch_of_its_own_own_1() {
    let world = World::new();
    let (a, b) = (node(&world, "a").await, node(&world, "b").await);
    let shard = ShardId(2);
    a.open_shard(&grant(shard, 3)).await.unwrap();
    a.open_shard(&grant(shard, 3)).await.unwrap();
    for epoch in [1, 3] {
        let refused = b.open_shard(&grant(shard, epoch)).await;
        assert_eq!(refused, Err(SubmitError::NotServed { shard: Some(2) }));
    }
    b.open_shard(&grant(shard, 4)).await.unwrap();
    let stale = a.open_shard(&grant(shard, 3)).await;
    assert_eq!(stale, Err(SubmitError::NotServed { shard: Some(2) }));
    assert_eq!(b.open_shards(), [shard]);
}

#[tokio::test(start_paused = true)]
async fn moves_under_load_lose_and_repeat_nothing_ack_1_once_1() {
    const CLIENTS: u32 = 40;
    const EACH: u32 = 30;
    let world = World::new();
    let nodes = [node(&world, "a").await, node(&world, "b").await];
    open_all(&nodes[0], 1).await;
    let clients = (0..CLIENTS).map(|client| {
        let nodes = nodes.clone();
        tokio::spawn(async move {
            let entity = patient(&format!("p{client}"));
            for number in 0..EACH {
                let done = submit_somewhere(&nodes, &entity, number).await.unwrap();
                assert!(matches!(done, Outcome::Done { .. }), "{done:?}");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    for turn in 0..6 {
        let (from, to) = (turn % 2, (turn + 1) % 2);
        for shard in all() {
            assert!(nodes[from].close_shard(shard, 5_000).await);
            let epoch = u64::try_from(turn).unwrap() + 2;
            nodes[to].open_shard(&grant(shard, epoch)).await.unwrap();
        }
    }
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(nodes[1].resident(), (0, 0, 0), "what was moved away is not kept");
    for client in 0..CLIENTS {
        let entity = patient(&format!("p{client}"));
        assert_eq!(state(&nodes[0], &entity).await.observations_total, u64::from(EACH));
    }
    assert!(verified_records(&nodes[0]).await >= u64::from(CLIENTS * EACH));
    let moved = nodes[0].metrics().shards_lost.get() + nodes[1].metrics().shards_lost.get();
    assert_eq!(moved, 0, "nobody was surprised by a move");
}

#[tokio::test(start_paused = true)]
async fn a_zombie_under_load_commits_nothing_behind_the_next_claim_own_1() {
    let world = World::new();
    let (old, new) = (node(&world, "a").await, node(&world, "b").await);
    open_all(&old, 1).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..20)
        .map(|client| {
            let (old, is_over) = (old.clone(), Arc::clone(&is_over));
            tokio::spawn(async move {
                let entity = patient(&format!("p{client}"));
                let mut acknowledged = 0;
                for number in 0..1_000 {
                    // The zombie takes fresh read versions for as long as it lives.
                    let name = format!("m{number}");
                    match submit(&old, &entity, &name, potassium(40, number)).await {
                        Ok(_) => {
                            assert!(!is_over.load(Ordering::Acquire), "acknowledged by a zombie");
                            acknowledged += 1;
                        }
                        Err(error) => assert!(error.is_transient(), "{error:?}"),
                    }
                    if is_over.load(Ordering::Acquire) && number > 50 {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                acknowledged
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(40)).await;
    open_all(&new, 2).await;
    // Answers that were durable before the claim may still be on their way to the clients.
    tokio::time::sleep(Duration::from_millis(5)).await;
    is_over.store(true, Ordering::Release);
    for (client, acknowledged) in clients.into_iter().enumerate() {
        let acknowledged: u64 = acknowledged.await.unwrap();
        let entity = patient(&format!("p{client}"));
        let stored = state(&new, &entity).await.observations_total;
        assert!(acknowledged > 0);
        assert_eq!(stored, acknowledged, "what was acknowledged and nothing else");
    }
    assert!(old.open_shards().is_empty());
    assert_eq!(old.metrics().shards_lost.get(), u64::from(SHARDS.0));
    verified_records(&new).await;
}

#[tokio::test(start_paused = true)]
async fn a_shard_closed_without_grace_keeps_what_was_acknowledged_ack_1() {
    let world = World::new();
    let (a, b) = (node(&world, "a").await, node(&world, "b").await);
    open_all(&a, 1).await;
    let entity = patient("p");
    let sent = (0..50).map(|number| submit(&a, &entity, "once", potassium(40, number)));
    let sent = futures::future::join_all(sent.take(1));
    let (_, results) = futures::future::join(
        async {
            for shard in all() {
                a.close_shard(shard, 0).await;
            }
        },
        sent,
    )
    .await;
    open_all(&b, 2).await;
    let acknowledged = results.iter().filter(|result| result.is_ok()).count();
    let stored = state(&b, &entity).await.observations_total;
    assert!(stored >= u64::try_from(acknowledged).unwrap(), "{stored} {results:?}");
    let again = submit(&b, &entity, "once", potassium(40, 0)).await.unwrap();
    assert_eq!(matches!(again, Outcome::Repeated { .. }), stored == 1, "{again:?}");
    assert_eq!(state(&b, &entity).await.observations_total, 1);
}

#[tokio::test(start_paused = true)]
async fn a_split_and_a_merge_take_timers_along_and_fence_the_old_owner_own_1_live_1() {
    let world = World::new();
    let (a, b) = (node(&world, "a").await, node(&world, "b").await);
    let grant = |shard, range, epoch| ShardGrant {
        shard: ShardId(shard),
        range,
        epoch: Epoch(epoch),
        inherits: Vec::new(),
        retires: Vec::new(),
    };
    a.open_shard(&grant(9, HashRange::WHOLE, 1)).await.unwrap();
    let patients: Vec<_> = (0..16).map(|number| patient(&format!("p{number}"))).collect();
    for entity in &patients {
        // A critical potassium: an alert that escalates by a timer.
        submit(&a, entity, "m1", potassium(75, 1)).await.unwrap();
    }
    let timers = timer_rows(&a).await;
    assert!(timers >= patients.len(), "{timers}");
    // A split: the lower half keeps the number. Nobody told the owner of the whole.
    let (lower, upper) = HashRange::WHOLE.split_at(1 << 63).unwrap();
    b.open_shard(&grant(9, lower, 2)).await.unwrap();
    let upper = ShardGrant { inherits: vec![ShardId(9)], ..grant(10, upper, 1) };
    b.open_shard(&upper).await.unwrap();
    for entity in &patients {
        let stale = submit(&a, entity, "m2", potassium(40, 2)).await;
        assert!(matches!(stale, Err(SubmitError::NotServed { .. })), "{stale:?}");
    }
    assert_eq!(timer_rows(&b).await, timers);
    // A merge: the upper one is no more.
    for shard in [9, 10] {
        assert!(b.close_shard(ShardId(shard), 1_000).await);
    }
    let former = vec![ShardId(10)];
    let whole =
        ShardGrant { inherits: former.clone(), retires: former, ..grant(9, HashRange::WHOLE, 3) };
    a.open_shard(&whole).await.unwrap();
    let refused = b.open_shard(&ShardGrant { epoch: Epoch(7), ..upper }).await;
    assert_eq!(refused, Err(SubmitError::NotServed { shard: Some(10) }));
    assert_eq!(timer_rows(&a).await, timers);
    let fired = a.metrics().timers_fired.get();
    world.clock.advance_micros(3_600_000_000);
    let wanted = u64::try_from(patients.len()).unwrap();
    until(|| async { a.metrics().timers_fired.get() - fired >= wanted }).await;
    verified_shards(&a, 9..=10).await;
}

/// A node that was away and never heard that somebody else had the shard for a while.
#[tokio::test(start_paused = true)]
async fn a_shard_that_comes_back_unnoticed_starts_from_the_store_own_1() {
    let world = World::new();
    let (a, b) = (node(&world, "a").await, node(&world, "b").await);
    let entity = patient("p");
    open_all(&a, 1).await;
    submit(&a, &entity, "m1", potassium(40, 1)).await.unwrap();
    open_all(&b, 2).await;
    submit(&b, &entity, "m2", potassium(40, 2)).await.unwrap();
    open_all(&a, 3).await;
    submit(&a, &entity, "m3", potassium(40, 3)).await.unwrap();
    assert_eq!(state(&a, &entity).await.observations_total, 3);
    assert!(a.shut_down(1_000).await);
    open_all(&b, 4).await;
    assert_eq!(state(&b, &entity).await.observations_total, 3, "nothing was written over");
    verified_records(&b).await;
}

/// The way to the other of two nodes; now and then an answer is lost on the way back.
struct Other {
    node: Runtime,
    calls: AtomicU32,
    loses_every: u32,
}

impl Forward for Other {
    fn call(
        &self,
        _hash: u64,
        call: Bytes,
        _deadline_ms: u64,
    ) -> BoxFuture<'_, Result<Vec<u8>, ForwardError>> {
        Box::pin(async move {
            let answer = self.node.serve_call(&call).await;
            let count = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
            if count.is_multiple_of(self.loses_every) {
                Err(ForwardError::Lost)
            } else {
                Ok(answer)
            }
        })
    }

    fn shard_at(&self, hash: u64) -> Option<ShardId> {
        self.node.inner.served.shard_of(hash)
    }
}

#[tokio::test(start_paused = true)]
async fn any_node_takes_any_command_while_shards_move_ack_1_once_1() {
    const CLIENTS: u32 = 30;
    const EACH: u32 = 20;
    let world = World::new();
    let nodes = [node(&world, "a").await, node(&world, "b").await];
    for (from, to) in [(0, 1), (1, 0)] {
        let other = Other { node: nodes[to].clone(), calls: AtomicU32::new(0), loses_every: 7 };
        nodes[from].forward_by(Arc::new(other));
    }
    open_all(&nodes[0], 1).await;
    let clients = (0..CLIENTS).map(|client| {
        let nodes = nodes.clone();
        tokio::spawn(async move {
            let entity = patient(&format!("p{client}"));
            for number in 0..EACH {
                let node = &nodes[usize::try_from((client + number) % 2).unwrap()];
                let name = format!("m{number}");
                submit(node, &entity, &name, potassium(40, number)).await.unwrap();
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    for turn in 0..4 {
        let (from, to) = (turn % 2, (turn + 1) % 2);
        for shard in all() {
            assert!(nodes[from].close_shard(shard, 5_000).await);
            let epoch = u64::try_from(turn).unwrap() + 2;
            nodes[to].open_shard(&grant(shard, epoch)).await.unwrap();
        }
    }
    for client in clients {
        client.await.unwrap();
    }
    for client in 0..CLIENTS {
        let entity = patient(&format!("p{client}"));
        let stored = state(&nodes[0], &entity).await.observations_total;
        assert_eq!(stored, u64::from(EACH), "each once, whoever was asked");
    }
    verified_records(&nodes[0]).await;
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_nobody_serves_is_waited_for_and_then_refused_lim_1() {
    let world = World::new();
    let nodes = [node(&world, "a").await, node(&world, "b").await];
    let other = Other { node: nodes[1].clone(), calls: AtomicU32::new(0), loses_every: 1_000_000 };
    nodes[0].forward_by(Arc::new(other));
    let refused = submit(&nodes[0], &patient("p"), "m1", potassium(40, 1)).await;
    assert!(matches!(refused, Err(SubmitError::Overloaded { .. })), "{refused:?}");
    let late = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        open_all(&nodes[1], 1).await;
    };
    let p = patient("p");
    let (done, ()) =
        futures::future::join(submit(&nodes[0], &p, "m1", potassium(40, 1)), late).await;
    assert!(matches!(done, Ok(Outcome::Done { .. })), "{done:?}");
}

#[tokio::test(start_paused = true)]
async fn a_log_of_an_unknown_signer_is_not_taken_over_aud_2() {
    let world = World::new();
    let (a, c) = (node(&world, "a").await, node(&world, "c").await);
    open_all(&c, 1).await;
    submit(&c, &patient("p"), "m1", potassium(40, 1)).await.unwrap();
    let shard = SHARDS.shard_of(patient("p").hash());
    assert!(c.close_shard(shard, 1_000).await);
    let refused = a.open_shard(&grant(shard, 2)).await;
    assert!(matches!(refused, Err(SubmitError::Damaged { .. })), "{refused:?}");
    assert!(a.open_shards().is_empty());
    a.trust_audit_key(World::audit_key("c"));
    a.open_shard(&grant(shard, 2)).await.unwrap();
    assert_eq!(state(&a, &patient("p")).await.observations_total, 1);
}
