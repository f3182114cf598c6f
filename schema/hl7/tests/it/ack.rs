//! Answers: who they go to, what they echo, and the two forms of ERR.

use crate::fixture::{RECEIVED_AT, admission, read, replaced};
use schema_hl7::ack::{
    AckCode, AckProblem, Acknowledgement, acknowledge, application_ack_wanted, condition,
};
use schema_hl7::{Header, Message};
use schema_types::error_code::ErrorCode;

fn answer(request: &[u8], code: AckCode) -> String {
    let header = Header::salvage(request);
    let error = read(request).err();
    let problems: Vec<AckProblem<'_>> = error.as_ref().map(AckProblem::from).into_iter().collect();
    let answer =
        Acknowledgement { code, note: "", control_id: "M1", at: RECEIVED_AT, problems: &problems };
    String::from_utf8(acknowledge(header.as_ref(), &answer)).unwrap()
}

#[test]
fn acceptance_goes_back_to_the_sender() {
    assert_eq!(
        answer(&admission(), AckCode::Accept),
        "MSH|^~\\&|MED|NORTH|APP|NORTH|20261123000000+0000||ACK^A01^ACK|M1|P|2.5.1\
         ||||||UNICODE UTF-8\rMSA|AA|C1\r"
    );
}

#[test]
fn errors_name_place_condition_and_code() {
    let request = replaced(&admission(), "19610504", "someday");
    let text = answer(&request, AckCode::Error);
    let lines: Vec<&str> = text.split('\r').collect();
    assert_eq!(lines[1], "MSA|AE|C1");
    assert_eq!(
        lines[2],
        "ERR||PID^1^7|102^Data type error^HL70357|E\
         |MED-HL7-010^the value is not a date and time^L||PID-7|the value is not a date and time"
    );
}

#[test]
fn older_versions_get_the_older_form() {
    let request = replaced(&admission(), "|2.5.1|", "|2.3|");
    let request = replaced(&request, "19610504", "someday");
    let text = answer(&request, AckCode::Error);
    let lines: Vec<&str> = text.split('\r').collect();
    assert_eq!(lines[1], "MSA|AE|C1|MED-HL7-010 at PID-7: the value is not a date and time");
    assert_eq!(lines[2], "ERR|PID^1^7^102&Data type error&HL70357");
}

#[test]
fn delimiters_of_the_sender_are_used() {
    let request = b"MSH#!@%*#A#B#C#D#20261120##ADT!A01#X%F%1#P#2.5\rPID#1\r";
    let text = answer(request, AckCode::Error);
    assert!(text.starts_with("MSH#!@%*#C#D#A#B#"), "{text}");
    assert!(text.contains("\rMSA#AE#X%F%1\r"), "{text}");
    assert!(Message::parse(text.as_bytes()).is_ok());
}

#[test]
fn without_a_header_the_answer_is_a_rejection_to_nobody() {
    let text = answer(b"PID|1||4711", AckCode::Reject);
    let lines: Vec<&str> = text.split('\r').collect();
    assert_eq!(lines[0], "MSH|^~\\&|||||20261123000000+0000||ACK|M1|P|2.5.1");
    assert_eq!(lines[1], "MSA|AR");
    assert!(lines[2].contains("MED-HL7-001"));
}

#[test]
fn an_unsupported_version_is_answered_in_one_we_know() {
    let request = replaced(&admission(), "|2.5.1|", "|9.9|");
    let text = answer(&request, AckCode::Reject);
    assert!(text.contains("|P|2.5.1|") && text.contains("MSA|AR|C1"), "{text}");
}

#[test]
fn the_character_set_of_the_sender_is_used() {
    let header = "MSH|^~\\&|B\u{E4}r|N|||20261120||ADT^A01|1|P|2.5||||||8859/1\r";
    let latin: Vec<u8> = header.chars().map(|c| u8::try_from(c).unwrap()).collect();
    let message = Message::parse(&latin).unwrap();
    let header = Header::of(&message, 0);
    let plain = Acknowledgement {
        code: AckCode::Accept,
        note: "duplicate",
        control_id: "M1",
        at: RECEIVED_AT,
        problems: &[],
    };
    let bytes = acknowledge(Some(&header), &plain);
    assert!(bytes.windows(3).any(|three| three == b"B\xE4r"));
    assert!(bytes.windows(17).any(|part| part == b"MSA|AA|1|duplicat"));
}

#[test]
fn application_acknowledgements_are_sent_when_wanted() {
    let cases = [
        ("", "", true, true),
        ("AL", "AL", true, true),
        ("AL", "NE", true, false),
        ("AL", "ER", true, false),
        ("AL", "ER", false, true),
        ("AL", "SU", true, true),
        ("AL", "SU", false, false),
        ("AL", "", true, false),
    ];
    for (accept, application, success, wanted) in cases {
        let request = replaced(&admission(), "|||AL|NE|", &format!("|||{accept}|{application}|"));
        let header = Header::salvage(&request).unwrap();
        assert_eq!(application_ack_wanted(&header, success), wanted, "{accept} {application}");
    }
}

#[test]
fn every_code_of_this_format_has_a_condition() {
    for code in ErrorCode::ALL.iter().filter(|code| code.as_str().starts_with("MED-HL7")) {
        assert_ne!(condition(*code).0, "207", "{code}");
    }
    assert_eq!(condition(ErrorCode::Overloaded).0, "207");
}
