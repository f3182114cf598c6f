//! Against a real cluster, when `MEDULLA_FDB_CLUSTER_FILE` names its cluster file: the conformance
//! suite, two owners, lanes that meet unknown outcomes, and the client's own list of errors against
//! ours. Each test has stores of its own and removes them.

use std::path::PathBuf;
use std::sync::Arc;

use actors_store::conformance::{Subject, run_all};
use actors_store::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use actors_store::{CommitError, CommitRequest, KeyRange, Mutation, RangeQuery, Store, Version};
use bytes::Bytes;
use futures::future::join_all;
use node_env::real::{RealClock, RealRng};
use node_env::{Clock, Rng};
use node_store_fdb::{Environment, FdbConfig, FdbStore};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::world::{count, get, lane, number, set, set_after_read};

/// Versions by which a snapshot is certainly outside of the window.
const WINDOW_VERSIONS: Version = 5_000_000;

#[expect(clippy::print_stderr, reason = "says that nothing was tested")]
fn cluster_file() -> Option<PathBuf> {
    let found = std::env::var_os("MEDULLA_FDB_CLUSTER_FILE").map(PathBuf::from);
    if found.is_none() {
        eprintln!("skipped: MEDULLA_FDB_CLUSTER_FILE names no FoundationDB cluster");
    }
    found
}

fn new_config(cluster_file: PathBuf) -> FdbConfig {
    FdbConfig {
        cluster_file: Some(cluster_file),
        prefix: format!("test-{:016x}", RealRng.next_u64()),
        open_ms_max: 120_000,
        read_ms_max: 60_000,
        commit_try_ms_max: 60_000,
        commit_ms_max: 180_000,
        ..FdbConfig::default()
    }
}

async fn open(config: FdbConfig) -> Arc<FdbStore> {
    let environment = Environment { clock: Arc::new(RealClock::new()), rng: Arc::new(RealRng) };
    FdbStore::open(config, environment).await.unwrap()
}

fn now<T>(work: impl Future<Output = T>) -> T {
    block_in_place(|| Handle::current().block_on(work))
}

struct Real(Arc<FdbStore>);

impl Subject for Real {
    fn store(&self) -> Arc<dyn Store> {
        self.0.clone()
    }

