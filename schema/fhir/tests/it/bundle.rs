//! Bundles of our own making: plans, ids, references, refusals.

use crate::resource;
use schema_fhir::bundle::{BundleKind, EntryResponse, Method, Resolution, Target, response_bundle};
use schema_fhir::{BundlePlan, FhirError, Limits, Resource};
use schema_types::error_code::ErrorCode;
use schema_types::time::Timestamp;
use serde_json::Value;

fn plan(json: &str) -> Result<BundlePlan, Vec<FhirError>> {
    BundlePlan::parse(resource(json), &Limits::default())
}

fn bundle(kind: &str, entries: &[&str]) -> String {
    format!(r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{}]}}"#, entries.join(","))
}

const PATIENT: &str = r#"{"fullUrl":"urn:uuid:p","resource":{"resourceType":"Patient",
    "photo":[{"url":"urn:uuid:b"}],"text":{"status":"generated","div":"<div>urn:uuid:b</div>"}},
    "request":{"method":"POST","url":"Patient"}}"#;
const OBSERVATION: &str = r#"{"fullUrl":"urn:uuid:o","resource":{"resourceType":"Observation",
    "status":"final","code":{"text":"x"},"subject":{"reference":"urn:uuid:p"},
    "performer":[{"reference":"Practitioner?identifier=urn:x|1"},{"reference":"Patient/77"}],
    "valueQuantity":{"value":1.00}},"request":{"method":"POST","url":"Observation"}}"#;
const BINARY: &str = r#"{"fullUrl":"urn:uuid:b","resource":{"resourceType":"Binary",
    "contentType":"image/png"},"request":{"method":"POST","url":"Binary"}}"#;
const DELETE: &str = r#"{"request":{"method":"DELETE","url":"Patient/9"}}"#;
const GET: &str = r#"{"request":{"method":"GET","url":"Patient?name=x"}}"#;

fn assign(plan: &mut BundlePlan) -> Result<(), Vec<FhirError>> {
    plan.assign_ids(&mut |entry| Ok(format!("new-{}", entry.index)))
}

fn body(plan: &BundlePlan, index: usize) -> &Value {
    let entry = plan.entries.iter().find(|entry| entry.index == index).unwrap();
    entry.resource.as_ref().unwrap().value()
}

#[test]
fn transaction_order_ids_and_references() {
    let json = bundle("transaction", &[GET, OBSERVATION, PATIENT, BINARY, DELETE]);
    let mut plan = plan(&json).unwrap();
    assert_eq!((plan.kind, plan.entries_total), (BundleKind::Transaction, 5));
    assert_eq!(plan.execution_order(), [4, 1, 2, 3, 0]);
    assign(&mut plan).unwrap();
    plan.rewrite_references(&mut |name, query| {
        assert_eq!((name, query), ("Practitioner", "identifier=urn:x|1"));
        Resolution::Found("Practitioner/5".to_owned())
    })
    .unwrap();
    let observation = body(&plan, 1);
    assert_eq!(observation["subject"]["reference"], "Patient/new-2");
    assert_eq!(observation["performer"][0]["reference"], "Practitioner/5");
    assert_eq!(observation["performer"][1]["reference"], "Patient/77");
    assert_eq!(observation["id"], "new-1");
    assert_eq!(observation["valueQuantity"]["value"].to_string(), "1.00");
    let patient = body(&plan, 2);
    assert_eq!(patient["photo"][0]["url"], "Binary/new-3");
    assert_eq!(patient["text"]["div"], "<div>urn:uuid:b</div>");
    assert_eq!(plan.entries[0].target.resource_type(), Some("Patient"));
    assert_eq!(
        (plan.entries[4].method, plan.entries[4].id.as_deref()),
        (Method::Delete, Some("9"))
    );
}

