//! DEV-6 and questions: resources, purpose of use, devices never heard of.

use crate::support::{Harness, batch, observation};
use actors_core::{Effect, IndexEntry};
use actors_device::Command;
use actors_device::command::{Read, Reply, ResourceFacts, ResourceWrite, WriteMode, WriteOutcome};
use schema_types::audit::AuditAction;
use schema_types::clinical::ResourceKey;
use schema_types::error_code::ErrorCode;
use schema_types::ids::MessageDigest;
use schema_types::phi::Phi;

fn key(resource_type: &str, id: &str) -> ResourceKey {
    ResourceKey { resource_type: resource_type.into(), id: id.into() }
}

fn store(mode: WriteMode, body: &str, if_match: Option<u64>) -> Command {
    let digest = MessageDigest::of(body.as_bytes());
    let write = ResourceWrite {
        key: key("Device", "d1"),
        mode,
        body: Phi::new(body.into()),
        if_match,
        facts: ResourceFacts { digest, ..ResourceFacts::default() },
    };
    Command::StoreResources { operation: "fhir-update Device".into(), writes: vec![write] }
}

#[test]
fn dev_6_versions_are_checked_and_repeats_change_nothing() {
    let mut harness = Harness::default();
    let first = harness.run(1, store(WriteMode::Update, "one", None));
    assert_eq!(first.effects.first(), Some(&Effect::PutIndex(IndexEntry::Known)));
    assert_eq!(first.audit.action, AuditAction::Update);
    let again = harness.run(2, store(WriteMode::Update, "one", None));
    assert_eq!((again.events.len(), again.effects.len()), (0, 0));
    let Reply::Stored(versions) = again.reply else { panic!("another reply") };
    assert_eq!(versions.first().unwrap().outcome, WriteOutcome::Unchanged);
    let stale = harness.try_at(3, store(WriteMode::Update, "two", Some(9))).unwrap_err();
    assert_eq!(stale.code, ErrorCode::FhirVersionConflict);
    harness.run(4, store(WriteMode::Update, "two", Some(1)));
    harness.run(5, store(WriteMode::Delete, "", Some(2)));
    let gone = harness.try_at(6, Command::Read(Read::Resource(key("Device", "d1"))));
    assert_eq!(gone.unwrap_err().code, ErrorCode::FhirGone);
    let old = harness.run(7, Command::Read(Read::ResourceVersion(key("Device", "d1"), 2)));
    assert!(matches!(old.reply, Reply::Resource { version: Some(2), current: Some(_), .. }));
    harness.assert_replay();
}

#[test]
fn aud_1_reads_need_a_purpose_and_a_known_device() {
    let mut harness = Harness::default();
    let unknown = harness.try_at(1, Command::Read(Read::State)).unwrap_err();
    assert_eq!((unknown.code, unknown.denied), (ErrorCode::DeviceUnknown, false));
    harness.record(batch(Some(1), 1));
    assert!(matches!(harness.read_state(), Reply::State(state) if *state == harness.state));
    for purpose in ["", "HMARKT"] {
        harness.purpose = Some(purpose);
        let denied = harness.try_at(1, Command::Read(Read::State)).unwrap_err();
        assert_eq!((denied.code, denied.denied), (ErrorCode::PurposeRefused, true));
        assert_eq!(denied.audit.action, AuditAction::Read, "the attempt is audited");
    }
}

#[test]
fn dev_4_an_observation_of_nobody_is_found_in_the_store() {
    let mut harness = Harness::default();
    let decision = harness.record_with(batch(Some(1), 10), vec![observation("o1", 9)]);
    let row = IndexEntry::Resource { resource_type: "Observation".into(), id: "o1".into() };
    assert!(decision.effects.contains(&Effect::PutIndex(row)));
    let found = harness.run(11, Command::Read(Read::Resource(key("Observation", "o1")))).reply;
    let expected = Reply::Resource { key: key("Observation", "o1"), version: None, current: None };
    assert_eq!(found, expected);
    let missing = harness.try_at(12, Command::Read(Read::Resource(key("Device", "o1"))));
    assert_eq!(missing.unwrap_err().code, ErrorCode::FhirNotFound);
    let all = harness.run(13, Command::Read(Read::Resources { types: Vec::new() })).reply;
    assert_eq!(all, Reply::Resources(Vec::new()));
}
