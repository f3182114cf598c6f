//! Structural rules, one small resource per rule: what is accepted, what is refused and where.

use crate::resource;
use schema_fhir::{Limits, Resource};
use schema_types::error_code::ErrorCode;

/// Sound resources.
const SOUND: &[&str] = &[
    r#"{"resourceType":"Patient"}"#,
    r#"{"resourceType":"Patient","id":"a","birthDate":"1980-02","_birthDate":{"extension":[
        {"url":"http://x/time","valueDateTime":"1980-02-01T10:00:00Z"}]}}"#,
    r#"{"resourceType":"Patient","_birthDate":{"id":"a"}}"#,
    r#"{"resourceType":"Patient","name":[{"given":["A",null],"_given":[null,{"id":"x"}]}]}"#,
    r##"{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"o","name":"O"}],
        "managingOrganization":{"reference":"#o"}}"##,
    r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueString":" "}"#,
    r#"{"resourceType":"Observation","_status":{"id":"s"},"code":{"text":"x"},
        "dataAbsentReason":{"text":"broken"}}"#,
    r#"{"resourceType":"Encounter","status":"planned","class":{"code":"IMP"},
        "period":{"start":"2020-01-01","end":"2020-01-01T08:00:00Z"}}"#,
    r#"{"resourceType":"MedicationRequest","status":"active","intent":"order",
        "medicationReference":{"reference":"Medication/1"},"subject":{"reference":"Patient/1"}}"#,
    r#"{"resourceType":"Account","status":"whatever","unheard":{"of":[1,2.50]}}"#,
    r#"{"resourceType":"Parameters","parameter":[{"name":"x","resource":
        {"resourceType":"Patient"}}]}"#,
];

