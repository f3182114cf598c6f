//! Single resources: create, read, update, versions, delete, and what is refused.

use super::world::{Node, TREATS, patient, vital};
use axum::body::Body;
use serde_json::{Value, json};

#[tokio::test]
async fn a_resource_is_created_read_updated_and_deleted() {
    let node = Node::new().await;
    let created = node.post("/fhir/Patient", &patient("ignored")).await.expect(201);
    let id = created.at("/id").as_str().unwrap().to_owned();
    assert_ne!(id, "ignored", "the server names what is created");
    assert_eq!(created.header("etag"), "W/\"1\"");
    let location = format!("http://localhost/fhir/Patient/{id}/_history/1");
    assert_eq!(created.header("location"), location);
    assert_eq!(created.header("last-modified"), "Mon, 23 Nov 2026 00:00:00 GMT");

    let path = format!("/fhir/Patient/{id}");
    let read = node.get(&path).await.expect(200);
    assert_eq!(read.at("/name/0/family"), "Canary");
    assert_eq!(read.at("/meta/versionId"), "1");

    let mut changed = patient(&id);
    changed["birthDate"] = json!("1961-05-05");
    let updated = node.put(&path, &changed).await.expect(200);
    assert_eq!(updated.header("etag"), "W/\"2\"");
    let again = node.put(&path, &changed).await.expect(200);
    assert_eq!(again.header("etag"), "W/\"2\"", "the same content is no new version");
    assert_eq!(again.header("x-medulla-duplicate"), "true");
    let first = node.get(&format!("{path}/_history/1")).await.expect(200);
    assert_eq!(first.at("/birthDate"), "1961-05-04");
    node.get(&format!("{path}/_history/3")).await.refused(404, "MED-FHIR-006");

    node.send("DELETE", &path, TREATS, Body::empty()).await.expect(204);
    node.get(&path).await.refused(410, "MED-FHIR-010");
    assert_eq!(node.get(&format!("{path}/_history/2")).await.expect(200).header("etag"), "W/\"2\"");
    node.send("DELETE", "/fhir/Basic/never", TREATS, Body::empty()).await.expect(204);
    let back = node.put(&path, &changed).await.expect(201);
    assert_eq!(back.header("etag"), "W/\"4\"", "versions go on after a deletion");
}

