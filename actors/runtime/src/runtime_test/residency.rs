//! Bounds of residency: as many as wanted stay awake, others sleep and wake as they were, and past
//! the hard bound who sleeps is refused until there is room (LIM-1).

use super::pipeline::{SlowStore, start_slow};
use super::world::{World, heart_rate, patient, potassium, state, submit, until};
use crate::limits::PASSIVATION_EVENTS_MAX;
use crate::submit::Attachments;
use crate::{Runtime, RuntimeConfig, SubmitError, load};
use actors_patient::Patient;
use futures::stream::{self, StreamExt, TryStreamExt};
use schema_types::ids::EntityId;
use std::sync::Arc;

const WANTED: u64 = 100;
const IN_FLIGHT: usize = 64;
/// The quarter is less than what may be in flight.
const MOST: usize = 164;

fn config() -> RuntimeConfig {
    RuntimeConfig {
        resident_entities_max: WANTED,
        in_flight_max: IN_FLIGHT,
        ..RuntimeConfig::default()
    }
}

/// Submits until there is room.
async fn insist(runtime: &Runtime, entity: &EntityId, number: u32) -> Result<(), SubmitError> {
    loop {
        let command = potassium(40, number);
        let done = submit(runtime, entity, &format!("m{number}"), command).await;
        assert!(runtime.resident().0 <= MOST, "LIM-1: {}", runtime.resident().0);
        match done {
            Err(SubmitError::Overloaded { retry_after_ms, .. }) => {
                assert!(retry_after_ms > 0);
                assert!(runtime.inner.wait_ms(retry_after_ms).await, "the node ended");
            }
            other => return other.map(|_| ()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn residents_stay_within_bounds_and_nothing_is_lost_lim_1_ack_1() {
    const PATIENTS: u32 = 2_000;
    const ROUNDS: u32 = 2;
    let world = World::new();
    let runtime = world.start_with(config()).await;
    for round in 0..ROUNDS {
        stream::iter((0..PATIENTS).map(Ok))
            .try_for_each_concurrent(200, |number| {
                let runtime = &runtime;
                async move { insist(runtime, &patient(&format!("p{number}")), round).await }
            })
            .await
            .unwrap();
    }
    until(async || runtime.resident().0 <= 100).await;
    assert_eq!(runtime.metrics().snapshots_written.get(), 0, "short journals need none");
    for number in (0..PATIENTS).step_by(7) {
        let entity = patient(&format!("p{number}"));
        assert_eq!(state(&runtime, &entity).await.observations_total, u64::from(ROUNDS));
        assert!(runtime.resident().0 <= MOST);
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_journal_gets_a_snapshot_before_its_entity_sleeps_det_1() {
    let world = World::new();
    let runtime = world.start_with(RuntimeConfig { snapshot_interval_events: 1_000, ..config() });
    let (runtime, long) = (runtime.await, patient("long"));
    for number in 0..=PASSIVATION_EVENTS_MAX {
        submit(&runtime, &long, &format!("m{number}"), potassium(40, number)).await.unwrap();
    }
    let before = state(&runtime, &long).await;
    for number in 0..300 {
        insist(&runtime, &patient(&format!("p{number}")), 1).await.unwrap();
    }
    let directory = &runtime.inner.patients;
    until(async || directory.find(&long).is_none()).await;
    assert!(runtime.metrics().snapshots_written.get() >= 1);
    let snapshot = runtime.snapshot().await.unwrap();
    let loaded = load::load::<Patient>(&*snapshot, &long).await.unwrap();
    assert_eq!(loaded.events_since_snapshot, 0);
    let after = state(&runtime, &long).await;
    assert_eq!(load::state_hash::<Patient>(&before), load::state_hash::<Patient>(&after));
}

type Task = tokio::task::JoinHandle<Result<(), SubmitError>>;

/// The shell's own way in, which admission does not bound.
fn send(runtime: &Runtime, number: usize) -> Task {
    let node = Arc::clone(&runtime.inner);
    tokio::spawn(async move {
        let command = heart_rate(80, 1);
        let entity = patient(&format!("p{number}"));
        let envelope = super::world::envelope(entity, "m", node.now(), command);
        let once = Attachments { once: true, ..Attachments::default() };
        node.submit::<Patient>(envelope, once).await.map(|_| ())
    })
}

#[tokio::test(start_paused = true)]
async fn who_sleeps_is_refused_while_everybody_is_busy_and_let_in_later_lim_1() {
    const PATIENTS: usize = 400;
    let world = World::new();
    let (store, runtime): (Arc<SlowStore>, _) = start_slow(&world, config()).await;
    store.hold();
    let tasks: Vec<Task> = (0..PATIENTS).map(|number| send(&runtime, number)).collect();
    let refused = PATIENTS - MOST;
    until(async || tasks.iter().filter(|task| task.is_finished()).count() == refused).await;
    assert_eq!(runtime.resident().0, MOST);
    assert_eq!(runtime.metrics().entities_refused.get(), u64::try_from(refused).unwrap());
    store.let_all_through();
    let results: Vec<_> =
        stream::iter(tasks).then(async |task| task.await.unwrap()).collect().await;
    for (number, result) in results.into_iter().enumerate() {
        match result {
            Ok(()) => {}
            Err(SubmitError::Overloaded { what, retry_after_ms }) => {
                assert_eq!(what, "resident entities");
                assert!(retry_after_ms > 0);
                until(async || send(&runtime, number).await.unwrap().is_ok()).await;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(runtime.resident().0 <= MOST);
    let found = state(&runtime, &patient(&format!("p{}", PATIENTS - 1))).await;
    assert_eq!(found.observations_total, 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_snapshot_keeps_nobody_awake_live_1() {
    let world = World::new();
    let runtime = world.start_with(RuntimeConfig { snapshot_interval_events: 1_000, ..config() });
    let (runtime, long) = (runtime.await, patient("long"));
    let count = PASSIVATION_EVENTS_MAX + 1;
    for number in 0..count {
        submit(&runtime, &long, &format!("m{number}"), potassium(40, number)).await.unwrap();
    }
    for number in 0..99 {
        insist(&runtime, &patient(&format!("p{number}")), 1).await.unwrap();
    }
    // Moka forgets the first; its snapshot is the next commit.
    runtime.inner.patients.policy.invalidate(&long);
    world.store.refuse_next_commit(actors_store::CommitError::NoSpace);
    until(async || runtime.inner.patients.find(&long).is_none()).await;
    assert_eq!(runtime.metrics().batches_failed.get(), 1);
    assert_eq!(runtime.metrics().snapshots_written.get(), 0);
    assert_eq!(state(&runtime, &long).await.observations_total, u64::from(count));
}
