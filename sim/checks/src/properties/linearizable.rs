//! Every patient behaves like one record that takes one command at a time (OWN-1, ACK-1): the
//! search of Wing and Gong (JPDC 1993) with Lowe's memo, patient by patient, as linearizability is
//! local (Herlihy and Wing 1990). The model is a version and the newest value of each measure.

mod record;
mod search;

use crate::evidence::Evidence;
use crate::findings::{Findings, Judge};
use crate::history::{Certainty, Command, Micros, OperationKind, commands};
use crate::limits::LINEARIZABLE_COMMANDS_MAX;
use record::{Asked, Record};
use schema_types::ids::{EntityId, EntityKind, ObservationId};
use schema_types::measure::Measure;
use search::{Timed, Verdict, search};
use std::collections::{BTreeMap, BTreeSet};

/// The property's name.
pub const NAME: &str = "linearizable";
/// What it enforces.
pub const INVARIANT: &str = "OWN-1";

/// Checks it.
#[must_use]
pub fn check(evidence: &Evidence) -> Findings {
    let mut judge = Judge::of(NAME);
    let commands = commands(&evidence.history);
    let mut patients: BTreeMap<&EntityId, Vec<&Command<'_>>> = BTreeMap::new();
    for (key, command) in &commands {
        if key.entity.kind() == EntityKind::Patient {
            patients.entry(key.entity).or_default().push(command);
        }
    }
    for (patient, commands) in patients {
        let modelled = measures(&commands);
        let calls: Vec<Timed<Asked>> =
            commands.iter().flat_map(|command| calls_of(command, &modelled)).collect();
        if calls.len() > LINEARIZABLE_COMMANDS_MAX {
            judge.skip(format!("{patient:?} has {} commands", calls.len()));
            continue;
        }
        match search(Record::default(), &calls) {
            Verdict::Linearizable => {}
            Verdict::Violated { longest } => {
                let total = calls.iter().filter(|call| call.returned_at.is_some()).count();
                let detail = format!(
                    "{patient:?}: no order explains what clients saw; at most {longest} of {total}"
                );
                judge.violate(INVARIANT, None, detail);
            }
            Verdict::GaveUp => judge.skip(format!("{patient:?}: the search took too long")),
        }
    }
    judge.done()
}

/// Measures of which every value that was read came from a client of the history. Devices and
/// merged records write others, at times that nobody saw.
fn measures(commands: &[&Command<'_>]) -> BTreeSet<Measure> {
    let mut reported: BTreeSet<(Measure, &ObservationId)> = BTreeSet::new();
    for command in commands {
        if let Some(OperationKind::Observe(observed)) = command.kind() {
            reported.extend(observed.iter().map(|one| (one.measure, &one.observation)));
        }
    }
    let mut modelled: BTreeSet<Measure> = reported.iter().map(|(measure, _)| *measure).collect();
    let replies = commands.iter().flat_map(|command| &command.attempts);
    for seen in replies.filter_map(|attempt| attempt.reply()?.seen.as_ref()) {
        for (measure, (_, observation)) in &seen.newest {
            if !reported.contains(&(*measure, observation)) {
                modelled.remove(measure);
            }
        }
    }
    modelled
}

/// What a command was to the record: a change once, a read at each attempt.
fn calls_of(command: &Command<'_>, modelled: &BTreeSet<Measure>) -> Vec<Timed<Asked>> {
    if !command.is_change() {
        let reads = command.attempts.iter().filter_map(|attempt| {
            let reply = attempt.reply()?;
            let newest = reply.seen.as_ref().map(|seen| {
                let seen = seen.newest.iter().filter(|(measure, _)| modelled.contains(measure));
                seen.map(|(measure, value)| (*measure, value.clone())).collect()
            });
            let asked = Asked::Read { version: reply.version, newest };
            Some(timed(asked, attempt.invoked_at, attempt.completed_at))
        });
        return reads.collect();
    }
    if command.certainty() == Certainty::Refused {
        return Vec::new();
    }
    let version = command.version();
    let asked = match command.kind() {
        Some(OperationKind::Observe(observed)) => {
            let observed = observed.iter().filter(|one| modelled.contains(&one.measure));
            let values = observed
                .map(|one| (one.measure, (one.effective_at, one.observation.clone())))
                .collect();
            Asked::Observe { version, values }
        }
        Some(OperationKind::Move { .. } | OperationKind::Change | OperationKind::Read) | None => {
            Asked::Change { version }
        }
    };
    vec![timed(asked, command.invoked_at(), command.acknowledged_at())]
}

const fn timed(asked: Asked, invoked_at: Micros, returned_at: Option<Micros>) -> Timed<Asked> {
    Timed { call: asked, invoked_at, returned_at }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Outcome;
    use crate::testing::{expect_violation, right_run, silent};

    #[test]
    fn a_stale_read_is_found() {
        let mut run = right_run();
        silent(check(&run));
        let read = run.history.iter_mut().rfind(|one| {
            one.reply().is_some_and(|reply| {
                reply.seen.as_ref().is_some_and(|seen| !seen.newest.is_empty())
            })
        });
        let Outcome::Done(reply) = &mut read.unwrap().outcome else { panic!("a read was done") };
        reply.seen.as_mut().unwrap().newest.clear();
        expect_violation(&check(&run), INVARIANT, "no order explains");
    }

    #[test]
    fn a_version_that_goes_back_is_found() {
        let mut run = right_run();
        let read = run.history.iter_mut().rfind(|one| !one.is_change()).unwrap();
        let Outcome::Done(reply) = &mut read.outcome else { panic!("a read was done") };
        reply.version = Some(0);
        expect_violation(&check(&run), INVARIANT, "no order explains");
    }

    #[test]
    fn too_many_commands_are_reported() {
        let mut run = right_run();
        let template = run.history[0].clone();
        for number in 0..=LINEARIZABLE_COMMANDS_MAX {
            let mut one = template.clone();
            one.command_id = schema_types::ids::CommandId::new(format!("more-{number}"));
            one.outcome = Outcome::Unknown;
            run.history.push(one);
        }
        let findings = check(&run);
        assert_eq!((findings.violations.len(), findings.unchecked.len()), (0, 1));
    }

    #[test]
    fn a_foreign_value_takes_its_measure_out() {
        let mut run = right_run();
        let mut changed = 0;
        for one in &mut run.history {
            if let Outcome::Done(reply) = &mut one.outcome
                && let Some(seen) = &mut reply.seen
                && let Some((_, observation)) = seen.newest.get_mut(&Measure::HeartRate)
            {
                *observation = ObservationId::new("of-a-device");
                changed += 1;
            }
        }
        assert!(changed > 0);
        silent(check(&run));
    }
}