    /// Versions follow time: asks until they have passed.
    fn pass_window(&self) {
        now(async {
            let clock = RealClock::new();
            let begun_at = clock.monotonic_micros();
            let first = self.0.begin().await.unwrap().version();
            while self.0.begin().await.unwrap().version() < first + WINDOW_VERSIONS * 6 / 5
                || clock.monotonic_micros() - begun_at < WINDOW_VERSIONS * 6 / 5
            {
                // The cluster makes versions when it is written to.
                self.0.commit(set("\u{ff}clock", "1")).await.unwrap();
                self.0
                    .commit(CommitRequest {
                        mutations: vec![Mutation::clear("\u{ff}clock")],
                        ..CommitRequest::default()
                    })
                    .await
                    .unwrap();
            }
        });
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        now(async {
            // What is left behind has a name of its own and hurts nobody.
            let is_erased = self.0.erase().await.is_ok();
            self.0.close().await;
            assert!(is_erased || std::thread::panicking());
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms_over_a_real_cluster() {
    let Some(file) = cluster_file() else { return };
    let factory = || -> Box<dyn Subject> { Box::new(Real(now(open(new_config(file.clone()))))) };
    let passed = run_all(&factory).await.unwrap();
    assert!(passed.len() >= 25, "{passed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_1_two_owners_over_a_real_cluster() {
    let Some(file) = cluster_file() else { return };
    let config = new_config(file);
    let (zombie, successor) = (open(config.clone()).await, open(config).await);
    let _cleanup = Real(Arc::clone(&successor));
    zombie.commit(set("own", "zombie")).await.unwrap();
    let stale = zombie.begin().await.unwrap();
    assert_eq!(stale.get(b"own").await.unwrap().as_deref(), Some(b"zombie".as_ref()));
    successor.commit(set("own", "successor")).await.unwrap();
    let refused = zombie.commit(set_after_read(stale.version(), "own", "x")).await;
    assert_eq!(refused, Err(CommitError::Conflict));
    // A fresh read version sees the successor, so the comparison refuses.
    assert_eq!(get(&*zombie, "own").await.as_deref(), Some(b"successor".as_ref()));
    zombie.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_lanes_count_exactly_over_a_real_cluster() {
    const LANES: u64 = 32;
    const COMMITS: i64 = 50;
    let Some(file) = cluster_file() else { return };
    let store = open(new_config(file)).await;
    let _cleanup = Real(Arc::clone(&store));
    let lanes = (0..LANES).map(|id| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let key = format!("n/{id}");
            let sent: Vec<_> =
                (0..COMMITS).map(|_| store.commit(count(&key, lane(id, 1)))).collect();
            let mut last = None;
            for committed in join_all(sent).await {
                let stamp = Some(committed.unwrap().versionstamp);
                assert!(last < stamp, "versionstamps of a lane grow");
                last = stamp;
            }
            assert_eq!(get(&*store, &key).await, number(COMMITS));
        })
    });
    for ended in join_all(lanes.collect::<Vec<_>>()).await {
        ended.unwrap();
    }
}

/// The slowest of a few commits alone, in whole milliseconds.
async fn slowest_ms(store: &FdbStore) -> u64 {
    let clock = RealClock::new();
    let mut slowest = 0;
    for _ in 0..20 {
        let sent_at = clock.monotonic_micros();
        store.commit(set("warm", "up")).await.unwrap();
        slowest = slowest.max(clock.monotonic_micros() - sent_at);
    }
    slowest / 1_000 + 1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_1_commits_cut_short_are_found_out_over_a_real_cluster() {
    const LANES: u64 = 32;
    const COMMITS: u64 = 15;
    let Some(file) = cluster_file() else { return };
    let config = new_config(file);
    let reader = open(config.clone()).await;
    let _cleanup = Real(Arc::clone(&reader));
    // Little more than a commit takes alone, so that many tries end while the cluster still works
    // on them.
    let commit_try_ms_max = slowest_ms(&reader).await + 3;
    let hasty = FdbConfig { commit_try_ms_max, commit_ms_max: 10_000, ..config };
    let hasty = open(hasty).await;
    let lanes = (0..LANES).map(|id| {
        let (hasty, reader) = (Arc::clone(&hasty), Arc::clone(&reader));
        tokio::spawn(async move {
            for commit in 0..COMMITS {
                let key = format!("n/{id}/{commit}");
                // A generation for each: an earlier failure must not end this lane.
                let outcome = hasty.commit(count(&key, lane(id, commit))).await;
                // The first look of the store that was told so shows what became of it.
                let found = get(&*hasty, &key).await;
                match outcome {
                    Ok(_) => assert_eq!(found, number(1), "ACK-1: {key}"),
                    Err(CommitError::UnknownResult { .. }) => {
                        assert!(found.is_none() || found == number(1), "{key} twice");
                    }
                    Err(error) => assert_eq!(found, None, "{key} in spite of {error}"),
                }
                assert_eq!(get(&*reader, &key).await, found, "{key} changed its fate");
            }
        })
    });
    for ended in join_all(lanes.collect::<Vec<_>>()).await {
        ended.unwrap();
    }
    let snapshot = reader.begin().await.unwrap();
    let all = RangeQuery::forward(KeyRange::prefix(b"n/"), 10_000);
    let rows = snapshot.range(all).await.unwrap().items;
    assert!(rows.iter().all(|(_, value)| Some(value) == number(1).as_ref()), "something twice");
    eprintln!("{} of {} hasty commits: {:?}", rows.len(), LANES * COMMITS, hasty.stats());
    hasty.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_things_fit_a_real_cluster() {
    let Some(file) = cluster_file() else { return };
    let store = open(new_config(file)).await;
    let _cleanup = Real(Arc::clone(&store));
    let value = Bytes::from(vec![b'v'; VALUE_BYTES_MAX]);
    let key = |number: u8| {
        let mut key = vec![b'k'; KEY_BYTES_MAX];
        key[KEY_BYTES_MAX - 1] = number;
        Bytes::from(key)
    };
    for part in 0..6_u8 {
        let sets = (0..10).map(|number| Mutation::set(key(part * 10 + number), value.clone()));
        let request = CommitRequest { mutations: sets.collect(), ..CommitRequest::default() };
        store.commit(request).await.unwrap();
    }
    let snapshot = store.begin().await.unwrap();
    for reverse in [false, true] {
        let all = RangeQuery::forward(KeyRange::prefix(b""), 1_000);
        let (mut next, mut found) = (Some(RangeQuery { reverse, ..all }), 0);
        while let Some(query) = next {
            let page = snapshot.range(query.clone()).await.unwrap();
            found += page.items.len();
            next = query.after(&page);
        }
        assert_eq!(found, 60);
    }
    let set = |number: u32| Mutation::set(number.to_be_bytes().to_vec(), vec![0; 86]);
    let many = (0..100_000).map(set).collect();
    let refused = store.commit(CommitRequest { mutations: many, ..CommitRequest::default() }).await;
    assert!(matches!(refused, Err(CommitError::TooLarge { .. })), "{refused:?}");
}