/// Unsound resources: JSON, path of the first problem, FHIR issue type.
const UNSOUND: &[(&str, &str, &str)] = &[
    (r#"{"resourceType":"Patient","foo":1}"#, "Patient.foo", "structure"),
    (r#"{"resourceType":"Patient","Jane Doe":1}"#, "Patient.?", "structure"),
    (r#"{"resourceType":"Patient","active":"true"}"#, "Patient.active", "value"),
    (r#"{"resourceType":"Patient","active":null}"#, "Patient.active", "structure"),
    (r#"{"resourceType":"Patient","name":{"family":"A"}}"#, "Patient.name", "structure"),
    (r#"{"resourceType":"Patient","name":[]}"#, "Patient.name", "structure"),
    (r#"{"resourceType":"Patient","name":[{}]}"#, "Patient.name[0]", "structure"),
    (r#"{"resourceType":"Patient","name":[{"family":""}]}"#, "Patient.name[0].family", "value"),
    (
        r#"{"resourceType":"Patient","name":[{"given":[null]}]}"#,
        "Patient.name[0].given[0]",
        "structure",
    ),
    (r#"{"resourceType":"Patient","gender":["male"]}"#, "Patient.gender", "structure"),
    (r#"{"resourceType":"Patient","gender":"M"}"#, "Patient.gender", "code-invalid"),
    (r#"{"resourceType":"Patient","birthDate":"1980-02-30"}"#, "Patient.birthDate", "value"),
    (r#"{"resourceType":"Patient","_birthDate":{}}"#, "Patient._birthDate", "structure"),
    (
        r#"{"resourceType":"Patient","_birthDate":{"value":1}}"#,
        "Patient._birthDate.value",
        "structure",
    ),
    (r#"{"resourceType":"Patient","_name":[{"id":"x"}]}"#, "Patient._name", "structure"),
    (
        r#"{"resourceType":"Patient","deceasedBoolean":true,"deceasedDateTime":"2020"}"#,
        "Patient.deceasedDateTime",
        "structure",
    ),
    (
        r#"{"resourceType":"Patient","extension":[{"valueString":"x"}]}"#,
        "Patient.extension[0].url",
        "required",
    ),
    (
        r#"{"resourceType":"Patient","extension":[{"url":"http://x"}]}"#,
        "Patient.extension[0]",
        "invariant",
    ),
    (
        r#"{"resourceType":"Patient","contact":[{"gender":"male"}]}"#,
        "Patient.contact[0]",
        "invariant",
    ),
    (r#"{"resourceType":"Patient","contained":[{"id":"o"}]}"#, "Patient.contained[0]", "required"),
    (
        r#"{"resourceType":"Patient","contained":[{"resourceType":"Alien"}]}"#,
        "Patient.contained[0]",
        "not-supported",
    ),
    (
        r#"{"resourceType":"Patient","text":{"status":"generated","div":"<p>x</p>"}}"#,
        "Patient.text.div",
        "value",
    ),
    (r#"{"resourceType":"Patient","meta":{"versionId":"a b"}}"#, "Patient.meta.versionId", "value"),
    (r#"{"resourceType":"Observation","code":{"text":"x"}}"#, "Observation.status", "required"),
    (
        r#"{"resourceType":"Observation","status":"done","code":{"text":"x"}}"#,
        "Observation.status",
        "code-invalid",
    ),
    (r#"{"resourceType":"Observation","status":"final"}"#, "Observation.code", "required"),
    (
        r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueString":"1",
        "dataAbsentReason":{"text":"y"}}"#,
        "Observation",
        "invariant",
    ),
    (
        r#"{"resourceType":"Observation","status":"final","code":{"coding":[{"code":"a"}]},
        "valueString":"1","component":[{"code":{"coding":[{"code":"a"}]}}]}"#,
        "Observation",
        "invariant",
    ),
    (
        r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},
        "valueQuantity":{"value":1,"code":"kg"}}"#,
        "Observation.valueQuantity",
        "invariant",
    ),
    (
        r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},
        "valueQuantity":{"value":"1"}}"#,
        "Observation.valueQuantity.value",
        "value",
    ),
    (
        r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},
        "effectiveDateTime":"2020-01-01T10:00:00"}"#,
        "Observation.effectiveDateTime",
        "value",
    ),
    (r#"{"resourceType":"Encounter","status":"planned"}"#, "Encounter.class", "required"),
    (
        r#"{"resourceType":"Encounter","status":"planned","class":{"code":"IMP"},
        "period":{"start":"2020-01-02","end":"2020-01-01"}}"#,
        "Encounter.period",
        "invariant",
    ),
    (r#"{"resourceType":"Condition"}"#, "Condition.subject", "required"),
    (
        r#"{"resourceType":"MedicationRequest","status":"active","intent":"order",
        "subject":{"reference":"Patient/1"}}"#,
        "MedicationRequest.medication",
        "required",
    ),
    (r#"{"resourceType":"Procedure","status":"completed"}"#, "Procedure.subject", "required"),
    (
        r#"{"resourceType":"DiagnosticReport","status":"final"}"#,
        "DiagnosticReport.code",
        "required",
    ),
    (r#"{"resourceType":"Organization","active":true}"#, "Organization", "invariant"),
    (
        r#"{"resourceType":"Bundle","type":"batch","entry":[{"resource":
        {"resourceType":"Patient"}}]}"#,
        "Bundle.entry[0]",
        "invariant",
    ),
    (r#"{"resourceType":"Account","status":""}"#, "Account.status", "value"),
    (r#"{"resourceType":"Account","a":{"b":[]}}"#, "Account.a.b", "structure"),
    (
        r#"{"resourceType":"Account","a":[{"extension":[{"valueString":"x"}]}]}"#,
        "Account.a[0].extension[0].url",
        "required",
    ),
    (
        r#"{"resourceType":"Parameters","parameter":[{"name":"x","resource":
        {"resourceType":"Patient","foo":1}}]}"#,
        "Parameters.parameter[0].resource.foo",
        "structure",
    ),
];

#[test]
fn accepts_what_is_sound() {
    for json in SOUND {
        assert_eq!(resource(json).validate(), Vec::new(), "{json}");
    }
}

#[test]
fn refuses_what_is_unsound_and_says_where() {
    for (json, path, issue_type) in UNSOUND {
        let problems = resource(json).validate();
        let first = problems.first().unwrap_or_else(|| panic!("accepted {json}"));
        assert_eq!((first.path.as_str(), first.issue_type), (*path, *issue_type), "{json}");
    }
}

#[test]
fn refuses_to_parse() {
    let cases = [
        (r#"[]"#, ErrorCode::FhirSyntax),
        (r#"{"id":"a"}"#, ErrorCode::FhirSyntax),
        (r#"{"resourceType":1}"#, ErrorCode::FhirSyntax),
        (r#"{"resourceType":"Alien"}"#, ErrorCode::FhirResourceType),
        (r#"{"resourceType":"Patient","id":"a b"}"#, ErrorCode::FhirStructure),
        (r#"{"resourceType":"Patient","id":1}"#, ErrorCode::FhirStructure),
        (r#"{"resourceType":"Patient","id":"a","id":"b"}"#, ErrorCode::FhirSyntax),
    ];
    for (json, code) in cases {
        let error = Resource::parse(json.as_bytes(), &Limits::default()).unwrap_err();
        assert_eq!(error.code, code, "{json}");
    }
}

#[test]
fn size_limits_lim_1() {
    let limits = Limits { resource_bytes_max: 64, bundle_bytes_max: 256, ..Limits::default() };
    let padded = |head: &str, length: usize| format!("{head}{}", " ".repeat(length));
    let cases = [
        (padded(r#"{"resourceType":"Patient"}"#, 10), true),
        (padded(r#"{"resourceType":"Patient"}"#, 60), false),
        (padded(r#"{"resourceType":"Bundle","type":"batch"}"#, 60), true),
        (padded(r#"{"resourceType":"Bundle","type":"batch"}"#, 300), false),
    ];
    for (json, accepted) in cases {
        let result = Resource::parse(json.as_bytes(), &limits);
        assert_eq!(result.is_ok(), accepted, "{} bytes", json.len());
        if let Err(error) = result {
            assert_eq!((error.code, error.http_status), (ErrorCode::FhirTooLarge, 413));
        }
    }
}

#[test]
fn errors_name_no_values_phi_1() {
    let json = r#"{"resourceType":"Patient","gender":"CANARY","CANARY x":1,"birthDate":"CANARY",
        "name":[{"family":["CANARY"]}]}"#;
    let resource = resource(json);
    for problem in resource.validate() {
        assert!(!problem.to_string().contains("CANARY"), "{problem}");
    }
    assert!(!format!("{resource:?}").contains("CANARY"));
}

#[test]
fn only_id_and_version_change() {
    let sent = concat!(
        r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"#,
        r#""meta":{"tag":[{"code":"t"}]},"valueQuantity":{"value":1.00},"#,
        r#""referenceRange":[{"low":{"value":0.00000000000000000001}}]}"#
    );
    let mut stored = resource(sent);
    stored.set_id("o1");
    stored.set_version(3, schema_types::time::Timestamp::from_unix_seconds(0));
    let expected = sent.replace(r#"ion","status"#, r#"ion","id":"o1","status"#).replace(
        "}]},\"value",
        "}],\"versionId\":\"3\",\"lastUpdated\":\"1970-01-01T00:00:00Z\"},\"value",
    );
    assert_eq!(String::from_utf8(stored.to_json()).unwrap(), expected);
    assert_eq!((stored.id(), stored.version_id()), (Some("o1"), Some("3")));
    let mut bare = resource(r#"{"resourceType":"Basic","code":{"text":"x"}}"#);
    bare.set_version(1, schema_types::time::Timestamp::from_unix_seconds(0));
    bare.set_id("b");
    assert!(bare.value().to_string().starts_with(r#"{"resourceType":"Basic","id":"b","meta":"#));
}