#[test]
fn restful_full_urls_are_rewritten_too() {
    let json = bundle(
        "transaction",
        &[
            r#"{"fullUrl":"http://x/fhir/Patient/1","resource":{"resourceType":"Patient","id":"1"},
            "request":{"method":"POST","url":"Patient"}}"#,
            r#"{"fullUrl":"http://x/fhir/Flag/2","resource":{"resourceType":"Flag","id":"2",
            "status":"active","subject":{"reference":"Patient/1"},
            "author":{"reference":"http://x/fhir/Patient/1/_history/4"},
            "encounter":{"reference":"Encounter/1"}},"request":{"method":"PUT","url":"Flag/2"}}"#,
        ],
    );
    let mut plan = plan(&json).unwrap();
    assign(&mut plan).unwrap();
    plan.rewrite_references(&mut |_, _| Resolution::Keep).unwrap();
    let flag = body(&plan, 1);
    assert_eq!(flag["subject"]["reference"], "Patient/new-0");
    assert_eq!(flag["author"]["reference"], "Patient/new-0");
    assert_eq!(flag["encounter"]["reference"], "Encounter/1");
    assert_eq!(flag["id"], "2");
}

#[test]
fn unresolved_references_stop_a_transaction_but_not_a_batch() {
    let json = bundle("transaction", &[OBSERVATION]);
    let mut strict = plan(&json).unwrap();
    assign(&mut strict).unwrap();
    let problems = strict.rewrite_references(&mut |_, _| Resolution::Missing).unwrap_err();
    let found: Vec<(ErrorCode, &str)> =
        problems.iter().map(|problem| (problem.code, problem.path.as_str())).collect();
    assert_eq!(
        found,
        [
            (ErrorCode::FhirReference, "Bundle.entry[0].resource.subject.reference"),
            (ErrorCode::FhirReference, "Bundle.entry[0].resource.performer[0].reference"),
        ]
    );
    let mut lenient = plan(&bundle("batch", &[OBSERVATION, BINARY])).unwrap();
    assign(&mut lenient).unwrap();
    lenient.rewrite_references(&mut |_, _| Resolution::Missing).unwrap();
    assert_eq!((lenient.entries.len(), lenient.refused.len()), (1, 1));
    assert_eq!(lenient.refused[0].0, 0);
}

#[test]
fn one_bad_entry_stops_a_transaction_but_not_a_batch() {
    let bad = r#"{"resource":{"resourceType":"Patient","gender":"M","active":1},
        "request":{"method":"POST","url":"Patient"}}"#;
    let problems = plan(&bundle("transaction", &[PATIENT, bad])).unwrap_err();
    let paths: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["Bundle.entry[1].resource.gender", "Bundle.entry[1].resource.active"]);
    let batch = plan(&bundle("batch", &[bad, PATIENT])).unwrap();
    assert_eq!((batch.entries.len(), batch.refused.len()), (1, 1));
    assert_eq!(batch.entries[0].index, 1);
    assert_eq!(batch.refused[0].1.path, "Bundle.entry[0].resource.gender");
}

#[test]
fn collections_are_stored_by_put_or_post() {
    let json = bundle(
        "collection",
        &[
            r#"{"fullUrl":"http://else/where","resource":{"resourceType":"Patient","id":"1"}}"#,
            r#"{"resource":{"resourceType":"Patient"}}"#,
            r#"{"fullUrl":"urn:uuid:x"}"#,
        ],
    );
    let plan = plan(&json).unwrap();
    assert_eq!(plan.entries[0].method, Method::Put);
    let id = "1".to_owned();
    assert_eq!(plan.entries[0].target, Target::Instance { resource_type: "Patient", id });
    assert_eq!(plan.entries[1].method, Method::Post);
    assert_eq!(plan.refused.len(), 1);
}

