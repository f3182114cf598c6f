//! Calls and answers as bytes: everything comes back as it was, and nothing else is understood.

mod device;
mod facility;
mod golden;
mod group;
mod hostile;
mod patient;
mod releases;
mod words;

use super::answer::{self, Oversize};
use super::call::{self, RecordCall};
use super::failure::Failure;
use super::form::{self, Fault, Form};
use super::{decode_answer, decode_record_answer};
use super::{encode_record, encode_record_touching, encode_submit};
use crate::limits::REMOTE_CALL_BYTES_MAX;
use crate::{Attachments, HostedEntity, Outcome, Precondition, SubmitError, Urgency};
use actors_core::{AuditNote, Envelope, Rejection};
use actors_device::Device;
use actors_facility::Facility;
use actors_patient::Patient;
use actors_store::{KeyRange, Mutation};
use bytes::Bytes;
use proptest::prelude::*;
use schema_types::audit::{AuditAction, AuditDraft, AuditOutcome};
use schema_types::error_code::ErrorCode;
use schema_types::ids::{CommandId, EntityKind, PrincipalId, SourceId};
use schema_types::phi::{Phi, expose_to_peer};
use std::fmt::Debug;
use words::{Seed, assert_covers};

fn envelope<C>(seed: &Seed, kind: EntityKind, command: C) -> Envelope<C> {
    Envelope {
        entity: seed.entity(kind),
        source: SourceId::new(seed.text.as_str()),
        command_id: CommandId::new("m1"),
        content: seed.digest(),
        principal: PrincipalId::new("tester"),
        purpose: "TREAT".to_owned(),
        now: seed.at(),
        message: seed.maybe(seed.digest()),
        command,
    }
}

fn rows(seed: &Seed) -> Vec<Mutation> {
    let bytes = || Bytes::from(seed.text.clone());
    let (key, value) = (bytes(), bytes());
    let rows = vec![
        Mutation::set(bytes(), bytes()),
        Mutation::clear(bytes()),
        Mutation::ClearRange { range: KeyRange::prefix(&key) },
        Mutation::Add { key: key.clone(), delta: seed.signed },
        Mutation::SetVersionstampedKey { key: key.clone(), offset: 0, value: value.clone() },
        Mutation::SetVersionstampedValue { key, value, offset: 3 },
    ];
    assert_covers!(
        rows,
        Mutation::Set { .. },
        Mutation::Clear { .. },
        Mutation::ClearRange { .. },
        Mutation::Add { .. },
        Mutation::SetVersionstampedKey { .. },
        Mutation::SetVersionstampedValue { .. },
    );
    rows
}

fn attachments(seed: &Seed) -> Attachments {
    let key = || Bytes::from(seed.text.clone());
    let preconditions = vec![Precondition::Absent(key()), Precondition::Present(key())];
    assert_covers!(preconditions, Precondition::Absent(_), Precondition::Present(_));
    let urgencies = [Urgency::Bulk, Urgency::Routine, Urgency::Alarm];
    assert_covers!(urgencies, Urgency::Bulk, Urgency::Routine, Urgency::Alarm);
    Attachments {
        once: seed.flag,
        archive: seed.maybe(key()),
        rows: rows(seed),
        preconditions,
        urgency: urgencies[seed.pick % urgencies.len()],
    }
}

fn draft(seed: &Seed, outcome: AuditOutcome) -> AuditDraft {
    AuditDraft {
        at: seed.at(),
        principal: PrincipalId::new(seed.text.as_str()),
        purpose: "TREAT".to_owned(),
        action: AuditAction::ALL[seed.pick % AuditAction::ALL.len()],
        entity: seed.entity(EntityKind::Facility),
        operation: "test".to_owned(),
        outcome,
        source: SourceId::new("test"),
        command_id: CommandId::new("m1"),
        message: seed.maybe(seed.digest()),
        sequence: seed.number,
        events: 2,
    }
}

