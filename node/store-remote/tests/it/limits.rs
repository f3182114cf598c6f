//! Limits on both sides, and what is past them (LIM-1).

use std::sync::Arc;

use actors_store::limits::RANGE_ITEMS_MAX;
use actors_store::{
    CommitError, CommitRequest, KeyRange, Mutation, RangeQuery, ReadError, Snapshot, Store,
};
use futures::FutureExt;
use futures::future::join_all;
use node_store_remote::limits::{ITEMS_MAX, PAGE_BYTES_MAX};
use node_store_remote::{ClientConfig, RemoteStore, ServerConfig};

use crate::net::{Mode, Wire};
use crate::world::{World, config, count, lane, number};

async fn fill(client: &RemoteStore, keys: usize, value_bytes: usize) {
    for key in 0..keys {
        let mutations = vec![Mutation::set(format!("{key:05}"), vec![b'v'; value_bytes])];
        let request = CommitRequest { mutations, ..CommitRequest::default() };
        client.commit(request).await.unwrap();
    }
}

/// All items, and how many pages they took.
async fn all(snapshot: &dyn Snapshot, reverse: bool, limit: usize) -> (Vec<String>, usize) {
    let range = KeyRange::prefix(b"");
    let mut next = Some(RangeQuery { begin: range.begin, end: range.end, limit, reverse });
    let (mut found, mut pages) = (Vec::new(), 0);
    while let Some(query) = next {
        let page = snapshot.range(query.clone()).await.unwrap();
        let bytes: usize = page.items.iter().map(|(key, value)| key.len() + value.len()).sum();
        assert!(bytes < PAGE_BYTES_MAX + 100_000, "{bytes}");
        assert!(page.items.len() <= limit);
        let text = |key: &[u8]| String::from_utf8(key.to_vec()).unwrap();
        found.extend(page.items.iter().map(|(key, _)| text(key)));
        next = query.after(&page);
        pages += 1;
    }
    (found, pages)
}

