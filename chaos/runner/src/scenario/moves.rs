//! A hundred shards move from node to node under load: no call fails.

use super::Outcome;
use super::cluster_load::{Loaded, spread};
use crate::arguments::Run;
use crate::process::{now, pause};
use crate::random::Random;
use anyhow::{Context, Result};
use serde_json::json;
use std::time::Duration;

const MOVES: u64 = 100;

pub(crate) fn run(run: &Run) -> Result<Outcome> {
    let loaded = Loaded::start(run)?;
    let mut random = Random::new(run.seed);
    let mut outcome = Outcome { scenario: "moves", ..Outcome::default() };
    pause(Duration::from_secs(2));
    let before_ms = loaded.progress.take_latencies_ms();
    let begin = now();
    while outcome.faults < MOVES.min(u64::from(run.kills)) {
        let shards = loaded.cluster.list("shards")?;
        let shard = &shards[usize::try_from(random.below(u64::try_from(shards.len())?))?];
        let owner = shard["owner"].as_str().context("an open shard without an owner")?;
        let others: Vec<String> = (1..=loaded.cluster.nodes.len())
            .map(|number| format!("n{number}"))
            .filter(|name| name != owner)
            .collect();
        let to = &others[usize::try_from(random.below(u64::try_from(others.len())?))?];
        let number = shard["shard"].as_u64().context("a shard without a number")?;
        // The planner may have moved it meanwhile: then the next one is tried.
        if loaded.cluster.move_shard(0, number, to).is_ok() {
            outcome.faults += 1;
        }
        loaded.cluster.until("a moved shard did not open", |cluster| {
            let shards = cluster.list("shards")?;
            Ok(shards.iter().all(|shard| shard["state"] == "open"))
        })?;
    }
    let seconds = begin.elapsed().as_secs_f64();
    let during_ms = loaded.progress.take_latencies_ms();
    outcome.failed_calls = loaded.failed_calls();
    if outcome.failed_calls > 0 {
        outcome.violations.push(format!("{} calls failed", outcome.failed_calls));
    }
    let notes = json!({
        "seconds": seconds,
        "before_ms": spread(&before_ms),
        "during_ms": spread(&during_ms),
    });
    loaded.conclude(&mut outcome, &notes)?;
    Ok(outcome)
}
