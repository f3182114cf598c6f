//! Connections that break: what callers are told, what is known, and what took effect.

use std::time::Duration;

use actors_store::limits::TRANSACTION_BYTES_MAX;
use actors_store::{CommitError, CommitRequest, Mutation, ReadError, Store};
use futures::FutureExt;
use futures::future::join_all;
use tokio::time::Instant;

use crate::net::{Direction, Mode, Wire};
use crate::world::{World, config, count, get, lane, number, set, set_after_read};

/// Commits of one lane, sent in one go, over a wire that lasts for so many bytes.
async fn cut_in_the_middle(direction: Direction, bytes: usize) {
    const COUNT: usize = 20;
    let world = World::new();
    let server = world.serve();
    let wire = Wire::new();
    let client = world.connected(config("a", 1), &wire).await;
    wire.cut_after(direction, bytes);
    let sent = (0..COUNT).map(|step| client.commit(count(&step.to_string(), lane(3, 1))));
    let found = join_all(sent.collect::<Vec<_>>()).await;
    wire.mend();
    if found.iter().any(Result::is_err) {
        let late = client.commit(count("late", lane(3, 1))).await;
        assert!(late.is_err(), "the generation is over: {late:?}");
    }
    // The snapshot is of the next connection, so it shows what became of the last one.
    let snapshot = client.begin().await.unwrap();
    let mut is_over = false;
    for (step, result) in found.iter().enumerate() {
        let key = step.to_string();
        let seen = snapshot.get(key.as_bytes()).await.unwrap();
        let case = format!("{direction:?} {bytes}, commit {step}: {result:?}, {seen:?}");
        match result {
            Ok(_) => assert_eq!(seen, number(1), "{case}"),
            Err(CommitError::UnknownResult { .. }) => {}
            Err(CommitError::Abandoned | CommitError::Overloaded { .. }) => {
                assert_eq!(seen, None, "{case}");
            }
            Err(_) => panic!("{case}"),
        }
        assert!(seen.is_none() || !is_over, "nothing behind a gap: {case}");
        is_over |= seen.is_none();
        assert_eq!(world.stored(&key).await, seen, "nothing is decided later: {case}");
    }
    assert_eq!(world.stored("late").await, None);
    client.commit(count("next", lane(3, 2))).await.unwrap();
    assert!(server.shut_down().await);
}

