//! Nothing is acknowledged before it is durable, with its audit record (ACK-1, AUD-1): the commit
//! that wrote the record of an operation was reported durable before the client had its answer.
//! White-box: a power cut need not happen for this to be seen.

use crate::evidence::Evidence;
use crate::findings::{Findings, Judge};
use crate::history::{CommandKey, Micros, key_of, label};
use actors_store::keys;
use bytes::Bytes;
use schema_types::audit::AuditOutcome;
use std::collections::BTreeMap;

/// The property's name.
pub const NAME: &str = "durable-before-acknowledged";
/// What it enforces.
pub const INVARIANT: &str = "ACK-1";

/// Checks it.
#[must_use]
pub fn check(evidence: &Evidence) -> Findings {
    let mut judge = Judge::of(NAME);
    if evidence.commits.is_empty() {
        if !evidence.history.is_empty() {
            judge.skip("the commits were not recorded");
        }
        return judge.done();
    }
    let durable_at = first_durable(evidence);
    let mut earliest: BTreeMap<CommandKey<'_>, Option<Micros>> = BTreeMap::new();
    for (shard, index, record) in evidence.durable.records() {
        if !matches!(record.outcome, AuditOutcome::Done | AuditOutcome::Repeated) {
            continue;
        }
        let at = durable_at.get(&keys::audit_leaf(shard.0, index)).copied();
        let key = key_of(record);
        let known = earliest.entry(key).or_insert(at);
        // A record whose commit was not recorded may be the earliest.
        *known = known.zip(at).map(|(one, other)| one.min(other));
    }
    for operation in &evidence.history {
        let Some(done_at) = operation.done_at() else { continue };
        let key = operation.key();
        if let Some(Some(durable_at)) = earliest.get(&key)
            && *durable_at > done_at
        {
            let detail = format!("{} was answered before it was durable", label(key));
            judge.violate(INVARIANT, done_at, detail);
        }
    }
    judge.done()
}

fn first_durable(evidence: &Evidence) -> BTreeMap<&Bytes, Micros> {
    let mut durable_at: BTreeMap<&Bytes, Micros> = BTreeMap::new();
    for entry in &evidence.commits {
        for key in &entry.written.appended {
            let known = durable_at.entry(key).or_insert(entry.durable_at);
            *known = entry.durable_at.min(*known);
        }
    }
    durable_at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expect_violation, right_run, silent};

    #[test]
    fn an_answer_ahead_of_its_commit_is_found_ack_1() {
        let mut run = right_run();
        silent(check(&run));
        let last = run.history.iter_mut().rfind(|one| one.done_at().is_some()).unwrap();
        last.completed_at = Some(last.invoked_at);
        expect_violation(&check(&run), INVARIANT, "before it was durable");
        run.commits.clear();
        let findings = check(&run);
        assert_eq!((findings.violations.len(), findings.unchecked.len()), (0, 1));
    }
}
