//! What the tests share: stores over the cluster in memory, and small requests.

use std::sync::Arc;

use actors_store::{CommitLane, CommitRequest, KeyRange, Mutation, Store};
use bytes::Bytes;
use node_env::fake::SeededRng;
use node_store_fdb::{Environment, FdbConfig, FdbError, FdbStore};

use crate::cluster::Cluster;

pub(crate) fn config(name: &str) -> FdbConfig {
    FdbConfig { prefix: name.to_owned(), ..FdbConfig::default() }
}

pub(crate) fn environment(cluster: &Cluster, seed: u64) -> Environment {
    Environment { clock: cluster.shared.clock.clone(), rng: Arc::new(SeededRng::new(seed)) }
}

pub(crate) async fn try_open(
    cluster: &Cluster,
    config: FdbConfig,
    seed: u64,
) -> Result<Arc<FdbStore>, FdbError> {
    FdbStore::open_over(cluster.clients(), config, environment(cluster, seed)).await
}

pub(crate) async fn open(cluster: &Cluster, seed: u64) -> Arc<FdbStore> {
    try_open(cluster, config("test"), seed).await.unwrap()
}

pub(crate) fn lane(id: u64, generation: u64) -> Option<CommitLane> {
    Some(CommitLane { id, generation })
}

pub(crate) fn set(key: &str, value: &str) -> CommitRequest {
    let mutations = vec![Mutation::set(key.to_owned(), value.to_owned())];
    CommitRequest { mutations, ..CommitRequest::default() }
}

/// A write that counts how often it took effect.
pub(crate) fn count(key: &str, lane: Option<CommitLane>) -> CommitRequest {
    let mutations = vec![Mutation::Add { key: Bytes::from(key.to_owned()), delta: 1 }];
    CommitRequest { mutations, lane, ..CommitRequest::default() }
}

/// A write that depends on a key.
pub(crate) fn set_after_read(read_version: u64, read: &str, key: &str) -> CommitRequest {
    let read_conflicts = vec![KeyRange::single(read.as_bytes())];
    CommitRequest { read_version, read_conflicts, ..set(key, "written") }
}

pub(crate) async fn get(store: &dyn Store, key: &str) -> Option<Bytes> {
    let snapshot = store.begin().await.unwrap();
    snapshot.get(key.as_bytes()).await.unwrap()
}

pub(crate) fn number(value: i64) -> Option<Bytes> {
    Some(Bytes::copy_from_slice(&value.to_le_bytes()))
}

/// Runs to the end on a thread of its own time, for tests that are no `async` functions.
pub(crate) fn block_on<T>(test: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(test)
}
