//! Sessions of one client follow each other, and never mix with those of others (OWN-1).

use std::time::Duration;

use actors_store::{CommitError, Store};
use futures::FutureExt;
use futures::future::join_all;
use node_env::fake::SeededRng;
use node_store_remote::limits::CLIENTS_MAX;
use node_store_remote::{ClientConfig, ClientIdentity, ConnectError, ServerConfig};
use tokio::io::AsyncReadExt;

use crate::net::{Mode, Wire};
use crate::raw;
use crate::world::{World, config, count, get, lane, number, set_after_read};

#[tokio::test(start_paused = true)]
async fn a_zombie_commits_nothing_behind_its_successor_own_1() {
    let world = World::new();
    let server = world.serve();
    let wire = Wire::new();
    let zombie = world.connected(config("node", 1), &wire).await;
    zombie.commit(count("before", lane(1, 1))).await.unwrap();
    world.gate.close();
    let in_flight = zombie.commit(count("in flight", lane(1, 1)));
    world.gate.until_waiting(1).await;
    // The process is stopped: what it has sent is still on its way.
    wire.set(Mode::Stop);
    let on_the_way = zombie.commit(count("on the way", lane(1, 1)));
    tokio::task::yield_now().await;

    let successor = world.client(config("node", 2), &Wire::new());
    let mut letting_in = std::pin::pin!(successor.wait_connected());
    for _ in 0..100 {
        assert!(letting_in.as_mut().now_or_never().is_none(), "a commit is still under way");
        tokio::task::yield_now().await;
    }
    world.gate.open();
    letting_in.await.unwrap();
    let seen = successor.begin().await.unwrap();
    assert_eq!(seen.get(b"in flight").await.unwrap(), number(1));
    assert_eq!(seen.get(b"on the way").await.unwrap(), None);
    successor.commit(count("after", lane(1, 1))).await.unwrap();

    wire.set(Mode::Pass);
    assert!(in_flight.await.is_ok(), "its answer was on the way too");
    assert!(on_the_way.await.is_err());
    let late = zombie.commit(count("late", lane(1, 2))).await;
    assert!(late.is_err(), "{late:?}");
    let begun = zombie.begin().await.map(|_| ());
    assert!(matches!(begun, Err(actors_store::ReadError::Stopped { .. })), "{begun:?}");
    assert!(zombie.stopped().unwrap().contains("newer incarnation"));
    for (key, expected) in [("in flight", 1), ("on the way", 0), ("after", 1), ("late", 0)] {
        let expected = number(expected).filter(|_| expected > 0);
        assert_eq!(world.stored(key).await, expected, "{key}");
    }
    assert_eq!(server.stats().superseded, 1);
}

