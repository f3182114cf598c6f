//! One owner at a time, white-box (OWN-1): in the store's order of commits the epochs of a shard
//! never decrease, an epoch has one owner, and nobody commits under a shard whose newest claim is
//! not its own, even if what it writes happens to be right.

use crate::commits::CommitEntry;
use crate::evidence::Evidence;
use crate::findings::{Findings, Judge};
use schema_types::cluster::{Epoch, NodeId};
use schema_types::ids::ShardId;
use std::collections::BTreeMap;

/// The property's name.
pub const NAME: &str = "fencing";
/// What it enforces.
pub const INVARIANT: &str = "OWN-1";

/// One run of a node.
type Run = (NodeId, u64);

/// Checks it.
#[must_use]
pub fn check(evidence: &Evidence) -> Findings {
    let mut judge = Judge::of(NAME);
    if !evidence.commits_complete && !evidence.history.is_empty() {
        judge.skip("not every commit was recorded");
        return judge.done();
    }
    let mut fence = Fence::default();
    for entry in &evidence.commits {
        for (shard, epoch, owner) in &entry.written.claims {
            fence.claim(&mut judge, entry, (*shard, *epoch), owner);
        }
        for shard in &entry.written.shards {
            fence.write(&mut judge, entry, *shard);
        }
    }
    for (shard, (epoch, owner)) in &evidence.durable.owners {
        fence.end(&mut judge, *shard, (*epoch, owner));
    }
    judge.done()
}

/// The newest claim of each shard, and what each run of a node claimed last.
#[derive(Default)]
struct Fence<'a> {
    newest: BTreeMap<ShardId, (Epoch, &'a str)>,
    believed: BTreeMap<(Run, ShardId), Epoch>,
}

impl<'a> Fence<'a> {
    fn claim(
        &mut self,
        judge: &mut Judge,
        entry: &CommitEntry,
        (shard, epoch): (ShardId, Epoch),
        owner: &'a str,
    ) {
        let at = entry.durable_at;
        if let Some((newest, holder)) = self.newest.get(&shard) {
            if epoch < *newest {
                let detail = format!("shard {}: claim of {epoch} after {newest}", shard.0);
                judge.violate(INVARIANT, at, detail);
            } else if epoch == *newest && owner != *holder {
                let detail = format!("shard {}: {epoch} has two owners", shard.0);
                judge.violate(INVARIANT, at, detail);
            }
        }
        self.newest.insert(shard, (epoch, owner));
        self.believed.insert(((entry.node, entry.incarnation), shard), epoch);
    }

    fn write(&self, judge: &mut Judge, entry: &CommitEntry, shard: ShardId) {
        let run = (entry.node, entry.incarnation);
        let newest = self.newest.get(&shard).map(|(epoch, _)| *epoch);
        let believed = self.believed.get(&(run, shard)).copied();
        if believed.is_none() || believed != newest {
            let say = |epoch: Option<Epoch>| epoch.map_or("none".to_owned(), |e| e.to_string());
            let (node, shard) = (entry.node, shard.0);
            let (mine, newest) = (say(believed), say(newest));
            let detail = format!("shard {shard}: {node} commits under {mine}, fence is {newest}");
            judge.violate(INVARIANT, entry.durable_at, detail);
        }
    }

    fn end(&self, judge: &mut Judge, shard: ShardId, stored: (Epoch, &str)) {
        if let Some(newest) = self.newest.get(&shard)
            && *newest != stored
        {
            let detail = format!(
                "shard {}: the owner row has {}, last claim {}",
                shard.0, stored.0, newest.0
            );
            judge.violate(INVARIANT, None, detail);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commits::Written;
    use crate::testing::{expect_violation, right_run, silent};

    fn entry(node: u64, stamp: u8, written: Written) -> CommitEntry {
        let mut order = [0; 10];
        order[9] = stamp;
        CommitEntry { node: NodeId(node), incarnation: 1, durable_at: 1, stamp: order, written }
    }

    fn claim(node: u64, epoch: u64) -> Written {
        let claims = vec![(ShardId(3), Epoch(epoch), format!("n{node}"))];
        Written { claims, ..Written::default() }
    }

    fn write() -> Written {
        Written { shards: [ShardId(3)].into(), ..Written::default() }
    }

    fn checked(commits: Vec<(u64, Written)>) -> Findings {
        let entries = commits
            .into_iter()
            .zip(0..)
            .map(|((node, written), stamp)| entry(node, stamp, written));
        check(&Evidence {
            commits: entries.collect(),
            commits_complete: true,
            ..Evidence::default()
        })
    }

    #[test]
    fn owners_in_turn_are_right_own_1() {
        silent(check(&right_run()));
        silent(checked(vec![
            (1, claim(1, 1)),
            (1, write()),
            (2, claim(2, 2)),
            (2, claim(2, 2)),
            (2, write()),
            (1, claim(1, 5)),
            (1, write()),
        ]));
    }

    #[test]
    fn a_commit_of_a_fenced_owner_is_found() {
        let findings = checked(vec![(1, claim(1, 1)), (2, claim(2, 2)), (1, write())]);
        expect_violation(&findings, INVARIANT, "n1 commits under e1, fence is e2");
    }

    #[test]
    fn a_commit_without_a_claim_is_found() {
        let findings = checked(vec![(1, claim(1, 1)), (2, write())]);
        expect_violation(&findings, INVARIANT, "n2 commits under none");
    }

    #[test]
    fn an_epoch_that_goes_back_or_has_two_owners_is_found() {
        let findings = checked(vec![(1, claim(1, 4)), (2, claim(2, 3))]);
        expect_violation(&findings, INVARIANT, "claim of e3 after e4");
        let findings = checked(vec![(1, claim(1, 4)), (2, claim(2, 4))]);
        expect_violation(&findings, INVARIANT, "e4 has two owners");
    }

    #[test]
    fn an_owner_row_that_was_lost_is_found() {
        let mut run = right_run();
        run.durable.owners.values_mut().for_each(|(epoch, _)| epoch.0 -= 1);
        expect_violation(&check(&run), INVARIANT, "the owner row has");
    }
}
