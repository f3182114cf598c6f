//! PAT-6: of each field the newest statement holds, whatever the order; identifiers only grow.

use crate::support::{World, minute, patient, report, vitals};
use actors_core::{Entity, IndexEntry};
use actors_patient::command::{AdtReport, ObservationReport};
use actors_patient::limits::IDENTIFIERS_MAX;
use actors_patient::{Command, Patient};
use proptest::prelude::*;
use schema_types::error_code::ErrorCode;
use schema_types::patient::{
    AdministrativeSex, DemographicsPatch, FieldUpdate, Identifier, PersonName, Registration,
};
use schema_types::phi::Phi;
use schema_types::score::ScoreModel;

fn identifier(value: &str) -> Identifier {
    Identifier { system: "OHG".into(), value: Phi::new(value.into()), type_code: "MR".into() }
}

fn state_at(minutes: i64, patch: DemographicsPatch) -> Command {
    Command::ApplyAdt(Box::new(AdtReport {
        operation: "adt-a08".into(),
        patch,
        stated_at: minute(minutes),
        movement: None,
        registers: true,
    }))
}

fn patch(pick: u8) -> DemographicsPatch {
    let name = |family: &str| {
        FieldUpdate::Set(Phi::new(PersonName { family: family.into(), given: vec!["G".into()] }))
    };
    let empty = DemographicsPatch::default();
    match pick {
        0 => DemographicsPatch { name: name("Abel"), ..empty },
        1 => DemographicsPatch { name: name("Baker"), identifiers: vec![identifier("1")], ..empty },
        2 => DemographicsPatch { name: FieldUpdate::Clear, ..empty },
        3 => DemographicsPatch {
            sex: FieldUpdate::Set(AdministrativeSex::Male),
            identifiers: vec![identifier("2"), identifier("1")],
            ..empty
        },
        4 => DemographicsPatch {
            sex: FieldUpdate::Set(AdministrativeSex::Female),
            phone: FieldUpdate::Set(Phi::new("1".into())),
            ..empty
        },
        _ => DemographicsPatch { phone: FieldUpdate::Clear, ..empty },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn pat_6_statements_converge_in_any_order(
        said in prop::collection::vec((0_i64..4, 0_u8..6), 1..8),
        turn in any::<prop::sample::Index>(),
    ) {
        let tell = |said: &[(i64, u8)]| {
            let mut world = World::new();
            for (minutes, pick) in said {
                world.run(&patient("p1"), state_at(*minutes, patch(*pick)));
            }
            Patient::encode_state(&world.state(&patient("p1")))
        };
        let mut turned = said.clone();
        turned.rotate_left(turn.index(said.len()));
        turned.reverse();
        prop_assert_eq!(tell(&turned), tell(&said));
    }
}

#[test]
fn empty_keeps_and_deletion_clears() {
    let mut world = World::new();
    let id = patient("p1");
    world.run(&id, state_at(1, patch(1)));
    world.run(&id, state_at(2, patch(3)));
    let demographics = world.state(&id).demographics;
    assert_eq!(demographics.name.value.unwrap().expose().family, "Baker", "empty keeps");
    world.run(&id, state_at(3, patch(2)));
    assert_eq!(world.state(&id).demographics.name.value, None, "deletion clears");
    world.run(&id, state_at(2, patch(0)));
    assert_eq!(world.state(&id).demographics.name.value, None, "older does not come back");
}

#[test]
fn identifiers_are_indexed_once() {
    let mut world = World::new();
    let id = patient("p1");
    let entry = |value: &str| IndexEntry::Identifier {
        system: "OHG".into(),
        value: Phi::new(value.to_owned()),
    };
    let first = world.run(&id, state_at(1, patch(1)));
    assert!(first.indexed(&entry("1")));
    let second = world.run(&id, state_at(2, patch(3)));
    assert!(second.indexed(&entry("2")) && !second.indexed(&entry("1")));
    let many = (0..=IDENTIFIERS_MAX).map(|number| identifier(&number.to_string())).collect();
    let too_many = DemographicsPatch { identifiers: many, ..DemographicsPatch::default() };
    assert_eq!(world.refused(&id, state_at(3, too_many)).code, ErrorCode::EntityLimit);
}

#[test]
fn one_wrong_clock_does_not_shut_a_field() {
    let mut world = World::new();
    let id = patient("p1");
    world.run(&id, state_at(1_000_000, patch(0)));
    world.now = minute(3 * 24 * 60);
    world.run(&id, state_at(2 * 24 * 60, patch(1)));
    let name = world.state(&id).demographics.name.value.unwrap();
    assert_eq!(name.expose().family, "Baker");
}

#[test]
fn registration_only_rises() {
    let mut world = World::new();
    let id = patient("p1");
    let refused = world.refused(
        &id,
        Command::RecordObservations(Box::new(ObservationReport {
            operation: "oru-r01".into(),
            patch: None,
            observations: Vec::new(),
            provisional: false,
        })),
    );
    assert_eq!(refused.code, ErrorCode::PatientUnknown);
    let first = world.run(&id, report(Vec::new()));
    assert!(first.indexed(&IndexEntry::Known));
    assert_eq!(world.state(&id).registration, Registration::Provisional);
    world.run(&id, state_at(1, patch(0)));
    world.run(&id, report(Vec::new()));
    assert_eq!(world.state(&id).registration, Registration::Registered);
}

#[test]
fn another_age_means_other_results() {
    let mut world = World::new();
    let id = patient("p1");
    world.observe(&id, vitals("a", 0, "30", "140"));
    assert!(world.state(&id).scores.contains_key(&ScoreModel::News2));
    assert!(!world.state(&id).alerts.is_empty());
    let birth_date = FieldUpdate::Set(Phi::new("2020-01-01".to_owned()));
    world.run(&id, state_at(1, DemographicsPatch { birth_date, ..DemographicsPatch::default() }));
    let state = world.state(&id);
    assert_eq!(state.scores.get(&ScoreModel::News2), None, "NEWS2 is not for a child");
    let news2 = schema_types::patient::AlertCondition::Score(ScoreModel::News2);
    assert!(!state.alerts.contains_key(&news2));
}