#[tokio::test(start_paused = true)]
async fn a_zombie_that_connects_again_is_refused_own_1() {
    let world = World::new();
    let _server = world.serve();
    let wire = Wire::new();
    let zombie = world.connected(config("node", 1), &wire).await;
    wire.unplug();
    let successor = world.connected(config("node", 2), &Wire::new()).await;
    wire.plug_in();
    let begun = zombie.begin().await.map(|_| ());
    assert!(matches!(begun, Err(actors_store::ReadError::Stopped { .. })), "{begun:?}");
    let late = zombie.commit(count("k", None)).await;
    assert!(matches!(late, Err(CommitError::Stopped { .. })), "{late:?}");
    successor.commit(count("k", None)).await.unwrap();
    assert_eq!(world.stored("k").await, number(1));
    let again = world.client(config("node", 1), &Wire::new()).wait_connected().await;
    assert!(matches!(again, Err(ConnectError::Refused { .. })), "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn incarnations_are_remembered_over_servers_own_1() {
    let world = World::new();
    let server = world.serve();
    drop(world.connected(config("node", 2), &Wire::new()).await);
    assert!(server.shut_down().await);
    let _server = world.serve();
    let old = world.client(config("node", 1), &Wire::new()).wait_connected().await;
    assert!(matches!(old, Err(ConnectError::Refused { .. })), "{old:?}");
}

#[tokio::test(start_paused = true)]
async fn two_processes_with_one_incarnation_are_told() {
    let world = World::new();
    let _server = world.serve();
    let first = world.connected(config("node", 1), &Wire::new()).await;
    let other = ClientConfig { rng: std::sync::Arc::new(SeededRng::new(77)), ..config("node", 1) };
    let second = world.client(other, &Wire::new()).wait_connected().await;
    let Err(ConnectError::Refused { reason }) = second else { panic!("{second:?}") };
    assert!(reason.contains("client id and incarnation"), "{reason}");
    first.commit(count("k", None)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn lanes_of_two_clients_do_not_mix() {
    let world = World::new();
    let _server = world.serve();
    let first = world.connected(config("first", 1), &Wire::new()).await;
    let second = world.connected(config("second", 1), &Wire::new()).await;
    let version = first.begin().await.unwrap().version();
    first.commit(count("read", None)).await.unwrap();
    let mut stale = set_after_read(version, "read", "stale");
    stale.lane = lane(1, 9);
    assert_eq!(first.commit(stale).await, Err(CommitError::Conflict));
    assert_eq!(first.commit(count("k", lane(1, 9))).await, Err(CommitError::Abandoned));
    // The same lane, a lower generation: of another client.
    second.commit(count("k", lane(1, 3))).await.unwrap();
    first.commit(count("k", lane(1, 10))).await.unwrap();
    second.commit(count("k", lane(1, 3))).await.unwrap();
    assert_eq!(world.stored("k").await, number(3));
}

#[tokio::test(start_paused = true)]
async fn lanes_come_back_when_sessions_end() {
    let world = World::new();
    let _server = world.serve();
    // Each session uses lanes of its own; together they are more than the store has.
    for incarnation in 1..=6 {
        let client = world.connected(config("node", incarnation), &Wire::new()).await;
        let sent = (0..1_000).map(|id| client.commit(count("k", lane(id, 1))));
        for found in join_all(sent.collect::<Vec<_>>()).await {
            found.unwrap();
        }
        // What failed here is no matter of the next one.
        let mut stale = set_after_read(0, "k", "stale");
        stale.lane = lane(incarnation, 1);
        assert_eq!(client.commit(stale).await, Err(CommitError::Conflict));
    }
    assert_eq!(world.stored("k").await, number(6_000));
}

#[tokio::test(start_paused = true)]
async fn of_two_clients_that_read_and_write_the_same_one_conflicts() {
    let world = World::new();
    let _server = world.serve();
    let clients = [
        world.connected(config("first", 1), &Wire::new()).await,
        world.connected(config("second", 1), &Wire::new()).await,
    ];
    let mut done = 0;
    for round in 0..50 {
        let requests = clients.iter().map(|client| async move {
            let version = client.begin().await.unwrap().version();
            client.commit(set_after_read(version, "shared", "shared")).await
        });
        let found = join_all(requests).await;
        let conflicts = found.iter().filter(|found| **found == Err(CommitError::Conflict)).count();
        let succeeded = found.iter().filter(|found| found.is_ok()).count();
        assert_eq!(conflicts + succeeded, 2, "{found:?}");
        assert!(succeeded >= 1, "round {round}: {found:?}");
        done += succeeded;
    }
    assert!(done < 100, "the two never met");
}

#[tokio::test(start_paused = true)]
async fn clients_that_live_once_are_forgotten_and_others_are_bounded_lim_1() {
    let world = World::new();
    let _server = world.serve();
    for number in 0..CLIENTS_MAX as u64 + 10 {
        let identity = ClientIdentity::ephemeral(&SeededRng::new(number));
        raw::greeted(&world.net, identity.client_id.0, 0).await;
    }
    for number in 0..CLIENTS_MAX {
        raw::greeted(&world.net, number as u128, 1).await;
    }
    let mut stream = raw::dialled(&world.net, CLIENTS_MAX as u128, 1).await;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(raw::farewell(&answer), Some(raw::TOO_MANY_CLIENTS));
    raw::greeted(&world.net, 0, 2).await;
}

#[tokio::test(start_paused = true)]
async fn sessions_are_bounded_and_the_next_one_gets_in_when_there_is_room_lim_1() {
    let mut world = World::new();
    world.config = ServerConfig { sessions_max: 2, ..ServerConfig::default() };
    let server = world.serve();
    let first = world.connected(config("first", 1), &Wire::new()).await;
    let second = world.connected(config("second", 1), &Wire::new()).await;
    let third = world.client(config("third", 1), &Wire::new());
    while server.stats().refused < 3 {
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    assert!(!third.is_connected());
    drop(first);
    third.wait_connected().await.unwrap();
    for client in [second, third] {
        client.commit(count("k", None)).await.unwrap();
    }
    assert_eq!(get(world.gate.as_ref(), "k").await, number(2));
}
