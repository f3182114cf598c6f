//! The operators' API: purposes, unknown and ambiguous patients, audit, and the node itself.

use super::world::{Node, TREATS, patient, vital};
use axum::body::Body;
use node_env::Network;
use node_env::real::TcpNetwork;
use node_ingest::http::serve;
use node_ingest::limits::IngestLimits;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

#[tokio::test]
async fn a_read_without_purpose_is_denied_and_on_record_aud_1() {
    let node = Node::new().await;
    node.register("p1").await;
    let nosy = [("x-medulla-principal", "clerk:eve")];
    for path in ["/api/v1/patients/p1", "/api/v1/patients/p1/timeline"] {
        let denied = node.send("GET", path, &nosy, Body::empty()).await;
        denied.refused(403, "MED-AUTH-001");
    }
    let selling = [("x-medulla-principal", "clerk:eve"), ("x-medulla-purpose", "HMARKT")];
    node.send("GET", "/fhir/Patient/p1", &selling, Body::empty())
        .await
        .refused(403, "MED-AUTH-001");
    let trail = node.get("/api/v1/audit/patients/p1").await.expect(200);
    let denied: Vec<_> =
        trail.list("/records").iter().filter(|one| one["outcome"] == "denied").collect();
    assert_eq!(denied.len(), 3, "{}", trail.text);
    for record in denied {
        assert_eq!(record["principal"], "clerk:eve");
        assert_eq!(record["code"], "MED-AUTH-001");
    }
    let listed = node.send("GET", "/api/v1/quarantine", &nosy, Body::empty()).await;
    listed.refused(403, "MED-AUTH-001");
}

#[tokio::test]
async fn an_unknown_patient_is_looked_for_on_record() {
    let node = Node::new().await;
    let unknown = node.get("/api/v1/patients/nobody").await.refused(404, "MED-PAT-001");
    assert_eq!(unknown.at("/error/runbook"), "deploy/runbooks/errors/MED-PAT-001.md");
    assert!(!unknown.text.contains("nobody"), "PHI-1: the name is not repeated");
    let trail = node.get("/api/v1/audit/patients/nobody").await.expect(200);
    assert_eq!(trail.at("/records/0/operation"), "show");
    assert_eq!(trail.at("/records/0/outcome"), "rejected");
}

#[tokio::test]
async fn patients_are_named_by_key_or_identifier() {
    let node = Node::new().await;
    node.register("p1").await;
    let by_identifier = node.get("/api/v1/patients/MRN-p1").await.expect(200);
    assert_eq!(by_identifier.at("/patient"), "p1");
    assert_eq!(by_identifier.at("/demographics/name/family"), "Canary");
    let mut twin = patient("p2");
    twin["identifier"] = json!([{ "system": "urn:elsewhere", "value": "MRN-p1" }]);
    node.put("/fhir/Patient/p2", &twin).await.expect(201);
    node.get("/api/v1/patients/MRN-p1").await.refused(409, "MED-PAT-002");
    node.post("/api/v1/patients/p1/merge", &json!({ "retired": "p2" })).await.expect(200);
    node.until("/api/v1/patients/MRN-p1", |answer| answer.at("/patient") == "p1").await;
    let page = node.get("/api/v1/patients?limit=1").await.expect(200);
    assert_eq!(page.at("/patients"), &json!(["p1"]));
    let next = page.at("/next").as_str().unwrap();
    let page = node.get(&format!("/api/v1/patients?limit=1&after={next}")).await.expect(200);
    assert_eq!((page.at("/patients"), page.at("/next")), (&json!(["p2"]), &json!(null)));
}

#[tokio::test]
async fn the_audit_log_verifies_and_proves_records_aud_2() {
    let node = Node::new().await;
    node.register("p1").await;
    node.get("/fhir/Patient/p1").await.expect(200);
    let researcher = [("x-medulla-principal", "lab:kim"), ("x-medulla-purpose", "HRESCH")];
    node.send("GET", "/api/v1/patients/p1", &researcher, Body::empty()).await.expect(200);
    let verified = node.get("/api/v1/audit/verify").await.expect(200);
    assert_eq!((verified.at("/ok"), verified.at("/first_bad")), (&json!(true), &json!(null)));
    assert!(verified.at("/records").as_u64().unwrap() >= 4);
    let trail = node.get("/api/v1/audit/patients/p1").await.expect(200);
    let first = trail.at("/records/0").clone();
    assert_eq!(first["operation"], "fhir-update Patient");
    let path = format!("/api/v1/audit/records/{}/{}", first["shard"], first["index"]);
    let proof = node.get(&path).await.expect(200);
    assert_eq!(proof.at("/record/operation"), "fhir-update Patient");
    assert_eq!(proof.at("/leaf_hash").as_str().unwrap().len(), 64);
    let disclosed = node.get("/api/v1/audit/patients/p1/disclosures").await.expect(200);
    assert_eq!(disclosed.list("/disclosures").len(), 1);
    assert_eq!(disclosed.at("/disclosures/0/principal"), "lab:kim");
    let export = node.get("/api/v1/audit/export?format=fhir&limit=1000").await.expect(200);
    let resource = export.at("/entry/0/resource").clone();
    assert_eq!(resource["resourceType"], "AuditEvent");
    let resource = schema_fhir::Resource::from_value(resource).unwrap();
    assert_eq!(resource.validate(), Vec::new(), "an export is sound FHIR");
}

