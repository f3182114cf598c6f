//! FAC-6, FAC-7 and questions: resources, limits, purpose of use, facilities never heard of.

use crate::support::{Harness, at, movement, stay_changed};
use actors_core::{Effect, Entity, IndexEntry};
use actors_facility::command::{Read, Reply, ResourceFacts, ResourceWrite, WriteMode};
use actors_facility::limits::{MOVEMENTS_PER_STAY_MAX, SERIES_POINTS_MAX, WRITES_PER_COMMAND_MAX};
use actors_facility::{Command, Facility};
use schema_types::audit::AuditAction;
use schema_types::clinical::{MovementKind, ResourceKey};
use schema_types::error_code::ErrorCode;
use schema_types::ids::MessageDigest;
use schema_types::phi::Phi;

fn key(id: &str) -> ResourceKey {
    ResourceKey { resource_type: "Organization".into(), id: id.into() }
}

fn write(id: &str, mode: WriteMode, body: &str, if_match: Option<u64>) -> ResourceWrite {
    let facts =
        ResourceFacts { digest: MessageDigest::of(body.as_bytes()), ..ResourceFacts::default() };
    ResourceWrite { key: key(id), mode, body: Phi::new(body.into()), if_match, facts }
}

fn store(writes: Vec<ResourceWrite>) -> Command {
    Command::StoreResources { operation: "fhir-batch".into(), writes }
}

#[test]
fn fac_6_a_directory_keeps_versions() {
    let mut harness = Harness::default();
    let both =
        vec![write("a", WriteMode::Create, "1", None), write("b", WriteMode::Create, "1", None)];
    let first = harness.run(store(both));
    assert_eq!(first.effects.first(), Some(&Effect::PutIndex(IndexEntry::Known)));
    assert_eq!((first.events.len(), first.effects.len()), (2, 5));
    assert_eq!(first.audit.action, AuditAction::Create);
    let half_wrong =
        vec![write("a", WriteMode::Update, "2", None), write("b", WriteMode::Update, "2", Some(7))];
    let conflict = harness.decide(store(half_wrong)).unwrap_err();
    assert_eq!(conflict.code, ErrorCode::FhirVersionConflict);
    let current = harness.run(Command::Read(Read::Resource(key("a")))).reply;
    assert!(matches!(current, Reply::Resource { version: 1, .. }), "all or nothing");
    harness.run(store(vec![write("a", WriteMode::Delete, "", Some(1))]));
    let gone = harness.decide(Command::Read(Read::Resource(key("a")))).unwrap_err();
    assert_eq!(gone.code, ErrorCode::FhirGone);
    let before = harness.run(Command::Read(Read::ResourceVersion(key("a"), 1))).reply;
    assert!(matches!(before, Reply::Resource { version: 1, .. }));
    let all = harness.run(Command::Read(Read::Resources { types: Vec::new() })).reply;
    assert!(matches!(all, Reply::Resources(metas) if metas.len() == 1));
    harness.assert_replay();
}

#[test]
fn fac_7_limits_refuse_and_say_so() {
    let mut harness = Harness::default();
    let long = vec![movement(MovementKind::Update, 1, "MED1"); MOVEMENTS_PER_STAY_MAX + 1];
    let endless = vec![movement(MovementKind::Admit, 1, &"W".repeat(300))];
    let many = vec![write("a", WriteMode::Create, "1", None); WRITES_PER_COMMAND_MAX + 1];
    for command in [stay_changed("a", 1, long), stay_changed("a", 1, endless), store(many)] {
        assert_eq!(harness.decide(command).unwrap_err().code, ErrorCode::EntityLimit);
    }
    assert_eq!(harness.journal, []);
}

#[test]
fn aud_1_reads_need_a_purpose_and_a_known_facility() {
    let mut harness = Harness::default();
    let unknown = harness.decide(Command::Read(Read::BedBoard)).unwrap_err();
    assert_eq!((unknown.code, unknown.denied), (ErrorCode::FacilityUnknown, false));
    harness.run(stay_changed("a", 1, vec![movement(MovementKind::Admit, 1, "MED1")]));
    let whole = harness.run(Command::Read(Read::State));
    assert!(matches!(whole.reply, Reply::State(state) if *state == harness.state));
    harness.purpose = Some("HMARKT");
    let denied = harness.decide(Command::Read(Read::State)).unwrap_err();
    assert_eq!((denied.code, denied.denied), (ErrorCode::PurposeRefused, true));
    assert_eq!(denied.audit.action, AuditAction::Read, "the attempt is audited");
    assert_eq!(Facility::timer_command("any", at(1)), None);
}

#[test]
fn a_series_has_sensible_bounds() {
    let mut harness = Harness::default();
    harness.run(stay_changed("a", 1, vec![movement(MovementKind::Admit, 1, "MED1")]));
    let points = i64::try_from(SERIES_POINTS_MAX).unwrap();
    let cases = [
        (0, 10, 0, Some(ErrorCode::BadRequest)),
        (10, 0, 1, Some(ErrorCode::BadRequest)),
        (0, points, 1, Some(ErrorCode::EntityLimit)),
        (i64::MIN / 1_000_000, i64::MAX / 1_000_000, 1, Some(ErrorCode::EntityLimit)),
        (0, points - 1, 1, None),
        (5, 5, 1, None),
    ];
    for (from, to, step, expected) in cases {
        let (from, to, step_micros) = (at(from), at(to), step * 1_000_000);
        let read = Command::Read(Read::CensusSeries { from, to, step_micros });
        assert_eq!(harness.decide(read).err().map(|refused| refused.code), expected);
    }
    let counts = harness.series(0, 5, 2);
    let counts: Vec<u32> = counts.iter().flat_map(|one| one.occupied.values().copied()).collect();
    assert_eq!(counts, [0, 1, 1]);
}
