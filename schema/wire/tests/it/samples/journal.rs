//! Sample records of the store and of the audit log.

use super::clinical::{condition_meta, deleted_meta, heart_rate};
use super::common::{Named, at, device, digest, hospital, patient};
use super::{other, patient as samples};
use schema_types::audit::{AuditAction, AuditDraft, AuditOutcome};
use schema_types::error_code::ErrorCode;
use schema_types::ids::{CommandId, EntityKind, MessageDigest, PrincipalId, SourceId};
use schema_types::phi::Phi;
use schema_wire::journal::{
    DedupeOutcome, DedupeRecord, JournalRecord, MessageRecord, OutboxRecord, QuarantineRecord,
    RawMessage, SnapshotRecord, StoredBody, StoredNotice, StoredResource, TimerRecord,
};

/// The bytes of a sample as they were first published.
macro_rules! golden {
    ($name:literal) => {
        include_bytes!(concat!("../../../golden/", $name, "-v1.bin"))
    };
}

fn named<T>(values: Vec<Named<T>>, name: &str) -> T {
    values.into_iter().find(|(other, _)| *other == name).unwrap().1
}

/// A done command, and one for each other outcome and action.
pub(crate) fn audit_records() -> Vec<Named<AuditDraft>> {
    let record = |action, outcome| AuditDraft {
        at: at(0),
        principal: PrincipalId::new("interface-lab"),
        purpose: "TREAT".to_owned(),
        action,
        entity: patient("NGH.700001"),
        operation: "oru-r01".to_owned(),
        outcome,
        source: SourceId::new("LAB|NGH"),
        command_id: CommandId::new("MSG00001"),
        message: Some(digest("a made-up message")),
        sequence: 42,
        events: 3,
    };
    let read = AuditDraft {
        message: None,
        events: 0,
        ..record(AuditAction::Read, AuditOutcome::Denied(ErrorCode::PurposeRefused))
    };
    let wrong = AuditOutcome::Rejected(ErrorCode::PatientUnknown);
    vec![
        ("audit-record-done", record(AuditAction::Create, AuditOutcome::Done)),
        ("audit-record-repeated", record(AuditAction::Update, AuditOutcome::Repeated)),
        ("audit-record-denied", read),
        ("audit-record-rejected", record(AuditAction::Delete, wrong)),
        ("audit-record-execute", record(AuditAction::Execute, AuditOutcome::Done)),
    ]
}

/// A journal record of each kind of entity.
pub(crate) fn journal_records() -> Vec<Named<JournalRecord>> {
    let record = |event_kind, message: Option<MessageDigest>, event| JournalRecord {
        sequence: 42,
        recorded_at: at(3),
        source: SourceId::new("LAB|NGH"),
        command_id: CommandId::new("MSG00001"),
        principal: PrincipalId::new("interface-lab"),
        message,
        event_kind,
        event,
    };
    // What records hold is bytes to them: those that were published first.
    let observed = golden!("patient-event-observation-recorded").to_vec();
    let silent = golden!("device-event-went-silent").to_vec();
    let noted = golden!("facility-event-stay-noted").to_vec();
    let message = Some(digest("a made-up message"));
    vec![
        ("journal-record-patient", record(EntityKind::Patient, message, observed)),
        ("journal-record-device", record(EntityKind::Device, None, silent)),
        (
            "journal-record-facility",
            record(EntityKind::Facility, Some(MessageDigest::default()), noted),
        ),
    ]
}

/// A snapshot.
pub(crate) fn snapshots() -> Vec<Named<SnapshotRecord>> {
    let state = golden!("patient-state-full").to_vec();
    let snapshot = SnapshotRecord {
        sequence: 42,
        state_hash: MessageDigest::of(&state).0,
        kind: EntityKind::Patient,
        state,
        outbox_next: 7,
    };
    vec![("snapshot-record", snapshot)]
}

