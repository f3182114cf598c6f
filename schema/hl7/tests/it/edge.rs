//! The oddities that real senders produce, one fixture each: what is taken and what is refused.

use crate::fixture::{PID, PV1, admission, evn, join, msh, read, replaced, vitals};
use schema_hl7::charset::Charset;
use schema_hl7::{Message, Payload, Refusal, decode};
use schema_types::clinical::ObservationValue;
use schema_types::error_code::ErrorCode;
use schema_types::patient::FieldUpdate;

fn refused(bytes: &[u8], expected: &str, refusal: Refusal) {
    let error = read(bytes).unwrap_err();
    assert!(error.to_string().starts_with(expected), "{error} instead of {expected}");
    assert_eq!(error.refusal, refusal, "{error}");
}

#[test]
fn a_byte_order_mark_is_ignored() {
    let marked = [b"\xEF\xBB\xBF", admission().as_slice()].concat();
    assert_eq!(read(&marked).unwrap(), {
        let context = crate::fixture::context(&marked);
        decode(&Message::parse(&admission()).unwrap(), &context).unwrap()
    });
}

#[test]
fn undeclared_latin_is_refused_and_replayed_with_its_character_set() {
    let undeclared = replaced(&admission(), "UNICODE UTF-8", "");
    let latin: Vec<u8> = String::from_utf8(replaced(&undeclared, "Canary", "Bj\u{F6}rn"))
        .unwrap()
        .chars()
        .map(|character| u8::try_from(character).unwrap())
        .collect();
    refused(&latin, "MED-HL7-005 at MSH-18", Refusal::Error);
    let message = Message::parse_as(&latin, Charset::named("8859/1")).unwrap();
    assert_eq!(message.field("PID", 5).component(1).text(), "Bj\u{F6}rn");
    let declared = replaced(&admission(), "Canary", "Bj\u{F6}rn");
    let broken: Vec<u8> = declared.iter().copied().filter(|byte| *byte != 0xB6).collect();
    refused(&broken, "MED-HL7-005 at MSH-18", Refusal::Error);
}

#[test]
fn line_feeds_and_a_missing_last_return_are_taken() {
    let text = String::from_utf8(admission()).unwrap();
    assert!(read(text.replace('\r', "\n").as_bytes()).is_ok());
    assert!(read(text.trim_end().as_bytes()).is_ok());
}

#[test]
fn what_is_cut_or_lacks_a_part_is_refused() {
    refused(&admission()[120..], "MED-HL7-001", Refusal::Reject);
    let cut = join(&[&msh("ADT^A01"), &evn("A01"), "PID|1||4711^^^NORTH^MR||Canary^Ada||1961"]);
    refused(&cut[..cut.len() - 3], "MED-HL7-010 at PID-7", Refusal::Error);
    refused(&cut, "MED-HL7-008 at PV1", Refusal::Error);
    refused(&join(&[&msh("ADT^A01"), &evn("A01"), PV1]), "MED-HL7-008 at PID", Refusal::Error);
    refused(&join(&[&msh("ORU^R01"), PV1, "OBX|1|ST|X||v"]), "MED-HL7-008 at PID", Refusal::Error);
    let nobody = join(&[&msh("ADT^A01"), &evn("A01"), "PID|1", PV1]);
    refused(&nobody, "MED-HL7-009 at PID-3", Refusal::Error);
    let unmerged = join(&[&msh("ADT^A40"), &evn("A40"), PID]);
    refused(&unmerged, "MED-HL7-008 at MRG", Refusal::Error);
}

