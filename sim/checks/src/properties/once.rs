//! Every command has at most one effect (ONCE-1): one row in the journal of its entity, one audit
//! record that it was done; none when it was refused; and every retry is answered alike.

use crate::evidence::Evidence;
use crate::findings::{Findings, Judge};
use crate::history::{Certainty, CommandKey, Operation, commands, key_of, label};
use schema_types::audit::AuditOutcome;
use std::collections::{BTreeMap, BTreeSet};

/// The property's name.
pub const NAME: &str = "exactly-once";
/// What it enforces.
pub const INVARIANT: &str = "ONCE-1";

/// What is wrong with the number of effects of one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// It was acknowledged and has none.
    Lost,
    /// It has more than one.
    Repeated,
    /// It was refused and has one.
    Unwanted,
}

/// Judges how many effects a command has, given what its client knows (ACK-1, ONCE-1). Shared with
/// whoever counts effects by other means than the journal.
#[must_use]
pub const fn judge_count(certainty: Certainty, effects: u64) -> Option<Wrong> {
    match (certainty, effects) {
        (Certainty::Acknowledged, 0) => Some(Wrong::Lost),
        (Certainty::Refused, 1) => Some(Wrong::Unwanted),
        (Certainty::Acknowledged, 1) | (Certainty::Unknown, 0 | 1) | (Certainty::Refused, 0) => {
            None
        }
        (Certainty::Acknowledged | Certainty::Unknown | Certainty::Refused, 2..) => {
            Some(Wrong::Repeated)
        }
    }
}

/// Checks it.
#[must_use]
pub fn check(evidence: &Evidence) -> Findings {
    let mut judge = Judge::of(NAME);
    let mut done: BTreeMap<CommandKey<'_>, u64> = BTreeMap::new();
    for (_, _, record) in evidence.durable.records() {
        if record.outcome == AuditOutcome::Done {
            *done.entry(key_of(record)).or_default() += 1;
        }
    }
    for (key, command) in commands(&evidence.history) {
        if command.is_change() {
            let rows = evidence.durable.rows_of(key).count();
            let records = done.get(&key).copied().unwrap_or(0);
            let effects = u64::try_from(rows).unwrap_or(u64::MAX).max(records);
            match judge_count(command.certainty(), effects) {
                Some(Wrong::Repeated) => {
                    let detail = format!("{} took effect {effects} times", label(key));
                    judge.violate(INVARIANT, command.invoked_at(), detail);
                }
                Some(Wrong::Unwanted) => {
                    let detail = format!("{} was refused and took effect", label(key));
                    judge.violate(INVARIANT, command.invoked_at(), detail);
                }
                // What is lost is another property's finding.
                Some(Wrong::Lost) | None => {}
            }
            check_answers(&mut judge, key, &command.attempts);
        }
    }
    check_journals(&mut judge, evidence);
    judge.done()
}

fn check_answers(judge: &mut Judge, key: CommandKey<'_>, attempts: &[&Operation]) {
    let replies = attempts.iter().filter_map(|attempt| attempt.reply());
    let digests: BTreeSet<_> = replies.clone().filter_map(|reply| reply.digest).collect();
    if digests.len() > 1 {
        let detail = format!("retries of {} were answered differently", label(key));
        judge.violate(INVARIANT, attempts.first().and_then(|one| one.completed_at), detail);
    }
    let firsts = replies.filter(|reply| !reply.is_repeated).count();
    if firsts > 1 {
        let detail = format!("{} was done anew {firsts} times", label(key));
        judge.violate(INVARIANT, attempts.first().and_then(|one| one.completed_at), detail);
    }
}

/// Commands of the product itself have no history, but rows.
fn check_journals(judge: &mut Judge, evidence: &Evidence) {
    for (entity, rows) in &evidence.durable.journals {
        let mut seen = BTreeSet::new();
        for row in rows.iter().filter(|row| row.source.as_str().starts_with("outbox:")) {
            if !seen.insert((&row.source, &row.command_id)) {
                let (command_id, source) = (&row.command_id, &row.source);
                let key = CommandKey { command_id, source, entity };
                judge.violate(INVARIANT, None, format!("{} was delivered twice", label(key)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Outcome, Reply};
    use crate::testing::{expect_violation, right_run, silent, some_change};
    use schema_types::error_code::ErrorCode;
    use schema_types::ids::MessageDigest;

    #[test]
    fn counts_are_judged() {
        use Certainty::{Acknowledged, Refused, Unknown};
        let cases = [
            (Acknowledged, 0, Some(Wrong::Lost)),
            (Acknowledged, 1, None),
            (Acknowledged, 2, Some(Wrong::Repeated)),
            (Unknown, 0, None),
            (Unknown, 1, None),
            (Unknown, 2, Some(Wrong::Repeated)),
            (Refused, 0, None),
            (Refused, 1, Some(Wrong::Unwanted)),
        ];
        for (certainty, effects, expected) in cases {
            assert_eq!(judge_count(certainty, effects), expected, "{certainty:?} {effects}");
        }
    }

    #[test]
    fn a_second_row_is_found_once_1() {
        let mut run = right_run();
        silent(check(&run));
        let key = some_change(&run);
        let rows = run.durable.journals.get_mut(&key.0).unwrap();
        let again = rows.iter().find(|row| row.command_id == key.2).unwrap().clone();
        rows.push(again);
        expect_violation(&check(&run), INVARIANT, "took effect 2 times");
    }

    #[test]
    fn a_refused_command_with_an_effect_is_found() {
        let mut run = right_run();
        let key = some_change(&run);
        for one in run.history.iter_mut().filter(|one| one.command_id == key.2) {
            one.outcome = Outcome::Refused { code: ErrorCode::Overloaded, is_judged: false };
        }
        expect_violation(&check(&run), INVARIANT, "was refused and took effect");
        for one in run.history.iter_mut().filter(|one| one.command_id == key.2) {
            one.outcome = Outcome::Unknown;
        }
        silent(check(&run));
    }

    #[test]
    fn different_answers_are_found() {
        let mut run = right_run();
        let key = some_change(&run);
        let first = run.history.iter_mut().find(|one| one.command_id == key.2).unwrap();
        let reply = |text: &[u8]| Reply {
            is_repeated: true,
            digest: Some(MessageDigest::of(text)),
            ..Reply::default()
        };
        first.outcome = Outcome::Done(reply(b"one"));
        let mut second = first.clone();
        second.outcome = Outcome::Done(reply(b"one"));
        run.history.push(second.clone());
        silent(check(&run));
        second.outcome = Outcome::Done(reply(b"other"));
        run.history.push(second);
        expect_violation(&check(&run), INVARIANT, "answered differently");
    }

    #[test]
    fn a_notice_that_is_delivered_twice_is_found() {
        let mut run = right_run();
        let rows = run.durable.journals.values_mut();
        let mut rows = rows.filter(|rows| rows[0].source.as_str().starts_with("outbox:"));
        let rows = rows.next().unwrap();
        rows.push(rows[0].clone());
        expect_violation(&check(&run), INVARIANT, "delivered twice");
    }
}