/// A remembered command of each outcome.
pub(crate) fn dedupes() -> Vec<Named<DedupeRecord>> {
    let record = |outcome, reply: &[u8]| DedupeRecord {
        content: digest("a made-up command"),
        outcome,
        reply: reply.to_vec(),
        at: at(3),
    };
    let rejected = DedupeOutcome::Rejected {
        code: ErrorCode::PatientMerge,
        reason: "the merge would close a circle".to_owned(),
    };
    vec![
        ("dedupe-record-accepted", record(DedupeOutcome::Accepted, &[1, 0, 255])),
        ("dedupe-record-rejected", record(rejected, &[])),
    ]
}

/// A notice on its way to each kind of entity.
pub(crate) fn outboxes() -> Vec<Named<OutboxRecord>> {
    let record = |receiver, notice| OutboxRecord {
        sender: patient("NGH.700001"),
        receiver,
        sequence: 6,
        at: at(3),
        notice,
    };
    let told = named(samples::notices(), "patient-notice-device-association");
    let seen = named(other::device_notices(), "device-notice-samples-seen");
    let changed = named(other::facility_notices(), "facility-notice-stay-changed");
    vec![
        ("outbox-record-patient", record(patient("NGH.700002"), StoredNotice::Patient(told))),
        ("outbox-record-device", record(device("monitor-12"), StoredNotice::Device(seen))),
        ("outbox-record-facility", record(hospital(), StoredNotice::Facility(changed))),
    ]
}

/// A timer.
pub(crate) fn timers() -> Vec<Named<TimerRecord>> {
    let name = "escalate/a-1".to_owned();
    let timer = TimerRecord { entity: patient("NGH.700001"), name, due: at(900) };
    vec![("timer-record", timer)]
}

/// A version of a resource for each kind of body.
pub(crate) fn resources() -> Vec<Named<StoredResource>> {
    let json = br#"{"resourceType":"Condition","id":"c-17"}"#.to_vec();
    let json = StoredResource { meta: condition_meta(), body: StoredBody::Json(Phi::new(json)) };
    let observation = StoredResource {
        meta: condition_meta(),
        body: StoredBody::Observation(Box::new(heart_rate())),
    };
    let deleted = StoredResource { meta: deleted_meta(), body: StoredBody::Deleted };
    vec![
        ("stored-resource-json", json),
        ("stored-resource-observation", observation),
        ("stored-resource-deleted", deleted),
    ]
}

/// A refused message for each place of its bytes.
pub(crate) fn quarantines() -> Vec<Named<QuarantineRecord>> {
    let waiting = QuarantineRecord {
        id: "q-0001".to_owned(),
        received_at: at(0),
        source: SourceId::new("10.0.0.7:51022"),
        channel: "mllp".to_owned(),
        code: ErrorCode::Hl7SegmentMissing,
        reason: "the message has no PID segment".to_owned(),
        location: "PID".to_owned(),
        raw: RawMessage::Inline(Phi::new(b"MSH|^~\\&|LAB\rEVN\r".to_vec())),
        content_type: "x-application/hl7-v2+er7".to_owned(),
        attempts: 1,
        resolved_at: None,
        resolution: String::new(),
    };
    let resolved = QuarantineRecord {
        raw: RawMessage::Archived { digest: digest("a large message"), length_bytes: 100_000_000 },
        attempts: 2,
        resolved_at: Some(at(500)),
        resolution: "replayed".to_owned(),
        ..waiting.clone()
    };
    vec![("quarantine-record-waiting", waiting), ("quarantine-record-resolved", resolved)]
}

/// A remembered message whose entity is known, and one whose entity is not.
pub(crate) fn messages() -> Vec<Named<MessageRecord>> {
    let known = MessageRecord {
        content: digest("a made-up message"),
        first_seen_at: at(0),
        reply_code: "AA".to_owned(),
        entity: Some(patient("NGH.700001")),
    };
    let refused = MessageRecord { reply_code: "AR".to_owned(), entity: None, ..known.clone() };
    vec![("message-record-known", known), ("message-record-refused", refused)]
}
