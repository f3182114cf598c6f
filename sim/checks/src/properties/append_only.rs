//! Journal and audit rows are written once and stay (DET-1, AUD-2), white-box: no commit writes
//! one again or takes one away, and each that was ever written is there at the end.

use crate::evidence::Evidence;
use crate::findings::{Findings, Judge};
use actors_store::keys::{self, Family};
use bytes::Bytes;
use std::collections::BTreeSet;

/// The property's name.
pub const NAME: &str = "append-only";
/// What it enforces.
pub const INVARIANT: &str = "AUD-2";

/// Checks it.
#[must_use]
pub fn check(evidence: &Evidence) -> Findings {
    let mut judge = Judge::of(NAME);
    let mut written: BTreeSet<&Bytes> = BTreeSet::new();
    for entry in &evidence.commits {
        for key in &entry.written.removed {
            judge.violate(invariant(key), entry.durable_at, format!("{} is removed", place(key)));
        }
        for key in &entry.written.appended {
            if !written.insert(key) {
                let detail = format!("{} is written twice", place(key));
                judge.violate(invariant(key), entry.durable_at, detail);
            }
        }
    }
    let kept = kept(evidence);
    for key in written.iter().filter(|key| !kept.contains(**key)) {
        let detail = format!("{} was durable and is gone", place(key));
        judge.violate(invariant(key), None, detail);
    }
    judge.done()
}

fn kept(evidence: &Evidence) -> BTreeSet<Bytes> {
    let journal = evidence.durable.journals.iter().flat_map(|(entity, rows)| {
        rows.iter().map(|row| keys::journal(crate::durable::entity_ref(entity), row.first_sequence))
    });
    let leaves = evidence.durable.audit.iter().flat_map(|(shard, log)| {
        log.rows.iter().map(|(index, _)| keys::audit_leaf(shard.0, *index))
    });
    journal.chain(leaves).collect()
}

fn invariant(key: &[u8]) -> &'static str {
    if keys::open(Family::Journal, key).is_ok() { "DET-1" } else { INVARIANT }
}

/// A row in words, without patient data.
fn place(key: &[u8]) -> String {
    if let Ok((shard, index)) = keys::parse_audit(Family::AuditLeaf, key) {
        return format!("audit row {index} of shard {shard}");
    }
    keys::parse_sequenced(Family::Journal, key).map_or_else(
        |_| "a row".to_owned(),
        |(entity, sequence)| format!("journal row {sequence} of {:016x}", entity.hash),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expect_violation, right_run, silent};

    #[test]
    fn rows_written_again_removed_or_lost_are_found_aud_2() {
        let run = right_run();
        silent(check(&run));
        let busy = run.commits.iter().position(|one| !one.written.shards.is_empty()).unwrap();
        let mut again = run.clone();
        again.commits.push(run.commits[busy].clone());
        expect_violation(&check(&again), INVARIANT, "written twice");
        expect_violation(&check(&again), "DET-1", "written twice");
        let mut removed = run.clone();
        let keys = removed.commits[busy].written.appended.clone();
        removed.commits[busy].written.removed = keys;
        expect_violation(&check(&removed), INVARIANT, "is removed");
        let mut lost = run;
        lost.durable.audit.values_mut().for_each(|log| log.rows.clear());
        expect_violation(&check(&lost), INVARIANT, "is gone");
    }
}
