//! The audit logs prove themselves (AUD-2): no index is missing, every row hashes to its leaf and
//! continues the chain, every signed head and every anchor from outside is the root of a prefix.

use crate::durable::AuditLog;
use crate::evidence::Evidence;
use crate::findings::{Findings, Judge};
use actors_audit::{HeadSet, Report, VerifyRules, verify_log};
use schema_types::ids::ShardId;
use std::collections::BTreeSet;

/// The property's name.
pub const NAME: &str = "audit-log-proves";
/// What it enforces.
pub const INVARIANT: &str = "AUD-2";

/// Checks it.
#[must_use]
pub fn check(evidence: &Evidence) -> Findings {
    let mut judge = Judge::of(NAME);
    let anchored = evidence.audit.anchors.iter().map(|anchor| anchor.head.shard);
    let shards: BTreeSet<ShardId> =
        evidence.durable.audit.keys().copied().chain(anchored).collect();
    if evidence.audit.public_keys.is_empty() && !shards.is_empty() {
        judge.skip("no public key is known");
        return judge.done();
    }
    let empty = AuditLog::default();
    for shard in shards {
        let log = evidence.durable.audit.get(&shard).unwrap_or(&empty);
        match report(evidence, shard, log) {
            Ok(report) => tell(&mut judge, &report),
            Err(reason) => judge.violate(INVARIANT, None, reason),
        }
    }
    judge.done()
}

fn report(evidence: &Evidence, shard: ShardId, log: &AuditLog) -> Result<Report, String> {
    let keys = &evidence.audit.public_keys;
    let mut heads = HeadSet::new(shard, keys).map_err(|error| error.to_string())?;
    for (size, head) in &log.heads {
        heads.add_stored(*size, head);
    }
    let anchors = evidence.audit.anchors.iter().filter(|anchor| anchor.head.shard == shard);
    // Signatures are dear, and where anchors lie nobody can forge one: the largest is enough.
    let largest = anchors.clone().max_by_key(|anchor| anchor.head.size);
    if largest.is_some_and(|anchor| !keys.iter().any(|key| anchor.verify(key).is_ok())) {
        return Err(format!("the last anchor of shard {} is not signed by a known key", shard.0));
    }
    for anchor in anchors {
        heads.add_anchor(anchor.head.size, anchor.head.root);
    }
    let readable = |_: u64, record: &[u8]| {
        schema_wire::audit::decode_record(record).map(|_| ()).map_err(|error| error.to_string())
    };
    let rows = log.rows.iter().map(|(index, row)| (*index, row));
    Ok(verify_log(heads, VerifyRules::default(), readable, rows))
}

fn tell(judge: &mut Judge, report: &Report) {
    let shard = report.shard.0;
    for finding in &report.findings {
        let (kind, index, what) = (finding.kind, finding.index, &finding.detail);
        judge.violate(INVARIANT, None, format!("shard {shard}: {kind:?} at {index}: {what}"));
    }
    if !report.ok && report.findings.is_empty() {
        judge.violate(INVARIANT, None, format!("shard {shard}: the log does not verify"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expect_violation, right_run, silent};

    fn longest(run: &mut Evidence) -> &mut AuditLog {
        run.durable.audit.values_mut().max_by_key(|log| log.rows.len()).unwrap()
    }

    #[test]
    fn tampering_is_found_aud_2() {
        silent(check(&right_run()));
        let mut run = right_run();
        longest(&mut run).rows.remove(1);
        expect_violation(&check(&run), INVARIANT, "Missing at 1");
        let mut run = right_run();
        let rows = &mut longest(&mut run).rows;
        let (first, second) = (rows[0].1.clone(), rows[1].1.clone());
        (rows[0].1, rows[1].1) = (second, first);
        expect_violation(&check(&run), INVARIANT, "ChainMismatch");
    }

    #[test]
    fn a_log_that_was_cut_is_found_by_its_anchor() {
        let mut run = right_run();
        assert!(!run.audit.anchors.is_empty());
        let log = longest(&mut run);
        log.rows.clear();
        log.heads.clear();
        expect_violation(&check(&run), INVARIANT, "Truncated");
    }

    #[test]
    fn an_anchor_of_a_stranger_is_found() {
        let mut run = right_run();
        for anchor in &mut run.audit.anchors {
            anchor.signature[0] ^= 1;
        }
        expect_violation(&check(&run), INVARIANT, "is not signed by a known key");
    }

    #[test]
    fn without_a_key_it_is_said() {
        let mut run = right_run();
        run.audit.public_keys.clear();
        let findings = check(&run);
        assert_eq!((findings.violations.len(), findings.unchecked.len()), (0, 1));
    }
}
