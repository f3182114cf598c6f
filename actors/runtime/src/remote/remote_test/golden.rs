//! A change of these bytes is a change of what nodes of two releases say to each other. What a
//! release wrote must stay readable; see the rules in the documentation of [`crate::remote`].

use super::words::Seed;
use super::*;

/// Lower-case hexadecimal digits; white space does not matter.
fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

fn hex(bytes: &[u8]) -> String {
    let line = |line: &[u8]| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    bytes.chunks(48).map(line).collect::<Vec<_>>().join("\n")
}

fn assert_golden(written: &[u8], golden: &str) {
    assert!(written == bytes(golden), "the form changed; it is now\n{}\n", hex(written));
}

#[test]
fn a_call_keeps_its_form() {
    let seed = Seed::plain();
    let observations = patient::commands(&seed).remove(2);
    let sent = envelope(&seed, EntityKind::Patient, observations);
    let written = encode_submit::<Patient>(&sent, &attachments(&seed)).unwrap();
    let golden = include_str!("golden/submit-observations.hex");
    assert_golden(&written, golden);
    assert_eq!(submitted::<Patient>(&bytes(golden)).envelope, sent);

    let associate = device::commands(&seed).remove(1);
    let sent = envelope(&seed, EntityKind::Device, associate);
    let written = encode_submit::<Device>(&sent, &Attachments::default()).unwrap();
    let golden = include_str!("golden/submit-associate.hex");
    assert_golden(&written, golden);
    assert_eq!(submitted::<Device>(&bytes(golden)).envelope, sent);

    let audit = draft(&seed, AuditOutcome::Denied(ErrorCode::PurposeRefused));
    let written = encode_record(&audit, &rows(&seed)).unwrap();
    let golden = include_str!("golden/record.hex");
    assert_golden(&written, golden);
    assert_eq!(recorded(&bytes(golden)).audit, audit);
}

#[test]
fn the_calls_of_a_group_keep_their_form() {
    let seed = Seed::plain();
    let [prepare, prepared, settle, commit] = group::samples(&seed);
    assert_golden(&prepare, include_str!("golden/prepare.hex"));
    assert_golden(&prepared, include_str!("golden/answer-prepared.hex"));
    assert_golden(&settle, include_str!("golden/settle.hex"));
    assert_golden(&commit, include_str!("golden/commit.hex"));
}

#[test]
fn an_answer_keeps_its_form() {
    let seed = Seed::plain();
    let reply = facility::replies(&seed).remove(3);
    let done = Outcome::Done { reply: reply.clone(), sequence: 9 };
    let golden = include_str!("golden/answer-census.hex");
    assert_golden(&answer(Ok(done)), golden);
    let came = decode_answer::<Facility>(&bytes(golden)).unwrap();
    assert_eq!(came.into_reply(), Some(reply));

    let overloaded = SubmitError::Overloaded { what: "store queue", retry_after_ms: 123 };
    let golden = include_str!("golden/answer-overloaded.hex");
    assert_golden(&answer::<()>(Err(overloaded.clone())), golden);
    assert_eq!(decode_record_answer(&bytes(golden)), Err(overloaded));

    let rejected = errors().remove(0);
    let golden = include_str!("golden/answer-rejected.hex");
    assert_golden(&answer::<()>(Err(rejected.clone())), golden);
    assert_eq!(decode_record_answer(&bytes(golden)), Err(rejected));
}
