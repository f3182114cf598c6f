//! Placement converges and then rests (LIVE-1, OWN-1): from a bound after healing on, every shard
//! has one owner that has it open, all views agree with it, no node has many more shards than
//! another, and for a while nothing moves.

use crate::evidence::{ClusterSample, Evidence, NodeSample, Place};
use crate::findings::{Findings, Judge};
use schema_types::cluster::NodeId;
use schema_types::ids::ShardId;
use std::collections::BTreeMap;

/// The property's name.
pub const NAME: &str = "placement-converges";
/// What it enforces.
pub const INVARIANT: &str = "LIVE-1";

/// Checks it.
#[must_use]
pub fn check(evidence: &Evidence) -> Findings {
    let mut judge = Judge::of(NAME);
    let from = evidence.healed_at.saturating_add(evidence.bounds.placement_micros);
    let until = from.saturating_add(evidence.bounds.rest_micros);
    let settled = evidence.samples.iter().filter(|sample| sample.at >= from);
    let mut last: Option<&ClusterSample> = None;
    for sample in settled.clone() {
        check_sample(&mut judge, evidence, sample);
        if let Some(before) = last.filter(|_| sample.at <= until) {
            check_rest(&mut judge, evidence, before, sample);
        }
        last = Some(sample);
    }
    let reaches_end = last.is_some_and(|sample| sample.at >= until);
    if !evidence.samples.is_empty() && !reaches_end {
        judge.skip("the run ended before the time of rest was over");
    }
    judge.done()
}

/// The nodes that must agree.
fn counted<'a>(
    evidence: &'a Evidence,
    sample: &'a ClusterSample,
) -> impl Iterator<Item = &'a NodeSample> {
    sample.nodes.iter().filter(|node| evidence.counting.contains(&node.node))
}

fn check_sample(judge: &mut Judge, evidence: &Evidence, sample: &ClusterSample) {
    let at = sample.at;
    let seen = counted(evidence, sample).count();
    if seen < evidence.counting.len() {
        let missing = evidence.counting.len() - seen;
        judge.violate(INVARIANT, at, format!("{missing} nodes did not come back"));
    }
    let Some(first) = counted(evidence, sample).next() else { return };
    for node in counted(evidence, sample) {
        if node.view != first.view {
            let detail = format!("{} and {} see different placements", first.node, node.node);
            judge.violate(INVARIANT, at, detail);
        }
    }
    for (shard, place) in &first.view {
        check_shard(judge, sample, (*shard, place));
    }
    let held: BTreeMap<NodeId, usize> =
        counted(evidence, sample).map(|node| (node.node, node.owned.len())).collect();
    let most = held.values().max().copied().unwrap_or(0);
    let least = held.values().min().copied().unwrap_or(0);
    if most - least > evidence.bounds.spread_max {
        let held: Vec<String> =
            held.iter().map(|(node, count)| format!("{node}: {count}")).collect();
        let detail =
            format!("a node owns {most} shards, another one {least} ({})", held.join(", "));
        judge.violate(INVARIANT, at, detail);
    }
}

fn check_shard(judge: &mut Judge, sample: &ClusterSample, (shard, place): (ShardId, &Place)) {
    let number = shard.0;
    if !place.is_open || place.owner.is_none() {
        judge.violate(INVARIANT, sample.at, format!("shard {number} is not open"));
        return;
    }
    // Whoever believes to own it counts, also a node that is to stay broken.
    let owners = sample.nodes.iter().filter(|node| node.owned.contains_key(&shard));
    let owners: Vec<NodeId> = owners.map(|node| node.node).collect();
    if owners.len() != 1 {
        let detail = format!("shard {number} has {} owners", owners.len());
        judge.violate(if owners.is_empty() { INVARIANT } else { "OWN-1" }, sample.at, detail);
    } else if owners.first() != place.owner.as_ref() {
        judge.violate(
            INVARIANT,
            sample.at,
            format!("shard {number} is not where the views have it"),
        );
    }
}

fn check_rest(
    judge: &mut Judge,
    evidence: &Evidence,
    before: &ClusterSample,
    after: &ClusterSample,
) {
    for node in counted(evidence, after) {
        let earlier = counted(evidence, before).find(|one| one.node == node.node);
        if let Some(earlier) = earlier.filter(|earlier| earlier.owned != node.owned) {
            let moved = node
                .owned
                .iter()
                .filter(|(shard, epoch)| earlier.owned.get(*shard) != Some(*epoch));
            let gone = earlier.owned.keys().filter(|shard| !node.owned.contains_key(*shard));
            let count = moved.count() + gone.count();
            judge.violate(INVARIANT, after.at, format!("{count} shards of {} moved", node.node));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expect_violation, right_run, silent};
    use schema_types::cluster::Epoch;

    type Spoil = fn(&mut ClusterSample);

    fn spoiled(spoil: impl Fn(&mut ClusterSample)) -> Findings {
        let mut run = right_run();
        let settled = run.samples.iter_mut().find(|sample| sample.at > 40_000_000);
        spoil(settled.unwrap());
        check(&run)
    }

    #[test]
    fn a_cluster_that_does_not_converge_is_found_live_1() {
        silent(spoiled(|_| {}));
        let cases: [(&str, &str, Spoil); 6] = [
            ("did not come back", INVARIANT, |sample| {
                sample.nodes.pop();
            }),
            ("see different placements", INVARIANT, |sample| {
                sample.nodes[1].view.pop_last();
            }),
            ("is not open", INVARIANT, |sample| {
                let views = sample.nodes.iter_mut().flat_map(|node| node.view.values_mut());
                views.for_each(|place| place.is_open = false);
            }),
            ("has 2 owners", "OWN-1", |sample| {
                let (shard, epoch) = sample.nodes[0].owned.pop_first().unwrap();
                sample.nodes[1].owned.insert(shard, epoch);
                sample.nodes[2].owned.insert(shard, epoch);
            }),
            ("has 0 owners", INVARIANT, |sample| {
                sample.nodes[0].owned.pop_first();
            }),
            ("shards, another one", INVARIANT, |sample| {
                let taken = std::mem::take(&mut sample.nodes[0].owned);
                sample.nodes[1].owned.extend(taken);
            }),
        ];
        for (text, invariant, spoil) in cases {
            expect_violation(&spoiled(spoil), invariant, text);
        }
    }

    #[test]
    fn a_cluster_that_does_not_rest_is_found() {
        let findings = spoiled(|sample| {
            sample.nodes[0].owned.values_mut().for_each(|epoch| *epoch = Epoch(epoch.0 + 1));
        });
        expect_violation(&findings, INVARIANT, "moved");
    }

    #[test]
    fn a_run_that_ends_too_soon_says_so() {
        let mut run = right_run();
        run.samples.truncate(1);
        assert_eq!(check(&run).unchecked.len(), 1);
    }
}