#[tokio::test]
async fn the_past_is_shown_by_what_was_known_then() {
    let node = Node::new().await;
    node.register("p1").await;
    let send = |value: &'static str, at: &'static str| {
        let body = vital("p1", "8867-4", value, "/min", at);
        let node = &node;
        async move { node.post("/fhir/Observation", &body).await.expect(201) }
    };
    send("70", "2026-11-22T08:00:00Z").await;
    node.advance_seconds(3_600);
    send("75", "2026-11-22T10:00:00Z").await;
    node.advance_seconds(3_600);
    // Late: true at nine, known only now.
    send("99", "2026-11-22T09:00:00Z").await;
    let cases = [
        ("", 75),
        ("?as-of=2026-11-22T09:30:00Z", 99),
        ("?as-of=2026-11-22T08:30:00Z", 70),
        ("?as-of=2026-11-22T09:30:00Z&known-at=2026-11-23T01:30:00Z", 70),
        ("?known-at=2026-11-23T00:30:00Z", 70),
        ("?known-at=2026-11-23T01:30:00Z", 75),
    ];
    for (query, value) in cases {
        let view = node.get(&format!("/api/v1/patients/p1{query}")).await.expect(200);
        assert_eq!(view.at("/latest/0/value"), value, "{query}");
    }
    node.get("/api/v1/patients/p1?known-at=2026-11-22T00:00:00Z").await.refused(404, "MED-PAT-001");
    node.get("/api/v1/patients/p1?as-of=yesterday").await.refused(400, "MED-NODE-013");
    let timeline = node.get("/api/v1/patients/p1/timeline").await.expect(200);
    let seen = timeline.list("/items").iter().filter(|item| item["kind"] == "observation");
    let values: Vec<_> = seen.map(|item| item["value"].clone()).collect();
    assert_eq!(values, [70, 99, 75]);
    let path =
        "/api/v1/patients/p1/timeline?known-at=2026-11-23T01:30:00Z&from=2026-11-22T09:00:00Z";
    let timeline = node.get(path).await.expect(200);
    let seen = timeline.list("/items").iter().filter(|item| item["kind"] == "observation");
    let texts: Vec<_> = seen.map(|item| item["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(texts, ["heart rate 75 /min"]);
}

#[tokio::test]
async fn the_node_says_how_it_is() {
    let node = Node::new().await;
    node.register("p1").await;
    assert_eq!(node.send("GET", "/health", &[], Body::empty()).await.at("/status"), "ok");
    node.send("GET", "/ready", &[], Body::empty()).await.expect(200);
    node.status.set_waiting(Some("starting".to_owned()));
    let waiting = node.send("GET", "/ready", &[], Body::empty()).await.expect(503);
    assert_eq!(waiting.at("/reason"), "starting");
    let metrics = node.send("GET", "/metrics", &[], Body::empty()).await.expect(200);
    assert!(metrics.text.contains("medulla_runtime_resident_patients 1"), "{}", metrics.text);
    assert!(!metrics.text.contains("p1"), "PHI-1");
    let shards = node.get("/api/v1/shards").await.expect(200);
    assert_eq!(shards.list("/shards").len(), 4);
    assert_eq!(shards.at("/shards/0/epoch"), 1);
    let nodes = node.get("/api/v1/nodes").await.expect(200);
    assert_eq!(nodes.at("/nodes/0/resident/patients"), 1);
    node.get("/api/v1/nothing").await.refused(404, "MED-NODE-013");
    node.send("DELETE", "/api/v1/patients/p1", TREATS, Body::empty()).await.expect(405);
}

#[tokio::test]
async fn a_body_past_the_limit_is_refused_with_a_prefix_kept() {
    let limits = IngestLimits { body_bytes_max: 1_000, ..IngestLimits::default() };
    let node = Node::with(limits).await;
    let mut large = patient("p1");
    large["text"] = json!({ "status": "generated", "div": "x".repeat(200_000) });
    let answer = node.put("/fhir/Patient/p1", &large).await.refused(413, "MED-FHIR-011");
    let id = answer.header("x-medulla-quarantine").to_owned();
    let item = node.get(&format!("/api/v1/quarantine/{id}")).await.expect(200);
    assert!(item.at("/bytes").as_u64().unwrap() <= 65_536);
    let again = node.post(&format!("/api/v1/quarantine/{id}/replay"), &json!(null)).await;
    assert_eq!(again.at("/accepted"), false, "{}", again.text);
}

#[tokio::test]
async fn serving_ends_when_asked_with_watchers_still_there() {
    let node = Node::new().await;
    let listener = TcpNetwork.listen("127.0.0.1:0").await.unwrap();
    let address = listener.local_address().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let ending = async move { drop(stopped.await) };
    let served = tokio::spawn(serve(listener, node.router.clone(), ending));
    let ask = |path: &'static str| async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = "host: x\r\nx-medulla-purpose: TREAT\r\nconnection: close\r\n\r\n";
        let request = format!("GET {path} HTTP/1.1\r\n{head}");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut line = [0; 12];
        stream.read_exact(&mut line).await.unwrap();
        (stream, String::from_utf8(line.to_vec()).unwrap())
    };
    assert_eq!(ask("/health").await.1, "HTTP/1.1 200");
    let watcher = ask("/api/v1/alerts/watch").await;
    tokio::time::pause();
    stop.send(()).unwrap();
    served.await.unwrap().unwrap();
    drop(watcher);
}
