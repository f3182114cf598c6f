//! Every access has its audit record and every record its access (AUD-1): history and audit logs
//! are joined by entity, source and command id, both ways, refusals and reads too. An operation
//! that met no fault has exactly one record; one that did may have been asked again on its way.

use crate::evidence::Evidence;
use crate::findings::{Findings, Judge};
use crate::history::{Command, CommandKey, Outcome, commands, key_of, label};
use schema_types::audit::{AuditDraft, AuditOutcome};
use schema_types::ids::SourceId;
use std::collections::BTreeMap;

/// The property's name.
pub const NAME: &str = "audit-complete";
/// What it enforces.
pub const INVARIANT: &str = "AUD-1";

/// Records of one command at one entity.
#[derive(Debug, Default)]
struct Recorded {
    done: usize,
    repeated: usize,
    refused: usize,
}

impl Recorded {
    const fn all(&self) -> usize {
        self.done + self.repeated + self.refused
    }
}

/// Checks it.
#[must_use]
pub fn check(evidence: &Evidence) -> Findings {
    let mut judge = Judge::of(NAME);
    let mut recorded: BTreeMap<CommandKey<'_>, Recorded> = BTreeMap::new();
    for (_, _, record) in evidence.durable.records() {
        if is_apart(evidence, &record.source) {
            continue;
        }
        count(recorded.entry(key_of(record)).or_default(), record);
    }
    let known = commands(&evidence.history);
    for (key, command) in &known {
        let others = command.attempts.iter().flat_map(|attempt| &attempt.others);
        let places = std::iter::once(key.entity).chain(others);
        let mut seen: Vec<CommandKey<'_>> = Vec::with_capacity(1);
        for entity in places {
            let key = CommandKey { entity, ..*key };
            if !seen.contains(&key) {
                let found = recorded.remove(&key).unwrap_or_default();
                judge_command(&mut judge, evidence, (key, command), &found);
                seen.push(key);
            }
        }
    }
    for key in recorded.keys().filter(|key| !known.contains_key(*key)) {
        let detail = format!("{} has a record and was never asked", label(*key));
        judge.violate(INVARIANT, None, detail);
    }
    judge.done()
}

/// Whether the product asks itself under this source, or the harness does.
fn is_apart(evidence: &Evidence, source: &SourceId) -> bool {
    let text = source.as_str();
    text == "timer" || text.starts_with("outbox:") || evidence.audit.sources_apart.contains(source)
}

const fn count(recorded: &mut Recorded, record: &AuditDraft) {
    match record.outcome {
        AuditOutcome::Done => recorded.done += 1,
        AuditOutcome::Repeated => recorded.repeated += 1,
        AuditOutcome::Denied(_) | AuditOutcome::Rejected(_) => recorded.refused += 1,
    }
}

fn judge_command(
    judge: &mut Judge,
    evidence: &Evidence,
    (key, command): (CommandKey<'_>, &Command<'_>),
    found: &Recorded,
) {
    let attempts = &command.attempts;
    let answered = attempts.iter().filter(|attempt| attempt.reply().is_some()).count();
    let judged = attempts
        .iter()
        .filter(|attempt| matches!(attempt.outcome, Outcome::Refused { is_judged: true, .. }));
    let judged = judged.count();
    let at = attempts.last().and_then(|attempt| attempt.completed_at);
    if found.done + found.repeated < answered || (command.is_change() && answered > found.all()) {
        let records = found.done + found.repeated;
        let detail = format!("{} was answered {answered} times, has {records} records", label(key));
        judge.violate(INVARIANT, at, detail);
    }
    if found.refused < judged {
        let records = found.refused;
        let detail = format!("{} was refused {judged} times, has {records} records", label(key));
        judge.violate(INVARIANT, at, detail);
    }
    let possible = attempts.len() - refused_unjudged(command);
    let until = |end: Option<u64>| end.unwrap_or(evidence.ended_at);
    let is_undisturbed = attempts
        .iter()
        .all(|attempt| evidence.is_undisturbed(attempt.invoked_at, until(attempt.completed_at)));
    if found.all() > possible && (is_undisturbed || possible == 0) {
        let records = found.all();
        let detail = format!("{} was tried {possible} times, has {records} records", label(key));
        judge.violate(INVARIANT, at, detail);
    }
}

/// Attempts that were turned away before anybody looked at them.
fn refused_unjudged(command: &Command<'_>) -> usize {
    let turned_away =
        |outcome: &Outcome| matches!(outcome, Outcome::Refused { is_judged: false, .. });
    command.attempts.iter().filter(|attempt| turned_away(&attempt.outcome)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expect_violation, right_run, silent};
    use schema_types::ids::CommandId;

    fn drop_record(run: &mut Evidence, which: impl Fn(&AuditDraft) -> bool) {
        for log in run.durable.audit.values_mut() {
            if let Some(place) = log.records.iter().position(|(_, record)| which(record)) {
                log.records.remove(place);
                return;
            }
        }
        panic!("there is no such record");
    }

    #[test]
    fn a_missing_record_is_found_aud_1() {
        silent(check(&right_run()));
        let mut run = right_run();
        drop_record(&mut run, |record| record.operation == "show");
        expect_violation(&check(&run), INVARIANT, "was answered 1 times, has 0 records");
        let mut run = right_run();
        drop_record(&mut run, |record| matches!(record.outcome, AuditOutcome::Rejected(_)));
        expect_violation(&check(&run), INVARIANT, "was refused 1 times, has 0 records");
    }

    #[test]
    fn a_second_record_is_found_unless_a_fault_may_explain_it() {
        let mut run = right_run();
        let log = run.durable.audit.values_mut().find(|log| !log.records.is_empty()).unwrap();
        let place = log.records.iter().position(|(_, one)| one.source.as_str() == "ward").unwrap();
        log.records.push(log.records[place].clone());
        expect_violation(&check(&run), INVARIANT, "was tried 1 times, has 2 records");
        run.faults.push(crate::testing::fault(0, None));
        silent(check(&run));
    }

    #[test]
    fn a_record_of_nothing_is_found() {
        let mut run = right_run();
        let log = run.durable.audit.values_mut().find(|log| !log.records.is_empty()).unwrap();
        log.records[0].1.source = SourceId::new("stranger");
        log.records[0].1.command_id = CommandId::new("1");
        let findings = check(&run);
        expect_violation(&findings, INVARIANT, "was never asked");
        run.audit.sources_apart.insert(SourceId::new("stranger"));
        assert!(check(&run).violations.len() < findings.violations.len());
    }
}
