//! The conformance suite over every combination of disk and execution.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};

use actors_store::Store;
use actors_store::conformance::{Subject, run_all};
use actors_store::limits::TRANSACTION_WINDOW_MICROS_MAX;
use futures::executor::block_on;
use node_env::Disk;
use node_env::fake::{FakeDisk, ManualClock};
use node_env::real::RealDisk;
use node_store_embedded::{
    Driver, EmbeddedStore, Environment, Execution, Options, Stage, Stages, Wake,
};

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

/// Steps whatever was woken, on the thread that woke it, until nothing is left.
#[derive(Default)]
struct AtOnce;

#[derive(Default)]
struct Woken {
    stages: BTreeSet<Stage>,
    is_stepping: bool,
}

impl Driver for AtOnce {
    fn drive(&self, stages: Weak<Stages>) -> Wake {
        let woken = Mutex::new(Woken::default());
        Box::new(move |stage| {
            let mut now = woken.lock().unwrap();
            now.stages.insert(stage);
            if std::mem::replace(&mut now.is_stepping, true) {
                return;
            }
            while let Some(stage) = now.stages.pop_first() {
                drop(now);
                let is_to_go_on = stages.upgrade().is_some_and(|stages| stages.step(stage));
                now = woken.lock().unwrap();
                now.stages.extend(is_to_go_on.then_some(stage));
            }
            now.is_stepping = false;
        })
    }
}

#[test]
fn conforms_stepped_on_a_faked_disk() {
    check(|| {
        let disk = Arc::new(FakeDisk::new(1));
        subject(disk, Execution::Stepped(Arc::new(AtOnce)), &small(DIRECTORY), None)
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
