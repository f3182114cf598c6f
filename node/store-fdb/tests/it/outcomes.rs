//! Commits of which the cluster does not say what became of them, one way at a time.

use actors_store::{CommitError, Mutation, ReadError, Store};
use bytes::Bytes;
use node_store_fdb::{Code, FdbConfig};

use crate::cluster::{Cluster, Mishap};
use crate::world::{config, count, get, lane, number, open, set, set_after_read, try_open};

const UNKNOWN: [Code; 5] = [
    Code::COMMIT_UNKNOWN_RESULT,
    Code::CLUSTER_VERSION_CHANGED,
    Code::TRANSACTION_TIMED_OUT,
    Code::TRANSACTION_CANCELLED,
    Code(1_101),
];

/// The whole life of a commit under one mishap: it takes effect once, and is answered with the
/// versionstamp that it has.
async fn check(mishap: Mishap, lane_id: Option<u64>) {
    let cluster = Cluster::new(7);
    let store = open(&cluster, 1).await;
    cluster.mishap(mishap);
    let mut request = count("n", lane_id.and_then(|id| lane(id, 1)));
    let value = Bytes::from_static(b"<0123456789>");
    request.mutations.push(Mutation::SetVersionstampedValue {
        key: Bytes::from_static(b"stamp"),
        value,
        offset: 1,
    });
    let committed = store.commit(request).await.unwrap();
    cluster.deliver_late();
    assert_eq!(get(&*store, "n").await, number(1), "{mishap:?}");
    let stamp = get(&*store, "stamp").await.unwrap();
    assert_eq!(stamp[1..11], committed.versionstamp, "{mishap:?}");
    assert_eq!(committed.version.to_be_bytes(), committed.versionstamp[..8]);
    let stats = store.stats();
    assert_eq!(stats.unknown_answered, 0);
    assert_eq!((stats.unknown, stats.found_done + stats.found_void), (1, 1), "{mishap:?}");
}

#[tokio::test(start_paused = true)]
async fn once_1_an_unknown_outcome_is_found_out() {
    for code in UNKNOWN {
        for mishap in [Mishap::Landed(code), Mishap::Lost(code), Mishap::Late(code)] {
            check(mishap, None).await;
            check(mishap, Some(3)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn finding_out_meets_mishaps_of_its_own() {
    let code = Code::COMMIT_UNKNOWN_RESULT;
    let each = [
        Mishap::Landed(code),
        Mishap::Lost(code),
        Mishap::Late(code),
        Mishap::Lost(Code::NOT_COMMITTED),
    ];
    for first in &each[..3] {
        for second in each {
            for third in each {
                let cluster = Cluster::new(11);
                let store = open(&cluster, 1).await;
                [*first, second, third].into_iter().for_each(|mishap| cluster.mishap(mishap));
                store.commit(count("n", lane(1, 1))).await.unwrap();
                cluster.deliver_late();
                let found = get(&*store, "n").await;
                assert_eq!(found, number(1), "{first:?} {second:?} {third:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_conflict_stays_a_conflict_after_an_unknown_outcome() {
    let cluster = Cluster::new(3);
    let store = open(&cluster, 1).await;
    let before = store.begin().await.unwrap().version();
    store.commit(set("read", "new")).await.unwrap();
    cluster.mishap(Mishap::Lost(Code::COMMIT_UNKNOWN_RESULT));
    let found = store.commit(set_after_read(before, "read", "x")).await;
    assert_eq!(found, Err(CommitError::Conflict));
    // And one that took effect is not its own conflict.
    let now = store.begin().await.unwrap().version();
    cluster.mishap(Mishap::Landed(Code::COMMIT_UNKNOWN_RESULT));
    assert!(store.commit(set_after_read(now, "x", "x")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_lane_waits_for_what_is_unknown() {
    let cluster = Cluster::new(5);
    let store = open(&cluster, 1).await;
    for generation in 1..50 {
        cluster.mishap(Mishap::Late(Code::COMMIT_UNKNOWN_RESULT));
        let request = |name: &str| {
            let mut request = set("last", name);
            request.lane = lane(1, generation);
            request
        };
        let sent = ["first", "second"].map(|name| store.commit(request(name)));
        for committed in futures::future::join_all(sent).await {
            committed.unwrap();
        }
        cluster.deliver_late();
        assert_eq!(get(&*store, "last").await.as_deref(), Some(b"second".as_ref()));
    }
}

fn impatient() -> FdbConfig {
    FdbConfig {
        read_ms_max: 300,
        commit_try_ms_max: 200,
        commit_ms_max: 1_000,
        open_ms_max: 1_000,
        ..config("test")
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_told_unknown_sees_the_truth_at_the_next_begin() {
    let mut seen = [0_usize; 2];
    for seed in 0..40 {
        let cluster = Cluster::new(seed);
        let store = try_open(&cluster, impatient(), 1).await.unwrap();
        cluster.set_out(true);
        let answer = store.commit(count("n", lane(1, 1))).await;
        assert!(matches!(answer, Err(CommitError::UnknownResult { .. })), "{answer:?}");
        let behind = store.commit(count("behind", lane(1, 1))).await;
        assert_eq!(behind, Err(CommitError::Abandoned));
        // Nobody can look before the cluster is back.
        assert!(matches!(store.begin().await, Err(ReadError::Failed { .. })));
        cluster.set_out(false);
        let found = get(&*store, "n").await;
        cluster.deliver_late();
        assert_eq!(get(&*store, "n").await, found, "seed {seed}: it changed its fate");
        assert_eq!(get(&*store, "behind").await, None);
        seen[usize::from(found.is_some())] += 1;
        store.commit(count("n", lane(1, 2))).await.unwrap();
    }
    assert!(seen.iter().all(|&count| count > 0), "both fates are met: {seen:?}");
}

#[tokio::test(start_paused = true)]
async fn what_had_no_effect_by_the_deadline_is_overloaded() {
    let cluster = Cluster::new(1);
    let store = try_open(&cluster, impatient(), 1).await.unwrap();
    for _ in 0..1_000 {
        cluster.mishap(Mishap::Lost(Code::DATABASE_LOCKED));
    }
    let found = store.commit(set("x", "1")).await;
    assert!(matches!(found, Err(CommitError::Overloaded { .. })), "{found:?}");
    assert_eq!(get(&*store, "x").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_commit_goes_on_when_nobody_waits_for_it() {
    let cluster = Cluster::new(1);
    let store = open(&cluster, 1).await;
    drop(store.commit(set("x", "1")));
    store.close().await;
    let store = open(&cluster, 2).await;
    assert!(get(&*store, "x").await.is_some());
}
