//! What a node does that starts on data: `recovery` after it was killed in the middle of writing,
//! and `memory`: what a sleeping patient and a woken one cost, and how long waking takes.

use crate::child::{Process, ServedNode};
use crate::error::BenchError;
use crate::histogram::Observed;
use crate::http::{self, Connection};
use crate::node::Folder;
use crate::people::patient_key;
use crate::plan::{Plan, World};
use crate::process;
use crate::report::{Report, as_float, ratio, rounded};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Patients that are woken to see what one costs.
const WOKEN_MAX: u64 = 20_000;
/// A node is quiet when nothing changed in this time, milliseconds.
const QUIET_MS: u64 = 1_000;
/// Looks at a node that does not become quiet.
const LOOKS_MAX: u32 = 120;

/// Makes data in a process of its own, which is still running when this returns and `hold` is
/// set, and gone otherwise. Gives what the process said.
async fn prepare(
    world: &World,
    (data, patients, events): (&Path, u64, u64),
    hold: bool,
) -> Result<(Process, Value), BenchError> {
    let numbers = (patients.to_string(), events.to_string(), data.display().to_string());
    let mut arguments = ["bench", "prepare", "--json", "--patients", &numbers.0, "--events"]
        .map(str::to_owned)
        .to_vec();
    arguments.extend([numbers.1, "--data".to_owned(), numbers.2]);
    if hold {
        arguments.push("--hold".to_owned());
    }
    let mut process = Process::start(&world.program, &arguments, &world.environment.clock)?;
    let said = process.line().await?;
    let said =
        serde_json::from_str(&said).map_err(|error| BenchError::outside("prepare", error))?;
    if !hold {
        process.ended().await?;
    }
    Ok((process, said))
}

/// Time from process start until a patient was answered, microseconds.
async fn first_answer(world: &World, node: &ServedNode) -> Result<u64, BenchError> {
    node.answer(&format!("/api/v1/patients/{}", patient_key(0))).await?;
    Ok(world.environment.clock.monotonic_micros().saturating_sub(node.process.started_at))
}

fn seconds(micros: u64) -> Value {
    rounded(as_float(micros) / 1e6)
}

/// Writes events, kills the writer, and measures how long a node takes to come back.
///
/// # Errors
/// [`BenchError`].
pub async fn recovery(world: &World, plan: &Plan) -> Result<Report, BenchError> {
    let folder = Folder::named_or_temporary(plan.data.as_ref())?;
    let what = (folder.data(), plan.patients, plan.events);
    let (mut writer, said) = prepare(world, (&what.0, what.1, what.2), true).await?;
    writer.kill();
    let none = BTreeMap::new();
    let node = ServedNode::start(&world.program, &what.0, &world.environment.clock, &none).await?;
    let answered = first_answer(world, &node).await?;
    let mut report = Report::new("recovery");
    report.set("nodes", 1);
    report.set("patients", plan.patients);
    for name in ["events", "log_bytes"] {
        report.set(name, said.get(name).cloned().unwrap_or_default());
    }
    report.set("operations", 1);
    report.set("ready_seconds", seconds(node.ready_micros));
    report.set("first_answer_seconds", seconds(answered));
    report.set("errors", 0);
    Ok(report)
}

/// Measures memory of sleeping and of woken patients, and how long waking takes.
///
/// # Errors
/// [`BenchError`].
pub async fn memory(world: &World, plan: &Plan) -> Result<Report, BenchError> {
    let (clock, none) = (&world.environment.clock, BTreeMap::new());
    let folder = Folder::named_or_temporary(plan.data.as_ref())?;
    let data = folder.data();
    prepare(world, (&data, plan.patients, 0), false).await?;
    let empty = Folder::temporary()?;
    let node = ServedNode::start(&world.program, &empty.data(), clock, &none).await?;
    let without = quiet_bytes(&node).await?;
    drop(node);
    let node = ServedNode::start(&world.program, &data, clock, &none).await?;
    let answered = first_answer(world, &node).await?;
    let asleep = quiet_bytes(&node).await?;
    let before = (metric(&node, ACTIVATED).await?, metric(&node, OVERLAY).await?);
    let woken = wake(world, &node, plan.patients.min(WOKEN_MAX)).await?;
    let awake = quiet_bytes(&node).await?;
    let count = metric(&node, ACTIVATED).await?.saturating_sub(before.0);
    // Each look left an audit record, which is in memory until the next checkpoint.
    let records = metric(&node, OVERLAY).await?.saturating_sub(before.1);
    let grown = awake.saturating_sub(asleep).saturating_sub(records);
    let mut report = Report::new("memory");
    report.set("nodes", 1);
    report.set("patients", plan.patients);
    report.set("ready_seconds", seconds(node.ready_micros));
    report.set("first_answer_seconds", seconds(answered));
    report.set("node_bytes", without);
    report.set("bytes_per_actor", ratio(grown, count));
    report.set("bytes_per_passivated", ratio(asleep.saturating_sub(without), plan.patients));
    report.set("actors_woken", count);
    report.set("audit_bytes_in_memory", records);
    report.set_observed(&woken.0, woken.1);
    report.set("activation_p99_us", woken.0.quantile(0.99));
    Ok(report)
}

const ACTIVATED: &str = "medulla_runtime_entities_activated_total";
const COMMITTED: &str = "medulla_runtime_units_committed_total";
const OVERLAY: &str = "medulla_store_overlay_bytes";

/// Memory once the node has done what was left to do: messages to deliver, a checkpoint of what
/// recovery found.
async fn quiet_bytes(node: &ServedNode) -> Result<u64, BenchError> {
    let mut before = None;
    for _ in 0..LOOKS_MAX {
        tokio::time::sleep(Duration::from_millis(QUIET_MS)).await;
        let now = Some((metric(node, COMMITTED).await?, metric(node, OVERLAY).await?));
        if now == before {
            break;
        }
        before = now;
    }
    Ok(process::Process::Other(node.process.id()).memory_bytes())
}

/// Asks for patients that sleep, one after the other; the first was asked for before.
async fn wake(world: &World, node: &ServedNode, until: u64) -> Result<(Observed, u64), BenchError> {
    let failed = |error: std::io::Error| BenchError::outside("node", error);
    let clock = &world.environment.clock;
    let mut connection = Connection::open(node.address("http")?).await.map_err(failed)?;
    let mut observed = Observed::default();
    let began = clock.monotonic_micros();
    for number in 1..until {
        let request = http::get(&format!("/api/v1/patients/{}", patient_key(number)));
        let asked_at = clock.monotonic_micros();
        let answer = connection.exchange(&request).await.map_err(failed)?;
        match answer.status {
            200 => observed.success(1, clock.monotonic_micros().saturating_sub(asked_at)),
            _ => observed.failure(&answer.code()),
        }
    }
    Ok((observed, clock.monotonic_micros().saturating_sub(began)))
}

/// A counter of a node, 0 when it has none of that name.
async fn metric(node: &ServedNode, name: &str) -> Result<u64, BenchError> {
    let body = node.answer("/metrics").await?;
    Ok(metric_in(&String::from_utf8_lossy(&body), name).unwrap_or(0))
}

fn metric_in(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(known, _)| *known == name).and_then(|(_, value)| value.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_found_by_their_whole_name() {
        let text = "# TYPE a counter\na_total_more 7\na_total 12\n";
        assert_eq!(metric_in(text, "a_total"), Some(12));
        assert_eq!(metric_in(text, "a"), None);
    }
}
