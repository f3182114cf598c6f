//! Versions follow time (OWN-1, ACK-1): who asks after another one was answered sees at least that
//! version, and a client sees its own writes. Cheap beside the search for an order, and without its
//! limit of commands.

use crate::evidence::Evidence;
use crate::findings::{Findings, Judge};
use crate::history::{ClientId, Micros, Operation, OperationKind};
use schema_types::ids::{EntityId, ObservationId};
use schema_types::measure::Measure;
use schema_types::time::Timestamp;
use std::collections::BTreeMap;

/// The property's name.
pub const NAME: &str = "version-order";
/// What it enforces.
pub const INVARIANT: &str = "OWN-1";

/// Checks it.
#[must_use]
pub fn check(evidence: &Evidence) -> Findings {
    let mut judge = Judge::of(NAME);
    let mut by_entity: BTreeMap<&EntityId, Vec<&Operation>> = BTreeMap::new();
    for operation in evidence.history.iter().filter(|one| one.done_at().is_some()) {
        by_entity.entry(&operation.entity).or_default().push(operation);
    }
    for operations in by_entity.values() {
        check_versions(&mut judge, operations);
        check_own_writes(&mut judge, operations);
    }
    judge.done()
}

/// Sweeps answers and questions by time and remembers the highest version that was answered.
fn check_versions(judge: &mut Judge, operations: &[&Operation]) {
    let mut moments: Vec<(Micros, bool, &Operation)> = Vec::with_capacity(operations.len() * 2);
    for operation in operations {
        moments.push((operation.invoked_at, false, operation));
        moments.extend(operation.completed_at.map(|at| (at, true, *operation)));
    }
    // At one instant questions come before answers: they may overlap.
    moments.sort_by_key(|(at, is_answer, _)| (*at, *is_answer));
    let mut answered = 0;
    // Operations are few at a time, so a list is as good as a map.
    let mut open: Vec<(&Operation, u64)> = Vec::new();
    for (at, is_answer, operation) in moments {
        if !is_answer {
            open.push((operation, answered));
            continue;
        }
        let place = open.iter().position(|(one, _)| std::ptr::eq(*one, operation));
        let before = place.map_or(0, |place| open.swap_remove(place).1);
        let Some(version) = named_version(operation) else { continue };
        let must_grow = matches!(operation.kind, OperationKind::Observe(_));
        if version < before || (must_grow && version == before) {
            let label = operation.label();
            let detail = format!("{label} has version {version}, {before} was answered before");
            judge.violate(INVARIANT, at, detail);
        }
        answered = answered.max(version);
    }
}

fn named_version(operation: &Operation) -> Option<u64> {
    operation.reply().filter(|reply| !reply.is_repeated)?.version
}

/// The newest value per client and measure that the client was told is there.
type Told<'a> = BTreeMap<(ClientId, Measure), Vec<(Micros, (Timestamp, &'a ObservationId))>>;

fn check_own_writes(judge: &mut Judge, operations: &[&Operation]) {
    let mut told: Told<'_> = BTreeMap::new();
    for operation in operations {
        let OperationKind::Observe(observed) = &operation.kind else { continue };
        let Some(at) = operation.done_at() else { continue };
        for one in observed {
            let value = (one.effective_at, &one.observation);
            told.entry((operation.client, one.measure)).or_default().push((at, value));
        }
    }
    for read in operations {
        let Some(seen) = read.reply().and_then(|reply| reply.seen.as_ref()) else { continue };
        for ((_, measure), values) in told.iter().filter(|((client, _), _)| *client == read.client)
        {
            let before = values.iter().filter(|(at, _)| *at < read.invoked_at);
            let newest = before.map(|(_, value)| *value).max();
            let shown = seen.newest.get(measure).map(|(at, id)| (*at, id));
            if newest > shown {
                let detail = format!("{} misses the client's own write", read.label());
                judge.violate(INVARIANT, read.completed_at, detail);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Outcome;
    use crate::testing::{expect_violation, right_run, silent};

    #[test]
    fn versions_that_go_back_are_found_own_1() {
        let mut run = right_run();
        silent(check(&run));
        let last = run.history.iter_mut().rfind(|one| named_version(one).is_some()).unwrap();
        let Outcome::Done(reply) = &mut last.outcome else { panic!("it was done") };
        reply.version = Some(0);
        expect_violation(&check(&run), INVARIANT, "has version 0");
    }

    #[test]
    fn a_read_that_misses_its_clients_write_is_found() {
        let mut run = right_run();
        let read = run.history.iter_mut().rfind(|one| {
            one.reply().and_then(|reply| reply.seen.as_ref()).is_some_and(|s| !s.newest.is_empty())
        });
        let Outcome::Done(reply) = &mut read.unwrap().outcome else { panic!("it was done") };
        reply.seen.as_mut().unwrap().newest.clear();
        expect_violation(&check(&run), INVARIANT, "misses the client's own write");
    }
}
