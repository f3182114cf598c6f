//! ORU: values of every type, times, status, devices, and what may be scored.

use crate::fixture::{OBR, PID, PV1, at, join, msh, read, replaced, vitals};
use schema_hl7::Payload;
use schema_types::Decimal;
use schema_types::clinical::{Code, Observation, ObservationStatus, ObservationValue};
use schema_types::error_code::ErrorCode;
use schema_types::measure::{LOINC_SYSTEM, Measure};
use schema_types::phi::Phi;
use schema_types::quantity::Quantity;

fn observations(bytes: &[u8]) -> Vec<Observation> {
    let payload = read(bytes).unwrap().payload;
    let Payload::Observations { observations, .. } = payload else { panic!("not an ORU") };
    observations
}

fn of(segments: &[&str]) -> Vec<Observation> {
    observations(&[join(&[&msh("ORU^R01"), PID, PV1]), join(segments)].concat())
}

fn only(obx: &str) -> Observation {
    let mut found = of(&[OBR, obx]);
    assert_eq!(found.len(), 1, "{obx}");
    found.remove(0)
}

fn text(text: &str) -> ObservationValue {
    ObservationValue::Text(Phi::new(text.to_owned()))
}

fn quantity(value: &str, unit: &str) -> ObservationValue {
    ObservationValue::Quantity(Quantity { value: value.parse().unwrap(), unit: unit.to_owned() })
}

#[test]
fn a_panel_becomes_measures_in_their_units() {
    let found = observations(&vitals());
    let measured: Vec<(Measure, String)> = found
        .iter()
        .filter_map(|one| one.measured)
        .map(|(measure, value)| (measure, value.to_string()))
        .collect();
    assert_eq!(
        measured,
        [
            (Measure::HeartRate, "104".to_owned()),
            (Measure::OxygenSaturation, "91".to_owned()),
            (Measure::BodyTemperature, "38.5".to_owned()),
            (Measure::Consciousness, "0".to_owned()),
        ]
    );
    assert_eq!(found[0].effective_at, at("20261120080100"), "OBX-14");
    assert_eq!(found[1].effective_at, at("20261120080000"), "OBR-7");
    assert!(found.iter().all(|one| one.category == "vital-signs"));
    assert!(found.iter().all(|one| one.status == ObservationStatus::Final));
    let stay = found[0].encounter.as_ref().unwrap();
    assert_eq!(stay.as_str(), "NORTH.V900");
    assert_eq!(found[2].provenance.position, "OBX-3");
}

#[test]
fn values_are_kept_as_their_type_says() {
    let coded = |code: &str, display: &str, system: &str| {
        let (code, display, system) = (code.into(), display.into(), system.into());
        ObservationValue::Coded(Code { system, code, display })
    };
    let absent = |reason: &str| ObservationValue::Absent(reason.to_owned());
    let cases = [
        ("NM|X||+7.50|mL", quantity("7.50", "mL")),
        ("NM|X|| .5 |^drops", quantity("0.5", "drops")),
        ("NM|X||", absent("")),
        ("NM|X||\"\"", absent("")),
        ("SN|X||^12|mL", quantity("12", "mL")),
        ("SN|X||=^12|mL", quantity("12", "mL")),
        ("SN|X||>^12", text(">12")),
        ("SN|X||^1^:^128", text("1:128")),
        ("ST|X||positive", text("positive")),
        ("TX|X||one~two", text("one\ntwo")),
        ("FT|X||a\\.br\\b\\T\\c", text("a\nb&c")),
        (
            "CWE|X||260415000^Not detected^SCT",
            coded("260415000", "Not detected", "http://snomed.info/sct"),
        ),
        ("CE|X||^^^L1^Local^99L", coded("L1", "Local", "99L")),
        ("CNE|X||^just text", text("just text")),
        ("DT|X||20261120", text("20261120")),
        ("DT|X||99999999", absent("unknown")),
        ("TS|X||20261120101112.5+0100", text("20261120101112.5+0100")),
        ("TM|X||1011", text("1011")),
        ("ED|X||A^B^C^Base64^QUJD", absent("document in the archived message")),
        ("RP|X||http://images/1^A", text("http://images/1^A")),
        ("|X||untyped", text("untyped")),
    ];
    for (rest, expected) in cases {
        assert_eq!(only(&format!("OBX|1|{rest}")).value, expected, "{rest}");
    }
    let many = of(&[OBR, "OBX|1|NM|X||27~25|kg", "OBX|2|CE|Y||A^^L~B^^L"]);
    assert_eq!(many.len(), 4, "one observation per repetition of a number or code");
    let ids: std::collections::BTreeSet<_> = many.iter().map(|one| one.id.clone()).collect();
    assert_eq!(ids.len(), 4);
    let wave = only("OBX|1|NA|X||1^2^^3~4^5|mV");
    let ObservationValue::Sampled { data, factor, .. } = wave.value else { panic!("no samples") };
    assert_eq!((data.as_str(), factor), ("1 2 E 3 4 5", Decimal::ONE));
}

