//! Devices: association, samples on the device's clock, repeats, and Device resources.

use super::world::{Node, vital};
use serde_json::{Value, json};

fn sample(value: &str) -> Value {
    let mut sample = vital("x", "8867-4", value, "/min", "2026-11-22T23:59:00Z");
    sample.as_object_mut().unwrap().remove("subject");
    sample
}

fn batch(sequence: u64, values: &[&str]) -> Value {
    json!({
        "sequence": sequence,
        "device_time": "2026-11-23T00:00:00Z",
        "battery_percent": 80,
        "observations": values.iter().map(|value| sample(value)).collect::<Vec<_>>(),
    })
}

#[tokio::test]
async fn samples_reach_the_patient_who_is_measured() {
    let node = Node::new().await;
    node.register("p1").await;
    let joined = json!({ "patient": "p1", "at": "2026-11-22T12:00:00Z" });
    let joined = node.post("/api/v1/devices/mon-1/associate", &joined).await.expect(200);
    assert_eq!(joined.at("/association/patient"), "p1");
    let taken = node.post("/api/v1/devices/mon-1/samples", &batch(1, &["80", "82"])).await;
    let taken = taken.expect(200);
    assert_eq!((taken.at("/forwarded"), taken.at("/kept")), (&json!(2), &json!(0)));
    let again = node.post("/api/v1/devices/mon-1/samples", &batch(1, &["80", "82"])).await;
    assert_eq!(again.expect(200).header("x-medulla-duplicate"), "true");
    let found =
        node.until("/fhir/Observation?patient=p1", |answer| answer.at("/total") == &json!(2)).await;
    assert_eq!(found.at("/entry/0/resource/device/reference"), "Device/mon-1");
    node.post("/api/v1/devices/mon-1/interval", &json!({ "seconds": 60 })).await.expect(200);
    let state = node.get("/api/v1/devices/mon-1").await.expect(200);
    assert_eq!(state.at("/samples"), 2);
    assert_eq!(state.at("/battery_percent"), 80);
    assert_eq!(state.at("/interval_seconds"), 60);
    node.until("/api/v1/patients/p1", |answer| answer.at("/devices/0/device") == "mon-1").await;
    node.post("/api/v1/devices/mon-1/dissociate", &json!({})).await.expect(200);
    node.get("/api/v1/devices/unheard-of").await.refused(404, "MED-DEV-001");
}

#[tokio::test]
async fn a_wrong_batch_is_kept_whole_and_repaired() {
    let node = Node::new().await;
    let mut wrong = batch(1, &["80", "82"]);
    wrong["observations"][1]["status"] = json!("no-such-status");
    let refused = node.post("/api/v1/devices/mon-1/samples", &wrong).await;
    let refused = refused.refused(422, "MED-FHIR-002");
    let id = refused.header("x-medulla-quarantine").to_owned();
    let replay = format!("/api/v1/quarantine/{id}/replay");
    let taken = node.post(&replay, &batch(1, &["80", "82"])).await.expect(200);
    assert_eq!(taken.at("/accepted"), true, "{}", taken.text);
    assert_eq!(node.get("/api/v1/devices/mon-1").await.expect(200).at("/samples"), 2);
}

#[tokio::test]
async fn device_resources_are_kept_by_the_device_and_found_by_patient() {
    let node = Node::new().await;
    node.register("p1").await;
    let device = json!({
        "resourceType": "Device",
        "id": "mon-1",
        "status": "active",
        "patient": { "reference": "Patient/p1" },
    });
    node.put("/fhir/Device/mon-1", &device).await.expect(201);
    let bare = json!({ "resourceType": "Device", "id": "mon-2" });
    node.put("/fhir/Device/mon-2", &bare).await.expect(201);
    for (query, total) in [("patient=p1", 1), ("", 2), ("_id=mon-2", 1)] {
        let found = node.get(&format!("/fhir/Device?{query}")).await.expect(200);
        assert_eq!(found.at("/total"), total, "{query}");
    }
    let state = node.get("/api/v1/devices/mon-1").await.expect(200);
    assert_eq!(state.at("/association/patient"), "p1");
    let mut measured = sample("77");
    measured["device"] = json!({ "reference": "Device/mon-2" });
    let stored = node.post("/fhir/Observation", &measured).await.expect(201);
    let id = stored.at("/id").as_str().unwrap();
    let read = node.get(&format!("/fhir/Observation/{id}")).await.expect(200);
    assert_eq!(read.at("/device/reference"), "Device/mon-2");
    assert_eq!(node.get("/api/v1/devices/mon-2").await.expect(200).at("/resources"), 2);
}

#[tokio::test]
async fn beds_are_ready_when_somebody_says_so() {
    let node = Node::new().await;
    let bed = json!({ "ward": "W1", "room": "1", "bed": "A", "status": "cleaning" });
    node.post("/api/v1/facilities/NORTH/beds", &bed).await.expect(200);
    let board = node.get("/api/v1/facilities/NORTH/beds").await.expect(200);
    assert_eq!(board.at("/beds/0/state"), "cleaning");
    let wrong = json!({ "ward": "W1", "room": "1", "bed": "A", "status": "tidy" });
    node.post("/api/v1/facilities/NORTH/beds", &wrong).await.refused(400, "MED-NODE-013");
    node.get("/api/v1/facilities/SOUTH/census").await.refused(404, "MED-FAC-001");
    let series = "/api/v1/facilities/NORTH/census-series?from=2026-11-22&to=2026-11-22T02:00:00Z";
    let series = node.get(series).await.expect(200);
    assert_eq!(series.list("/hours").len(), 3);
}
