//! PAT-1: movements in any order, late and repeated, fold to the same stay, and every facility that
//! is named hears of the whole stay.

use crate::support::{World, adt, minute, movement, patient, tenant};
use actors_core::stay::fold_stay;
use actors_core::{Effect, Entity, IndexEntry, Notice};
use actors_patient::limits::MOVEMENTS_MAX;
use actors_patient::{Event, Patient, State};
use proptest::prelude::*;
use schema_types::clinical::{Movement, MovementKind};
use schema_types::error_code::ErrorCode;
use schema_types::facility::FacilityNotice;
use schema_types::ids::{EncounterId, EntityId, EntityKind};
use schema_types::patient::EncounterStatus;

const STORY: &[&str] = &[
    "pre-admit@1>A",
    "admit@5>A",
    "transfer@9>BB",
    "transfer@20>CCC",
    "cancel-transfer@21",
    "update@25>DDDD",
    "discharge@40",
    "cancel-discharge@41",
    "discharge@50",
];

fn told_in(order: &[usize]) -> State {
    let mut world = World::new();
    for index in order {
        world.run(&patient("p1"), adt(STORY[*index], &format!("m{index}")));
    }
    world.state(&patient("p1"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pat_1_any_order_and_repeats_give_the_same_stay(
        order in Just((0..STORY.len()).collect::<Vec<usize>>()).prop_shuffle(),
        repeats in prop::collection::vec(0..STORY.len(), 0..6),
    ) {
        let in_order = told_in(&(0..STORY.len()).collect::<Vec<_>>());
        let order: Vec<usize> = order.into_iter().chain(repeats).collect();
        prop_assert_eq!(
            Patient::encode_state(&told_in(&order)),
            Patient::encode_state(&in_order)
        );
    }

    #[test]
    fn pat_1_fold_does_not_depend_on_order(
        picks in prop::collection::vec((0..MovementKind::ALL.len(), 0_i64..6, "[AB]?"), 0..12),
        seed in any::<prop::sample::Index>(),
    ) {
        let movements: Vec<Movement> = picks
            .iter()
            .enumerate()
            .map(|(index, (kind, at, ward))| {
                let label = MovementKind::ALL[*kind].label();
                movement(&format!("{label}@{at}>{ward}"), &format!("m{}", index / 2))
            })
            .collect();
        let expected = fold_stay(&movements, None);
        let mut turned = movements.clone();
        turned.rotate_left(if movements.is_empty() { 0 } else { seed.index(movements.len()) });
        prop_assert_eq!(&fold_stay(&turned, None), &expected);
        turned.reverse();
        prop_assert_eq!(&fold_stay(&turned, None), &expected);
        turned.extend(movements);
        prop_assert_eq!(&fold_stay(&turned, None), &expected);
    }
}

#[test]
fn story_ends_where_it_should() {
    let state = told_in(&[0, 1, 2, 3, 4, 5, 6, 7]);
    let stay = &state.encounters[&EncounterId::new("V1")];
    assert_eq!(stay.status, EncounterStatus::Open);
    assert_eq!(stay.location.as_ref().unwrap().ward, "BB");
    assert_eq!(stay.started_at, Some(minute(5)));
    let state = told_in(&[8, 7, 6, 5, 4, 3, 2, 1, 0]);
    let stay = &state.encounters[&EncounterId::new("V1")];
    assert_eq!(stay.status, EncounterStatus::Discharged);
    assert_eq!((stay.started_at, stay.ended_at), (Some(minute(5)), Some(minute(50))));
    assert_eq!(stay.location, None);
}

#[test]
fn every_named_facility_hears_the_whole_stay_with_growing_revisions() {
    let mut world = World::new();
    let mut last_revision = 0;
    for (index, text) in ["admit@5>A", "transfer@9>BB", "discharge@40"].iter().enumerate() {
        let outcome = world.run(&patient("p1"), adt(text, &format!("m{index}")));
        let mut told = Vec::new();
        for effect in &outcome.effects {
            if let Effect::Send { to, notice: Notice::Facility(notice) } = effect {
                let FacilityNotice::StayChanged { encounter, stay } = notice;
                assert_eq!(encounter.as_str(), "V1");
                assert_eq!(stay.patient, patient("p1"));
                assert_eq!(stay.movements.len(), index + 1);
                assert!(stay.revision > last_revision);
                told.push((to.clone(), stay.revision));
            }
        }
        let facility = |key: &str| EntityId::new(tenant(), EntityKind::Facility, key);
        let expected =
            if index == 0 { vec![facility("F1")] } else { vec![facility("F1"), facility("F2")] };
        assert_eq!(told.iter().map(|(to, _)| to.clone()).collect::<Vec<_>>(), expected);
        last_revision = told[0].1;
    }
    let repeat = world.run(&patient("p1"), adt("admit@5>A", "m0"));
    assert_eq!((repeat.events, repeat.effects), (Vec::new(), Vec::new()), "a repeat");
}

#[test]
fn first_contact_makes_the_patient_known() {
    let mut world = World::new();
    let first = world.run(&patient("p1"), adt("admit@5>A", "m0"));
    assert!(first.indexed(&IndexEntry::Known));
    assert_eq!(first.audit.operation, "adt-a01");
    let second = world.run(&patient("p1"), adt("transfer@6>A", "m1"));
    assert!(!second.indexed(&IndexEntry::Known));
}

#[test]
fn lim_1_a_stay_has_a_limit() {
    let mut world = World::new();
    let id = patient("p1");
    let record = world.records.entry(id.clone()).or_default();
    for index in 0..MOVEMENTS_MAX {
        let encounter = EncounterId::new("V1");
        let movement = movement("update@9>A", &format!("u{index:05}"));
        record.journal.push(Event::MovementRecorded { encounter, movement });
    }
    for event in &record.journal {
        Patient::evolve(&mut record.state, event);
    }
    let refused = world.refused(&patient("p1"), adt("discharge@10", "last"));
    assert_eq!(refused.code, ErrorCode::EntityLimit);
}