#[test]
fn header_fields_are_checked() {
    let cases = [
        ("|C1|", "||", "MED-HL7-009 at MSH-10", Refusal::Error),
        ("|2.5.1|", "|9.9|", "MED-HL7-007 at MSH-12", Refusal::Reject),
        ("|2.5.1|", "|2.3.z|", "MED-HL7-007 at MSH-12", Refusal::Reject),
        ("ADT^A01^ADT_A01", "ADT^A99", "MED-HL7-006 at MSH-9", Refusal::Reject),
        ("ADT^A01^ADT_A01", "SIU^S12", "MED-HL7-006 at MSH-9", Refusal::Reject),
        ("ADT^A01^ADT_A01", "", "MED-HL7-009 at MSH-9", Refusal::Error),
        ("|20261120090000|", "|2026-11-20|", "MED-HL7-010 at MSH-7", Refusal::Error),
        ("MSH|^~\\&|", "MSH|^~^&|", "MED-HL7-002 at MSH-2", Refusal::Reject),
    ];
    for (from, to, expected, refusal) in cases {
        refused(&replaced(&admission(), from, to), expected, refusal);
    }
    for version in ["2.1", "2.3.1", "2.7.1", "2.9", "2.5^DEU", ""] {
        let bytes = replaced(&admission(), "|2.5.1|", &format!("|{version}|"));
        assert!(read(&bytes).is_ok(), "{version}");
    }
    let long = replaced(&admission(), "|C1|", &format!("|{}|", "9".repeat(200)));
    refused(&long, "MED-HL7-010 at MSH-10", Refusal::Error);
}

#[test]
fn lower_case_segment_names_are_taken_with_a_warning() {
    let bytes = replaced(&admission(), "PID|", "pid|");
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.warnings().len(), 1);
    assert_eq!(message.warnings()[0].code, ErrorCode::Hl7Segment);
    assert_eq!(message, Message::parse(&admission()).unwrap());
    assert!(read(&bytes).is_ok());
}

#[test]
fn z_segments_anywhere_are_kept_and_ignored() {
    let bytes = join(&[&msh("ADT^A01"), &evn("A01"), "ZPI|early|z", PID, "ZZ9", PV1]);
    assert!(read(&bytes).is_ok());
    assert_eq!(Message::parse(&bytes).unwrap().field("ZPI", 2).text(), "z");
}

#[test]
fn every_escape_reaches_the_text() {
    let obx = "OBX|1|FT|8251-1^Note^LN||a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f\\.br\\g\\H\\h\\N\\\\X41\\";
    let incoming = read(&join(&[&msh("ORU^R01"), PID, obx])).unwrap();
    let Payload::Observations { observations, .. } = incoming.payload else { panic!("no ORU") };
    let ObservationValue::Text(text) = &observations[0].value else { panic!("no text") };
    assert_eq!(text.expose(), "a|b^c&d~e\\f\nghA");
}

#[test]
fn empty_address_and_phone_keep_what_is_stored() {
    let update = replaced(&admission(), "1 Quay^^Port^^1000||555-0100", "||");
    let Payload::Adt(adt) = read(&update).unwrap().payload else { panic!("no ADT") };
    assert_eq!(adt.patient.patch.address, FieldUpdate::Keep);
    assert_eq!(adt.patient.patch.phone, FieldUpdate::Keep);
}

#[test]
fn a_repeat_has_the_same_content_and_another_message_has_not() {
    let digest = |bytes: &[u8]| Message::parse(bytes).unwrap().content_digest();
    assert_eq!(digest(&admission()), digest(&replaced(&admission(), "\r", "\r\n")));
    assert_ne!(digest(&admission()), digest(&replaced(&admission(), "Canary", "Finch")));
}

#[test]
fn text_where_a_number_should_be_refuses_the_whole_message() {
    refused(&replaced(&vitals(), "||91|", "||ninety|"), "MED-HL7-010 at OBX[2]-5", Refusal::Error);
}

#[test]
fn the_future_is_refused() {
    let future = replaced(&admission(), "20261120083000", "20301120083000");
    refused(&future, "MED-CLIN-001 at EVN-6", Refusal::Error);
    let unborn = replaced(&admission(), "19610504", "20610504");
    refused(&unborn, "MED-CLIN-001 at PID-7", Refusal::Error);
}