#[test]
fn values_that_are_not_of_their_type_refuse_the_message() {
    let cases = [
        ("NM|X||ninety", "-5"),
        ("NM|X||1e3", "-5"),
        ("NM|X||1,5", "-5"),
        ("NM|X||<5", "-5"),
        ("NM|X||12345678901234567890123456789012", "-5"),
        ("SN|X||^many", "-5"),
        ("NA|X||1^x", "-5"),
        ("DT|X||20261332", "-5"),
        ("TM|X||2561", "-5"),
        ("NM|X||1||||||?", "-11"),
        ("NM|X||1||||||F|||20261399", "-14"),
        ("NM|||1", "-3"),
    ];
    for (rest, field) in cases {
        let bytes = join(&[&msh("ORU^R01"), PID, OBR, "OBX|1|ST|X||ok", &format!("OBX|2|{rest}")]);
        let error = read(&bytes).unwrap_err();
        assert_eq!(error.position.to_string(), format!("OBX[2]{field}"), "{rest}");
        assert!(matches!(error.code, ErrorCode::Hl7DataType | ErrorCode::Hl7FieldMissing));
    }
}

#[test]
fn loinc_is_preferred_wherever_it_stands() {
    let cases = [
        ("8867-4^Heart rate^LN^HR^Puls^99L", "8867-4"),
        ("HR^Puls^99L^8867-4^Heart rate^LN", "8867-4"),
        ("HR^Puls^99L^147842^HR^MDC", "147842"),
        ("HR^Puls^99L^HX^x^99X", "HR"),
    ];
    for (element, code) in cases {
        let found = only(&format!("OBX|1|NM|{element}||70|/min|||||F"));
        assert_eq!(found.code.code, code);
        assert_eq!(found.measured.is_some(), code != "HR", "{element}");
    }
    assert_eq!(only("OBX|1|NM|8867-4^^LN||70").code.system, LOINC_SYSTEM);
    let text = of(&[OBR, "OBX|1|TX|||narrative"]);
    assert_eq!(text[0].code.code, "85353-1", "uncoded text is the result of the order");
}

#[test]
fn doubtful_values_are_kept_and_not_scored() {
    let cases = [
        ("NM|8867-4^^LN||900|/min", Some(ErrorCode::ClinicalImplausible)),
        ("NM|8867-4^^LN||70|furlong", Some(ErrorCode::ClinicalUnit)),
        ("NM|8310-5^^LN||101.3|Cel", Some(ErrorCode::ClinicalImplausible)),
        ("NM|80288-4^^LN||4|", Some(ErrorCode::ClinicalUnit)),
        ("ST|8867-4^^LN||fast|/min", None),
        ("CWE|80288-4^^LN||Z^Sedated^L", None),
        ("SN|8867-4^^LN||>^200|/min", None),
        ("NM|8867-4^^LN||70|/min|||||X", None),
    ];
    for (rest, issue) in cases {
        let found = only(&format!("OBX|1|{rest}"));
        assert_eq!(found.measured, None, "{rest}");
        assert_eq!(found.issues, Vec::from_iter(issue), "{rest}");
    }
}

#[test]
fn units_and_types_that_senders_really_use_are_scored() {
    let cases = [
        ("NM|8867-4^^LN||70|beats/min^^ISO", "70"),
        ("NM|8867-4^^LN||70|", "70"),
        ("ST|8867-4^^LN||70|/min", "70"),
        ("NM|8480-6^^LN||120|mm(hg)", "120"),
        ("NM|8480-6^^LN||120|X^mm[Hg]^L", "120"),
        ("NM|718-7^^LN||13|gm/dl", "13"),
        ("NM|777-3^^LN||210|giga.l-1", "210"),
        ("SN|2160-0^^LN||^1.1|mg/dl", "1.1"),
        ("ST|80288-4^^LN||Voice", "2"),
        ("CWE|67775-7^^LN||V1^unresponsive^L", "4"),
        ("NM|consciousness^^MEDULLA||3|", "3"),
        ("NM|3151-8^^LN||0|L/min", "0"),
    ];
    for (rest, value) in cases {
        let found = only(&format!("OBX|1|{rest}"));
        let (_, number) = found.measured.unwrap_or_else(|| panic!("{rest}: {:?}", found.issues));
        assert_eq!(number, value.parse::<Decimal>().unwrap(), "{rest}");
    }
    let lab = of(&["OBR|1|P|F|24323-8^Panel^LN|||20261120", "OBX|1|NM|2160-0^^LN||1|mg/dL"]);
    assert_eq!(lab[0].category, "laboratory");
}

