//! The two stages of a commit: while one batch is being synced the next one is written, nothing
//! of either is seen before its sync, and batches that wait share one.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use actors_store::{CommitRequest, Mutation, Store};
use futures::FutureExt;
use futures::executor::block_on;
use node_env::fake::FakeDisk;
use node_env::{DirectoryLock, Disk, DiskError, DiskFile, OpenMode};
use node_store_embedded::{EmbeddedStore, Environment, Options};

use crate::world::{DIRECTORY, faked, get, small, threads};

/// Longer than any step can take; only a test that fails waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    closed: bool,
    records: usize,
}

impl Gate {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    fn wait(&self, what: &str, until: impl Fn(&State) -> bool) {
        let state = self.state.lock().unwrap();
        let waited = self.changed.wait_timeout_while(state, PATIENCE, |state| !until(state));
        assert!(!waited.unwrap().1.timed_out(), "{what}");
    }
}

/// A disk on which syncs of log segments wait at a gate.
struct Gated {
    disk: FakeDisk,
    gate: Arc<Gate>,
}

struct GatedFile {
    file: Arc<dyn DiskFile>,
    gate: Arc<Gate>,
}

impl DiskFile for GatedFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, DiskError> {
        self.file.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.file.write_at(offset, bytes)?;
        if offset > 0 {
            self.gate.change(|state| state.records += 1);
        }
        Ok(())
    }

    fn allocate(&self, length: u64) -> Result<(), DiskError> {
        self.file.allocate(length)
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        self.gate.wait("the gate stays closed", |state| !state.closed);
        self.file.sync_data()
    }

    fn length(&self) -> Result<u64, DiskError> {
        self.file.length()
    }

    fn truncate(&self, length: u64) -> Result<(), DiskError> {
        self.file.truncate(length)
    }
}

impl Disk for Gated {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn DiskFile>, DiskError> {
        let file = self.disk.open(path, mode)?;
        let name = path.file_name().unwrap().to_str().unwrap();
        if !name.starts_with("spare-") && !name.starts_with("log-") {
            return Ok(file);
        }
        Ok(Arc::new(GatedFile { file, gate: Arc::clone(&self.gate) }))
    }

    fn list(&self, directory: &Path) -> Result<Vec<String>, DiskError> {
        self.disk.list(directory)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        self.disk.remove(path)
    }

    fn sync_dir(&self, directory: &Path) -> Result<(), DiskError> {
        self.disk.sync_dir(directory)
    }

    fn create_dir(&self, directory: &Path) -> Result<(), DiskError> {
        self.disk.create_dir(directory)
    }

    fn lock_dir(&self, directory: &Path) -> Result<Box<dyn DirectoryLock>, DiskError> {
        self.disk.lock_dir(directory)
    }
}

#[test]
fn the_next_batch_is_written_while_one_is_being_synced() {
    let disk = FakeDisk::new(1);
    let gate = Arc::new(Gate::default());
    let gated = Gated { disk: disk.clone(), gate: Arc::clone(&gate) };
    let environment = Environment { disk: Arc::new(gated), ..faked(&disk, threads()) };
    let options = Options { segment_bytes: 4 << 20, overlay_bytes: 16 << 20, ..small(DIRECTORY) };
    let store = EmbeddedStore::open(environment, &options).unwrap();
    // Large enough that the write thread does not sync it itself.
    let large = |name: &'static str| {
        let mutations =
            vec![Mutation::set(name, "here"), Mutation::set("filling", vec![b'f'; 90_000])];
        store.commit(CommitRequest { mutations, ..CommitRequest::default() })
    };
    block_on(large("first")).unwrap();
    let syncs = store.stats().log_syncs;
    let mut records = 0;
    gate.change(|state| {
        state.closed = true;
        records = state.records;
    });
    let mut commits = Vec::new();
    for (more, name) in (1..).zip(["second", "third", "fourth", "fifth"]) {
        commits.push(large(name));
        gate.wait("the next one is written", |state| state.records == records + more);
    }
    assert!(commits.iter_mut().all(|commit| commit.now_or_never().is_none()), "not yet durable");
    assert_eq!(get(&store, "second"), None, "not yet visible");
    assert_eq!(get(&store, "first").as_deref(), Some("here"));
    gate.change(|state| state.closed = false);
    for commit in commits {
        block_on(commit).unwrap();
    }
    assert!(store.stats().log_syncs <= syncs + 3, "the third and the fourth share a sync");
    assert_eq!(get(&store, "fifth").as_deref(), Some("here"));
}