#[tokio::test(start_paused = true)]
async fn pages_are_bounded_in_bytes_and_join_up_lim_1() {
    let world = World::new();
    let _server = world.serve();
    let client = world.connected(config("a", 1), &Wire::new()).await;
    fill(&client, 120, 90_000).await;
    let snapshot = client.begin().await.unwrap();
    let mut expected: Vec<String> = (0..120).map(|key| format!("{key:05}")).collect();
    for reverse in [false, true] {
        let (found, pages) = all(snapshot.as_ref(), reverse, RANGE_ITEMS_MAX).await;
        assert_eq!(found, expected);
        assert_eq!(pages, 3, "120 values of 90 kB in pages of 4 MB");
        expected.reverse();
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_of_many_small_items_is_whole() {
    let world = World::new();
    let _server = world.serve();
    let client = world.connected(config("a", 1), &Wire::new()).await;
    fill(&client, 2_000, 10).await;
    let snapshot = client.begin().await.unwrap();
    for (limit, pages) in [(RANGE_ITEMS_MAX, 1), (2_000, 1), (1_999, 2), (700, 3)] {
        let (found, in_pages) = all(snapshot.as_ref(), false, limit).await;
        assert_eq!((found.len(), in_pages), (2_000, pages), "limit {limit}");
    }
}

#[tokio::test(start_paused = true)]
async fn commits_in_flight_are_bounded_on_the_side_of_the_client_lim_1() {
    let mut world = World::new();
    // The smaller limit of the two sides counts.
    world.config = ServerConfig { commits_max: 6, ..ServerConfig::default() };
    let _server = world.serve();
    let mut client_config = config("a", 1);
    client_config.commit_bytes_max = 1_000;
    let client = world.connected(client_config, &Wire::new()).await;
    world.gate.close();
    let kept: Vec<_> = (0..6).map(|_| client.commit(count("k", lane(1, 1)))).collect();
    let seventh = client.commit(count("k", lane(1, 1))).await;
    assert!(matches!(seventh, Err(CommitError::Overloaded { .. })), "{seventh:?}");
    assert_eq!(client.commit(count("k", lane(1, 1))).await, Err(CommitError::Abandoned));
    world.gate.until_waiting(6).await;
    world.gate.open();
    for found in join_all(kept).await {
        found.unwrap();
    }
    assert_eq!(world.stored("k").await, number(6));
    world.gate.close();
    let large = |bytes: usize| CommitRequest {
        mutations: vec![Mutation::set("large", vec![0; bytes])],
        ..CommitRequest::default()
    };
    // One that is larger than the limit passes alone, and none passes beside it.
    let alone = client.commit(large(5_000));
    let beside = client.commit(large(1)).await;
    assert!(matches!(beside, Err(CommitError::Overloaded { .. })), "{beside:?}");
    world.gate.until_waiting(1).await;
    world.gate.open();
    alone.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn commits_in_flight_are_bounded_over_all_sessions_lim_1() {
    let mut world = World::new();
    world.config = ServerConfig { commit_bytes_total_max: 10_000, ..ServerConfig::default() };
    let server = world.serve();
    let first = world.connected(config("first", 1), &Wire::new()).await;
    let second = world.connected(config("second", 1), &Wire::new()).await;
    world.gate.close();
    let large = || CommitRequest {
        mutations: vec![Mutation::set("large", vec![0; 9_000])],
        ..CommitRequest::default()
    };
    let kept = first.commit(large());
    world.gate.until_waiting(1).await;
    let refused = second.commit(CommitRequest { lane: lane(1, 1), ..large() }).await;
    assert!(matches!(refused, Err(CommitError::Overloaded { .. })), "{refused:?}");
    // The server's refusal ends the generation as any failure does.
    assert_eq!(second.commit(count("k", lane(1, 1))).await, Err(CommitError::Abandoned));
    assert_eq!(server.stats().overloaded, 1);
    world.gate.open();
    kept.await.unwrap();
    second.commit(large()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn snapshots_are_bounded_and_given_back_lim_1() {
    let mut world = World::new();
    world.config = ServerConfig { snapshots_max: 3, ..ServerConfig::default() };
    let server = world.serve();
    let client = world.connected(config("a", 1), &Wire::new()).await;
    for _ in 0..20 {
        client.begin().await.unwrap().get(b"k").await.unwrap();
    }
    assert_eq!(server.stats().snapshots_evicted, 0, "each was given back");
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(client.begin().await.unwrap());
    }
    assert_eq!(server.stats().snapshots_evicted, 1);
    assert_eq!(held[0].get(b"k").await, Err(ReadError::TooOld));
    let range = RangeQuery::forward(KeyRange::prefix(b""), 1);
    assert_eq!(held[0].range(range).await, Err(ReadError::TooOld));
    for snapshot in &held[1..] {
        assert_eq!(snapshot.get(b"k").await, Ok(None));
    }
}

#[tokio::test(start_paused = true)]
async fn requests_of_too_many_parts_are_refused_before_they_are_sent_lim_1() {
    let world = World::new();
    let server = world.serve();
    let client = world.connected(config("a", 1), &Wire::new()).await;
    let clear = Mutation::clear("");
    let mutations = vec![clear; ITEMS_MAX + 1];
    let mut request = CommitRequest { mutations, ..CommitRequest::default() };
    let found = client.commit(request.clone()).await;
    assert!(matches!(found, Err(CommitError::TooLarge { .. })), "{found:?}");
    assert_eq!(server.stats().commits, 0);
    // One fewer is more than both sides have room for by default, and passes alone.
    request.mutations.pop();
    client.commit(request).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn more_reads_than_places_wait_their_turn_lim_1() {
    let world = World::new();
    let _server = world.serve();
    let client = world.connected(config("a", 1), &Wire::new()).await;
    client.commit(count("k", None)).await.unwrap();
    let snapshot = client.begin().await.unwrap();
    let reads = (0..3_000).map(|_| snapshot.get(b"k"));
    for found in join_all(reads).await {
        assert_eq!(found.unwrap(), number(1));
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_begin_together_share_a_round_trip() {
    let world = World::new();
    let server = world.serve();
    let client = world.connected(config("a", 1), &Wire::new()).await;
    // Few calls make one turn of the executor; it cuts more of them into several.
    for (calls, requests_max) in [(25, 1), (500, 50)] {
        let before = server.stats().snapshots;
        let found = join_all((0..calls).map(|_| client.begin())).await;
        assert!(found.into_iter().all(|snapshot| snapshot.is_ok()));
        let requests = server.stats().snapshots - before;
        assert!((1..=requests_max).contains(&requests), "{requests} for {calls} calls");
    }
}

#[tokio::test(start_paused = true)]
async fn no_call_shares_what_was_sent_before_it() {
    let world = World::new();
    let _server = world.serve();
    let client = world.connected(config("a", 1), &Wire::new()).await;
    let workers = (0..40_usize).map(|worker| {
        let client: Arc<RemoteStore> = Arc::clone(&client);
        async move {
            for round in 0..25 {
                let committed = client.commit(count("k", None)).await.unwrap();
                // Others' calls are at every stage by now.
                for _ in 0..(worker * 7 + round) % 5 {
                    tokio::task::yield_now().await;
                }
                let snapshot = client.begin().await.unwrap();
                assert!(snapshot.version() >= committed.version, "worker {worker}");
            }
        }
    });
    join_all(workers.map(tokio::spawn)).await.into_iter().for_each(Result::unwrap);
    assert_eq!(world.stored("k").await, number(1_000));
}

#[tokio::test(start_paused = true)]
async fn no_call_shares_an_answer_that_is_on_its_way() {
    let world = World::new();
    let server = world.serve();
    let wire = Wire::new();
    let client = world.connected(config("a", 1), &wire).await;
    let other = world.connected(config("b", 1), &Wire::new()).await;
    let before = server.stats().snapshots;
    wire.set(Mode::StopAnswers);
    let mut early = client.begin();
    assert!((&mut early).now_or_never().is_none());
    while server.stats().snapshots == before {
        tokio::task::yield_now().await;
    }
    let committed = other.commit(count("k", None)).await.unwrap();
    let mut late = client.begin();
    assert!((&mut late).now_or_never().is_none());
    wire.set(Mode::Pass);
    assert!(early.await.unwrap().version() < committed.version);
    assert!(late.await.unwrap().version() >= committed.version);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_future_undoes_nothing_and_a_dropped_client_ends_its_own() {
    let world = World::new();
    let _server = world.serve();
    let client = world.connected(config("a", 1), &Wire::new()).await;
    drop(client.commit(count("k", None)));
    drop(client.begin());
    client.commit(count("k", None)).await.unwrap();
    assert_eq!(world.stored("k").await, number(2));
    let snapshot = client.begin().await.unwrap();
    world.gate.close();
    let in_flight = client.commit(count("k", None));
    world.gate.until_waiting(1).await;
    drop(client);
    let found = in_flight.now_or_never();
    assert!(matches!(found, Some(Err(CommitError::UnknownResult { .. }))), "{found:?}");
    let read = snapshot.get(b"k").await;
    assert!(matches!(read, Err(ReadError::Stopped { .. })), "{read:?}");
}

/// Keeps the defaults honest: what the README says about times rests on these relations.
#[test]
fn the_defaults_fit_each_other() {
    let (client, server) = (config("a", 1), ServerConfig::default());
    let ClientConfig { liveness, connect_ms_max, read_ms_max, .. } = client;
    assert!(2 * liveness.heartbeat_ms < server.liveness.silence_ms_max);
    assert!(2 * server.liveness.heartbeat_ms < liveness.silence_ms_max);
    assert!(server.drain_ms_max < connect_ms_max);
    assert!(connect_ms_max < read_ms_max);
}
