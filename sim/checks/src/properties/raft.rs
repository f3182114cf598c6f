//! Consensus is safe (OWN-1), white-box from samples (Ongaro 2014, figure 3.2): one leader a term,
//! one vote a term, equal states at equal indexes, nothing applied that is not committed; commits
//! never go back in one run of a node, and terms never do, over restarts too.

use crate::evidence::{ClusterSample, Evidence, NodeSample, RaftSample};
use crate::findings::{Findings, Judge};
use crate::history::Micros;
use schema_types::cluster::NodeId;
use std::collections::BTreeMap;

/// The property's name.
pub const NAME: &str = "raft-safety";
/// What it enforces.
pub const INVARIANT: &str = "OWN-1";

/// Checks it.
#[must_use]
pub fn check(evidence: &Evidence) -> Findings {
    let mut judge = Judge::of(NAME);
    let mut seen = Seen::default();
    let mut last_at = 0;
    for sample in &evidence.samples {
        seen.forget_wiped(evidence, (last_at, sample.at));
        seen.take(&mut judge, sample);
        last_at = sample.at;
    }
    judge.done()
}

#[derive(Default)]
struct Seen {
    leaders: BTreeMap<u64, NodeId>,
    votes: BTreeMap<(NodeId, u64), NodeId>,
    applied: BTreeMap<u64, [u8; 32]>,
    last: BTreeMap<NodeId, (u64, RaftSample)>,
}

impl Seen {
    /// A node that lost its disk starts over; its votes are lost, as a replaced node's are.
    fn forget_wiped(&mut self, evidence: &Evidence, (from, to): (Micros, Micros)) {
        for fault in evidence.faults.iter().filter(|fault| fault.wipes_disk) {
            if (from..=to).contains(&fault.from) {
                self.last.retain(|node, _| !fault.concerns(*node));
                self.votes.retain(|(node, _), _| !fault.concerns(*node));
            }
        }
    }

    fn take(&mut self, judge: &mut Judge, sample: &ClusterSample) {
        for node in &sample.nodes {
            let Some(raft) = &node.raft else { continue };
            self.check_term(judge, sample.at, node.node, raft);
            self.check_applied(judge, sample.at, node.node, raft);
            self.check_order(judge, sample.at, (node, raft));
            self.last.insert(node.node, (node.incarnation, raft.clone()));
        }
    }

    fn check_term(&mut self, judge: &mut Judge, at: Micros, node: NodeId, raft: &RaftSample) {
        let term = raft.term;
        if raft.is_leader {
            let leader = *self.leaders.entry(term).or_insert(node);
            if leader != node {
                judge.violate(INVARIANT, at, format!("{leader} and {node} lead term {term}"));
            }
        }
        if let Some(voted_for) = raft.voted_for {
            let first = *self.votes.entry((node, term)).or_insert(voted_for);
            if first != voted_for {
                let detail = format!("{node} votes for {first} and {voted_for} in term {term}");
                judge.violate(INVARIANT, at, detail);
            }
        }
    }

    fn check_applied(&mut self, judge: &mut Judge, at: Micros, node: NodeId, raft: &RaftSample) {
        let index = raft.applied_index;
        if index > raft.committed_index {
            let detail = format!("{node} applied {index}, committed is {}", raft.committed_index);
            judge.violate(INVARIANT, at, detail);
        }
        if let Some(digest) = raft.applied_digest
            && *self.applied.entry(index).or_insert(digest) != digest
        {
            judge.violate("DET-1", at, format!("{node} has another state after {index}"));
        }
    }

    fn check_order(
        &self,
        judge: &mut Judge,
        at: Micros,
        (sample, raft): (&NodeSample, &RaftSample),
    ) {
        let node = sample.node;
        let Some((incarnation, before)) = self.last.get(&node) else { return };
        if raft.term < before.term {
            let detail = format!("{node} goes back from term {} to {}", before.term, raft.term);
            judge.violate(INVARIANT, at, detail);
        }
        let is_same_run = *incarnation == sample.incarnation;
        let goes_back = raft.committed_index < before.committed_index
            || raft.applied_index < before.applied_index;
        if is_same_run && goes_back {
            let (was, is) = (before.committed_index, raft.committed_index);
            judge.violate(INVARIANT, at, format!("{node} goes back from commit {was} to {is}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expect_violation, fault, right_run, silent};

    fn raft(run: &mut Evidence, sample: usize, node: usize) -> &mut RaftSample {
        run.samples[sample].nodes[node].raft.as_mut().unwrap()
    }

    type Spoil = fn(&mut Evidence);

    fn spoiled(spoil: impl Fn(&mut Evidence)) -> Findings {
        let mut run = right_run();
        spoil(&mut run);
        check(&run)
    }

    #[test]
    fn what_raft_forbids_is_found_own_1() {
        silent(spoiled(|_| {}));
        let cases: [(&str, &str, Spoil); 6] = [
            ("lead term", INVARIANT, |run| raft(run, 1, 1).is_leader = true),
            ("votes for", INVARIANT, |run| raft(run, 1, 1).voted_for = Some(NodeId(3))),
            ("another state", "DET-1", |run| raft(run, 1, 1).applied_digest = Some([9; 32])),
            ("applied 10000", INVARIANT, |run| raft(run, 1, 1).applied_index = 10_000),
            ("goes back from term", INVARIANT, |run| raft(run, 1, 1).term = 0),
            ("goes back from commit", INVARIANT, |run| {
                let raft = raft(run, 1, 1);
                (raft.committed_index, raft.applied_index, raft.applied_digest) = (0, 0, None);
            }),
        ];
        for (text, invariant, spoil) in cases {
            expect_violation(&spoiled(spoil), invariant, text);
        }
    }

    #[test]
    fn a_restart_may_lose_what_was_committed_but_no_term() {
        let restart = |run: &mut Evidence| {
            for sample in &mut run.samples[1..] {
                sample.nodes[1].incarnation += 1;
            }
            let raft = raft(run, 1, 1);
            (raft.committed_index, raft.applied_index, raft.applied_digest) = (0, 0, None);
        };
        silent(spoiled(restart));
        let wiped = |run: &mut Evidence| {
            restart(run);
            raft(run, 1, 1).term = 0;
            raft(run, 1, 1).voted_for = None;
        };
        expect_violation(&spoiled(wiped), INVARIANT, "goes back from term");
        silent(spoiled(|run| {
            wiped(run);
            let at = run.samples[1].at;
            run.faults.push(crate::evidence::Fault { wipes_disk: true, ..fault(at, Some(at)) });
        }));
    }
}