#[tokio::test]
async fn decimals_and_order_come_back_as_sent() {
    let node = Node::new().await;
    node.register("p1").await;
    let body = concat!(
        r#"{"resourceType":"Observation","id":"o1","status":"final","code":{"text":"x"},"#,
        r#""subject":{"reference":"Patient/p1"},"effectiveDateTime":"2026-11-22T10:00:00Z","#,
        r#""valueQuantity":{"value":1.00,"unit":"mg"},"#,
        r#""referenceRange":[{"low":{"value":0.00000000000000000001},"#,
        r#""high":{"value":123456789012345678901234567890.50}}]}"#,
    );
    node.send("PUT", "/fhir/Observation/o1", TREATS, body).await.expect(201);
    let read = node.get("/fhir/Observation/o1").await.expect(200);
    let meta = r#""id":"o1","meta":{"versionId":"1","lastUpdated":"2026-11-23T00:00:00Z"}"#;
    assert_eq!(read.text, body.replace(r#""id":"o1""#, meta));
}

#[tokio::test]
async fn an_expected_version_must_be_current() {
    let node = Node::new().await;
    node.register("p1").await;
    let mut changed = patient("p1");
    changed["gender"] = json!("other");
    let tagged = |tag: &'static str| [TREATS, &[("if-match", tag)]].concat();
    let send = |tag: &'static str, body: &Value| {
        let body = body.to_string();
        let node = &node;
        async move { node.send("PUT", "/fhir/Patient/p1", &tagged(tag), body).await }
    };
    send("W/\"7\"", &changed).await.refused(412, "MED-FHIR-005");
    send("7", &changed).await.refused(412, "MED-FHIR-005");
    assert_eq!(send("W/\"1\"", &changed).await.expect(200).header("etag"), "W/\"2\"");
    let deleted = node.send("DELETE", "/fhir/Patient/p1", &tagged("W/\"1\""), Body::empty()).await;
    deleted.refused(412, "MED-FHIR-005");
}

#[tokio::test]
async fn prefer_says_what_a_write_answers() {
    let node = Node::new().await;
    let cases = [
        ("return=minimal", ""),
        ("return=OperationOutcome", "OperationOutcome"),
        ("return=representation", "Patient"),
    ];
    for (prefer, kind) in cases {
        let headers = [TREATS, &[("prefer", prefer)]].concat();
        let body = patient("x").to_string();
        let answer = node.send("POST", "/fhir/Patient", &headers, body).await.expect(201);
        assert_eq!(answer.at("/resourceType").as_str().unwrap_or_default(), kind, "{prefer}");
        assert_eq!(answer.header("etag"), "W/\"1\"");
    }
}

#[tokio::test]
async fn a_command_id_has_one_effect_once_1() {
    let node = Node::new().await;
    let headers = [TREATS, &[("idempotency-key", "k-1")]].concat();
    let body = patient("x").to_string();
    let first = node.send("POST", "/fhir/Patient", &headers, body.clone()).await.expect(201);
    assert_eq!(first.header("x-medulla-duplicate"), "");
    let second = node.send("POST", "/fhir/Patient", &headers, body.clone()).await.expect(201);
    assert_eq!(second.header("x-medulla-duplicate"), "true");
    assert_eq!(first.header("location"), second.header("location"));
    let other = patient("y").to_string();
    let reused = node.send("POST", "/fhir/Patient", &headers, other).await;
    assert_ne!(reused.header("x-medulla-quarantine"), "");
    reused.refused(409, "MED-NODE-011");
    // Without a key each request is a command of its own.
    let one = node.post("/fhir/Patient", &patient("x")).await.expect(201);
    assert_ne!(one.header("location"), first.header("location"));
}

#[tokio::test]
async fn a_condition_creates_only_when_it_finds_nothing() {
    let node = Node::new().await;
    let organization = json!({
        "resourceType": "Organization",
        "identifier": [{ "system": "urn:o", "value": "42" }],
        "name": "North",
    });
    let headers = [TREATS, &[("if-none-exist", "identifier=urn:o|42")]].concat();
    let send = || node.send("POST", "/fhir/Organization", &headers, organization.to_string());
    let first = send().await.expect(201);
    let second = send().await.expect(200);
    assert_eq!(second.header("location"), first.header("location"));
    assert_eq!(second.header("x-medulla-duplicate"), "true");
    let headers = [TREATS, &[("if-none-exist", "name=North")]].concat();
    let refused = node.send("POST", "/fhir/Organization", &headers, organization.to_string());
    refused.await.refused(400, "MED-FHIR-004");
}

/// Method, path, headers and body; status and code.
type Refused<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str, u16, &'a str);

#[tokio::test]
async fn what_is_wrong_is_refused_with_its_code_and_kept() {
    let node = Node::new().await;
    let json = [TREATS, &[("content-type", "application/fhir+json")]].concat();
    let xml = [TREATS, &[("content-type", "application/fhir+xml")]].concat();
    let wrong = r#"{"resourceType":"Patient","gender":"F"}"#;
    let cases: &[Refused<'_>] = &[
        ("POST", "/fhir/Patient", &json, "{", 400, "MED-FHIR-001"),
        ("POST", "/fhir/Patient", &json, "\u{fffd}", 400, "MED-FHIR-001"),
        ("POST", "/fhir/Patient", &json, wrong, 422, "MED-FHIR-002"),
        ("POST", "/fhir/Patient", &xml, "<Patient/>", 415, "MED-FHIR-012"),
        ("POST", "/fhir/Nothing", &json, "{\"resourceType\":\"Nothing\"}", 404, "MED-FHIR-003"),
        (
            "PUT",
            "/fhir/Patient/a",
            &json,
            r#"{"resourceType":"Patient","id":"b"}"#,
            400,
            "MED-FHIR-002",
        ),
        (
            "POST",
            "/fhir",
            &json,
            r#"{"resourceType":"Bundle","type":"document"}"#,
            400,
            "MED-FHIR-007",
        ),
    ];
    for (method, path, headers, body, status, code) in cases {
        let answer = node.send(method, path, headers, body.to_string()).await;
        let answer = answer.refused(*status, code);
        assert_ne!(answer.header("x-medulla-quarantine"), "", "{method} {path} {body}");
    }
    let waiting = node.get("/api/v1/quarantine").await.expect(200);
    assert_eq!(waiting.list("/items").len(), cases.len());
    let accepts = [TREATS, &[("accept", "application/fhir+xml")]].concat();
    let xml = node.send("GET", "/fhir/Patient/x", &accepts, Body::empty()).await;
    xml.refused(406, "MED-FHIR-012");
    node.send("PATCH", "/fhir/Patient/x", TREATS, "[]").await.refused(405, "MED-FHIR-009");
    node.get("/fhir/Patient/x/_history").await.refused(404, "MED-FHIR-009");
    node.get("/fhir/Patient/x?_elements=id").await.refused(400, "MED-FHIR-004");
}

#[tokio::test]
async fn a_reference_makes_a_provisional_patient() {
    let node = Node::new().await;
    let heart = vital("later", "8867-4", "80", "/min", "2026-11-22T10:00:00Z");
    let stored = node.post("/fhir/Observation", &heart).await.expect(201);
    let id = stored.at("/id").as_str().unwrap().to_owned();
    node.get("/fhir/Patient/later").await.refused(404, "MED-PAT-001");
    let view = node.get("/api/v1/patients/later").await.expect(200);
    assert_eq!(view.at("/registration"), "provisional");
    assert_eq!(view.at("/latest/0/value"), 80);
    node.register("later").await;
    assert_eq!(node.get("/fhir/Patient/later").await.expect(200).at("/gender"), "female");
    let found = node.get("/fhir/Observation?patient=later").await.expect(200);
    assert_eq!(found.at("/entry/0/resource/id"), id.as_str());
}

#[tokio::test]
async fn a_changed_subject_moves_the_resource() {
    let node = Node::new().await;
    node.register("p1").await;
    node.register("p2").await;
    let mut heart = vital("p1", "8867-4", "80", "/min", "2026-11-22T10:00:00Z");
    heart["id"] = json!("o1");
    node.put("/fhir/Observation/o1", &heart).await.expect(201);
    heart["subject"]["reference"] = json!("Patient/p2");
    node.put("/fhir/Observation/o1", &heart).await.expect(201);
    let read = node.get("/fhir/Observation/o1").await.expect(200);
    assert_eq!(read.at("/subject/reference"), "Patient/p2");
    for (patient, total) in [("p1", 0), ("p2", 1)] {
        let found = node.get(&format!("/fhir/Observation?patient={patient}")).await.expect(200);
        assert_eq!(found.at("/total"), total, "{patient}");
        let view = node.get(&format!("/api/v1/patients/{patient}")).await.expect(200);
        assert_eq!(view.list("/latest").len(), usize::try_from(total).unwrap(), "{patient}");
    }
}

#[tokio::test]
async fn metadata_tells_what_is_supported() {
    let node = Node::new().await;
    let metadata = node.get("/fhir/metadata").await.expect(200);
    assert_eq!(metadata.at("/resourceType"), "CapabilityStatement");
    assert_eq!(metadata.at("/implementation/url"), "http://localhost/fhir");
    assert_eq!(metadata.at("/rest/0/resource/0/conditionalCreate"), true);
    let statement = schema_fhir::Resource::from_value(metadata.json).unwrap();
    assert_eq!(statement.validate(), Vec::new());
}
