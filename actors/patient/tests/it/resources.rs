//! PAT-9: FHIR resources by version, all or nothing, and what they say of person, stays, devices
//! and observations.

use crate::support::{Outcome, World, device, key, minute, patient, provenance, value};
use actors_core::{Effect, IndexEntry, ResourceBody};
use actors_patient::command::{
    DeviceLink, EncounterFact, Read, Reply, ResourceFacts, ResourceWrite, StoredVersion, WriteMode,
    WriteOutcome, observation_id,
};
use actors_patient::{Command, Event};
use schema_types::audit::AuditAction;
use schema_types::clinical::{
    EncounterClass, Location, Observation, ObservationStatus, ResourceKey,
};
use schema_types::error_code::ErrorCode;
use schema_types::ids::{EncounterId, MessageDigest};
use schema_types::measure::Measure;
use schema_types::patient::{
    DemographicsPatch, EncounterStatus, FieldUpdate, PersonName, Registration,
};
use schema_types::phi::Phi;
use schema_types::score::ScoreModel;

fn write(key: &ResourceKey, mode: WriteMode, body: &str) -> ResourceWrite {
    let facts = ResourceFacts {
        digest: MessageDigest::of(body.as_bytes()),
        date: Some(minute(0)),
        ..ResourceFacts::default()
    };
    ResourceWrite::new(key.clone(), mode, body.as_bytes().to_vec(), facts)
}

fn store(writes: Vec<ResourceWrite>) -> Command {
    Command::StoreResources { operation: "fhir-transaction".into(), writes }
}

fn versions(outcome: &Outcome) -> Vec<(u64, WriteOutcome)> {
    let Reply::Stored { versions, .. } = &outcome.reply else { panic!("stored") };
    versions.iter().map(|StoredVersion { version, outcome, .. }| (*version, *outcome)).collect()
}

#[test]
fn pat_9_versions_grow_by_one_and_repeats_keep_them() {
    use WriteMode::{Create, Delete, Update};
    use WriteOutcome::{Created, Deleted, Unchanged, Updated};
    let mut world = World::new();
    let id = patient("p1");
    let resource = key("Condition", "c1");
    let cases = [
        (Delete, "", 0, Unchanged),
        (Create, "1", 1, Created),
        (Create, "1", 1, Unchanged),
        (Update, "1", 1, Unchanged),
        (Update, "2", 2, Updated),
        (Delete, "", 3, Deleted),
        (Delete, "", 3, Unchanged),
        (Update, "2", 4, Created),
        (Delete, "", 5, Deleted),
        (Create, "3", 6, Created),
    ];
    for (mode, body, version, outcome) in cases {
        let stored = world.run(&id, store(vec![write(&resource, mode, body)]));
        assert_eq!(versions(&stored), [(version, outcome)], "{mode:?} {body}");
        let bodies = |effect: &&Effect| matches!(effect, Effect::PutResource { .. });
        let count = usize::from(outcome != Unchanged);
        assert_eq!(stored.effects.iter().filter(bodies).count(), count);
        assert_eq!(stored.events.is_empty(), count == 0);
    }
    assert_eq!(world.state(&id).resources[&resource].version, 6);
}

#[test]
fn all_or_nothing_with_version_check() {
    let mut world = World::new();
    let id = patient("p1");
    let (one, two) = (key("Condition", "c1"), key("Condition", "c2"));
    world.run(&id, store(vec![write(&one, WriteMode::Create, "1")]));
    let expecting = |version| {
        let mut write = write(&one, WriteMode::Update, "2");
        write.if_match = Some(version);
        write
    };
    let first = write(&two, WriteMode::Create, "x");
    let cases = [
        vec![first.clone(), expecting(2)],
        vec![first.clone(), write(&one, WriteMode::Create, "other")],
        vec![first.clone(), expecting(1), expecting(1)],
    ];
    for writes in cases {
        assert_eq!(world.refused(&id, store(writes)).code, ErrorCode::FhirVersionConflict);
    }
    let done = world.run(&id, store(vec![first, expecting(1)]));
    assert_eq!(versions(&done), [(1, WriteOutcome::Created), (2, WriteOutcome::Updated)]);
    assert_eq!(done.audit.action, AuditAction::Update);
    let row = IndexEntry::Resource { resource_type: "Condition".into(), id: "c2".into() };
    assert!(done.indexed(&row));
}

