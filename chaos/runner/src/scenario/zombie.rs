//! SIGSTOP of a node until its shards are with others, then SIGCONT: what it still has in hand is
//! refused by the store (OWN-1), and it becomes a node like the others again.

use super::Outcome;
use super::cluster_load::{Loaded, spread};
use crate::arguments::Run;
use crate::process::{now, pause};
use crate::random::Random;
use anyhow::{Context, Result};
use serde_json::json;
use std::time::Duration;

/// How long a node stands still, milliseconds; less when the run is shorter.
const STILL_MS_MAX: u64 = 30_000;

pub(crate) fn run(run: &Run) -> Result<Outcome> {
    let mut loaded = Loaded::start(run)?;
    let mut random = Random::new(run.seed);
    let mut outcome = Outcome { scenario: "zombie", ..Outcome::default() };
    let still_ms = STILL_MS_MAX.min(run.seconds * 1_000 / 2).max(4_000);
    let mut gaps_ms = Vec::new();
    let begin = now();
    while begin.elapsed() < Duration::from_secs(run.seconds)
        && outcome.faults < u64::from(run.kills)
    {
        pause(Duration::from_millis(500 + random.below(500)));
        drop(loaded.progress.take_latencies_ms());
        let count = u64::try_from(loaded.cluster.nodes.len())?;
        let victim = usize::try_from(random.below(count))?;
        loaded.cluster.nodes[victim].signal("STOP")?;
        outcome.faults += 1;
        pause(Duration::from_millis(still_ms));
        loaded.cluster.nodes[victim].signal("CONT")?;
        loaded.cluster.settle()?;
        let longest = loaded.progress.take_latencies_ms().last().copied();
        gaps_ms.push(longest.context("no message was acknowledged while a node stood still")?);
    }
    outcome.rto_ms = u128::from(gaps_ms.iter().copied().max().unwrap_or(0));
    outcome.failed_calls = loaded.failed_calls();
    gaps_ms.sort_unstable();
    let notes = json!({ "still_ms": still_ms, "gaps_ms": spread(&gaps_ms) });
    loaded.conclude(&mut outcome, &notes)?;
    Ok(outcome)
}
