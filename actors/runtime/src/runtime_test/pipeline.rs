//! Several batches in flight: answers in order and only when durable, failures that take what
//! follows with them, preconditions about what is still in flight.

use super::world::{World, id, patient, potassium, state, submit, until, verified_records};
use crate::{Attachments, Precondition, Runtime, RuntimeConfig, RuntimeParts, SubmitError, load};
use actors_audit::HeadSigner;
use actors_patient::Patient;
use actors_store::{
    CommitError, CommitFuture, CommitRequest, MemoryStore, Mutation, ReadFuture, Snapshot, Store,
    keys,
};
use futures::FutureExt;
use node_env::Clock;
use schema_types::ids::EntityKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::watch;

/// A store whose answers to commits wait until they are let through.
pub(super) struct SlowStore {
    inner: Arc<MemoryStore>,
    let_through: watch::Sender<usize>,
    commits: AtomicUsize,
}

impl Store for SlowStore {
    fn begin(&self) -> ReadFuture<'_, Arc<dyn Snapshot>> {
        self.inner.begin()
    }

    fn commit(&self, request: CommitRequest) -> CommitFuture {
        let place = self.commits.fetch_add(1, Ordering::SeqCst);
        let result = self.inner.commit(request);
        let mut let_through = self.let_through.subscribe();
        async move {
            let result = result.await;
            drop(let_through.wait_for(|count| *count > place).await);
            result
        }
        .boxed()
    }
}

impl SlowStore {
    pub(super) fn hold(&self) -> usize {
        let begun = self.commits.load(Ordering::SeqCst);
        self.let_through.send_replace(begun);
        begun
    }

    pub(super) fn let_all_through(&self) {
        self.let_through.send_replace(usize::MAX);
    }
}

async fn start(world: &World) -> (Arc<SlowStore>, Runtime) {
    start_slow(world, RuntimeConfig::default()).await
}

pub(super) async fn start_slow(world: &World, config: RuntimeConfig) -> (Arc<SlowStore>, Runtime) {
    let store = Arc::new(SlowStore {
        inner: Arc::clone(&world.store),
        let_through: watch::Sender::new(usize::MAX),
        commits: AtomicUsize::new(0),
    });
    let parts = RuntimeParts {
        store: Arc::clone(&store) as Arc<dyn Store>,
        clock: Arc::clone(&world.clock) as Arc<dyn Clock>,
        signer: Arc::new(HeadSigner::new(&[7; 32])),
        config,
    };
    (store, Runtime::start(parts).await.unwrap())
}

type Task = tokio::task::JoinHandle<Result<(), SubmitError>>;

/// Sends a command and waits until its batch is in flight.
async fn send(store: &SlowStore, runtime: &Runtime, (key, number): (&str, u32)) -> Task {
    let before = store.commits.load(Ordering::SeqCst);
    let (runtime, entity) = (runtime.clone(), patient(key));
    let task = tokio::spawn(async move {
        let command = potassium(40, number);
        submit(&runtime, &entity, &format!("m{number}"), command).await.map(|_| ())
    });
    until(|| async { store.commits.load(Ordering::SeqCst) > before }).await;
    task
}

/// Events in the journal of a patient.
async fn events_of(runtime: &Runtime, key: &str) -> u64 {
    let snapshot = runtime.snapshot().await.unwrap();
    load::load::<Patient>(&*snapshot, &patient(key)).await.unwrap().sequence
}

#[tokio::test(start_paused = true)]
async fn batches_follow_each_other_before_the_first_is_durable_ack_1() {
    let world = World::new();
    let (store, runtime) = start(&world).await;
    let begun = store.hold();
    let first = send(&store, &runtime, ("p1", 1)).await;
    let second = send(&store, &runtime, ("p1", 2)).await;
    let third = send(&store, &runtime, ("p2", 3)).await;
    assert!(!first.is_finished() && !second.is_finished() && !third.is_finished());
    store.let_through.send_replace(begun + 1);
    first.await.unwrap().unwrap();
    assert!(!second.is_finished(), "answered before its commit");
    store.let_all_through();
    second.await.unwrap().unwrap();
    third.await.unwrap().unwrap();
    assert_eq!(state(&runtime, &patient("p1")).await.observations_total, 2);
    assert_eq!(verified_records(&runtime).await, 4);
}

#[tokio::test(start_paused = true)]
async fn a_failed_batch_takes_those_in_flight_behind_it_along_ack_1_aud_2() {
    let world = World::new();
    let (store, runtime) = start(&world).await;
    send(&store, &runtime, ("p1", 1)).await.await.unwrap().unwrap();
    store.hold();
    world.store.refuse_next_commit(CommitError::NoSpace);
    let first = send(&store, &runtime, ("p1", 2)).await;
    let same_entity = send(&store, &runtime, ("p1", 3)).await;
    let other_entity = send(&store, &runtime, ("p2", 4)).await;
    store.let_all_through();
    assert_eq!(first.await.unwrap(), Err(SubmitError::DiskFull));
    for behind in [same_entity, other_entity] {
        let error = behind.await.unwrap().unwrap_err();
        assert!(error.is_transient(), "{error}");
    }
    assert_eq!(state(&runtime, &patient("p1")).await.observations_total, 1);
    assert_eq!(events_of(&runtime, "p2").await, 0);
    for number in [2, 3] {
        send(&store, &runtime, ("p1", number)).await.await.unwrap().unwrap();
    }
    send(&store, &runtime, ("p2", 4)).await.await.unwrap().unwrap();
    assert_eq!(state(&runtime, &patient("p1")).await.observations_total, 3);
    verified_records(&runtime).await;
}

#[tokio::test(start_paused = true)]
async fn a_precondition_knows_what_is_in_flight_once_1() {
    let world = World::new();
    let (store, runtime) = start(&world).await;
    let begun = store.hold();
    let mark = keys::message_done("t", "test", "A1");
    let take = |key: &'static str| {
        let (runtime, mark) = (runtime.clone(), mark.clone());
        tokio::spawn(async move {
            let attachments = Attachments {
                once: true,
                rows: vec![Mutation::set(mark.clone(), &b"x"[..])],
                preconditions: vec![Precondition::Absent(mark)],
                ..Attachments::default()
            };
            let entity = id(EntityKind::Patient, key);
            let command = potassium(40, 1);
            let envelope = super::world::envelope(entity, "m1", runtime.now(), command);
            runtime.submit::<Patient>(envelope, attachments).await.map(|_| ())
        })
    };
    let first = take("p1");
    until(|| async { store.commits.load(Ordering::SeqCst) > begun }).await;
    let second = take("p2");
    // The second is refused while the first is in flight, before anything of it is written.
    assert_eq!(second.await.unwrap(), Err(SubmitError::Precondition));
    assert!(!first.is_finished());
    store.let_all_through();
    first.await.unwrap().unwrap();
    assert_eq!(events_of(&runtime, "p2").await, 0);
}
