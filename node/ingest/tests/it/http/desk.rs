//! Quarantine at the operators' desk: listed, shown, replayed as it is and repaired.

use super::world::{Node, TREATS, bundle, patient, vital};
use axum::body::Body;
use node_ingest::gateway::Caller;
use node_ingest::hl7;
use schema_types::ids::PrincipalId;
use serde_json::{Value, json};

#[tokio::test]
async fn a_refused_resource_is_repaired_and_taken() {
    let node = Node::new().await;
    let mut wrong = patient("p1");
    wrong["gender"] = json!("F");
    let refused = node.put("/fhir/Patient/p1", &wrong).await.refused(422, "MED-FHIR-002");
    let id = refused.header("x-medulla-quarantine").to_owned();
    let list = node.get("/api/v1/quarantine").await.expect(200);
    assert_eq!(list.at("/items/0/id"), id.as_str());
    assert_eq!(list.at("/items/0/code"), "MED-FHIR-002");
    assert_eq!(list.at("/items/0/location"), "Patient.gender");
    assert!(!list.text.contains("Canary"), "PHI-1: a list shows no content");
    let shown = node.get(&format!("/api/v1/quarantine/{id}")).await.expect(200);
    assert_ne!(shown.at("/raw_base64"), "");

    let replay = format!("/api/v1/quarantine/{id}/replay");
    let same = node.send("POST", &replay, TREATS, Body::empty()).await.expect(200);
    assert_eq!((same.at("/accepted"), same.at("/code")), (&json!(false), &json!("MED-FHIR-002")));
    let repaired = node.post(&replay, &patient("p1")).await.expect(200);
    assert_eq!(repaired.at("/accepted"), true, "{}", repaired.text);
    assert_eq!(node.get("/fhir/Patient/p1").await.expect(200).at("/gender"), "female");
    assert!(node.get("/api/v1/quarantine").await.list("/items").is_empty());
    let all = node.get("/api/v1/quarantine?state=all").await.expect(200);
    assert_eq!(all.at("/items/0/resolution"), "taken, repaired");
    assert_eq!(all.at("/items/0/attempts"), 2);
    let settled = node.post(&replay, &patient("p1")).await.expect(200);
    assert_eq!(settled.at("/code"), "MED-QUAR-001");
    node.get("/api/v1/quarantine/999").await.refused(404, "MED-QUAR-001");
}

#[tokio::test]
async fn an_entry_that_came_too_early_is_taken_later() {
    let node = Node::new().await;
    let mut early = vital("x", "8867-4", "80", "/min", "2026-11-22T10:00:00Z");
    early["subject"] = json!({
        "type": "Patient",
        "identifier": { "system": "urn:hospital", "value": "MRN-p1" },
    });
    let entry = |resource: &Value| {
        let request = json!({ "method": "POST", "url": "Observation" });
        json!({ "resource": resource, "request": request })
    };
    let answer = node.post("/fhir", &bundle("batch", &[entry(&early)])).await.expect(200);
    let id = answer.header("x-medulla-quarantine").to_owned();
    assert_ne!(id, "");
    let replay = format!("/api/v1/quarantine/{id}/replay");
    let same = node.send("POST", &replay, TREATS, Body::empty()).await.expect(200);
    assert_eq!((same.at("/accepted"), same.at("/code")), (&json!(false), &json!("MED-FHIR-008")));
    node.register("p1").await;
    let taken = node.send("POST", &replay, TREATS, Body::empty()).await.expect(200);
    assert_eq!(taken.at("/accepted"), true, "{}", taken.text);
    let found = node.get("/fhir/Observation?patient=p1").await.expect(200);
    assert_eq!(found.at("/total"), 1);
    let all = node.get("/api/v1/quarantine?state=all").await.expect(200);
    assert_eq!(all.list("/items").len(), 1, "a replay makes no second item");
}

#[tokio::test]
async fn the_same_refused_bytes_are_kept_once() {
    let node = Node::new().await;
    for _ in 0..3 {
        node.send("POST", "/fhir/Patient", TREATS, "{").await.refused(400, "MED-FHIR-001");
    }
    let list = node.get("/api/v1/quarantine").await.expect(200);
    assert_eq!((list.list("/items").len(), list.at("/items/0/attempts")), (1, &json!(3)));
}

#[tokio::test]
async fn pages_of_quarantine_follow_each_other() {
    let node = Node::new().await;
    for number in 0..5 {
        let body = format!("{{{number}");
        node.send("POST", "/fhir/Patient", TREATS, body).await.refused(400, "MED-FHIR-001");
    }
    let mut path = "/api/v1/quarantine?limit=2".to_owned();
    let mut sizes = Vec::new();
    loop {
        let page = node.get(&path).await.expect(200);
        sizes.push(page.list("/items").len());
        let Some(next) = page.at("/next").as_str() else { break };
        path = format!("/api/v1/quarantine?limit=2&after={next}");
    }
    assert_eq!(sizes, [2, 2, 1]);
}

#[tokio::test]
async fn hl7_items_are_replayed_by_their_own_gateway() {
    let node = Node::new().await;
    let caller = Caller { principal: PrincipalId::new("mllp:t"), purpose: "TREAT".to_owned() };
    let received = hl7::receive(&node.gateway, &caller, b"no message", "mllp").await;
    let hl7::Disposition::Quarantined { id, .. } = received.disposition else {
        panic!("what is no message is kept");
    };
    let replay = format!("/api/v1/quarantine/{id}/replay");
    let same = node.send("POST", &replay, TREATS, Body::empty()).await.expect(200);
    assert_eq!((same.at("/accepted"), same.at("/code")), (&json!(false), &json!("MED-HL7-001")));
    let message = "MSH|^~\\&|APP|NORTH|MED|NORTH|20261122090000||ADT^A01|1|P|2.5.1\r\
                   EVN|A01|20261122083000\rPID|1||4711^^^NORTH^MR||Canary^Ada||19610504|F\r\
                   PV1|1|I|W2^R4^B1^NORTH||||||||||||||||V900^^^NORTH^VN\r";
    let taken = node.send("POST", &replay, TREATS, message).await.expect(200);
    assert_eq!(taken.at("/accepted"), true, "{}", taken.text);
}
