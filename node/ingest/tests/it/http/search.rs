//! Search: what is found, in which order, on which page; and what is refused.

use super::world::{Node, TREATS, patient, vital};
use node_ingest::gateway::Caller;
use node_ingest::hl7;
use schema_types::ids::PrincipalId;
use serde_json::json;

async fn with_observations(count: usize) -> Node {
    let node = Node::new().await;
    node.register("p1").await;
    node.register("p2").await;
    for index in 0..count {
        let at = format!("2026-11-22T{:02}:00:00Z", index);
        let (code, unit) = if index % 2 == 0 { ("8867-4", "/min") } else { ("9279-1", "/min") };
        let body = vital("p1", code, &format!("{}", 60 + index), unit, &at);
        node.post("/fhir/Observation", &body).await.expect(201);
    }
    node
}

#[tokio::test]
async fn observations_are_found_by_patient_code_category_and_date() {
    let node = with_observations(6).await;
    let cases = [
        ("patient=p1", 6),
        ("subject=Patient/p1", 6),
        ("patient=p2", 0),
        ("patient=nobody", 0),
        ("patient=p1&code=8867-4", 3),
        ("patient=p1&code=http://loinc.org|9279-1", 3),
        ("patient=p1&code=http://loinc.org|8867-4,http://loinc.org|9279-1", 6),
        ("patient=p1&category=vital-signs", 6),
        ("patient=p1&category=laboratory", 0),
        ("patient=p1&date=ge2026-11-22T03:00:00Z", 3),
        ("patient=p1&date=lt2026-11-22T03:00:00Z&code=8867-4", 2),
    ];
    for (query, total) in cases {
        let found = node.get(&format!("/fhir/Observation?{query}")).await.expect(200);
        assert_eq!(found.at("/total"), total, "{query}");
        assert_eq!(found.list("/entry").len(), total, "{query}");
    }
    let form = [TREATS, &[("content-type", "application/x-www-form-urlencoded")]].concat();
    let posted = node.send("POST", "/fhir/Observation/_search", &form, "patient=p1&code=8867-4");
    assert_eq!(posted.await.expect(200).at("/total"), 3);
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_overlap() {
    let node = with_observations(5).await;
    let mut path = "/fhir/Observation?patient=p1&_count=2&_sort=-date".to_owned();
    let mut values = Vec::new();
    loop {
        let page = node.get(&path).await.expect(200);
        assert_eq!(page.at("/total"), 5);
        let entries = page.list("/entry").iter();
        values.extend(entries.map(|entry| entry["resource"]["valueQuantity"]["value"].clone()));
        let links = page.list("/link").to_vec();
        let Some(next) = links.iter().find(|link| link["relation"] == "next") else { break };
        let url = next["url"].as_str().unwrap();
        path = url.strip_prefix("http://localhost").unwrap().to_owned();
    }
    assert_eq!(values, [64, 63, 62, 61, 60]);
    let count = node.get("/fhir/Observation?patient=p1&_summary=count").await.expect(200);
    assert_eq!((count.at("/total"), count.list("/entry").len()), (&json!(5), 0));
}

#[tokio::test]
async fn what_is_not_supported_is_refused_never_ignored() {
    let node = with_observations(0).await;
    let cases = [
        "/fhir/Observation?patient=p1&value-quantity=5",
        "/fhir/Observation?patient=p1&code:below=x",
        "/fhir/Observation?patient=p1&_include=Observation:subject",
        "/fhir/Observation?patient=p1&_count=x",
        "/fhir/Observation?code=8867-4",
        "/fhir/Patient?patient=p1",
        "/fhir/Organization?name=x",
    ];
    for path in cases {
        node.get(path).await.refused(400, "MED-FHIR-004");
    }
    node.get("/fhir/Nothing?_id=x").await.refused(404, "MED-FHIR-003");
}

#[tokio::test]
async fn a_search_that_finds_nobody_is_on_record_aud_1() {
    let node = Node::new().await;
    let before = node.get("/api/v1/audit/verify").await.at("/records").as_u64().unwrap();
    for path in ["/fhir/Patient?identifier=4711", "/fhir/Basic?_id=x", "/fhir/Device"] {
        assert_eq!(node.get(path).await.expect(200).at("/total"), 0, "{path}");
    }
    let after = node.get("/api/v1/audit/verify").await.at("/records").as_u64().unwrap();
    assert_eq!(after - before, 4, "three searches and the second look at the log");
}

#[tokio::test]
async fn patients_are_found_by_identifier_name_and_birth_date() {
    let node = Node::new().await;
    node.register("p1").await;
    let mut other = patient("p2");
    other["name"][0]["family"] = json!("Finch");
    other["birthDate"] = json!("1980-01-02");
    node.put("/fhir/Patient/p2", &other).await.expect(201);
    let cases = [
        ("identifier=urn:hospital|MRN-p1", vec!["p1"]),
        ("identifier=MRN-p2", vec!["p2"]),
        ("identifier=urn:other|MRN-p1", vec![]),
        ("_id=p1,p2", vec!["p1", "p2"]),
        ("family=finch", vec!["p2"]),
        ("name=ada", vec!["p1", "p2"]),
        ("birthdate=lt1970-01-01", vec!["p1"]),
        ("gender=female&family:exact=Canary", vec!["p1"]),
        ("", vec!["p1", "p2"]),
    ];
    for (query, ids) in cases {
        let found = node.get(&format!("/fhir/Patient?{query}")).await.expect(200);
        let entries = found.list("/entry").iter();
        let found: Vec<_> =
            entries.map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(found, ids, "{query}");
    }
}

#[tokio::test]
async fn what_came_by_hl7_is_shown_as_fhir() {
    let node = Node::new().await;
    let caller = Caller { principal: PrincipalId::new("mllp:test"), purpose: "TREAT".to_owned() };
    let header = "MSH|^~\\&|APP|NORTH|MED|NORTH|20261122090000||";
    let adt = format!(
        "{header}ADT^A01|1|P|2.5.1\rEVN|A01|20261122083000\r\
         PID|1||4711^^^NORTH^MR||Canary^Ada||19610504|F\r\
         PV1|1|I|W2^R4^B1^NORTH||||||||||||||||V900^^^NORTH^VN\r"
    );
    let oru = format!(
        "{header}ORU^R01|2|P|2.5.1\rPID|1||4711^^^NORTH^MR\r\
         OBR|1||F1|85353-1^Vital signs panel^LN|||20261122080000\r\
         OBX|1|NM|8867-4^Heart rate^LN||88|/min|||||F|||20261122080100\r"
    );
    for message in [adt, oru] {
        let received = hl7::receive(&node.gateway, &caller, message.as_bytes(), "mllp").await;
        assert_eq!(received.disposition, hl7::Disposition::Accepted);
    }
    let found = node.get("/fhir/Patient?identifier=4711").await.expect(200);
    let id = found.at("/entry/0/resource/id").as_str().unwrap().to_owned();
    let person = node.get(&format!("/fhir/Patient/{id}")).await.expect(200);
    assert_eq!(person.at("/name/0/family"), "Canary");
    let found = node.get(&format!("/fhir/Observation?patient={id}&code=8867-4")).await.expect(200);
    assert_eq!(found.at("/total"), 1);
    assert_eq!(found.at("/entry/0/resource/valueQuantity/value"), 88);
    assert_eq!(found.at("/entry/0/resource/subject/reference"), &json!(format!("Patient/{id}")));
    let observation = found.at("/entry/0/resource/id").as_str().unwrap();
    let path = format!("/fhir/Observation/{observation}");
    assert_eq!(node.get(&path).await.expect(200).at("/valueQuantity/value"), 88);
    let taken_over = json!({
        "resourceType": "Observation",
        "id": observation,
        "status": "final",
        "code": { "text": "x" },
    });
    node.put(&path, &taken_over).await.refused(409, "MED-FHIR-009");
    let census = "/api/v1/facilities/NORTH/census";
    node.until(census, |answer| answer.at("/wards/W2") == &json!(1)).await;
    let beds = node.get("/api/v1/facilities/NORTH/beds").await.expect(200);
    assert_eq!(beds.at("/beds/0/state"), "occupied");
    assert_eq!(beds.at("/beds/0/patient"), id.as_str());
    let facilities = node.get("/api/v1/facilities").await.expect(200);
    assert_eq!(facilities.at("/facilities"), &json!(["NORTH"]));
}

#[tokio::test]
async fn a_survivor_shows_what_was_recorded_of_the_retired() {
    let node = with_observations(2).await;
    node.post("/api/v1/patients/p2/merge", &json!({ "retired": "p1" })).await.expect(200);
    let found = node.get("/fhir/Observation?patient=p2").await.expect(200);
    assert_eq!(found.at("/total"), 2);
    let view = node.until("/api/v1/patients/p2", |answer| answer.list("/latest").len() == 2).await;
    assert_eq!(view.at("/links/0/retired"), "p1");
    node.until("/api/v1/patients/p1", |answer| answer.at("/merged_into/patient") == "p2").await;
    let timeline = node.get("/api/v1/patients/p2/timeline").await.expect(200);
    let of_retired = timeline.list("/items").iter().filter(|item| item["record"] == "p1");
    assert!(of_retired.count() >= 2);
    node.post("/api/v1/patients/p2/unmerge", &json!({ "retired": "p1" })).await.expect(200);
    let found = node.get("/fhir/Observation?patient=p2").await.expect(200);
    assert_eq!(found.at("/total"), 0);
    node.post("/api/v1/patients/p2/unmerge", &json!({ "retired": "p1" }))
        .await
        .refused(404, "MED-PAT-005");
}
