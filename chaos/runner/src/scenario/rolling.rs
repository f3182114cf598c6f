//! Every node is drained, ended and started again, one after the other, under load: no call fails.

use super::Outcome;
use super::cluster_load::{Loaded, spread};
use crate::arguments::Run;
use crate::process::{now, pause};
use anyhow::{Result, ensure};
use serde_json::json;
use std::time::Duration;

pub(crate) fn run(run: &Run) -> Result<Outcome> {
    let mut loaded = Loaded::start(run)?;
    let mut outcome = Outcome { scenario: "rolling", ..Outcome::default() };
    let begin = now();
    pause(Duration::from_millis(500));
    drop(loaded.progress.take_latencies_ms());
    let mut rounds = 0;
    while rounds == 0 || begin.elapsed() < Duration::from_secs(run.seconds) {
        rounds += 1;
        for at in 0..loaded.cluster.nodes.len() {
            let url = format!("http://{}", loaded.cluster.nodes[at].http);
            let name = format!("n{}", at + 1);
            let node = &mut loaded.cluster.nodes[at];
            node.ask(&["node", "drain", &name, "--to", &url, "--json"])?;
            ensure!(node.terminate()?.success(), "{name} did not end cleanly");
            outcome.faults += 1;
            node.start()?;
            loaded.cluster.settle()?;
        }
    }
    let latencies_ms = loaded.progress.take_latencies_ms();
    outcome.failed_calls = loaded.failed_calls();
    if outcome.failed_calls > 0 {
        outcome.violations.push(format!("{} calls failed", outcome.failed_calls));
    }
    let notes = json!({ "rounds": rounds, "latencies_ms": spread(&latencies_ms) });
    loaded.conclude(&mut outcome, &notes)?;
    Ok(outcome)
}