#[test]
fn refuses_entries_that_contradict_themselves() {
    let cases = [
        (r#"{"resource":{"resourceType":"Patient"}}"#, ErrorCode::FhirBundle),
        (
            r#"{"resource":{"resourceType":"Patient"},"request":{
            "method":"POST","url":"Patient/1"}}"#,
            ErrorCode::FhirInteraction,
        ),
        (
            r#"{"resource":{"resourceType":"Patient"},"request":{"method":"PUT","url":"Patient"}}"#,
            ErrorCode::FhirInteraction,
        ),
        (
            r#"{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Group"}}"#,
            ErrorCode::FhirBundle,
        ),
        (
            r#"{"resource":{"resourceType":"Patient","id":"2"},"request":{"method":"PUT",
            "url":"Patient/1"}}"#,
            ErrorCode::FhirBundle,
        ),
        (
            r#"{"fullUrl":"http://x/Patient/3","resource":{"resourceType":"Patient","id":"1"},
            "request":{"method":"PUT","url":"Patient/1"}}"#,
            ErrorCode::FhirBundle,
        ),
        (r#"{"request":{"method":"POST","url":"Patient"}}"#, ErrorCode::FhirBundle),
        (
            r#"{"resource":{"resourceType":"Patient"},"request":{"method":"DELETE",
            "url":"Patient/1"}}"#,
            ErrorCode::FhirBundle,
        ),
        (
            r#"{"resource":{"resourceType":"Patient"},"request":{
            "method":"SEND","url":"Patient"}}"#,
            ErrorCode::FhirStructure,
        ),
        (
            r#"{"resource":{"resourceType":"Patient","id":"1"},"request":{"method":"PUT",
            "url":"Patient/1","ifMatch":"3"}}"#,
            ErrorCode::FhirVersionConflict,
        ),
        (
            r#"{"resource":{"resourceType":"Alien"},"request":{"method":"POST","url":"Alien"}}"#,
            ErrorCode::FhirResourceType,
        ),
        (
            r#"{"fullUrl":"urn:uuid:x","link":[],"request":{"method":"GET","url":"Patient/1"}}"#,
            ErrorCode::FhirStructure,
        ),
        ("null", ErrorCode::FhirStructure),
        ("{}", ErrorCode::FhirStructure),
    ];
    for (entry, code) in cases {
        let problems = plan(&bundle("transaction", &[entry])).unwrap_err();
        assert_eq!(problems[0].code, code, "{entry}: {problems:?}");
        let batch = plan(&bundle("batch", &[entry, GET])).unwrap();
        assert_eq!((batch.entries.len(), batch.refused.len()), (1, 1), "{entry}");
    }
}

#[test]
fn refuses_two_entries_for_one_resource() {
    let put = r#"{"resource":{"resourceType":"Patient"},"request":{"method":"PUT",
        "url":"Patient/9"}}"#;
    let conditional = r#"{"resource":{"resourceType":"Patient"},"request":{"method":"PUT",
        "url":"Patient?identifier=1"}}"#;
    let create = r#"{"resource":{"resourceType":"Patient"},"request":{"method":"POST",
        "url":"Patient","ifNoneExist":"identifier=1"}}"#;
    for pair in [[put, DELETE], [put, put], [conditional, create], [PATIENT, PATIENT]] {
        let problems = plan(&bundle("transaction", &pair)).unwrap_err();
        assert_eq!(problems[0].code, ErrorCode::FhirBundle);
        assert_eq!(problems[0].path, "Bundle.entry[1]");
    }
    let mut same = plan(&bundle("transaction", &[put, create])).unwrap();
    let problems = same.assign_ids(&mut |_| Ok("9".to_owned())).unwrap_err();
    assert_eq!(problems[0].code, ErrorCode::FhirBundle);
}

#[test]
fn refuses_other_kinds_and_too_many_entries() {
    for kind in ["searchset", "history", "document", "message", "batch-response"] {
        let problems = plan(&bundle(kind, &[])).unwrap_err();
        assert_eq!(problems[0].code, ErrorCode::FhirBundle, "{kind}");
    }
    let limits = Limits { bundle_entries_max: 1, ..Limits::default() };
    let two = resource(&bundle("batch", &[GET, GET]));
    let problems = BundlePlan::parse(two, &limits).unwrap_err();
    assert_eq!(problems[0].code, ErrorCode::FhirTooLarge);
}

#[test]
fn responses_are_sound_bundles() {
    let stored = EntryResponse {
        status: 201,
        location: Some("Patient/1/_history/1".to_owned()),
        version: Some(1),
        updated_at: Some(Timestamp::from_unix_seconds(0)),
        ..EntryResponse::default()
    };
    let problem = FhirError::new(ErrorCode::FhirGone, "", "deleted");
    let outcome = Some(schema_fhir::outcome::refusal(&[problem]));
    let refused = EntryResponse { status: 410, outcome, ..EntryResponse::default() };
    for kind in [BundleKind::Transaction, BundleKind::Batch, BundleKind::Collection] {
        let bundle = response_bundle(kind, vec![stored.clone(), refused.clone()]);
        assert_eq!(bundle["entry"][0]["response"]["etag"], "W/\"1\"");
        assert_eq!(Resource::from_value(bundle).unwrap().validate(), Vec::new());
        let empty = response_bundle(kind, Vec::new());
        assert_eq!(Resource::from_value(empty).unwrap().validate(), Vec::new());
    }
}
