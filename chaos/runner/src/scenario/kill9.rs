//! kill -9 at random moments under load: nothing acknowledged is lost, nothing takes effect twice
//! (ACK-1, ONCE-1), and the audit log verifies afterwards (AUD-2).

use super::{Outcome, verify_audit};
use crate::arguments::Run;
use crate::process::{self, NodeProcess, now, pause};
use crate::random::Random;
use crate::workload::{self, Progress};
use anyhow::{Result, anyhow};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Longest time between readiness and the next kill, milliseconds.
const LIFE_MS_MAX: u64 = 400;

pub(crate) fn run(run: &Run) -> Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let mut node = NodeProcess::new(process::binary(run.binary.as_deref())?, &data, Vec::new())?;
    node.start()?;
    node.wait_ready()?;
    let progress = Arc::new(Progress::default());
    let clients = workload::start(run.clients, &[node.mllp], &progress);
    let mut random = Random::new(run.seed);
    let mut outcome = Outcome { scenario: "kill9", ..Outcome::default() };
    let begin = now();
    let mut waits_ms = Vec::new();
    while begin.elapsed() < Duration::from_secs(run.seconds)
        && outcome.faults < u64::from(run.kills)
    {
        pause(Duration::from_millis(random.below(LIFE_MS_MAX)));
        node.kill()?;
        outcome.faults += 1;
        let down = now();
        node.start()?;
        // Every third time the node is killed again while it still recovers.
        if outcome.faults.is_multiple_of(3) {
            pause(Duration::from_millis(random.below(30)));
            node.kill()?;
            outcome.faults += 1;
            node.start()?;
        }
        node.wait_ready()?;
        waits_ms.push(down.elapsed().as_millis());
    }
    progress.is_over.store(true, Ordering::Release);
    let mut acknowledged = Vec::new();
    for client in clients {
        acknowledged.push(client.join().map_err(|_| anyhow!("a client panicked"))?);
    }
    let verdict = workload::check(node.http, &acknowledged)?;
    outcome.acknowledged = verdict.acknowledged;
    outcome.lost = verdict.lost;
    outcome.duplicated = verdict.duplicated;
    outcome.failed_calls = progress.refused.load(Ordering::Relaxed);
    outcome.rto_ms = waits_ms.iter().copied().max().unwrap_or(0);
    waits_ms.sort_unstable();
    let median = waits_ms.get(waits_ms.len() / 2).copied().unwrap_or(0);
    outcome.notes = json!({
        "resent": progress.resent.load(Ordering::Relaxed),
        "rto_ms_median": median,
        "seconds": begin.elapsed().as_secs(),
    });
    if !node.terminate()?.success() {
        outcome.violations.push("the node did not end cleanly on SIGTERM".to_owned());
    }
    verify_audit(&node, &data, &mut outcome)?;
    Ok(outcome)
}
