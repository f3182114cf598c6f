//! The conformance suite over every combination of disk and execution.

use std::path::Path;
use std::sync::Arc;

use actors_store::Store;
use actors_store::conformance::{Subject, run_all};
use actors_store::limits::TRANSACTION_WINDOW_MICROS_MAX;
use futures::executor::block_on;
use node_env::Disk;
use node_env::fake::{FakeDisk, ManualClock};
use node_env::real::RealDisk;
use node_store_embedded::{EmbeddedStore, Environment, Execution, Options};

use crate::world::{DIRECTORY, faked, small, threads};

struct Embedded {
    clock: Arc<ManualClock>,
    store: Arc<EmbeddedStore>,
    /// Removed after the store is closed.
    _directory: Option<tempfile::TempDir>,
}

impl Subject for Embedded {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn pass_window(&self) {
        let micros = u32::try_from(TRANSACTION_WINDOW_MICROS_MAX).unwrap() + 1;
        self.clock.advance_micros(micros);
    }
}

fn subject(
    disk: Arc<dyn Disk>,
    execution: Execution,
    options: &Options,
    directory: Option<tempfile::TempDir>,
) -> Box<dyn Subject> {
    let clock = Arc::new(ManualClock::new(0));
    let environment =
        Environment { disk, clock: clock.clone(), ..faked(&FakeDisk::new(1), execution) };
    let store = Arc::new(EmbeddedStore::open(environment, options).unwrap());
    Box::new(Embedded { clock, store, _directory: directory })
}

fn check(factory: impl Fn() -> Box<dyn Subject> + Send + Sync) {
    let passed = block_on(run_all(&factory)).unwrap();
    assert!(passed.len() >= 25, "{passed:?}");
}

#[test]
fn conforms_inline_on_a_faked_disk() {
    check(|| {
        let disk = Arc::new(FakeDisk::new(1));
        subject(disk, Execution::Inline, &small(DIRECTORY), None)
    });
}

#[test]
fn conforms_with_threads_on_a_faked_disk() {
    check(|| subject(Arc::new(FakeDisk::new(1)), threads(), &small(DIRECTORY), None));
}

#[test]
fn conforms_with_threads_on_the_real_disk() {
    check(|| {
        let directory = tempfile::tempdir().unwrap();
        let path: &Path = directory.path();
        let options = Options { segment_bytes: 1 << 20, ..small(path) };
        subject(Arc::new(RealDisk), threads(), &options, Some(directory))
    });
}
