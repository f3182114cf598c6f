//! The reference model passes the conformance suite, and its injected failures do as told.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic")]

use std::sync::Arc;

use actors_store::conformance::{Subject, run_all};
use actors_store::limits::TRANSACTION_WINDOW_MICROS_MAX;
use actors_store::{CommitError, CommitRequest, MemoryStore, Mutation, Store};
use futures::executor::block_on;
use node_env::fake::ManualClock;

struct Memory {
    clock: Arc<ManualClock>,
    store: MemoryStore,
}

fn memory() -> Memory {
    let clock = Arc::new(ManualClock::new(0));
    Memory { store: MemoryStore::new(clock.clone()), clock }
}

impl Subject for Memory {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    fn pass_window(&self) {
        let micros = u32::try_from(TRANSACTION_WINDOW_MICROS_MAX).unwrap() + 1;
        self.clock.advance_micros(micros);
    }
}

fn set(name: &'static str) -> CommitRequest {
    let mutations = vec![Mutation::set(name.as_bytes(), name.as_bytes())];
    CommitRequest { mutations, ..Default::default() }
}

#[test]
fn the_reference_model_conforms() {
    let passed = block_on(run_all(&|| Box::new(memory()))).unwrap();
    assert!(passed.len() >= 25, "{passed:?}");
}

#[test]
fn injected_failures_do_as_told() {
    let store = memory().store;
    store.refuse_next_commit(CommitError::NoSpace);
    store.lose_next_reply();
    assert_eq!(block_on(store.commit(set("refused"))), Err(CommitError::NoSpace));
    let lost = block_on(store.commit(set("lost")));
    assert!(matches!(lost, Err(CommitError::UnknownResult { .. })));
    assert!(block_on(store.commit(set("kept"))).is_ok());
    let snapshot = block_on(store.begin()).unwrap();
    for (name, present) in [("refused", false), ("lost", true), ("kept", true)] {
        let found = block_on(snapshot.get(name.as_bytes())).unwrap();
        assert_eq!(found.is_some(), present, "{name}");
    }
    store.stop("test");
    assert!(matches!(block_on(store.commit(set("x"))), Err(CommitError::Stopped { .. })));
    assert!(block_on(store.begin()).is_err());
}

#[test]
fn versions_outside_the_window_are_forgotten_and_data_stays() {
    let subject = memory();
    for _ in 0..3 {
        block_on(subject.store.commit(set("a"))).unwrap();
        subject.pass_window();
    }
    block_on(subject.store.commit(set("b"))).unwrap();
    let snapshot = block_on(subject.store.begin()).unwrap();
    assert_eq!(block_on(snapshot.get(b"a")).unwrap().as_deref(), Some(b"a".as_ref()));
}
