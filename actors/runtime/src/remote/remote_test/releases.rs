//! Nodes of two releases: what a newer one adds is ignored or refused, never misread.

use super::words::Seed;
use super::*;
use serde::Serialize;

/// Something of today with fields of tomorrow.
#[derive(Serialize)]
struct Newer<'a, T: Serialize> {
    #[serde(flatten)]
    today: &'a T,
    deadline_ms: u64,
    route: Vec<(&'a str, f64)>,
}

fn newer<T: Serialize>(today: &T) -> Newer<'_, T> {
    Newer { today, deadline_ms: 5, route: vec![("n1", 0.5), ("n2", 1.5)] }
}

#[derive(Debug, Serialize)]
enum NewerCommand {
    #[expect(dead_code, reason = "fields are only written")]
    ApplyAdt(u8),
    Transfuse {
        units: u8,
    },
}

#[test]
fn unknown_fields_are_ignored() {
    let seed = Seed::plain();
    for command in patient::commands(&seed) {
        let sent = envelope(&seed, EntityKind::Patient, command);
        let beside = attachments(&seed);
        let words = call::SubmitWords { envelope: &sent, attachments: &beside };
        let form = Form::Submit(EntityKind::Patient);
        let bytes = form::write(form, &newer(&words), REMOTE_CALL_BYTES_MAX).unwrap();
        assert_eq!(submitted::<Patient>(&bytes).envelope, sent);
    }
    let failure = Failure::from(SubmitError::DiskFull);
    let bytes = rmp_serde::to_vec_named(&newer(&failure)).unwrap();
    assert_eq!(form::read::<Failure>(&bytes), Ok(failure));
}

#[test]
fn an_unknown_command_is_refused_whole() {
    let seed = Seed::plain();
    let newer = envelope(&seed, EntityKind::Patient, NewerCommand::Transfuse { units: 2 });
    let beside = Attachments::default();
    let words = call::SubmitWords { envelope: &newer, attachments: &beside };
    let form = Form::Submit(EntityKind::Patient);
    let bytes = form::write(form, &words, REMOTE_CALL_BYTES_MAX).unwrap();
    let (_, body) = form::open(&bytes, REMOTE_CALL_BYTES_MAX).unwrap();
    assert_eq!(call::read_submit::<Patient>(body).unwrap_err(), Fault::Body);
    assert_eq!(Fault::Body.refusal().code(), ErrorCode::BadRequest);
}

#[test]
fn a_missing_field_is_no_default() {
    #[derive(Serialize)]
    struct Beside {
        once: bool,
        rows: Vec<u8>,
    }
    let bytes = rmp_serde::to_vec_named(&Beside { once: true, rows: Vec::new() }).unwrap();
    assert_eq!(form::read::<Attachments>(&bytes).unwrap_err(), Fault::Body);
}

#[test]
fn another_version_or_form_is_named() {
    let seed = Seed::plain();
    let audit = draft(&seed, AuditOutcome::Done);
    let mut bytes = encode_record(&audit, &[]).unwrap();
    bytes[1] = 99;
    assert_eq!(form::open(&bytes, REMOTE_CALL_BYTES_MAX), Err(Fault::Unexpected(99)));
    bytes[0] = 2;
    let fault = form::open(&bytes, REMOTE_CALL_BYTES_MAX).unwrap_err();
    assert_eq!(fault, Fault::Version(2));
    assert_eq!(fault.refusal().code(), ErrorCode::NotAvailable);
    assert_eq!(decode_record_answer(&bytes), Err(SubmitError::OutcomeUnknown));
}

/// A failure of a kind and with a code that this release does not know.
#[derive(Serialize)]
struct NewerFailure {
    kind: &'static str,
    code: &'static str,
    transient: bool,
    details: Details,
}

#[derive(Serialize)]
struct Details {
    text: &'static str,
}

fn failure(kind: &'static str, code: &'static str, transient: bool) -> SubmitError {
    let failure = NewerFailure { kind, code, transient, details: Details { text: "why" } };
    let bytes = rmp_serde::to_vec_named(&failure).unwrap();
    form::read::<Failure>(&bytes).unwrap().into()
}

#[test]
fn an_unknown_failure_is_acted_on_rightly() {
    // It may have taken effect: only the same name is safe to ask again with.
    assert_eq!(failure("quorum-lost", "MED-NODE-999", true), SubmitError::OutcomeUnknown);
    for (kind, code, expected, reason) in [
        ("quota", "MED-NODE-999", ErrorCode::NotAvailable, "MED-NODE-999: why"),
        ("rejected", "MED-PAT-999", ErrorCode::NotAvailable, "MED-PAT-999: why"),
        ("quota", "MED-PAT-006", ErrorCode::EntityLimit, "why"),
    ] {
        let SubmitError::Rejected(rejection) = failure(kind, code, false) else {
            panic!("not a refusal: {kind}");
        };
        assert_eq!((rejection.code, rejection.reason.as_str()), (expected, reason));
    }
    let error = failure("overloaded", "MED-NODE-001", true);
    let SubmitError::Overloaded { what, retry_after_ms } = error else { panic!("{error:?}") };
    assert_eq!((what, retry_after_ms), ("a limit of another node", crate::limits::RETRY_AFTER_MS));
}