#[test]
fn reads_tell_missing_from_gone() {
    let mut world = World::new();
    let id = patient("p1");
    let resource = key("Condition", "c1");
    world.run(&id, store(vec![write(&resource, WriteMode::Create, "1")]));
    let read = |key: &ResourceKey| Command::Read(Read::Resource(key.clone()));
    let vread = |version| Command::Read(Read::ResourceVersion(key("Condition", "c1"), version));
    let Reply::Resource { version, current, .. } = world.run(&id, read(&resource)).reply else {
        panic!("resource")
    };
    assert_eq!((version, current.unwrap().version), (Some(1), 1));
    world.run(&id, store(vec![write(&resource, WriteMode::Delete, "")]));
    assert_eq!(world.refused(&id, read(&resource)).code, ErrorCode::FhirGone);
    assert_eq!(world.refused(&id, vread(2)).code, ErrorCode::FhirGone);
    for version in [0, 3] {
        assert_eq!(world.refused(&id, vread(version)).code, ErrorCode::FhirNotFound);
    }
    assert!(matches!(world.run(&id, vread(1)).reply, Reply::Resource { version: Some(1), .. }));
    assert_eq!(world.refused(&id, read(&key("Condition", "x"))).code, ErrorCode::FhirNotFound);
    let elsewhere = world.run(&id, read(&key("Observation", "hl7-1"))).reply;
    assert!(matches!(elsewhere, Reply::Resource { version: None, current: None, .. }));
}

fn blood_pressure(body: &str, systolic: &str, with_rate: bool) -> ResourceWrite {
    let mut write = write(&key("Observation", "bp"), WriteMode::Update, body);
    let named = |measure, text: &str, component| {
        let name = observation_id("bp", Some(component));
        Observation { id: name, ..value("bp", measure, text, 0) }
    };
    write.observations.push(named(Measure::SystolicPressure, systolic, 0));
    if with_rate {
        write.observations.push(named(Measure::HeartRate, "80", 1));
    }
    write
}

#[test]
fn updates_correct_and_deletions_withdraw_observations() {
    let mut world = World::new();
    let id = patient("p1");
    world.run(&id, store(vec![blood_pressure("1", "120", true)]));
    assert_eq!(world.state(&id).registration, Registration::Provisional);
    assert!(world.state(&id).scores.contains_key(&ScoreModel::ShockIndex));
    let updated = world.run(&id, store(vec![blood_pressure("2", "130", true)]));
    let statuses: Vec<ObservationStatus> = updated
        .events
        .iter()
        .filter_map(|event| match event {
            Event::ObservationRecorded { observation, .. } => Some(observation.status),
            _ => None,
        })
        .collect();
    assert_eq!(statuses, [ObservationStatus::Corrected], "the other component is a repeat");
    world.run(&id, store(vec![blood_pressure("3", "130", false)]));
    let state = world.state(&id);
    assert!(!state.measures.contains_key(&Measure::HeartRate), "left out, so withdrawn");
    let deleted =
        world.run(&id, store(vec![write(&key("Observation", "bp"), WriteMode::Delete, "")]));
    assert!(world.state(&id).measures.is_empty() && world.state(&id).scores.is_empty());
    assert_eq!(deleted.audit.action, AuditAction::Delete);
    let kept = deleted.effects.iter().all(|effect| {
        !matches!(
            effect,
            Effect::PutResource { body: ResourceBody::Observation(_), .. }
                | Effect::PutIndex(IndexEntry::Observation { .. })
        )
    });
    assert!(kept, "FHIR observations are stored as sent only");
}