#[test]
fn status_says_how_final_a_value_is() {
    let cases = [
        ("F", ObservationStatus::Final, true),
        ("", ObservationStatus::Final, true),
        ("C", ObservationStatus::Corrected, true),
        ("P", ObservationStatus::Preliminary, true),
        ("R", ObservationStatus::Preliminary, true),
        ("I", ObservationStatus::Preliminary, false),
        ("D", ObservationStatus::Withdrawn, true),
        ("W", ObservationStatus::Withdrawn, true),
        ("X", ObservationStatus::Final, false),
    ];
    for (code, status, has_value) in cases {
        let found = only(&format!("OBX|1|ST|X||v||||||{code}"));
        let kept = found.value == text("v");
        assert_eq!((found.status, kept), (status, has_value), "{code}");
    }
}

#[test]
fn the_same_result_keeps_its_id_and_another_gets_its_own() {
    let id = |bytes: &[u8], index: usize| observations(bytes)[index].id.clone();
    let corrected = replaced(&vitals(), "104|/min^/min^UCUM|60-100|H|||F", "96|/min|||||C");
    let corrected = replaced(&corrected, "|C1|", "|C2|");
    assert_eq!(id(&vitals(), 0), id(&corrected, 0), "a correction replaces");
    assert_ne!(id(&vitals(), 0), id(&vitals(), 1));
    let later = replaced(&vitals(), "20261120080100", "20261120090100");
    assert_ne!(id(&vitals(), 0), id(&later, 0), "a later value does not");
    let unnumbered = replaced(&vitals(), "|F88|", "||");
    assert_eq!(id(&unnumbered, 0), id(&unnumbered, 0));
    assert_ne!(id(&unnumbered, 0), id(&replaced(&unnumbered, "|C1|", "|C2|"), 0));
    let twice = of(&[OBR, "OBX|1|ST|X||a", "OBX|2|ST|X||b"]);
    assert_ne!(twice[0].id, twice[1].id);
    assert!(twice[0].id.as_str().len() <= 64 && !twice[0].id.as_str().contains('|'));
}

#[test]
fn devices_are_named_by_obx_18_or_prt() {
    let with = |segments: &[&str]| of(segments)[0].device.clone();
    let named = with(&[OBR, "OBX|1|NM|8867-4^^LN||70|/min|||||F|||||||MON7^WARD"]).unwrap();
    assert_eq!(named.key(), "WARD.MON7");
    let part = "PRT|1|UC||EQUIP||||||MON8^^0011223344556677^EUI-64";
    let found = with(&[OBR, "OBX|1|NM|8867-4^^LN||70", part]).unwrap();
    assert_eq!(found.key(), "0011223344556677.MON8");
    assert_eq!(with(&[OBR, "OBX|1|NM|8867-4^^LN||70"]), None);
}

#[test]
fn times_fall_back_and_the_future_is_refused() {
    let effective = |obr: &str, obx: &str| of(&[obr, obx])[0].effective_at;
    let bare = "OBX|1|ST|X||v";
    assert_eq!(effective("OBR|1|P|F|X|||20261119", bare), at("20261119"));
    let reported = format!("OBR|1|P|F|X{}20261118", "|".repeat(18));
    assert_eq!(effective(&reported, bare), at("20261118"));
    assert_eq!(effective("OBR|1|P|F|X", bare), at("20261120090000"), "MSH-7");
    let soon = "OBX|1|ST|X||v||||||F|||20261123235900";
    assert_eq!(effective(OBR, soon), at("20261123235900"), "within the tolerance");
    let bytes = join(&[&msh("ORU^R01"), PID, OBR, "OBX|1|ST|X||v||||||F|||20261124000001"]);
    let error = read(&bytes).unwrap_err();
    assert_eq!(error.code, ErrorCode::ClinicalFuture);
    assert_eq!(error.position.to_string(), "OBX[1]-14");
}

#[test]
fn results_of_two_people_in_one_message_are_refused() {
    let other = "PID|2||4712^^^NORTH^MR";
    let obx = "OBX|1|ST|X||v";
    let mixed = join(&[&msh("ORU^R01"), PID, OBR, obx, other, OBR, obx]);
    assert_eq!(read(&mixed).unwrap_err().position.to_string(), "PID[2]");
    let same = join(&[&msh("ORU^R01"), PID, OBR, obx, PID, OBR, obx]);
    assert_eq!(observations(&same).len(), 2);
    for kind in ["ORU^R30", "ORU^R31", "ORU^R32", "ORU"] {
        assert_eq!(observations(&join(&[&msh(kind), PID, OBR, obx])).len(), 1, "{kind}");
    }
}
