//! What the tests share: environments over the faked and the real disk, and small commits.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use actors_store::{
    CommitError, CommitRequest, Committed, KeyRange, Mutation, RangeQuery, Snapshot, Store,
};
use futures::executor::block_on;
use node_env::fake::{FakeDisk, ManualClock, SeededRng};
use node_env::real::{RealClock, RealDisk, RealRng, ThreadSpawner};
use node_store_embedded::{EmbeddedStore, Environment, Execution, OpenError, Options};

pub(crate) const DIRECTORY: &str = "/data";

pub(crate) fn threads() -> Execution {
    Execution::Threads(Arc::new(ThreadSpawner))
}

pub(crate) fn faked(disk: &FakeDisk, execution: Execution) -> Environment {
    Environment {
        disk: Arc::new(disk.clone()),
        clock: Arc::new(ManualClock::new(0)),
        rng: Arc::new(SeededRng::new(9)),
        execution,
    }
}

pub(crate) fn real() -> Environment {
    Environment {
        disk: Arc::new(RealDisk),
        clock: Arc::new(RealClock::new()),
        rng: Arc::new(RealRng),
        execution: threads(),
    }
}

/// Small segments and overlays, so that rollover and checkpoints happen all the time.
pub(crate) fn small(directory: impl Into<PathBuf>) -> Options {
    let directory = directory.into();
    Options { directory, segment_bytes: 32 << 10, overlay_bytes: 1 << 10 }
}

pub(crate) fn open(disk: &FakeDisk, execution: Execution) -> Result<EmbeddedStore, OpenError> {
    EmbeddedStore::open(faked(disk, execution), &small(DIRECTORY))
}

pub(crate) fn open_inline(disk: &FakeDisk) -> EmbeddedStore {
    open(disk, Execution::Inline).unwrap()
}

pub(crate) fn set_request(pairs: &[(String, String)]) -> CommitRequest {
    let set = |(key, value): &(String, String)| Mutation::set(key.clone(), value.clone());
    CommitRequest { mutations: pairs.iter().map(set).collect(), ..Default::default() }
}

pub(crate) fn set(store: &EmbeddedStore, key: &str, value: &str) -> Result<Committed, CommitError> {
    block_on(store.commit(set_request(&[(key.to_owned(), value.to_owned())])))
}

pub(crate) fn get(store: &EmbeddedStore, key: &str) -> Option<String> {
    let snapshot = block_on(store.begin()).unwrap();
    read(snapshot.as_ref(), key)
}

pub(crate) fn read(snapshot: &dyn Snapshot, key: &str) -> Option<String> {
    let value = block_on(snapshot.get(key.as_bytes())).unwrap()?;
    Some(String::from_utf8(value.to_vec()).unwrap())
}

/// Everything in a snapshot.
pub(crate) fn all(snapshot: &dyn Snapshot) -> Vec<(String, String)> {
    let mut next = Some(RangeQuery::forward(KeyRange::prefix(b""), 1_000));
    let mut found = Vec::new();
    while let Some(query) = next {
        let page = block_on(snapshot.range(query.clone())).unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        found.extend(page.items.iter().map(|(key, value)| (text(key), text(value))));
        next = query.after(&page);
    }
    found
}

/// Names of the files of the store that start with a prefix, in order.
pub(crate) fn files(disk: &FakeDisk, prefix: &str) -> Vec<PathBuf> {
    let names = node_env::Disk::list(disk, Path::new(DIRECTORY)).unwrap();
    let wanted = names.into_iter().filter(|name| name.starts_with(prefix));
    wanted.map(|name| Path::new(DIRECTORY).join(name)).collect()
}