#[test]
fn another_resource_with_a_similar_id_is_not_touched() {
    let mut world = World::new();
    let id = patient("p1");
    let mut other = write(&key("Observation", "bp.c7"), WriteMode::Update, "x");
    let name = observation_id("bp.c7", None);
    other.observations.push(Observation { id: name, ..value("x", Measure::Sodium, "140", 0) });
    world.run(&id, store(vec![blood_pressure("1", "120", true), other]));
    world.run(&id, store(vec![write(&key("Observation", "bp"), WriteMode::Delete, "")]));
    let measures: Vec<Measure> = world.state(&id).measures.keys().copied().collect();
    assert_eq!(measures, [Measure::Sodium]);
}

fn encounter(body: &str, status: EncounterStatus, end: Option<i64>) -> ResourceWrite {
    let mut write = write(&key("Encounter", "e1"), WriteMode::Update, body);
    write.encounter = Some(EncounterFact {
        encounter: EncounterId::new("e1"),
        status,
        class: EncounterClass::Inpatient,
        started_at: Some(minute(10)),
        ended_at: end.map(minute),
        location: None,
        provenance: provenance("Encounter/e1"),
    });
    write
}

#[test]
fn encounters_are_rewritten_as_a_whole() {
    let mut world = World::new();
    let id = patient("p1");
    let cases = [
        ("1", EncounterStatus::Planned, None, EncounterStatus::Planned),
        ("2", EncounterStatus::Open, None, EncounterStatus::Open),
        ("3", EncounterStatus::Discharged, Some(50), EncounterStatus::Discharged),
        ("4", EncounterStatus::Open, None, EncounterStatus::Open),
        ("5", EncounterStatus::Discharged, Some(60), EncounterStatus::Discharged),
        ("6", EncounterStatus::Cancelled, None, EncounterStatus::Cancelled),
    ];
    for (body, status, end, expected) in cases {
        let outcome = world.run(&id, store(vec![encounter(body, status, end)]));
        let stay = world.state(&id).encounters[&EncounterId::new("e1")].clone();
        assert_eq!(stay.status, expected, "{body}");
        assert!(stay.movements.len() <= 2);
        assert_eq!(stay.ended_at, end.map(minute), "{body}");
        let told = outcome.effects.iter().any(|effect| matches!(effect, Effect::Send { .. }));
        assert!(!told, "no place, no bed");
    }
}

#[test]
fn pat_1_a_place_that_an_encounter_left_is_told() {
    let mut world = World::new();
    let told = |world: &mut World, body: &str, facility: &str| {
        let mut write = encounter(body, EncounterStatus::Open, None);
        let location = Location { facility: facility.into(), ..Location::default() };
        write.encounter.as_mut().unwrap().location = Some(location);
        let outcome = world.run(&patient("p1"), store(vec![write]));
        let keys = outcome.effects.iter().filter_map(|effect| match effect {
            Effect::Send { to, .. } => Some(to.key().to_owned()),
            _ => None,
        });
        keys.collect::<Vec<String>>()
    };
    assert_eq!(told(&mut world, "1", "F1"), ["F1"]);
    assert_eq!(told(&mut world, "2", "F2"), ["F1", "F2"]);
    assert_eq!(told(&mut world, "3", "F2"), Vec::<String>::new(), "nothing moved");
}

#[test]
fn a_patient_resource_registers_and_devices_join() {
    let mut world = World::new();
    let id = patient("p1");
    let mut write = write(&key("Patient", "p1"), WriteMode::Update, "1");
    let name = PersonName { family: "Abel".into(), given: Vec::new() };
    let name = FieldUpdate::Set(Phi::new(name));
    let patch = DemographicsPatch { name, ..DemographicsPatch::default() };
    write.demographics = Some((patch, minute(0)));
    let link = |associated, at| DeviceLink { device: device("m1"), associated, at: minute(at) };
    write.device_links = vec![link(true, 1)];
    world.run(&id, store(vec![write.clone()]));
    let state = world.state(&id);
    assert_eq!(state.registration, Registration::Registered);
    assert_eq!(state.devices.len(), 1);
    write.facts.digest = MessageDigest::of(b"2");
    write.device_links = vec![link(false, 2)];
    world.run(&id, store(vec![write]));
    assert!(world.state(&id).devices.is_empty());
}
