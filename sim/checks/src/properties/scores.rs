//! Scores are right (DET-1): after each command, the current results of NEWS2, qSOFA, SIRS and
//! shock index are what an independent reference says of the values in the journal. So is every
//! result that the command recorded on the way, at the instant for which it holds.

use crate::durable::JournalRow;
use crate::evidence::Evidence;
use crate::findings::{Findings, Judge};
use crate::oracle::scores::{Expected, MODELS, expected, expected_at};
use crate::oracle::values::Values;
use actors_core::Entity;
use actors_patient::Patient;
use schema_types::ids::{EntityId, EntityKind};
use schema_types::patient::{PatientEvent, PatientState};
use schema_types::score::ScoreResult;

/// The property's name.
pub const NAME: &str = "scores-right";
/// What it enforces.
pub const INVARIANT: &str = "DET-1";

/// Checks it.
#[must_use]
pub fn check(evidence: &Evidence) -> Findings {
    let mut judge = Judge::of(NAME);
    for (patient, rows) in &evidence.durable.journals {
        if patient.kind() == EntityKind::Patient {
            check_patient(&mut judge, patient, rows);
        }
    }
    judge.done()
}

fn check_patient(judge: &mut Judge, patient: &EntityId, rows: &[JournalRow]) {
    let mut values = Values::default();
    let mut state = PatientState::default();
    let mut right = [None; MODELS.len()];
    for row in rows {
        for event in row.patient_events() {
            Patient::evolve(&mut state, event);
            values.take(event);
        }
        if let Some(reason) = values.beyond() {
            judge.skip(format!("{patient:?} {reason}"));
            return;
        }
        let place = (patient, row);
        for result in recorded(row) {
            if MODELS.contains(&result.model) {
                let right = expected_at(result.model, &values, result.as_of);
                compare(judge, place, Some(result), right);
            }
        }
        if has_values(row) {
            right = MODELS.map(|model| expected(model, &values));
        }
        for (model, right) in MODELS.into_iter().zip(right) {
            compare(judge, place, state.scores.get(&model), right);
        }
    }
}

/// Whether the row changes what scores are made of.
pub(crate) fn has_values(row: &JournalRow) -> bool {
    let is_value = |event| matches!(event, &PatientEvent::ObservationRecorded { .. });
    row.patient_events().iter().any(is_value)
}

fn recorded(row: &JournalRow) -> impl Iterator<Item = &ScoreResult> {
    let recorded = row.patient_events().iter().filter_map(|event| {
        let PatientEvent::ScoresRecorded { results } = event else { return None };
        Some(results)
    });
    recorded.flatten()
}

fn compare(
    judge: &mut Judge,
    (patient, row): (&EntityId, &JournalRow),
    found: Option<&ScoreResult>,
    right: Option<Expected>,
) {
    let shown = found.map(|result| Expected {
        as_of: result.as_of,
        minimum: result.minimum,
        maximum: result.maximum,
        band: result.band,
        complete: result.complete,
    });
    if shown == right {
        return;
    }
    let model = found.map_or("a model", |result| result.model.label());
    let band = |one: Option<Expected>| one.map_or("no result", |one| one.band.label());
    let (at, shown, right) = (row.last_sequence(), band(shown), band(right));
    let detail = format!("{patient:?} at {at}: {model} says {shown}, should be {right}");
    judge.violate(INVARIANT, None, detail);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expect_violation, patient_events_mut, right_run, silent, spoil_values};
    use schema_types::Decimal;

    #[test]
    fn another_score_is_found_det_1() {
        let mut run = right_run();
        silent(check(&run));
        for event in patient_events_mut(&mut run) {
            if let PatientEvent::ScoresRecorded { results } = event {
                results.iter_mut().for_each(|result| result.minimum += Decimal::ONE);
            }
        }
        expect_violation(&check(&run), INVARIANT, "should be");
    }

    #[test]
    fn a_score_of_other_values_is_found() {
        let mut run = right_run();
        spoil_values(&mut run, |value| *value = Decimal::from(23));
        expect_violation(&check(&run), INVARIANT, "should be");
    }

    #[test]
    fn a_missing_score_is_found() {
        let mut run = right_run();
        for event in patient_events_mut(&mut run) {
            if let PatientEvent::ScoresRecorded { results } = event {
                results.clear();
            }
        }
        expect_violation(&check(&run), INVARIANT, "says no result");
    }
}
