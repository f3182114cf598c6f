//! Reads change nothing, need a purpose, and explain every input to its source (AUD-1).

use crate::support::{World, adt, minute, patient, provenance, value, vitals};
use actors_patient::Command;
use actors_patient::command::{Read, Reply, TimelineItem};
use schema_types::audit::AuditAction;
use schema_types::error_code::ErrorCode;
use schema_types::ids::{EncounterId, EntityId};
use schema_types::measure::Measure;
use schema_types::patient::EncounterStatus;
use schema_types::score::ScoreModel;
use schema_types::time::{MICROS_PER_MINUTE, Timestamp};

fn reads() -> Vec<(Read, &'static str)> {
    vec![
        (Read::State, "show"),
        (Read::OpenAlerts, "alerts"),
        (Read::Resources { types: vec!["Condition".into()] }, "fhir-search Condition"),
        (Read::Timeline { from: Timestamp::MIN, to: Timestamp::MAX }, "timeline"),
        (Read::Explain { model: None, as_of: None }, "explain"),
        (Read::AsOf { at: minute(0) }, "as-of"),
    ]
}

fn ward(world: &mut World) -> EntityId {
    let id = patient("p1");
    world.run(&id, adt("admit@0>A", "m1"));
    world.now = minute(30);
    world.observe(&id, vitals("a", 10, "16", "70"));
    world.observe(&id, vitals("b", 20, "25", "131"));
    id
}

#[test]
fn aud_1_reads_are_named_and_change_nothing() {
    let mut world = World::new();
    let id = ward(&mut world);
    for (read, operation) in reads() {
        let outcome = world.run(&id, Command::Read(read));
        assert!(outcome.events.is_empty() && outcome.effects.is_empty(), "{operation}");
        assert_eq!(outcome.audit.action, AuditAction::Read);
        assert_eq!(outcome.audit.operation, operation);
    }
}

#[test]
fn aud_1_reads_without_a_purpose_are_denied() {
    let mut world = World::new();
    let id = ward(&mut world);
    for purpose in ["", "HMARKT", "treat", "CURIOSITY"] {
        world.purpose = purpose;
        for (read, operation) in reads() {
            let refused = world.refused(&id, Command::Read(read));
            assert_eq!(refused.code, ErrorCode::PurposeRefused);
            assert!(refused.denied);
            assert_eq!(refused.audit.operation, operation);
        }
    }
}

#[test]
fn nobody_reads_an_unknown_patient() {
    let mut world = World::new();
    for (read, _) in reads() {
        let refused = world.refused(&patient("nobody"), Command::Read(read));
        assert_eq!((refused.code, refused.denied), (ErrorCode::PatientUnknown, false));
    }
}

#[test]
fn explain_names_every_input_with_age_and_source() {
    let mut world = World::new();
    let id = ward(&mut world);
    let model = Some(ScoreModel::News2);
    let explain = Command::Read(Read::Explain { model, as_of: None });
    let Reply::Explained(explained) = world.run(&id, explain).reply else { panic!("explained") };
    let [news2] = explained.as_slice() else { panic!("one") };
    assert_eq!(news2.score.minimum.to_string(), "6");
    assert_eq!(news2.score.model_version, 1);
    assert!(news2.alert.is_some());
    assert_eq!(news2.inputs.len(), 7);
    for input in &news2.inputs {
        assert_eq!(input.age_micros, 0);
        let source = input.provenance.as_ref().unwrap();
        assert_eq!(source, &provenance(input.observation.as_str()));
        assert!(input.contributed_by.is_none() && !input.future_dated);
    }
    let earlier = Command::Read(Read::Explain { model, as_of: Some(minute(12)) });
    let Reply::Explained(explained) = world.run(&id, earlier).reply else { panic!("explained") };
    assert_eq!(explained[0].score.minimum.to_string(), "0");
    let age_micros = 2 * MICROS_PER_MINUTE;
    assert!(explained[0].inputs.iter().all(|input| input.age_micros == age_micros));
}

#[test]
fn explain_names_the_record_that_contributes() {
    let mut world = World::new();
    let id = ward(&mut world);
    let other = patient("p2");
    world.observe(&other, vec![value("x", Measure::RespiratoryRate, "30", 25)]);
    let at = minute(30);
    let retired = other.clone();
    world.run(&id, Command::Merge { retired, at, provenance: provenance("a40") });
    let explain = Command::Read(Read::Explain { model: Some(ScoreModel::News2), as_of: None });
    let Reply::Explained(explained) = world.run(&id, explain).reply else { panic!("explained") };
    let rate = &explained[0].inputs[0];
    assert_eq!((rate.parameter, &rate.contributed_by), ("respiratory-rate", &Some(other)));
}

#[test]
fn as_of_shows_what_was_true_then() {
    let mut world = World::new();
    let id = ward(&mut world);
    world.run(&id, adt("discharge@28", "m2"));
    let view = |world: &mut World, at| {
        let read = Command::Read(Read::AsOf { at: minute(at) });
        let Reply::AsOf(view) = world.run(&id, read).reply else { panic!("as of") };
        view
    };
    let early = view(&mut world, 15);
    assert_eq!(early.values[&Measure::HeartRate].value.to_string(), "70");
    let stay = &early.stays[&EncounterId::new("V1")];
    assert_eq!(stay.status, EncounterStatus::Open);
    let news2 = early.scores.iter().find(|score| score.model == ScoreModel::News2).unwrap();
    assert_eq!((news2.as_of, news2.minimum.to_string().as_str()), (minute(15), "0"));
    let late = view(&mut world, 29);
    assert_eq!(late.stays[&EncounterId::new("V1")].status, EncounterStatus::Discharged);
    let before = view(&mut world, -1);
    assert!(before.values.is_empty() && before.scores.is_empty() && before.stays.is_empty());
}

#[test]
fn timeline_is_in_order_and_bounded() {
    let mut world = World::new();
    let id = ward(&mut world);
    let read = Command::Read(Read::Timeline { from: minute(0), to: minute(15) });
    let Reply::Timeline(items) = world.run(&id, read).reply else { panic!("timeline") };
    assert!(items.is_sorted_by_key(TimelineItem::at));
    assert!(matches!(items[0], TimelineItem::Movement { .. }));
    assert_eq!(items.len(), 1 + 7, "the admission and one set of vital signs");
}

#[test]
fn phi_1_replies_and_rejections_do_not_print_the_person() {
    let mut world = World::new();
    let id = patient("CANARY-KEY");
    world.run(&id, adt("admit@0>A", "m1"));
    let shown = world.run(&id, Command::Read(Read::State));
    assert!(!format!("{shown:?}").contains("CANARY"));
    world.purpose = "";
    let refused = world.refused(&id, Command::Read(Read::State));
    assert!(!format!("{refused} {refused:?}").contains("CANARY"));
}