fn drafts(seed: &Seed) -> Vec<AuditDraft> {
    let code = ErrorCode::ALL[seed.pick % ErrorCode::ALL.len()];
    use AuditOutcome::{Denied, Done, Rejected, Repeated};
    let outcomes = [Done, Repeated, Denied(code), Rejected(code)];
    assert_covers!(outcomes, Done, Repeated, Denied(_), Rejected(_));
    outcomes.map(|outcome| draft(seed, outcome)).to_vec()
}

fn submitted<E: HostedEntity>(bytes: &[u8]) -> call::SubmitCall<E::Command> {
    let (form, body) = form::open(bytes, REMOTE_CALL_BYTES_MAX).unwrap();
    assert_eq!(form, Form::Submit(E::KIND));
    call::read_submit::<E>(body).unwrap()
}

fn recorded(bytes: &[u8]) -> RecordCall {
    let (form, body) = form::open(bytes, REMOTE_CALL_BYTES_MAX).unwrap();
    assert_eq!(form, Form::Record);
    call::read_record(body).unwrap()
}

fn commands_come_back<E: HostedEntity>(seed: &Seed, commands: Vec<E::Command>)
where
    E::Command: PartialEq,
{
    for command in commands {
        let (sent, beside) = (envelope(seed, E::KIND, command), attachments(seed));
        let call = submitted::<E>(&encode_submit::<E>(&sent, &beside).unwrap());
        assert_eq!(call.envelope, sent);
        assert_eq!(call.envelope.entity.hash(), sent.entity.hash());
        assert_eq!(format!("{:?}", call.attachments), format!("{beside:?}"));
    }
}

fn answer<T: serde::Serialize>(result: Result<T, SubmitError>) -> Vec<u8> {
    answer::write(result, Oversize::Harmless)
}

