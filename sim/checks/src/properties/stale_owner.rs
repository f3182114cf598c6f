//! A fenced owner stops (OWN-1): some time after another node claimed a shard, whoever had it
//! before no longer believes to own it, unless it could not hear of it all that time. The fence
//! keeps such a zombie harmless; this finds it all the same.

use crate::evidence::{Evidence, NodeSample};
use crate::findings::{Findings, Judge};
use crate::history::Micros;
use schema_types::cluster::{Epoch, NodeId};
use schema_types::ids::ShardId;
use std::collections::BTreeMap;

/// The property's name.
pub const NAME: &str = "fenced-owners-stop";
/// What it enforces.
pub const INVARIANT: &str = "OWN-1";

/// Claims of each shard: epochs, and when they were durable.
type Claims = BTreeMap<ShardId, Vec<(Epoch, Micros)>>;

/// Checks it.
#[must_use]
pub fn check(evidence: &Evidence) -> Findings {
    let mut judge = Judge::of(NAME);
    if evidence.commits.is_empty() && !evidence.samples.is_empty() {
        judge.skip("the claims were not recorded");
        return judge.done();
    }
    let mut claims = Claims::new();
    for entry in &evidence.commits {
        for (shard, epoch, _) in &entry.written.claims {
            claims.entry(*shard).or_default().push((*epoch, entry.durable_at));
        }
    }
    let mut begun: BTreeMap<(NodeId, u64), Micros> = BTreeMap::new();
    for sample in &evidence.samples {
        for node in &sample.nodes {
            let since = *begun.entry((node.node, node.incarnation)).or_insert(sample.at);
            check_node(&mut judge, evidence, (node, sample.at, since), &claims);
        }
    }
    judge.done()
}

fn check_node(
    judge: &mut Judge,
    evidence: &Evidence,
    (node, at, since): (&NodeSample, Micros, Micros),
    claims: &Claims,
) {
    for (shard, epoch) in &node.owned {
        let newer = claims.get(shard).into_iter().flatten().filter(|(newer, _)| newer > epoch);
        let Some(fenced_at) = newer.map(|(_, at)| *at).min() else { continue };
        let Some(hears_since) = hears_since(evidence, node.node, at) else { continue };
        let known_from = fenced_at.max(hears_since).max(since);
        if at.saturating_sub(known_from) > evidence.bounds.stale_owner_micros {
            let (node, shard) = (node.node, shard.0);
            let detail = format!("{node} still owns shard {shard} under {epoch}");
            judge.violate(INVARIANT, at, detail);
        }
    }
}

/// Since when the node hears of the others without a break; `None` when it does not.
fn hears_since(evidence: &Evidence, node: NodeId, at: Micros) -> Option<Micros> {
    let begun = |fault: &&crate::evidence::Fault| fault.concerns(node) && fault.from <= at;
    let mut since = 0;
    for fault in evidence.faults.iter().filter(begun) {
        let until = fault.until.filter(|until| *until <= at)?;
        since = until.max(since);
    }
    Some(since)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expect_violation, fault, right_run, silent};

    #[test]
    fn a_zombie_is_found_unless_it_cannot_hear_own_1() {
        let mut run = right_run();
        silent(check(&run));
        for sample in &mut run.samples {
            for epoch in sample.nodes[0].owned.values_mut() {
                epoch.0 -= 1;
            }
        }
        expect_violation(&check(&run), INVARIANT, "still owns shard");
        run.bounds.stale_owner_micros = u64::MAX;
        silent(check(&run));
        run.bounds.stale_owner_micros = 0;
        run.faults = vec![fault(0, None)];
        silent(check(&run));
    }
}
