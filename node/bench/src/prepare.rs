//! Data to measure on: patients with a stay and ten vital signs, and journal events. In the folder
//! that the plan names, so that a large one can be used again; what is there already is not made
//! twice.

use crate::error::BenchError;
use crate::limits::PREPARE_CONCURRENCY;
use crate::node::OwnNode;
use crate::people::{self, admission, observation, patient_key, submit};
use crate::plan::{Plan, World};
use crate::report::{Report, as_float, rounded};
use crate::vitals::VITALS_COUNT;
use actors_runtime::SubmitError;
use futures::stream::{self, TryStreamExt};
use node_ingest::gateway::Gateway;

/// Tries of one command: a node that is full says so, and then it is asked again.
const TRIES_MAX: u32 = 200;

/// Makes patients and then single observations until so many events are in the journals. The node
/// is still running: stop it, or kill the process to see what it comes back with.
///
/// # Errors
/// [`BenchError`].
pub async fn run(world: &World, plan: &Plan) -> Result<(Report, OwnNode), BenchError> {
    let clock = &world.environment.clock;
    let in_process = Plan { in_process: true, ..plan.clone() };
    let own = OwnNode::start_usual(world, &in_process).await?;
    let began = clock.monotonic_micros();
    patients(own.gateway(), plan.patients).await?;
    let made = clock.monotonic_micros();
    let before = own.counters().events;
    let observations = plan.events.saturating_sub(before);
    observe(own.gateway(), plan.patients, observations).await?;
    let ended = clock.monotonic_micros();
    let counters = own.counters();
    let mut report = Report::new("prepare");
    report.set("patients", plan.patients);
    report.set("operations", counters.units);
    report.set("events", counters.events);
    report.set("log_bytes", counters.log_bytes);
    report.set("patients_seconds", rounded(as_float(made - began) / 1e6));
    report.set("events_seconds", rounded(as_float(ended - made) / 1e6));
    Ok((report, own))
}

/// Admits patients and gives each its first ten vital signs, in one message.
///
/// # Errors
/// [`BenchError::Submit`].
pub async fn patients(gateway: &Gateway, count: u64) -> Result<(), BenchError> {
    stream::iter((0..count).map(Ok::<u64, SubmitError>))
        .try_for_each_concurrent(PREPARE_CONCURRENCY, |number| async move {
            let now = gateway.runtime.now();
            insist(gateway, number, format!("admit-{number}"), || admission(number, now)).await?;
            let vitals = || {
                let one = |turn| observation(number, turn, &format!("first-{turn}"), now);
                people::report((0..VITALS_COUNT).map(one).collect())
            };
            insist(gateway, number, format!("first-{number}"), vitals).await
        })
        .await?;
    people::settle(gateway).await;
    Ok(())
}

async fn observe(gateway: &Gateway, patients: u64, count: u64) -> Result<(), BenchError> {
    let run = gateway.runtime.now().unix_micros();
    stream::iter((0..count).map(Ok::<u64, SubmitError>))
        .try_for_each_concurrent(PREPARE_CONCURRENCY, |index| async move {
            let (number, turn) = (index % patients.max(1), index / patients.max(1));
            let id = format!("p{run:x}-{index:x}");
            let now = gateway.runtime.now();
            let one = || people::report(vec![observation(number, turn, &id, now)]);
            insist(gateway, number, id.clone(), one).await
        })
        .await?;
    Ok(())
}

/// Submits until there is room.
async fn insist(
    gateway: &Gateway,
    number: u64,
    id: String,
    command: impl Fn() -> actors_patient::command::Command,
) -> Result<(), SubmitError> {
    let (caller, name) = (people::caller(), gateway.patient(&patient_key(number)));
    let mut tries = 0;
    loop {
        let done = submit(gateway, &caller, name.clone(), (id.clone(), command())).await;
        match done {
            Err(SubmitError::Overloaded { retry_after_ms, .. }) if tries < TRIES_MAX => {
                tries += 1;
                tokio::time::sleep(std::time::Duration::from_millis(retry_after_ms)).await;
            }
            other => return other,
        }
    }
}
