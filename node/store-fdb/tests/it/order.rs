//! The order of commits without a lane, and that lines of commits do not wait for each other.

use std::sync::Arc;

use actors_store::{CommitRequest, Mutation, Store};
use bytes::Bytes;
use futures::future::join_all;

use crate::cluster::{Cluster, Mishap};
use crate::world::{count, lane, open, set};
use node_store_fdb::Code;

#[tokio::test(start_paused = true)]
async fn commits_of_one_thread_take_effect_in_their_order() {
    let cluster = Cluster::new(9);
    let store = open(&cluster, 1).await;
    let sent: Vec<_> = (0..100).map(|number| store.commit(set("a", &number.to_string()))).collect();
    let mut last = None;
    for committed in join_all(sent).await {
        let stamp = Some(committed.unwrap().versionstamp);
        assert!(last < stamp);
        last = stamp;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_do_not_wait_for_each_other() {
    let cluster = Cluster::new(9);
    let store = open(&cluster, 1).await;
    let tasks = (0..64).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut last = None;
            for _ in 0..20 {
                let stamp = store.commit(count(&format!("n/{number}"), None)).await.unwrap();
                assert!(last < Some(stamp.versionstamp));
                last = Some(stamp.versionstamp);
            }
        })
    });
    for task in join_all(tasks.collect::<Vec<_>>()).await {
        task.unwrap();
    }
    assert_eq!(store.stats().commits, 64 * 20);
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_is_stuck_holds_up_no_other() {
    let cluster = Cluster::new(2);
    let store = open(&cluster, 1).await;
    // The first try of the first commit hangs in doubt for a while.
    cluster.mishap(Mishap::Late(Code::COMMIT_UNKNOWN_RESULT));
    for _ in 0..30 {
        cluster.mishap(Mishap::Lost(Code::COMMIT_PROXY_MEMORY_LIMIT));
    }
    let stuck = tokio::spawn(store.commit(count("stuck", lane(1, 1))));
    while store.stats().unknown == 0 {
        tokio::task::yield_now().await;
    }
    let others = (2..10).map(|id| store.commit(count("free", lane(id, 1))));
    let free = join_all(others.collect::<Vec<_>>()).await;
    assert!(free.iter().all(Result::is_ok));
    stuck.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn versionstamped_keys_are_filled_in_behind_the_prefix() {
    let cluster = Cluster::new(2);
    let store = open(&cluster, 1).await;
    let mutations = vec![Mutation::SetVersionstampedKey {
        key: Bytes::from_static(b"0123456789"),
        offset: 0,
        value: Bytes::new(),
    }];
    let request = CommitRequest { mutations, ..CommitRequest::default() };
    let committed = store.commit(request).await.unwrap();
    let snapshot = store.begin().await.unwrap();
    assert_eq!(snapshot.get(&committed.versionstamp).await.unwrap(), Some(Bytes::new()));
}

#[tokio::test(start_paused = true)]
async fn begins_share_read_versions() {
    let cluster = Cluster::new(2);
    let store = open(&cluster, 1).await;
    let before = store.stats().read_versions;
    let begun = join_all((0..1_000).map(|_| store.begin())).await;
    assert!(begun.iter().all(Result::is_ok));
    let asked = store.stats().read_versions - before;
    assert!(asked <= 8, "{asked} read versions for 1,000 snapshots");
}