#[tokio::test(start_paused = true)]
async fn a_connection_cut_within_commits_loses_and_repeats_nothing() {
    for bytes in (0..1_600).step_by(23) {
        cut_in_the_middle(Direction::ToServer, bytes).await;
        cut_in_the_middle(Direction::ToClient, bytes).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_never_sent_fails_for_certain_and_ends_its_generation() {
    let world = World::new();
    let _server = world.serve();
    let wire = Wire::new();
    let client = world.connected(config("a", 1), &wire).await;
    client.commit(count("k", lane(1, 1))).await.unwrap();
    wire.unplug();
    // The loss is noticed only when the executor has its turn.
    let first = client.commit(count("k", lane(1, 1)));
    assert!(first.await.is_err());
    let second = client.commit(count("k", lane(1, 2))).await;
    assert!(matches!(second, Err(CommitError::Overloaded { .. })), "{second:?}");
    let third = client.commit(count("k", lane(1, 2))).await;
    assert_eq!(third, Err(CommitError::Abandoned));
    wire.plug_in();
    let before = world.stored("k").await;
    assert_eq!(get(client.as_ref(), "k").await, before, "begin waits for the connection");
    let fourth = client.commit(count("k", lane(1, 2))).await;
    assert_eq!(fourth, Err(CommitError::Abandoned), "a new connection does not revive it");
    client.commit(count("k", lane(1, 3))).await.unwrap();
    assert_eq!(client.connections(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_generation_without_commits_in_flight_outlives_its_connection() {
    let world = World::new();
    let _server = world.serve();
    let wire = Wire::new();
    let client = world.connected(config("a", 1), &wire).await;
    client.commit(count("k", lane(1, 1))).await.unwrap();
    let before = client.begin().await.unwrap();
    wire.cut();
    // Ends with the connection, so that the next one is waited for.
    drop(before.get(b"k").await);
    client.begin().await.unwrap();
    client.commit(count("k", lane(1, 1))).await.unwrap();
    assert_eq!(world.stored("k").await, number(2));
    let old = before.get(b"k").await;
    assert_eq!(old, Err(ReadError::TooOld), "a snapshot goes with its connection");
}

#[tokio::test(start_paused = true)]
async fn a_failed_generation_stays_failed_over_connections() {
    let world = World::new();
    let _server = world.serve();
    let wire = Wire::new();
    let client = world.connected(config("a", 1), &wire).await;
    let version = client.begin().await.unwrap().version();
    client.commit(count("read", None)).await.unwrap();
    let stale = CommitRequest { lane: lane(1, 1), ..set_after_read(version, "read", "k") };
    assert_eq!(client.commit(stale).await, Err(CommitError::Conflict));
    let held = client.begin().await.unwrap();
    wire.cut();
    // Ends with the connection, so that the next one is waited for.
    drop(held.get(b"k").await);
    client.begin().await.unwrap();
    assert_eq!(client.connections(), 2);
    assert_eq!(client.commit(count("k", lane(1, 1))).await, Err(CommitError::Abandoned));
    client.commit(count("k", lane(1, 2))).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_half_open_connection_is_noticed_in_time() {
    for mode in [Mode::Swallow, Mode::Stop] {
        let world = World::new();
        let server = world.serve();
        let wire = Wire::new();
        let client = world.connected(config("a", 1), &wire).await;
        wire.set(mode);
        let begun_at = Instant::now();
        let found = client.commit(set("k", "v")).await;
        assert!(matches!(found, Err(CommitError::UnknownResult { .. })), "{found:?}");
        let silence = Duration::from_millis(config("a", 1).liveness.silence_ms_max);
        let heartbeat = Duration::from_millis(config("a", 1).liveness.heartbeat_ms);
        assert!(begun_at.elapsed() <= silence + 2 * heartbeat, "{:?}", begun_at.elapsed());
        assert!(!client.is_connected());
        // The server has noticed too: it ends a session of which it hears nothing.
        tokio::time::advance(silence + 2 * heartbeat).await;
        while server.stats().lost == 0 {
            tokio::time::advance(heartbeat).await;
        }
        wire.set(Mode::Pass);
        let seen = get(client.as_ref(), "k").await;
        assert_eq!(seen, world.stored("k").await);
    }
}

#[tokio::test(start_paused = true)]
async fn reads_without_a_connection_wait_for_it_and_not_for_ever() {
    let world = World::new();
    let wire = Wire::new();
    let client = world.client(config("a", 1), &wire);
    let begun_at = Instant::now();
    let found = client.begin().await.map(|_| ());
    assert!(matches!(found, Err(ReadError::Failed { .. })), "{found:?}");
    assert_eq!(begun_at.elapsed(), Duration::from_millis(config("a", 1).read_ms_max));
    let mut waiting = client.begin();
    assert!((&mut waiting).now_or_never().is_none());
    let _server = world.serve();
    assert!(waiting.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_found_by_the_next_begin() {
    let world = World::new();
    let _server = world.serve();
    let wire = Wire::new();
    let client = world.connected(config("a", 1), &wire).await;
    world.gate.close();
    let sent = client.commit(count("k", lane(1, 1)));
    world.gate.until_waiting(1).await;
    wire.cut();
    assert!(matches!(sent.await, Err(CommitError::UnknownResult { .. })));
    // The server does not let the next session in while the commit can still take effect.
    let failed = client.begin().await.map(|_| ());
    assert!(matches!(failed, Err(ReadError::Failed { .. })), "{failed:?}");
    assert_eq!(world.stored("k").await, None);
    world.gate.open();
    assert_eq!(get(client.as_ref(), "k").await, number(1));
}

#[tokio::test(start_paused = true)]
async fn a_large_transaction_passes_and_a_torn_one_does_not() {
    let world = World::new();
    let _server = world.serve();
    let wire = Wire::new();
    let client = world.connected(config("a", 1), &wire).await;
    let value = vec![b'v'; 90_000];
    let keys = TRANSACTION_BYTES_MAX / 90_010;
    let mutations = |name: &str| -> Vec<Mutation> {
        (0..keys).map(|key| Mutation::set(format!("{name}{key:04}"), value.clone())).collect()
    };
    let request = |name: &str| CommitRequest { mutations: mutations(name), ..Default::default() };
    client.commit(request("a")).await.unwrap();
    wire.cut_after(Direction::ToServer, TRANSACTION_BYTES_MAX / 2);
    let torn = client.commit(request("b")).await;
    assert!(matches!(torn, Err(CommitError::UnknownResult { .. })), "{torn:?}");
    let snapshot = client.begin().await.unwrap();
    for key in 0..keys {
        let seen = snapshot.get(format!("a{key:04}").as_bytes()).await.unwrap();
        assert_eq!(seen.map(|value| value.len()), Some(90_000));
        assert_eq!(snapshot.get(format!("b{key:04}").as_bytes()).await.unwrap(), None);
    }
}
