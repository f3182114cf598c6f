//! Stores beside each other in one cluster: names, headers, markers, opening and closing.

use actors_store::{CommitError, ReadError, Store};
use node_store_fdb::limits::MARKER_VERSIONS_MAX;
use node_store_fdb::{FdbConfig, FdbError, FdbStore};

use crate::cluster::{Cluster, Faults, Mishap};
use crate::world::{config, count, environment, get, lane, open, set, try_open};
use node_store_fdb::Code;

fn markers(cluster: &Cluster) -> usize {
    let is_marker = |key: &[u8]| key.len() == 8 + 1 + 16 + 4 && key[7..9] == [0, b'm'];
    cluster.dump().iter().filter(|(key, _)| is_marker(key)).count()
}

#[tokio::test(start_paused = true)]
async fn stores_of_different_names_do_not_meet() {
    let cluster = Cluster::new(1);
    let one = try_open(&cluster, config("one"), 1).await.unwrap();
    let two = try_open(&cluster, config("two"), 2).await.unwrap();
    one.commit(set("a", "1")).await.unwrap();
    assert_eq!(get(&*two, "a").await, None);
    two.commit(set("a", "2")).await.unwrap();
    two.erase().await.unwrap();
    assert_eq!(get(&*one, "a").await.as_deref(), Some(b"1".as_ref()));
    assert_eq!(get(&*two, "a").await, None);
}

#[tokio::test(start_paused = true)]
async fn stores_of_one_name_are_one_store() {
    let cluster = Cluster::new(1);
    let (one, two) = (open(&cluster, 1).await, open(&cluster, 2).await);
    one.commit(set("a", "1")).await.unwrap();
    assert!(get(&*two, "a").await.is_some());
}

#[tokio::test(start_paused = true)]
async fn keys_of_others_are_left_alone() {
    let cluster = Cluster::new(1);
    let store = open(&cluster, 1).await;
    let (header, _) = cluster.dump().into_iter().next().unwrap();
    store.erase().await.unwrap();
    let foreign = [&header[..7], &[1], b"x"].concat();
    cluster.write_foreign(&foreign);
    let refused = try_open(&cluster, config("test"), 2).await.map(drop);
    assert!(matches!(refused, Err(FdbError::Foreign { .. })), "{refused:?}");
    cluster.write_foreign(&header);
    let refused = try_open(&cluster, config("test"), 3).await.map(drop);
    assert!(matches!(refused, Err(FdbError::Foreign { .. })), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn closing_takes_the_markers_along_and_stops_callers() {
    let cluster = Cluster::new(1);
    let store = open(&cluster, 1).await;
    store.commit(set("a", "1")).await.unwrap();
    let snapshot = store.begin().await.unwrap();
    assert_eq!(markers(&cluster), 1);
    store.close().await;
    assert_eq!(markers(&cluster), 0);
    assert!(matches!(store.commit(set("a", "2")).await, Err(CommitError::Stopped { .. })));
    assert!(matches!(store.begin().await, Err(ReadError::Stopped { .. })));
    assert!(matches!(snapshot.get(b"a").await, Err(ReadError::Stopped { .. })));
}

#[tokio::test(start_paused = true)]
async fn few_markers_exist_and_old_ones_are_swept() {
    let cluster = Cluster::new(1);
    let crashed = open(&cluster, 1).await;
    for id in 0..50 {
        crashed.commit(count("n", lane(id, 1))).await.unwrap();
    }
    assert_eq!(markers(&cluster), 1, "one commit at a time needs one slot");
    drop(crashed);
    drop(open(&cluster, 2).await);
    assert_eq!(markers(&cluster), 1, "it may still be asked for");
    for _ in 0..=MARKER_VERSIONS_MAX / 100_000_000 {
        cluster.recover();
    }
    drop(open(&cluster, 3).await);
    assert_eq!(markers(&cluster), 0);
}

#[tokio::test(start_paused = true)]
async fn opening_meets_bad_weather() {
    for seed in 0..50 {
        let cluster = Cluster::new(seed);
        cluster.set_faults(Faults { unknown: 300, ..Faults::HOSTILE });
        let (one, two) = tokio::join!(open(&cluster, 1), open(&cluster, 2));
        one.commit(set("a", "1")).await.unwrap();
        assert!(get(&*two, "a").await.is_some(), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_does_not_answer_is_said() {
    let cluster = Cluster::new(1);
    cluster.set_out(true);
    let refused = try_open(&cluster, config("test"), 1).await.map(drop);
    let waited_ms = FdbConfig::default().open_ms_max;
    assert!(
        matches!(&refused, Err(FdbError::Unreachable { waited_ms: waited, .. })
            if *waited == waited_ms),
        "{refused:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn erasing_is_repeated_until_it_is_done() {
    let cluster = Cluster::new(1);
    let store = open(&cluster, 1).await;
    store.commit(set("a", "1")).await.unwrap();
    cluster.mishap(Mishap::Late(Code::COMMIT_UNKNOWN_RESULT));
    store.erase().await.unwrap();
    store.commit(set("b", "1")).await.unwrap();
    cluster.deliver_late();
    // The first try, late, does not take what came afterwards.
    assert!(get(&*store, "b").await.is_some());
}

#[cfg(not(feature = "fdb"))]
#[tokio::test]
async fn without_the_feature_opening_says_so() {
    let cluster = Cluster::new(1);
    let refused = FdbStore::open(config("test"), environment(&cluster, 1)).await.map(drop);
    assert_eq!(refused, Err(FdbError::NotBuilt));
    assert!(FdbError::NotBuilt.to_string().contains("feature `fdb`"));
}

#[cfg(feature = "fdb")]
#[tokio::test]
async fn a_cluster_file_that_is_not_there_is_said() {
    let cluster = Cluster::new(1);
    let cluster_file = Some("/nowhere/fdb.cluster".into());
    let config = FdbConfig { cluster_file, ..config("test") };
    let refused = FdbStore::open(config, environment(&cluster, 1)).await.map(drop);
    assert!(matches!(refused, Err(FdbError::Config { .. })), "{refused:?}");
}
