//! Messages written for these tests. Every person in them is invented.

use schema_hl7::{DecodeContext, Hl7Error, Incoming, Message, decode};
use schema_types::ids::{MessageDigest, TenantId};
use schema_types::time::Timestamp;

/// 2026-11-23T00:00:00Z.
pub(crate) const RECEIVED_AT: Timestamp = Timestamp::from_unix_seconds(1_795_392_000);

pub(crate) const PID: &str =
    "PID|1||4711^^^NORTH^MR||Canary^Ada^Maria^^^^L||19610504|F|||1 Quay^^Port^^1000||555-0100";
pub(crate) const PV1: &str = "PV1|1|I|W2^R4^B1^NORTH|||W1^R1^B2^NORTH|||||||||||||V900^^^NORTH^VN";
pub(crate) const OBR: &str = "OBR|1|P77|F88|85353-1^Vital signs panel^LN|||20261120080000";

/// A header of version 2.5.1 in UTF-8 with a type and a control id.
pub(crate) fn msh(kind: &str) -> String {
    format!(
        "MSH|^~\\&|APP|NORTH|MED|NORTH|20261120090000||{kind}|C1|P|2.5.1|||AL|NE||UNICODE UTF-8"
    )
}

pub(crate) fn evn(trigger: &str) -> String {
    format!("EVN|{trigger}|20261120085900|||OP|20261120083000")
}

/// Segments ended as the standard says.
pub(crate) fn join(segments: &[&str]) -> Vec<u8> {
    segments.iter().flat_map(|segment| [segment.as_bytes(), b"\r"].concat()).collect()
}

pub(crate) fn admission() -> Vec<u8> {
    join(&[&msh("ADT^A01^ADT_A01"), &evn("A01"), PID, PV1])
}

pub(crate) fn vitals() -> Vec<u8> {
    join(&[
        &msh("ORU^R01^ORU_R01"),
        PID,
        PV1,
        OBR,
        "OBX|1|NM|8867-4^Heart rate^LN||104|/min^/min^UCUM|60-100|H|||F|||20261120080100",
        "OBX|2|NM|59408-5^SpO2^LN||91|%^%^UCUM|95-100|L|||F",
        "OBX|3|NM|8310-5^Temperature^LN||101.3|[degF]|||||F",
        "OBX|4|CWE|80288-4^Consciousness^LN||LA9340-6^Alert^LN||||||F",
        "NTE|1||Line one\\.br\\Line two",
        "ZVX|local|kept",
    ])
}

pub(crate) fn context(bytes: &[u8]) -> DecodeContext {
    DecodeContext {
        tenant: TenantId::new("test"),
        digest: MessageDigest::of(bytes),
        received_at: RECEIVED_AT,
        default_utc_offset_minutes: 0,
    }
}

pub(crate) fn read(bytes: &[u8]) -> Result<Incoming, Hl7Error> {
    decode(&Message::parse(bytes)?, &context(bytes))
}

/// The bytes with a piece of text replaced; the piece must be there.
pub(crate) fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(text.contains(from), "the fixture does not hold {from}");
    text.replace(from, to).into_bytes()
}

pub(crate) fn at(text: &str) -> Timestamp {
    schema_hl7::time::parse_time(text, 0).unwrap().at
}
