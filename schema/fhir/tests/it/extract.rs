//! Facts read from resources of our own making.

use crate::{context, resource};
use schema_fhir::extract::{EncounterLifecycle, PatientLinkRole};
use schema_fhir::{Facts, extract};
use schema_types::Decimal;
use schema_types::clinical::{EncounterClass, Observation, ObservationStatus, ObservationValue};
use schema_types::error_code::ErrorCode;
use schema_types::ids::EntityKind;
use schema_types::measure::Measure;
use schema_types::patient::{AdministrativeSex, FieldUpdate};
use schema_types::time::{MICROS_PER_DAY, Timestamp};

fn facts(json: &str) -> Facts {
    extract(&resource(json), &context())
}

/// An Observation with the given rest of properties.
fn observation(rest: &str) -> Vec<Observation> {
    let json = format!(r#"{{"resourceType":"Observation","id":"o","status":"final",{rest}}}"#);
    facts(&json).observations
}

const HEART_RATE: &str = r#""code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]}"#;
const AWARENESS: &str = r#""code":{"coding":[{"system":"http://loinc.org","code":"67775-7"}]}"#;

#[test]
fn every_kind_of_value() {
    let text = |words: &str| ObservationValue::Text(words.to_owned().into());
    let cases = [
        (r#""valueString":"72""#, text("72")),
        (r#""valueBoolean":true"#, text("true")),
        (r#""valueTime":"08:00:00""#, text("08:00:00")),
        (r#""valueDateTime":"2020""#, text("2020")),
        (r#""valuePeriod":{"start":"2020","end":"2021"}"#, text("2020 - 2021")),
        (r#""valueRange":{"low":{"value":1.0},"high":{"value":2,"unit":"g"}}"#, text("1.0 - 2 g")),
        (r#""valueRatio":{"numerator":{"value":1},"denominator":{"value":128}}"#, text("1 : 128")),
        (r#""valueQuantity":{"value":5,"comparator":"<","unit":"mg"}"#, text("<5 mg")),
        (r#""valueCodeableConcept":{"text":"positive"}"#, text("positive")),
        (
            r#""dataAbsentReason":{"coding":[{"code":"not-performed"}]}"#,
            ObservationValue::Absent("not-performed".to_owned()),
        ),
    ];
    for (value, expected) in cases {
        let found = observation(&format!(r#""code":{{"text":"x"}},{value}"#));
        assert_eq!(found.len(), 1, "{value}");
        assert_eq!(found[0].value, expected, "{value}");
        assert_eq!(found[0].measured, None);
    }
}

#[test]
fn quantities_keep_precision_and_are_measured() {
    let cases = [
        ("72", "/min", Some("72"), None),
        ("72.00", "", Some("72.00"), None),
        ("7.2E1", "/min", Some("72"), None),
        ("400", "/min", None, Some(ErrorCode::ClinicalImplausible)),
        ("0", "/min", None, Some(ErrorCode::ClinicalImplausible)),
        ("72", "mg", None, Some(ErrorCode::ClinicalUnit)),
    ];
    for (value, unit, measured, issue) in cases {
        let unit = if unit.is_empty() { String::new() } else { format!(r#","code":"{unit}""#) };
        let found =
            observation(&format!(r#"{HEART_RATE},"valueQuantity":{{"value":{value}{unit}}}"#));
        let expected: Option<Decimal> = measured.map(|text| text.parse().unwrap());
        assert_eq!(found[0].measured.map(|(_, value)| value), expected, "{value}");
        assert_eq!(found[0].issues, issue.into_iter().collect::<Vec<_>>(), "{value}");
    }
    let found = observation(r#""code":{"text":"x"},"valueQuantity":{"value":1.00}"#);
    let ObservationValue::Quantity(quantity) = &found[0].value else { panic!("no quantity") };
    assert_eq!(quantity.value.to_string(), "1.00");
    let tiny = observation(r#""code":{"text":"x"},"valueQuantity":{"value":1E-22}"#);
    let ObservationValue::Quantity(quantity) = &tiny[0].value else { panic!("no quantity") };
    assert_eq!(quantity.value.to_string(), "0.0000000000000000000001");
}

#[test]
fn consciousness_by_code_or_word() {
    let cases = [
        (r#""valueString":"Alert""#, Some(0)),
        (r#""valueCodeableConcept":{"coding":[{"code":"x"},{"code":"450847001"}]}"#, Some(3)),
        (r#""valueCodeableConcept":{"text":"Unresponsive"}"#, Some(4)),
        (r#""valueString":"asleep""#, None),
        (r#""valueInteger":3"#, None),
        (r#""valueQuantity":{"value":1}"#, None),
    ];
    for (value, level) in cases {
        let found = observation(&format!("{AWARENESS},{value}"));
        let expected = level.map(|level| (Measure::Consciousness, Decimal::from(level)));
        assert_eq!(found[0].measured, expected, "{value}");
    }
}

#[test]
fn a_number_as_text_has_no_unit_and_is_not_measured() {
    let found = observation(&format!(r#"{HEART_RATE},"valueString":"72""#));
    assert_eq!(found[0].measured, None);
    assert_eq!(found[0].issues, Vec::new());
}

#[test]
fn components_are_observations_of_their_own() {
    let found = observation(
        r#""code":{"coding":[{"system":"http://loinc.org","code":"85354-9"}]},
        "category":[{"coding":[{"code":"vital-signs"}]}],
        "effectiveDateTime":"2144-10-28T23:33:00-04:00",
        "device":{"reference":"Device/monitor-1"},"encounter":{"reference":"Encounter/e1"},
        "component":[
          {"code":{"coding":[{"code":"a"},{"system":"http://loinc.org","code":"8480-6"}]},
           "valueQuantity":{"value":120,"code":"mm[Hg]"}},
          {"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},
           "dataAbsentReason":{"coding":[{"code":"unknown"}]}}]"#,
    );
    let ids: Vec<&str> = found.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["o.c0", "o.c1"]);
    assert_eq!(found[0].measured, Some((Measure::SystolicPressure, Decimal::from(120))));
    assert_eq!(found[0].code.code, "8480-6", "the coding that names the measure");
    assert_eq!(found[1].value, ObservationValue::Absent("unknown".to_owned()));
    assert_eq!(found[1].provenance.position, "Observation.component[1]");
    for one in &found {
        assert_eq!(one.category, "vital-signs");
        assert_eq!(one.effective_at.unix_micros(), 5_516_998_380_000_000);
        assert_eq!(one.encounter.as_ref().map(|id| id.as_str()), Some("e1"));
        let device = one.device.as_ref().unwrap();
        assert_eq!((device.kind(), device.key()), (EntityKind::Device, "monitor-1"));
    }
}

#[test]
fn own_value_and_components_together() {
    let found = observation(
        r#""code":{"text":"Apgar"},"valueInteger":9,
        "component":[{"code":{"text":"pulse"},"valueInteger":2}]"#,
    );
    let ids: Vec<&str> = found.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["o", "o.c0"]);
    assert_eq!(found[0].effective_at, Timestamp::from_unix_seconds(1_000), "time of arrival");
}

#[test]
fn sampled_data() {
    let found = observation(
        r#""code":{"text":"ecg"},"valueSampledData":{"origin":{"value":2048,"code":"mV"},
        "period":10,"factor":1.612,"dimensions":1,"data":"2041 2043 E U L"}"#,
    );
    let ObservationValue::Sampled { origin, period_ms, factor, data } = &found[0].value else {
        panic!("not sampled")
    };
    assert_eq!((origin.value, origin.unit.as_str()), (Decimal::from(2048), "mV"));
    assert_eq!((*period_ms, factor.to_string().as_str()), (Decimal::from(10), "1.612"));
    assert_eq!(data, "2041 2043 E U L");
}

#[test]
fn statuses() {
    let cases = [
        ("registered", ObservationStatus::Preliminary),
        ("preliminary", ObservationStatus::Preliminary),
        ("final", ObservationStatus::Final),
        ("amended", ObservationStatus::Corrected),
        ("corrected", ObservationStatus::Corrected),
        ("cancelled", ObservationStatus::Withdrawn),
        ("entered-in-error", ObservationStatus::Withdrawn),
    ];
    for (code, expected) in cases {
        let json = format!(
            r#"{{"resourceType":"Observation","id":"o","status":"{code}","code":{{"text":"x"}}}}"#
        );
        assert_eq!(facts(&json).observations[0].status, expected, "{code}");
    }
}

#[test]
fn person() {
    let found = facts(
        r##"{"resourceType":"Patient","id":"p1","identifier":[
          {"system":"urn:b","value":"2"},
          {"type":{"coding":[{"code":"MR"}]},"system":"urn:a","value":"1"}],
        "name":[{"use":"old","family":"Former"},{"use":"usual","family":"Usual"},
          {"use":"official","family":"Doe","given":["Jane","Q"]}],
        "telecom":[{"system":"email","value":"a@b"},{"system":"phone","value":"555","use":"work"},
          {"system":"phone","value":"123","use":"home"}],
        "gender":"female","birthDate":"1980-02","deceasedDateTime":"2020-01-01",
        "address":[{"use":"home","line":["1 Road","Flat 2"],"city":"Town","postalCode":"X1"}],
        "link":[{"other":{"reference":"Patient/p2"},"type":"replaces"},
          {"other":{"reference":"Patient/p3"},"type":"seealso"}]}"##,
    );
    let patch = found.demographics.unwrap();
    let systems: Vec<&str> = patch.identifiers.iter().map(|one| one.system.as_str()).collect();
    assert_eq!(systems, ["urn:a", "urn:b"]);
    assert_eq!(patch.identifiers[0].type_code, "MR");
    let FieldUpdate::Set(name) = patch.name else { panic!("no name") };
    assert_eq!(name.expose().family, "Doe");
    assert_eq!(name.expose().given, ["Jane", "Q"]);
    assert_eq!(patch.birth_date, FieldUpdate::Set("1980-02".to_owned().into()));
    assert_eq!(patch.sex, FieldUpdate::Set(AdministrativeSex::Female));
    assert_eq!(patch.address, FieldUpdate::Set("1 Road, Flat 2, Town, X1".to_owned().into()));
    assert_eq!(patch.phone, FieldUpdate::Set("123".to_owned().into()));
    let died = Timestamp::from_unix_seconds(1_577_836_800);
    assert_eq!(patch.deceased_at, FieldUpdate::Set(died));
    assert_eq!(found.links.len(), 1);
    assert_eq!(found.links[0].role, PatientLinkRole::Replaces);
    assert_eq!(found.links[0].other.id(), Some("p2"));
    assert_eq!(found.patient_reference.unwrap().id(), Some("p1"));
    let empty = facts(r#"{"resourceType":"Patient","deceasedBoolean":false}"#);
    let patch = empty.demographics.unwrap();
    assert_eq!((patch.name, patch.deceased_at), (FieldUpdate::Keep, FieldUpdate::Clear));
}

#[test]
fn stays() {
    let classes = [
        ("IMP", EncounterClass::Inpatient),
        ("ACUTE", EncounterClass::Inpatient),
        ("AMB", EncounterClass::Outpatient),
        ("EMER", EncounterClass::Emergency),
        ("VR", EncounterClass::Virtual),
        ("PRENC", EncounterClass::PreAdmission),
        ("zzz", EncounterClass::Unknown),
    ];
    for (code, class) in classes {
        let json = format!(
            r#"{{"resourceType":"Encounter","id":"e",
            "status":"finished","class":{{"code":"{code}"}},
            "period":{{"start":"2020-01-01","end":"2020-01-02"}},"location":[
              {{"location":{{"reference":"Location/l1"}},"period":{{"start":"2020-01-01"}}}}]}}"#
        );
        let stay = facts(&json).encounter.unwrap();
        assert_eq!((stay.class, stay.lifecycle), (class, EncounterLifecycle::Finished), "{code}");
        let (from, until) = (stay.started_at.unwrap(), stay.ended_at.unwrap());
        assert_eq!(until.micros_since(from), MICROS_PER_DAY);
        assert_eq!(stay.locations[0].location.id(), Some("l1"));
        assert_eq!(stay.locations[0].until, None);
    }
}

#[test]
fn patient_and_date_of_other_types() {
    let cases = [
        (
            r#"{"resourceType":"AllergyIntolerance","patient":{"reference":"Patient/1"},
            "onsetDateTime":"1970-01-02"}"#,
            Some("1"),
            Some(MICROS_PER_DAY),
        ),
        (
            r#"{"resourceType":"Coverage","subscriber":{"reference":"Patient/2"},
            "beneficiary":{"reference":"Patient/1"},"period":{"end":"1970-01-01"}}"#,
            Some("1"),
            Some(MICROS_PER_DAY - 1),
        ),
        (
            r#"{"resourceType":"Task","for":{"reference":"http://x/fhir/Patient/1"},
            "authoredOn":"1970"}"#,
            Some("1"),
            Some(0),
        ),
        (
            r#"{"resourceType":"Appointment","participant":[{"actor":{"reference":"Location/9"}},
            {"actor":{"reference":"Patient/1"}}]}"#,
            Some("1"),
            None,
        ),
        (r#"{"resourceType":"Observation","subject":{"reference":"Group/1"}}"#, None, None),
        (
            r#"{"resourceType":"Observation","effectiveTiming":{"event":[
            "1970-01-03","1970-01-02"]}}"#,
            None,
            Some(MICROS_PER_DAY),
        ),
        (
            r#"{"resourceType":"Condition","onsetString":"long ago","recordedDate":"1970-01-02"}"#,
            None,
            Some(MICROS_PER_DAY),
        ),
        (r#"{"resourceType":"Organization","name":"x"}"#, None, None),
    ];
    for (json, patient, date) in cases {
        let found = facts(json);
        let id = found.patient_reference.as_ref().and_then(|reference| reference.id());
        assert_eq!(id, patient, "{json}");
        let anchor = found.date.and_then(|date| date.anchor()).map(Timestamp::unix_micros);
        assert_eq!(anchor, date, "{json}");
    }
}

#[test]
fn codes_categories_and_status() {
    let found = facts(
        r#"{"resourceType":"AllergyIntolerance","clinicalStatus":{"coding":[{"code":"active"}]},
        "category":["food","environment"],"code":{"coding":[{"system":"s","code":"1"},
        {"system":"s","code":"1"}],"text":"Peanut"}}"#,
    );
    assert_eq!(found.status, "active");
    assert_eq!(found.codes.len(), 1);
    assert_eq!(found.codes[0].display, "Peanut");
    let categories: Vec<&str> = found.categories.iter().map(|one| one.code.as_str()).collect();
    assert_eq!(categories, ["food", "environment"]);
}
