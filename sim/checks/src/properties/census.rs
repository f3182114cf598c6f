//! The census is right (ONCE-1, ACK-1): who is in which ward, by the movements that were accepted,
//! in whatever order they came, is what facilities answer and what their journals hold.

use crate::durable::{Durable, Events};
use crate::evidence::Evidence;
use crate::findings::{Findings, Judge};
use crate::history::{Certainty, OperationKind, commands};
use crate::oracle::stays::occupied;
use schema_types::clinical::{Location, Movement};
use schema_types::facility::FacilityEvent;
use schema_types::ids::{EncounterId, EntityId, EntityKind};
use std::collections::BTreeMap;

/// The property's name.
pub const NAME: &str = "census-right";
/// What it enforces.
pub const INVARIANT: &str = "ONCE-1";

type StayKey<'a> = (&'a EntityId, &'a EncounterId);
type Stays<'a> = BTreeMap<StayKey<'a>, Vec<&'a Movement>>;
type Wards = BTreeMap<String, u32>;

/// Checks it.
#[must_use]
pub fn check(evidence: &Evidence) -> Findings {
    let mut judge = Judge::of(NAME);
    let accepted = accepted(evidence);
    let stored = facilities(&evidence.durable);
    for (facility, stays) in &stored {
        let (right, found) = (wards(facility, &accepted), wards(facility, stays));
        compare(&mut judge, facility, "holds", (&right, &found));
    }
    for seen in &evidence.census {
        let moved = evidence.history.iter().filter(|operation| {
            matches!(operation.kind, OperationKind::Move { .. })
                && operation.completed_at.is_none_or(|at| at >= seen.asked_at)
        });
        if moved.count() > 0 {
            judge.skip("a census was asked for while patients were moved");
            continue;
        }
        let right = wards(&seen.facility, &accepted);
        let mut found = seen.occupied.clone();
        found.retain(|_, beds| *beds > 0);
        compare(&mut judge, &seen.facility, "answers", (&right, &found));
    }
    judge.done()
}

/// Movements of commands that took effect: acknowledged, or unknown and in the patient's journal.
fn accepted(evidence: &Evidence) -> Stays<'_> {
    let mut stays = Stays::new();
    for (key, command) in commands(&evidence.history) {
        let Some(OperationKind::Move { encounter, movement }) = command.kind() else { continue };
        let took_effect = match command.certainty() {
            Certainty::Acknowledged => true,
            Certainty::Unknown => evidence.durable.rows_of(key).next().is_some(),
            Certainty::Refused => false,
        };
        if took_effect {
            stays.entry((key.entity, encounter)).or_default().push(movement);
        }
    }
    stays
}

/// The stays that each facility was told of, the newest word for each.
fn facilities(durable: &Durable) -> BTreeMap<&EntityId, Stays<'_>> {
    let mut facilities: BTreeMap<&EntityId, Stays<'_>> = BTreeMap::new();
    for (facility, rows) in &durable.journals {
        for row in rows {
            let Events::Facility(events) = &row.events else { continue };
            for event in events {
                if let FacilityEvent::StayNoted { encounter, stay } = event {
                    let movements = stay.movements.iter().collect();
                    let stays = facilities.entry(facility).or_default();
                    stays.insert((&stay.patient, encounter), movements);
                }
            }
        }
    }
    facilities
}

fn wards(facility: &EntityId, stays: &Stays<'_>) -> Wards {
    let mut wards = Wards::new();
    for movements in stays.values() {
        if let Some(place) = occupied(movements).filter(|place| is_at(facility, place)) {
            *wards.entry(place.ward).or_default() += 1;
        }
    }
    wards
}

fn is_at(facility: &EntityId, place: &Location) -> bool {
    let named = EntityId::new(facility.tenant().clone(), EntityKind::Facility, &place.facility);
    named == *facility
}

fn compare(judge: &mut Judge, facility: &EntityId, verb: &str, (right, found): (&Wards, &Wards)) {
    let names = right.keys().chain(found.keys().filter(|ward| !right.contains_key(*ward)));
    for ward in names {
        let beds = |wards: &Wards| wards.get(ward).copied().unwrap_or(0);
        let (right, found) = (beds(right), beds(found));
        if right != found {
            let detail = format!("{facility:?} {verb} {found} patients in a ward that has {right}");
            judge.violate(INVARIANT, None, detail);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expect_violation, right_run, silent};

    #[test]
    fn a_wrong_answer_is_found_once_1() {
        let mut run = right_run();
        assert!(!run.census.is_empty());
        silent(check(&run));
        *run.census[0].occupied.values_mut().next().unwrap() += 1;
        expect_violation(&check(&run), INVARIANT, "answers");
    }

    #[test]
    fn a_stay_that_a_facility_was_not_told_of_is_found() {
        let mut run = right_run();
        for rows in run.durable.journals.values_mut() {
            if matches!(rows[0].events, Events::Facility(_)) {
                rows.pop();
            }
        }
        expect_violation(&check(&run), INVARIANT, "holds");
    }

    #[test]
    fn a_question_among_moves_is_not_judged() {
        let mut run = right_run();
        run.census[0].asked_at = 0;
        run.census[0].occupied.clear();
        assert_eq!(check(&run).unchecked.len(), 1);
    }
}
