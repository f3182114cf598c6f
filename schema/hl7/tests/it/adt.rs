//! ADT: movements, person data, joins and separations.

use crate::fixture::{PID, PV1, admission, at, evn, join, msh, read, replaced};
use schema_hl7::Payload;
use schema_hl7::typed::Adt;
use schema_types::clinical::{EncounterClass, Location, Movement, MovementKind};
use schema_types::ids::EncounterId;
use schema_types::patient::{AdministrativeSex, FieldUpdate, PersonName};
use schema_types::phi::Phi;

fn adt(bytes: &[u8]) -> Adt {
    let payload = read(bytes).unwrap().payload;
    let Payload::Adt(adt) = payload else { panic!("not an ADT of one person") };
    *adt
}

fn movement(bytes: &[u8]) -> (EncounterId, Movement) {
    adt(bytes).movement.unwrap()
}

fn event(trigger: &str) -> Vec<u8> {
    join(&[&msh(&format!("ADT^{trigger}")), &evn(trigger), PID, PV1])
}

#[test]
fn each_trigger_has_its_movement() {
    let cases = [
        ("A01", MovementKind::Admit),
        ("A02", MovementKind::Transfer),
        ("A03", MovementKind::Discharge),
        ("A04", MovementKind::Register),
        ("A05", MovementKind::PreAdmit),
        ("A06", MovementKind::ToInpatient),
        ("A07", MovementKind::ToOutpatient),
        ("A08", MovementKind::Update),
        ("A11", MovementKind::CancelAdmit),
        ("A12", MovementKind::CancelTransfer),
        ("A13", MovementKind::CancelDischarge),
    ];
    for (trigger, kind) in cases {
        assert_eq!(movement(&event(trigger)).1.kind, kind, "{trigger}");
    }
    for trigger in ["A28", "A31"] {
        assert_eq!(adt(&event(trigger)).movement, None, "{trigger}");
    }
    let update = join(&[&msh("ADT^A08"), &evn("A08"), PID]);
    assert_eq!(adt(&update).movement, None, "A08 without PV1 changes the person only");
}

#[test]
fn a_movement_says_what_when_and_where() {
    let (encounter, movement) = movement(&admission());
    let place = |ward: &str, room: &str, bed: &str| Location {
        facility: "NORTH".into(),
        ward: ward.into(),
        room: room.into(),
        bed: bed.into(),
    };
    assert_eq!(encounter.as_str(), "NORTH.V900");
    assert_eq!(movement.at, at("20261120083000"));
    assert_eq!(movement.message_id, "C1");
    assert_eq!(movement.class, EncounterClass::Inpatient);
    assert_eq!(movement.location, Some(place("W2", "R4", "B1")));
    assert_eq!(movement.prior_location, Some(place("W1", "R1", "B2")));
    assert_eq!(movement.provenance.source.as_str(), "APP|NORTH");
    assert_eq!(movement.provenance.position, "PV1");
}

#[test]
fn the_time_of_an_event_falls_back() {
    let cases = [
        ("EVN|A01|20261120085900|||OP|20261120083000", "20261120083000"),
        ("EVN|A01|20261120085900", "20261120085900"),
        ("EVN|A01|20261120085900-0100", "20261120095900"),
        ("EVN|A01", "20261120090000"),
        ("EVN|A01|\"\"", "20261120090000"),
        ("ZZZ", "20261120090000"),
    ];
    for (evn, expected) in cases {
        let bytes = join(&[&msh("ADT^A01"), evn, PID, PV1]);
        assert_eq!(adt(&bytes).event_at, at(expected), "{evn}");
    }
    let zoned = replaced(&event("A01"), "|20261120090000|", "|20261120090000+0200|");
    assert_eq!(adt(&zoned).event_at, at("20261120063000"), "the offset of MSH-7 holds for all");
}

#[test]
fn the_stay_falls_back_to_account_and_default() {
    let no_visit = replaced(&admission(), "V900^^^NORTH^VN", "");
    assert_eq!(movement(&no_visit).0.as_str(), "default");
    let account = replaced(&no_visit, "||555-0100", "||555-0100|||||A55^^^BILL");
    assert_eq!(movement(&account).0.as_str(), "BILL.A55");
    let bare = replaced(&admission(), "V900^^^NORTH^VN", "V900");
    assert_eq!(movement(&bare).0.as_str(), "NORTH.V900");
}

#[test]
fn the_key_is_the_best_identifier() {
    let cases = [
        ("|4711^^^NORTH^MR", "NORTH.4711"),
        ("|9^^^SSA^SS~4711^^^NORTH^MR", "NORTH.4711"),
        ("|1^^^SOUTH^MR~4711^^^NORTH^MR", "NORTH.4711"),
        ("|1^^^SOUTH^MR~9^^^NORTH^PI", "SOUTH.1"),
        ("|9^^^X^PI~8^^^Y^PT", "X.9"),
        ("|~8^^^Y^PT", "Y.8"),
        ("|4711", "NORTH.4711"),
        ("|4711^^^&1.2.3&ISO", "1.2.3.4711"),
        ("P2^^^OLD|", "OLD.P2"),
        ("P2^^^OLD|\"\"", "OLD.P2"),
        ("||P4^^^ALT", "ALT.P4"),
        ("| 4711 ^^^NORTH", "NORTH.4711"),
    ];
    for (fields, key) in cases {
        let bytes = replaced(&admission(), "PID|1||4711^^^NORTH^MR|", &format!("PID|1|{fields}|"));
        assert_eq!(adt(&bytes).patient.key, Phi::new(key.to_owned()), "{fields}");
    }
}

