//! From vital signs by FHIR to a score, an alert, an answer, and the reasons for all of it.

use super::world::{Node, TREATS, bundle, vital};
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use node_ingest::http::limits::WATCHERS_MAX;
use serde_json::{Value, json};

/// NEWS2 by the table of the RCP: 3 + 3 + 2 + 3 + 3 + 0 + 2.
fn very_ill(patient: &str) -> Vec<Value> {
    let at = "2026-11-22T23:00:00Z";
    let mut resources = vec![
        vital(patient, "9279-1", "26", "/min", at),
        vital(patient, "2708-6", "90", "%", at),
        vital(patient, "3151-8", "4", "L/min", at),
        vital(patient, "8480-6", "85", "mm[Hg]", at),
        vital(patient, "8867-4", "135", "/min", at),
        vital(patient, "8310-5", "39.5", "Cel", at),
    ];
    let mut awake = vital(patient, "67775-7", "0", "1", at);
    let map = awake.as_object_mut().unwrap();
    map.remove("valueQuantity");
    map.insert("valueString".to_owned(), json!("Alert"));
    resources.push(awake);
    resources
}

async fn observe(node: &Node, resources: &[Value]) {
    let entries: Vec<Value> = resources
        .iter()
        .map(|resource| {
            json!({
                "resource": resource,
                "request": { "method": "POST", "url": "Observation" },
            })
        })
        .collect();
    node.post("/fhir", &bundle("transaction", &entries)).await.expect(200);
}

#[tokio::test]
async fn vital_signs_raise_an_alert_that_is_acknowledged_and_resolved() {
    let node = Node::new().await;
    node.register("p1").await;
    observe(&node, &very_ill("p1")).await;
    let view = node.get("/api/v1/patients/p1").await.expect(200);
    let scores = view.list("/scores");
    let news2 = scores.iter().find(|score| score["model"] == "news2").unwrap();
    assert_eq!((&news2["minimum"], &news2["complete"]), (&json!(16), &json!(true)));
    assert_eq!(news2["band"], "high");

    let open = node.get("/api/v1/alerts").await.expect(200);
    let alert = open.list("/alerts").iter().find(|alert| alert["condition"] == "news2").unwrap();
    assert_eq!((&alert["severity"], &alert["status"]), (&json!("critical"), &json!("active")));
    let path = format!("/api/v1/alerts/p1/{}", alert["id"].as_str().unwrap());
    let taken = node.post(&format!("{path}/acknowledge"), &json!({})).await.expect(200);
    assert_eq!(taken.at("/alert/status"), "acknowledged");
    assert_eq!(taken.at("/alert/acknowledged_by"), "nurse:ada");
    node.post(&format!("{path}/acknowledge"), &json!({})).await.refused(409, "MED-PAT-004");
    let nameless = [("x-medulla-principal", "clerk:eve")];
    let denied = node.send("POST", &format!("{path}/resolve"), &nameless, "{}").await;
    denied.refused(403, "MED-AUTH-001");
    node.post(&format!("{path}/resolve"), &json!({})).await.expect(200);
    let open = node.get("/api/v1/alerts").await.expect(200);
    assert!(open.list("/alerts").iter().all(|alert| alert["condition"] != "news2"));
}

#[tokio::test]
async fn explain_names_every_input_with_age_and_origin() {
    let node = Node::new().await;
    node.register("p1").await;
    observe(&node, &very_ill("p1")).await;
    let explained = node.get("/api/v1/patients/p1/explain?model=news2").await.expect(200);
    let parts = explained.list("/explanations/0/parts");
    assert_eq!(parts.len(), 7);
    let heart = parts.iter().find(|part| part["parameter"] == "heart-rate").unwrap();
    assert_eq!(heart["points"], 3);
    let input = &heart["inputs"][0];
    assert_eq!((&input["value"], &input["age_seconds"]), (&json!(135), &json!(0)));
    assert_eq!(input["source"], "fhir:nurse:ada");
    assert_eq!(input["position"], "Bundle.entry[4].Observation");
    assert_eq!(input["message"].as_str().unwrap().len(), 64);
    assert_eq!(explained.at("/explanations/0/alert/condition"), "news2");
    node.get("/api/v1/patients/p1/explain?model=tarot").await.refused(400, "MED-NODE-013");
}

#[tokio::test]
async fn the_spo2_scale_is_a_statement_of_a_clinician() {
    let node = Node::new().await;
    node.register("p1").await;
    observe(&node, &very_ill("p1")).await;
    node.post("/api/v1/patients/p1/oxygen-scale", &json!({ "scale": 3 }))
        .await
        .refused(400, "MED-NODE-013");
    node.post("/api/v1/patients/p1/oxygen-scale", &json!({ "scale": 2 })).await.expect(200);
    let view = node.get("/api/v1/patients/p1").await.expect(200);
    let scores = view.list("/scores");
    let news2 = scores.iter().find(|score| score["model"] == "news2").unwrap();
    assert_eq!(news2["minimum"], 13, "90 % on scale 2 is no points");
}

#[tokio::test(start_paused = true)]
async fn a_watcher_is_told_what_changes() {
    let node = Node::new().await;
    node.register("p1").await;
    let mut request = Request::builder().uri("/api/v1/alerts/watch?scores=true");
    for (name, value) in TREATS {
        request = request.header(*name, *value);
    }
    let response = node.raw(request.body(Body::empty()).unwrap()).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    observe(&node, &very_ill("p1")).await;
    let mut told = String::new();
    while !(told.contains("\"condition\":\"news2\"") && told.contains("\"model\":\"news2\"")) {
        let frame = body.frame().await.unwrap().unwrap();
        told.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    // Nobody answers: a timer escalates, and the watcher hears of it.
    node.advance_seconds(301);
    while !told.contains("\"status\":\"escalated\"") {
        let frame = body.frame().await.unwrap().unwrap();
        told.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    let open = node.get("/api/v1/alerts").await.expect(200);
    let alert = open.list("/alerts").iter().find(|alert| alert["condition"] == "news2").unwrap();
    let path = format!("/api/v1/alerts/p1/{}/acknowledge", alert["id"].as_str().unwrap());
    node.post(&path, &json!({})).await.expect(200);
    while !told.contains("\"status\":\"acknowledged\"") {
        let frame = body.frame().await.unwrap().unwrap();
        told.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
}

#[tokio::test]
async fn watchers_are_bounded_lim_1() {
    let node = Node::new().await;
    let watch = || {
        let request = Request::builder().uri("/api/v1/alerts/watch");
        request.header("x-medulla-purpose", "TREAT").body(Body::empty()).unwrap()
    };
    let mut held = Vec::new();
    for _ in 0..WATCHERS_MAX {
        held.push(node.raw(watch()).await);
    }
    assert!(held.iter().all(|response| response.status() == 200));
    node.get("/api/v1/alerts/watch").await.refused(429, "MED-NODE-001");
    held.clear();
    assert_eq!(node.raw(watch()).await.status(), 200, "who leaves makes room");
}