fn replies_come_back<E: HostedEntity>(seed: &Seed, replies: Vec<E::Reply>)
where
    E::Reply: PartialEq + Clone + Debug,
{
    for reply in replies {
        let done = Outcome::Done { reply: reply.clone(), sequence: seed.number };
        match decode_answer::<E>(&answer(Ok(done))).unwrap() {
            Outcome::Done { reply: came, sequence } => {
                assert_eq!((came, sequence), (reply, seed.number));
            }
            Outcome::Repeated { .. } => panic!("another outcome"),
        }
    }
    let repeated = Outcome::<E::Reply>::Repeated { at: seed.at() };
    let came = decode_answer::<E>(&answer(Ok(repeated))).unwrap();
    assert!(matches!(came, Outcome::Repeated { at } if at == seed.at()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_command_comes_back_as_it_was(seed in Seed::any()) {
        commands_come_back::<Patient>(&seed, patient::commands(&seed));
        commands_come_back::<Device>(&seed, device::commands(&seed));
        commands_come_back::<Facility>(&seed, facility::commands(&seed));
    }

    #[test]
    fn every_reply_comes_back_as_it_was(seed in Seed::any()) {
        replies_come_back::<Patient>(&seed, patient::replies(&seed));
        replies_come_back::<Device>(&seed, device::replies(&seed));
        replies_come_back::<Facility>(&seed, facility::replies(&seed));
    }

    #[test]
    fn records_come_back_as_they_were(seed in Seed::any()) {
        for audit in drafts(&seed) {
            let (rows, touched) = (rows(&seed), vec![seed.entity(EntityKind::Patient)]);
            let with_rows = recorded(&encode_record(&audit, &rows).unwrap());
            prop_assert_eq!(&with_rows.audit, &audit);
            prop_assert_eq!(with_rows.rows, rows);
            prop_assert!(with_rows.touched.is_empty());
            let touching = recorded(&encode_record_touching(&audit, &touched).unwrap());
            prop_assert_eq!(&touching.audit, &audit);
            prop_assert_eq!(touching.touched, touched);
            prop_assert!(touching.rows.is_empty());
        }
    }
}

fn errors() -> Vec<SubmitError> {
    let audit = AuditNote::new(AuditAction::Update, "test");
    let errors = vec![
        Rejection::wrong(ErrorCode::PatientUnknown, "nobody", audit.clone()).into(),
        Rejection::denied(ErrorCode::PurposeRefused, "not for this", audit).into(),
        SubmitError::Overloaded { what: "store queue", retry_after_ms: 123 },
        SubmitError::CommandIdReused,
        SubmitError::Precondition,
        SubmitError::EntityFailed,
        SubmitError::OutcomeUnknown,
        SubmitError::StoreStopped { reason: "sync failed".to_owned() },
        SubmitError::DiskFull,
        SubmitError::Damaged { place: "segment 3".to_owned() },
        SubmitError::TooLarge { bytes: 77 },
        SubmitError::NotServed { shard: Some(9) },
        SubmitError::NotServed { shard: None },
        SubmitError::ShuttingDown,
    ];
    assert_covers!(
        errors,
        SubmitError::Rejected(_),
        SubmitError::Overloaded { .. },
        SubmitError::CommandIdReused,
        SubmitError::Precondition,
        SubmitError::EntityFailed,
        SubmitError::OutcomeUnknown,
        SubmitError::StoreStopped { .. },
        SubmitError::DiskFull,
        SubmitError::Damaged { .. },
        SubmitError::TooLarge { .. },
        SubmitError::NotServed { .. },
        SubmitError::ShuttingDown,
    );
    errors
}

#[test]
fn errors_come_back_with_code_and_retry_hint() {
    for error in errors() {
        let came = decode_record_answer(&answer::<()>(Err(error.clone()))).unwrap_err();
        assert_eq!((came.code(), came.is_transient()), (error.code(), error.is_transient()));
        assert_eq!(came, error);
    }
}

#[test]
fn patient_data_are_written_for_a_peer_only_phi_1() {
    let name = Phi::new("CANARY".to_owned());
    let body = Wrapped { body: Phi::new(b"CANARY".to_vec()) };
    assert!(serde_json::to_string(&name).is_err());
    assert!(serde_json::to_string(&body).is_err());
    let inside = expose_to_peer(|| serde_json::to_string(&name)).unwrap();
    assert_eq!(inside, "\"CANARY\"");
    let behind_an_inner_scope = expose_to_peer(|| {
        expose_to_peer(|| ());
        serde_json::to_string(&body)
    });
    assert!(behind_an_inner_scope.is_ok());
    let left_by_panic = std::panic::catch_unwind(|| expose_to_peer(|| panic!("inside")));
    assert!(left_by_panic.is_err() && serde_json::to_string(&name).is_err());
    let elsewhere = expose_to_peer(|| {
        std::thread::scope(|scope| scope.spawn(|| serde_json::to_string(&name)).join())
    });
    assert!(elsewhere.unwrap().is_err(), "the scope is the thread's own");
    let again: Phi<String> = serde_json::from_str(&inside).unwrap();
    assert_eq!(again, name);
}

#[derive(serde::Serialize)]
struct Wrapped {
    #[serde(with = "schema_types::phi::raw")]
    body: Phi<Vec<u8>>,
}

#[test]
fn nothing_larger_than_the_limit_is_put_together_or_taken_lim_1() {
    let body = vec![7_u8; 1_000];
    assert_eq!(form::write(Form::Record, &body, 1_000), Err(Fault::TooLarge(1_000)));
    let bytes = form::write(Form::Record, &body, 4_000).unwrap();
    assert_eq!(form::open(&bytes, bytes.len() - 1), Err(Fault::TooLarge(bytes.len() - 1)));
    assert!(form::open(&bytes, bytes.len()).is_ok());
    let exact = form::write(Form::Record, &body, bytes.len());
    assert_eq!(exact, Ok(bytes));
    let error = Fault::TooLarge(5).refusal();
    assert_eq!(error.code(), ErrorCode::EntityLimit);
}