#[test]
fn person_data_are_read() {
    let patient = adt(&admission()).patient;
    let name = PersonName { family: "Canary".into(), given: vec!["Ada".into(), "Maria".into()] };
    assert_eq!(patient.patch.name, FieldUpdate::Set(Phi::new(name)));
    assert_eq!(patient.patch.birth_date, FieldUpdate::Set(Phi::new("1961-05-04".into())));
    assert_eq!(patient.patch.sex, FieldUpdate::Set(AdministrativeSex::Female));
    let address = "1 Quay, Port, 1000".to_owned();
    assert_eq!(patient.patch.address, FieldUpdate::Set(Phi::new(address)));
    assert_eq!(patient.patch.phone, FieldUpdate::Set(Phi::new("555-0100".into())));
    assert_eq!(patient.patch.deceased_at, FieldUpdate::Keep);
    assert_eq!(patient.stated_at, at("20261120085900"));
    assert_eq!(patient.identifiers.len(), 1);
    assert_eq!(patient.identifiers, patient.patch.identifiers);
}

#[test]
fn empty_keeps_and_two_quotes_clear() {
    let of = |pid: &str| adt(&join(&[&msh("ADT^A31"), &evn("A31"), pid])).patient.patch;
    let kept = of("PID|1||1^^^N^MR");
    assert_eq!(kept.name, FieldUpdate::Keep);
    assert_eq!(kept.birth_date, FieldUpdate::Keep);
    assert_eq!(kept.sex, FieldUpdate::Keep);
    assert_eq!(kept.address, FieldUpdate::Keep);
    assert_eq!(kept.phone, FieldUpdate::Keep);
    let null = "\"\"";
    let cleared =
        format!("PID|1||1^^^N^MR||{null}||{null}|{null}|||{null}||{null}||||||||||||||||{null}");
    let cleared = of(&cleared);
    assert_eq!(cleared.name, FieldUpdate::Clear);
    assert_eq!(cleared.birth_date, FieldUpdate::Clear);
    assert_eq!(cleared.sex, FieldUpdate::Clear);
    assert_eq!(cleared.address, FieldUpdate::Clear);
    assert_eq!(cleared.phone, FieldUpdate::Clear);
    assert_eq!(cleared.deceased_at, FieldUpdate::Clear);
    let died = of(&format!("PID|1||1^^^N^MR{}20261101|Y", "|".repeat(26)));
    assert_eq!(died.deceased_at, FieldUpdate::Set(at("20261101")));
    let local = of("PID|1||1^^^N^MR|||||7");
    assert_eq!(local.sex, FieldUpdate::Keep, "a local code must not overwrite");
}

#[test]
fn merges_pair_each_patient_with_the_retired_record() {
    let bytes = join(&[
        &msh("ADT^A40"),
        &evn("A40"),
        "PID|1||1^^^NORTH^MR",
        "PD1|x",
        "MRG|2^^^NORTH^MR~9^^^SSA^SS",
        "PID|2||3^^^NORTH^MR",
        "MRG|4",
    ]);
    let Payload::Merge { event_at, merges } = read(&bytes).unwrap().payload else {
        panic!("not a merge")
    };
    let keys: Vec<(&str, &str)> = merges
        .iter()
        .map(|merge| (merge.survivor.key.expose().as_str(), merge.retired_key.expose().as_str()))
        .collect();
    assert_eq!(keys, [("NORTH.1", "NORTH.2"), ("NORTH.3", "NORTH.4")]);
    assert_eq!(merges[0].retired_identifiers.len(), 2);
    assert_eq!(event_at, at("20261120083000"));
}

#[test]
fn incomplete_merges_are_refused() {
    let cases: [(&[&str], &str); 5] = [
        (&["PID|1||1^^^N^MR"], "MED-HL7-008 at MRG"),
        (&["PID|1||1^^^N^MR", "PID|2||3^^^N^MR", "MRG|4"], "MED-HL7-008 at MRG"),
        (&["PID|1||1^^^N^MR", "MRG|"], "MED-HL7-009 at MRG-1"),
        (&["PID|1||1^^^N^MR", "MRG|2", "MRG|3"], "MED-HL7-008 at PID"),
        (&["PID|1", "MRG|2"], "MED-HL7-009 at PID-3"),
    ];
    for (segments, expected) in cases {
        let bytes = [join(&[&msh("ADT^A40"), &evn("A40")]), join(segments)].concat();
        let error = read(&bytes).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{segments:?} gave {error}");
    }
}

#[test]
fn a37_names_both_records() {
    let bytes = join(&[&msh("ADT^A37"), &evn("A37"), "PID|1||1^^^N^MR", "PID|2||2^^^N^MR"]);
    let Payload::Unlink { first, second, .. } = read(&bytes).unwrap().payload else {
        panic!("not an unlink")
    };
    assert_eq!((first.key.expose().as_str(), second.key.expose().as_str()), ("N.1", "N.2"));
    let alone = join(&[&msh("ADT^A37"), &evn("A37"), "PID|1||1^^^N^MR"]);
    assert!(read(&alone).unwrap_err().to_string().starts_with("MED-HL7-008 at PID[2]"));
}
