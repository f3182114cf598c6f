//! Segments, fields and parts; and that encoding is undone by parsing.

use crate::fixture::{admission, replaced, vitals};
use proptest::prelude::*;
use schema_hl7::Message;
use schema_hl7::message::{Presence, escape};
use schema_types::error_code::ErrorCode;

#[test]
fn fields_are_counted_as_the_standard_does() {
    let bytes = replaced(&admission(), "4711^^^NORTH^MR", "4711^^^NORTH&1.2&ISO^MR~88^^^SSA^SS");
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.field("MSH", 1).text(), "|");
    assert_eq!(message.field("MSH", 2).text(), "^~\\&");
    assert_eq!(message.field("MSH", 3).text(), "APP");
    assert_eq!(message.field("MSH", 9).component(2).text(), "A01");
    let identifiers = message.field("PID", 3);
    assert_eq!(identifiers.repetitions().count(), 2);
    assert_eq!(identifiers.repetition(1).component(4).subcomponent(2).text(), "1.2");
    assert_eq!(identifiers.repetition(2).component(1).text(), "88");
    for absent in [
        message.field("PID", 99),
        message.field("ZZZ", 1),
        message.field("PID", 0),
        identifiers.repetition(3),
        identifiers.repetition(0),
        identifiers.component(0),
    ] {
        assert_eq!(absent.presence(), Presence::Empty);
    }
    assert_eq!(message.segment("PV1").unwrap().field_count(), 19);
}

#[test]
fn empty_keeps_and_two_quotes_delete() {
    let message = Message::parse_text("MSH|^~\\&|A\rPID|1||\"\"|x\r").unwrap();
    let presence = |field| message.field("PID", field).presence();
    assert_eq!((presence(2), presence(3)), (Presence::Empty, Presence::Null));
    assert_eq!((presence(4), presence(5)), (Presence::Value, Presence::Empty));
}

#[test]
fn any_line_ends_give_the_same_message() {
    let standard = Message::parse(&vitals()).unwrap();
    let text = String::from_utf8(vitals()).unwrap();
    let ends = ["\r", "\n", "\r\n", "\r\r", "\n\n", "\r\n\n"];
    for end in ends {
        for tail in [text.replace('\r', end), text.trim_end().replace('\r', end)] {
            let message = Message::parse(format!("\r\n{tail}").as_bytes()).unwrap();
            assert_eq!(message, standard, "{end:?}");
            assert_eq!(message.content_digest(), standard.content_digest());
        }
    }
}

#[test]
fn a_line_feed_inside_text_stays_where_carriage_returns_end_segments() {
    let text = "MSH|^~\\&|A\rOBX|1|TX|||first\nsecond|x\rOBX|2\nOBX|3\r";
    let message = Message::parse_text(text).unwrap();
    assert_eq!(message.field("OBX", 5).text(), "first\nsecond");
    assert_eq!(message.segments().count(), 4);
}

#[test]
fn malformed_messages_are_refused_with_their_place() {
    let cases = [
        ("", "MED-HL7-001 at line 1"),
        ("PID|1", "MED-HL7-001 at line 1"),
        ("msh|^~\\&|A", "MED-HL7-001 at line 1"),
        ("MSH", "MED-HL7-002 at MSH-1"),
        ("MSH|^^\\&|A", "MED-HL7-002 at MSH-2"),
        ("MSHA^~\\&|A", "MED-HL7-001 at line 1"),
        ("MSH|^~\\&|A\rPIDX|1", "MED-HL7-013 at line 2"),
        ("MSH|^~\\&|A\rPV|1", "MED-HL7-013 at line 2"),
        ("MSH|^~\\&|A\rEVN|1\r P1|1", "MED-HL7-013 at line 3"),
        ("MSH|^~\\&|A\rMSH|^~\\&|B", "MED-HL7-013 at line 2"),
    ];
    for (text, expected) in cases {
        let error = Message::parse(text.as_bytes()).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{text:?} gave {error}");
    }
}

#[test]
fn limits_are_kept_lim_1() {
    let many_fields = format!("MSH|^~\\&|A\rPID{}", "|".repeat(1_001));
    let many_segments = format!("MSH|^~\\&|A\r{}", "ZZZ\r".repeat(50_000));
    let large = format!("MSH|^~\\&|{}", "x".repeat(16 << 20));
    for text in [many_fields, many_segments, large] {
        let error = Message::parse(text.as_bytes()).unwrap_err();
        assert_eq!(error.code, ErrorCode::Hl7TooLarge);
    }
}

/// PHI-1: neither `Debug` nor errors show what the message holds.
#[test]
fn nothing_of_the_content_is_shown_phi_1() {
    let message = Message::parse(&admission()).unwrap();
    let incoming = crate::fixture::read(&admission()).unwrap();
    let shown = [
        format!("{message:?} {:?}", message.segments().collect::<Vec<_>>()),
        format!("{:?}", message.field("PID", 5)),
        format!("{incoming:?}"),
    ];
    for text in shown {
        for canary in ["Canary", "Ada", "4711", "555-0100", "Quay", "1961"] {
            assert!(!text.contains(canary), "{canary} in {text}");
        }
    }
    for (from, to) in [("19610504", "CANARY"), ("PV1|1", "CANARY|1"), ("20261120083000", "CANARY")]
    {
        let error = crate::fixture::read(&replaced(&admission(), from, to)).unwrap_err();
        assert!(!error.to_string().contains("CANARY") && !format!("{error:?}").contains("CANARY"));
    }
}

fn any_field() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,12}",
        "[\\\\|^~&#\"\\x00-\\x1F]{0,6}",
        "\\PC{0,8}",
        Just("\"\"".to_owned()),
        Just(String::new()),
    ]
}

const SEGMENTS: &str = "(\r(PID|PV1|OBX|OBR|EVN|MRG|PRT)(\\|[0-9A-Z^~&\"\\\\.+-]{0,9}){0,24}){0,6}";

proptest! {
    #[test]
    fn encoding_is_undone_by_parsing(
        fields in proptest::collection::vec(proptest::collection::vec(any_field(), 1..4), 1..8),
        header in prop_oneof![Just("MSH|^~\\&"), Just("MSH#!@%*"), Just("MSH|^~\\&#")],
    ) {
        let delimiters = schema_hl7::delimiters::Delimiters::of_header(header.as_bytes()).unwrap();
        let [field, component] = [delimiters.field, delimiters.component].map(char::from);
        let mut text = format!("{header}\rZZZ");
        for components in &fields {
            text.push(field);
            let escaped: Vec<String> =
                components.iter().map(|one| escape(one, &delimiters)).collect();
            text.push_str(&escaped.join(&component.to_string()));
        }
        let message = Message::parse_text(&text).unwrap();
        for (index, components) in fields.iter().enumerate() {
            let found = message.field("ZZZ", index + 1);
            for (place, expected) in components.iter().enumerate() {
                let part = found.component(place + 1);
                prop_assert_eq!(part.text(), expected.as_str());
                prop_assert!(!part.is_null());
            }
        }
        let again = Message::parse(&message.to_bytes().unwrap()).unwrap();
        prop_assert_eq!(again, message);
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        schema_hl7::fuzz_entry(&bytes);
    }

    #[test]
    fn arbitrary_segments_do_no_harm(body in SEGMENTS) {
        for kind in ["ADT^A01", "ADT^A40", "ADT^A37", "ADT^A08", "ORU^R01"] {
            let text = format!("MSH|^~\\&|A|B|C|D|20261120||{kind}|1|P|2.5{body}");
            schema_hl7::fuzz_entry(text.as_bytes());
        }
    }
}
