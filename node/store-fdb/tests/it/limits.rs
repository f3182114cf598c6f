//! LIM-1: what is too large or too much is refused by name, and pages are bounded.

use actors_store::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use actors_store::{CommitError, CommitRequest, KeyRange, Mutation, RangeQuery, ReadError, Store};
use bytes::Bytes;
use futures::future::join_all;
use node_store_fdb::limits::{PAGE_BYTES_MAX, STAMP_OFFSET_BYTES};
use node_store_fdb::{Code, FdbConfig};

use crate::cluster::{Cluster, Mishap};
use crate::world::{config, count, get, lane, open, set, set_after_read, try_open};

fn request(mutations: Vec<Mutation>) -> CommitRequest {
    CommitRequest { mutations, ..CommitRequest::default() }
}

#[tokio::test(start_paused = true)]
async fn lim_1_commits_beyond_the_limits_are_overloaded() {
    let cluster = Cluster::new(1);
    let config = FdbConfig { commits_max: 3, ..config("test") };
    let store = try_open(&cluster, config, 1).await.unwrap();
    let sent: Vec<_> = (0..5).map(|_| store.commit(count("n", lane(1, 1)))).collect();
    let found = join_all(sent).await;
    assert!(found[..3].iter().all(Result::is_ok), "{found:?}");
    assert!(matches!(found[3], Err(CommitError::Overloaded { .. })), "{found:?}");
    assert_eq!(found[4], Err(CommitError::Abandoned));
    assert_eq!(store.stats().overloaded, 1);
    store.commit(count("n", lane(1, 2))).await.unwrap();
    assert_eq!(store.stats().commits_waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn lim_1_bytes_beyond_the_limit_are_overloaded() {
    let cluster = Cluster::new(1);
    let config = FdbConfig { commit_bytes_max: 10_000_000, ..config("test") };
    let store = try_open(&cluster, config, 1).await.unwrap();
    let large = || {
        let set = |number: u8| Mutation::set(vec![number], vec![0; VALUE_BYTES_MAX]);
        store.commit(request((0..60).map(set).collect()))
    };
    let sent = [large(), large()];
    let found = join_all(sent).await;
    assert!(found[0].is_ok());
    assert!(matches!(found[1], Err(CommitError::Overloaded { .. })));
}

#[tokio::test(start_paused = true)]
async fn what_the_cluster_finds_too_large_is_said() {
    let cluster = Cluster::new(1);
    let store = open(&cluster, 1).await;
    // 9 MB for the port; more than 10 MB with what FoundationDB reckons beside keys and values.
    let set = |number: u32| Mutation::set(number.to_be_bytes().to_vec(), vec![0; 86]);
    let found = store.commit(request((0..100_000).map(set).collect())).await;
    assert!(matches!(found, Err(CommitError::TooLarge { .. })), "{found:?}");
    assert_eq!(get(&*store, "\0\0\0\0").await, None);
}

#[tokio::test(start_paused = true)]
async fn versionstamped_things_are_a_little_shorter() {
    let cluster = Cluster::new(1);
    let store = open(&cluster, 1).await;
    for (over, fits) in [(0, true), (1, false)] {
        let key = vec![b'k'; KEY_BYTES_MAX - STAMP_OFFSET_BYTES + over];
        let value = vec![b'v'; VALUE_BYTES_MAX - STAMP_OFFSET_BYTES + over];
        let (key, value) = (Bytes::from(key), Bytes::from(value));
        let short = Bytes::from_static(b"x");
        let keyed = Mutation::SetVersionstampedKey { key, offset: 0, value: short.clone() };
        let valued = Mutation::SetVersionstampedValue { key: short, value, offset: 0 };
        let keyed = store.commit(request(vec![keyed])).await;
        let valued = store.commit(request(vec![valued])).await;
        assert_eq!((keyed.is_ok(), valued.is_ok()), (fits, fits));
        assert!(fits || matches!(keyed, Err(CommitError::KeyTooLarge { .. })));
        assert!(fits || matches!(valued, Err(CommitError::ValueTooLarge { .. })));
    }
}

#[tokio::test(start_paused = true)]
async fn pages_are_bounded_by_bytes_and_join_up() {
    let cluster = Cluster::new(1);
    let store = open(&cluster, 1).await;
    let value = vec![b'v'; VALUE_BYTES_MAX];
    for number in 0..60_u8 {
        store.commit(request(vec![Mutation::set(vec![number], value.clone())])).await.unwrap();
    }
    let snapshot = store.begin().await.unwrap();
    for reverse in [false, true] {
        let all = RangeQuery::forward(KeyRange::prefix(b""), 1_000);
        let mut next = Some(RangeQuery { reverse, ..all });
        let mut keys = Vec::new();
        while let Some(query) = next {
            let page = snapshot.range(query.clone()).await.unwrap();
            let bytes: usize = page.items.iter().map(|(_, value)| value.len()).sum();
            assert!(bytes <= PAGE_BYTES_MAX + 60 * VALUE_BYTES_MAX);
            keys.extend(page.items.iter().map(|(key, _)| key[0]));
            next = query.after(&page);
        }
        if reverse {
            keys.reverse();
        }
        assert_eq!(keys, (0..60).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_recovery_makes_old_versions_too_old_and_nothing_else() {
    let cluster = Cluster::new(1);
    let store = open(&cluster, 1).await;
    store.commit(set("a", "1")).await.unwrap();
    let snapshot = store.begin().await.unwrap();
    cluster.recover();
    assert_eq!(snapshot.get(b"a").await, Err(ReadError::TooOld));
    let stale = store.commit(set_after_read(snapshot.version(), "b", "x")).await;
    assert_eq!(stale, Err(CommitError::TooOld));
    // What has read nothing had a version from before, too.
    store.commit(set("a", "2")).await.unwrap();
    assert_eq!(get(&*store, "a").await.as_deref(), Some(b"2".as_ref()));
}

#[tokio::test(start_paused = true)]
async fn what_the_client_refuses_stops_the_commit() {
    let cluster = Cluster::new(1);
    let store = open(&cluster, 1).await;
    cluster.mishap(Mishap::Lost(Code(2_130)));
    let found = store.commit(set("a", "1")).await;
    assert!(matches!(found, Err(CommitError::Stopped { .. })), "{found:?}");
}
