//! Live queries over HTTP: what came in by FHIR is found, grouped and audited, and nobody is woken.

use super::world::{Node, TREATS, bundle, vital};
use serde_json::{Value, json};

async fn ward(node: &Node) {
    for (patient, pulse, temperature) in [("p1", "135", "39.5"), ("p2", "72", "36.8")] {
        node.register(patient).await;
        let at = "2026-11-22T23:00:00Z";
        let resources = [
            vital(patient, "8867-4", pulse, "/min", at),
            vital(patient, "8310-5", temperature, "Cel", at),
        ];
        let entry = |resource: &Value| {
            let request = json!({ "method": "POST", "url": "Observation" });
            json!({ "resource": resource, "request": request })
        };
        let entries: Vec<Value> = resources.iter().map(entry).collect();
        node.post("/fhir", &bundle("transaction", &entries)).await.expect(200);
    }
    node.register("p3").await;
}

async fn ask(node: &Node, text: &str) -> super::world::Answer {
    node.post("/api/v1/query", &json!({ "query": text })).await
}

#[tokio::test]
async fn what_was_observed_is_found() {
    let node = Node::new().await;
    ward(&node).await;
    let found = ask(&node, "heart_rate >= 135 and temperature > 38.5").await.expect(200);
    assert_eq!(found.at("/rows/0/key"), "p1");
    assert_eq!(found.at("/rows/0/heart_rate"), &json!(135));
    assert_eq!(found.at("/rows/0/body_temperature"), &json!(39.5));
    assert_eq!(found.at("/rows/0/unit"), &Value::Null);
    assert_eq!((found.at("/matched"), found.at("/scanned")), (&json!(1), &json!(3)));
    let path = "/api/v1/query?q=minutes_since(heart_rate)%20%3D%2060%20order%20by%20key";
    let found = node.get(path).await.expect(200);
    let keys: Vec<&Value> = found.list("/rows").iter().map(|row| &row["key"]).collect();
    assert_eq!(keys, ["p1", "p2"]);
    let text = "select count(*) as n, max(heart_rate) as most, count(heart_rate) as known \
                from patients";
    let counted = ask(&node, text).await.expect(200);
    assert_eq!(counted.at("/rows/0"), &json!({ "n": 3, "most": 135, "known": 2 }));
    assert_eq!(counted.at("/columns/1/unit"), "/min");
}

#[tokio::test]
async fn questions_are_audited_at_those_they_show() {
    let node = Node::new().await;
    ward(&node).await;
    ask(&node, "heart_rate > 100").await.expect(200);
    let trail = node.get("/api/v1/audit/patients/p1").await.expect(200);
    let operations: Vec<&str> =
        trail.list("/records").iter().filter_map(|record| record["operation"].as_str()).collect();
    let shown = "query heart_rate > ? [matched 1 of 3, returned 1]";
    assert!(operations.contains(&shown), "{operations:?}");
    let trail = node.get("/api/v1/audit/patients/p2").await.expect(200);
    assert!(!trail.text.contains("query heart_rate"), "p2 was not shown");
}

#[tokio::test]
async fn refusals_have_codes() {
    let node = Node::new().await;
    let refused = ask(&node, "hart_rate > 5").await.refused(400, "MED-QRY-001");
    assert!(refused.text.contains("did you mean heart_rate?"), "{}", refused.text);
    node.post("/api/v1/query", &json!({})).await.refused(400, "MED-NODE-013");
    node.get("/api/v1/query?text=a").await.refused(400, "MED-NODE-013");
    let text = json!({ "query": "heart_rate > 5" }).to_string();
    let curious = [("x-medulla-purpose", "curiosity")];
    node.send("POST", "/api/v1/query", &curious, text.clone()).await.refused(403, "MED-AUTH-001");
    node.send("POST", "/api/v1/query", TREATS, text).await.expect(200);
}
