//! kill -9 of one node after the other under load: their shards serve again within seconds, nothing
//! acknowledged is lost, nothing takes effect twice (ACK-1, ONCE-1, LIVE-1).

use super::Outcome;
use super::cluster_load::{Loaded, spread};
use crate::arguments::Run;
use crate::process::{now, pause};
use crate::random::Random;
use anyhow::{Context, Result};
use serde_json::json;
use std::time::Duration;

/// Time between a kill and the start of the node again, milliseconds: longer than a call may take,
/// so that a cluster which only waits for its node is found out.
const DOWN_MS: u64 = 11_000;
/// The longest that a call may take when its owner is killed, milliseconds. The goal is 3 s; this
/// is what no slow machine excuses.
const GAP_MS_MAX: u64 = 10_000;

pub(crate) fn run(run: &Run) -> Result<Outcome> {
    let mut loaded = Loaded::start(run)?;
    let mut random = Random::new(run.seed);
    let mut outcome = Outcome { scenario: "failover", ..Outcome::default() };
    let mut gaps_ms = Vec::new();
    let begin = now();
    while begin.elapsed() < Duration::from_secs(run.seconds)
        && outcome.faults < u64::from(run.kills)
    {
        pause(Duration::from_millis(500 + random.below(500)));
        drop(loaded.progress.take_latencies_ms());
        let count = u64::try_from(loaded.cluster.nodes.len())?;
        let victim = usize::try_from(random.below(count))?;
        loaded.cluster.nodes[victim].kill()?;
        outcome.faults += 1;
        pause(Duration::from_millis(DOWN_MS));
        loaded.cluster.nodes[victim].start()?;
        loaded.cluster.settle()?;
        // The longest call that ended since the kill is the time to success on the victim's
        // shards; one that no other node answered ends when the victim is back.
        let longest = loaded.progress.take_latencies_ms().last().copied();
        gaps_ms.push(longest.context("no message was acknowledged after a kill")?);
    }
    gaps_ms.sort_unstable();
    let worst_ms = gaps_ms.last().copied().unwrap_or(0);
    outcome.rto_ms = u128::from(worst_ms);
    if worst_ms > GAP_MS_MAX {
        outcome.violations.push(format!("a call took {worst_ms} ms after a kill (LIVE-1)"));
    }
    outcome.failed_calls = loaded.failed_calls();
    loaded.conclude(&mut outcome, &json!({ "gaps_ms": spread(&gaps_ms) }))?;
    Ok(outcome)
}
