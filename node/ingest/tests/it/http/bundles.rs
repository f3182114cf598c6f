//! Bundles: transactions are all or nothing, batches are not, and the same bundle sent again finds
//! itself.

use super::world::{Node, TREATS, bundle, created, patient, vital};
use serde_json::{Value, json};

const PATIENT: &str = "0b8e3a3c-7f27-4a5e-9d0a-5a2f9f3e1c01";
const HEART: &str = "0b8e3a3c-7f27-4a5e-9d0a-5a2f9f3e1c02";
const ORGANIZATION: &str = "0b8e3a3c-7f27-4a5e-9d0a-5a2f9f3e1c03";

/// Observations of a large bundle.
const ENTRIES: usize = 1_000;

fn story() -> Vec<Value> {
    let mut person = patient("x");
    person.as_object_mut().unwrap().remove("id");
    person["managingOrganization"] = json!({ "reference": format!("urn:uuid:{ORGANIZATION}") });
    let mut heart = vital("x", "8867-4", "80", "/min", "2026-11-22T10:00:00Z");
    heart["subject"]["reference"] = json!(format!("urn:uuid:{PATIENT}"));
    let organization = json!({ "resourceType": "Organization", "name": "North" });
    vec![created(HEART, &heart), created(PATIENT, &person), created(ORGANIZATION, &organization)]
}

#[tokio::test]
async fn a_transaction_is_stored_with_its_references() {
    let node = Node::new().await;
    let sent = bundle("transaction", &story());
    let answer = node.post("/fhir", &sent).await.expect(200);
    assert_eq!(answer.at("/type"), "transaction-response");
    assert_eq!(answer.header("x-medulla-duplicate"), "");
    for index in 0..3 {
        assert_eq!(answer.at(&format!("/entry/{index}/response/status")), "201 Created");
    }
    let location = answer.at("/entry/1/response/location");
    assert_eq!(location, &json!(format!("Patient/{PATIENT}/_history/1")));
    let person = node.get(&format!("/fhir/Patient/{PATIENT}")).await.expect(200);
    let organization = person.at("/managingOrganization/reference");
    assert_eq!(organization, &json!(format!("Organization/{ORGANIZATION}")));
    let heart = node.get(&format!("/fhir/Observation/{HEART}")).await.expect(200);
    assert_eq!(heart.at("/subject/reference"), &json!(format!("Patient/{PATIENT}")));

    let again = node.post("/fhir", &sent).await.expect(200);
    assert_eq!(again.header("x-medulla-duplicate"), "true");
    let found = node.get(&format!("/fhir/Observation?patient={PATIENT}")).await.expect(200);
    assert_eq!(found.at("/total"), 1, "no second copy");
}

#[tokio::test]
async fn a_uuid_in_use_by_other_content_is_not_taken_over() {
    let node = Node::new().await;
    node.post("/fhir", &bundle("transaction", &story())).await.expect(200);
    let mut other = story();
    other[2]["resource"]["name"] = json!("South");
    let sent = bundle("transaction", &other);
    let answer = node.post("/fhir", &sent).await.expect(200);
    let location = answer.at("/entry/2/response/location").as_str().unwrap().to_owned();
    assert!(!location.contains(ORGANIZATION), "{location}");
    let again = node.post("/fhir", &sent).await.expect(200);
    assert_eq!(again.header("x-medulla-duplicate"), "true");
    let same = again.at("/entry/2/response/location");
    assert_eq!(same, &json!(location));
}

#[tokio::test]
async fn an_id_in_the_form_of_a_uuid_names_what_is_created() {
    let node = Node::new().await;
    let entry = |id: &str| {
        let organization = json!({ "resourceType": "Organization", "id": id, "name": "North" });
        json!({
            "resource": organization,
            "request": { "method": "POST", "url": "Organization" },
        })
    };
    let sent = bundle("transaction", &[entry(ORGANIZATION), entry("north")]);
    let answer = node.post("/fhir", &sent).await.expect(200);
    let location = |index: usize| {
        let pointer = format!("/entry/{index}/response/location");
        answer.at(&pointer).as_str().unwrap().to_owned()
    };
    assert_eq!(location(0), format!("Organization/{ORGANIZATION}/_history/1"));
    assert!(!location(1).contains("north"), "other names are ours to give");
    let again = node.post("/fhir", &sent).await.expect(200);
    assert_eq!(again.at("/entry/0/response/status"), "200 OK");
    assert_eq!(again.at("/entry/1/response/status"), "201 Created");
}

#[tokio::test]
async fn a_thing_described_by_many_bundles_stays_one_thing() {
    let node = Node::new().await;
    let said = |name: &str| {
        let organization = json!({
            "resourceType": "Organization",
            "identifier": [{ "system": "urn:o", "value": "42" }],
            "name": name,
        });
        bundle("transaction", &[created(ORGANIZATION, &organization)])
    };
    let path = format!("/fhir/Organization/{ORGANIZATION}");
    let cases = [("North", "\"1\""), ("South", "\"2\""), ("South", "\"2\""), ("North", "\"2\"")];
    for (index, (name, version)) in cases.into_iter().enumerate() {
        let answer = node.post("/fhir", &said(name)).await.expect(200);
        let duplicate = if index < 2 { "" } else { "true" };
        assert_eq!(answer.header("x-medulla-duplicate"), duplicate, "{name}");
        let read = node.get(&path).await.expect(200);
        assert_eq!(read.header("etag"), format!("W/{version}"), "what was said before is no news");
    }
}

#[tokio::test]
async fn one_bad_entry_refuses_a_transaction_whole() {
    let node = Node::new().await;
    let mut entries = story();
    entries[0]["resource"]["status"] = json!("no-such-status");
    let answer = node.post("/fhir", &bundle("transaction", &entries)).await;
    let answer = answer.refused(422, "MED-FHIR-002");
    let place = answer.at("/issue/0/expression/0").as_str().unwrap();
    assert!(place.starts_with("Bundle.entry[0]"), "{place}");
    assert_ne!(answer.header("x-medulla-quarantine"), "");
    node.get(&format!("/fhir/Patient/{PATIENT}")).await.expect(404);
    node.get(&format!("/fhir/Organization/{ORGANIZATION}")).await.expect(404);
}

#[tokio::test]
async fn a_version_conflict_refuses_a_transaction_on_several_entities() {
    let node = Node::new().await;
    node.register("p1").await;
    let organization = json!({ "resourceType": "Organization", "id": "org", "name": "North" });
    node.put("/fhir/Organization/org", &organization).await.expect(201);
    let mut person = patient("p1");
    person["gender"] = json!("male");
    let mut renamed = organization.clone();
    renamed["name"] = json!("South");
    let put = |resource: &Value, url: &str, tag: &str| {
        json!({
            "resource": resource,
            "request": { "method": "PUT", "url": url, "ifMatch": tag },
        })
    };
    let entries =
        [put(&person, "Patient/p1", "W/\"1\""), put(&renamed, "Organization/org", "W/\"5\"")];
    let answer = node.post("/fhir", &bundle("transaction", &entries)).await;
    let answer = answer.refused(412, "MED-FHIR-005");
    assert_eq!(answer.at("/issue/0/expression/0"), "Bundle.entry[1]");
    assert_eq!(node.get("/fhir/Patient/p1").await.at("/gender"), "female");
    assert_eq!(node.get("/fhir/Organization/org").await.at("/name"), "North");
    let entries =
        [put(&person, "Patient/p1", "W/\"1\""), put(&renamed, "Organization/org", "W/\"1\"")];
    node.post("/fhir", &bundle("transaction", &entries)).await.expect(200);
    assert_eq!(node.get("/fhir/Organization/org").await.at("/name"), "South");
}

#[tokio::test]
async fn entries_of_a_batch_stand_for_themselves() {
    let node = Node::new().await;
    node.register("p1").await;
    let good = vital("p1", "8867-4", "80", "/min", "2026-11-22T10:00:00Z");
    let mut bad = good.clone();
    bad["status"] = json!("no-such-status");
    let stray = json!({
        "resource": { "resourceType": "Patient", "id": "p1" },
        "request": { "method": "PUT", "url": "Patient/p1", "ifMatch": "W/\"9\"" },
    });
    let post = |resource: &Value| {
        let request = json!({ "method": "POST", "url": "Observation" });
        json!({ "resource": resource, "request": request })
    };
    let get = json!({ "request": { "method": "GET", "url": "Observation?patient=p1" } });
    let lost = json!({ "request": { "method": "GET", "url": "Basic/nothing" } });
    let entries = [post(&good), post(&bad), stray, get, lost];
    let answer = node.post("/fhir", &bundle("batch", &entries)).await.expect(200);
    assert_eq!(answer.at("/type"), "batch-response");
    let status = |index: usize| answer.at(&format!("/entry/{index}/response/status")).clone();
    assert_eq!(status(0), "201 Created");
    assert_eq!(status(1), "422 Unprocessable Content");
    assert_eq!(status(2), "412 Precondition Failed");
    assert_eq!(status(3), "200 OK");
    assert_eq!(answer.at("/entry/3/resource/total"), 1, "reads see the writes");
    assert_eq!(status(4), "404 Not Found");
    let waiting = node.get("/api/v1/quarantine").await.expect(200);
    assert_eq!(waiting.list("/items").len(), 1, "only content is kept");
    assert_eq!(answer.header("x-medulla-quarantine"), waiting.at("/items/0/id").as_str().unwrap());
}

#[tokio::test]
async fn entries_of_a_batch_about_one_resource_keep_their_order_ord_1() {
    let node = Node::new().await;
    let put = |gender: &str, tag: Option<&str>| {
        let mut person = patient("p1");
        person["gender"] = json!(gender);
        let mut entry = json!({
            "resource": person,
            "request": { "method": "PUT", "url": "Patient/p1" },
        });
        if let Some(tag) = tag {
            entry["request"]["ifMatch"] = json!(tag);
        }
        entry
    };
    // The third is refused, so that each is taken alone.
    let entries =
        [put("female", None), put("male", None), put("other", Some("W/\"9\"")), put("other", None)];
    let answer = node.post("/fhir", &bundle("batch", &entries)).await.expect(200);
    let statuses: Vec<_> = answer
        .list("/entry")
        .iter()
        .map(|entry| entry["response"]["status"].as_str().unwrap()[..3].to_owned())
        .collect();
    assert_eq!(statuses, ["201", "200", "412", "200"]);
    let person = node.get("/fhir/Patient/p1").await.expect(200);
    assert_eq!((person.at("/gender"), person.header("etag")), (&json!("other"), "W/\"3\""));
}

#[tokio::test]
async fn a_collection_is_stored_by_its_ids() {
    let node = Node::new().await;
    let mut heart = vital("p1", "8867-4", "80", "/min", "2026-11-22T10:00:00Z");
    heart["id"] = json!("o1");
    let entries = [json!({ "resource": patient("p1") }), json!({ "resource": heart })];
    let sent = bundle("collection", &entries);
    let answer = node.post("/fhir", &sent).await.expect(200);
    assert_eq!(answer.at("/entry/1/response/status"), "201 Created");
    node.get("/fhir/Observation/o1").await.expect(200);
    let again = node.post("/fhir", &sent).await.expect(200);
    assert_eq!(again.header("x-medulla-duplicate"), "true");
}

#[tokio::test]
async fn conditional_references_and_creates_resolve() {
    let node = Node::new().await;
    let doctor = json!({
        "resourceType": "Practitioner",
        "identifier": [{ "system": "urn:npi", "value": "99" }],
    });
    let create = json!({
        "resource": doctor,
        "request": {
            "method": "POST",
            "url": "Practitioner",
            "ifNoneExist": "identifier=urn:npi|99",
        },
    });
    let mut heart = vital("p1", "8867-4", "80", "/min", "2026-11-22T10:00:00Z");
    heart["performer"] = json!([{ "reference": "Practitioner?identifier=urn:npi|99" }]);
    let observe = created(HEART, &heart);
    let early = node.post("/fhir", &bundle("transaction", std::slice::from_ref(&observe))).await;
    let early = early.refused(422, "MED-FHIR-008");
    assert_ne!(early.header("x-medulla-quarantine"), "");
    // Twice the same condition: the second finds what the first creates.
    let batch = bundle("batch", &[create.clone(), create]);
    let answer = node.post("/fhir", &batch).await.expect(200);
    assert_eq!(answer.at("/entry/0/response/status"), "201 Created");
    assert_eq!(answer.at("/entry/1/response/status"), "200 OK");
    node.post("/fhir", &bundle("transaction", &[observe])).await.expect(200);
    let stored = node.get(&format!("/fhir/Observation/{HEART}")).await.expect(200);
    let reference = stored.at("/performer/0/reference").as_str().unwrap().to_owned();
    node.get(&format!("/fhir/{reference}")).await.expect(200);
}

#[tokio::test]
async fn a_key_makes_a_transaction_have_one_effect_once_1() {
    let node = Node::new().await;
    let mut entries = story();
    for entry in &mut entries {
        entry.as_object_mut().unwrap().remove("fullUrl");
    }
    entries[0]["resource"]["subject"]["reference"] = json!("Patient/p1");
    entries[1]["resource"].as_object_mut().unwrap().remove("managingOrganization");
    let headers = [TREATS, &[("idempotency-key", "k-1")]].concat();
    let body = bundle("transaction", &entries).to_string();
    let first = node.send("POST", "/fhir", &headers, body.clone()).await.expect(200);
    let second = node.send("POST", "/fhir", &headers, body).await.expect(200);
    assert_eq!(second.header("x-medulla-duplicate"), "true");
    let location = |answer: &super::world::Answer| answer.at("/entry/0/response/location").clone();
    assert_eq!(location(&first), location(&second));
    let found = node.get("/fhir/Observation?patient=p1").await.expect(200);
    assert_eq!(found.at("/total"), 1);
}

#[tokio::test]
async fn a_large_transaction_is_one_commit() {
    let node = Node::new().await;
    let mut entries = story();
    let note = "x".repeat(3_000);
    for number in 0..ENTRIES {
        let mut heart = vital("x", "8867-4", "80", "/min", "2026-11-22T10:00:00Z");
        heart["subject"]["reference"] = json!(format!("urn:uuid:{PATIENT}"));
        heart["note"] = json!([{ "text": note }]);
        entries.push(created(&format!("0b8e3a3c-7f27-4a5e-9d0a-{number:012}"), &heart));
    }
    let sent = bundle("transaction", &entries);
    let answer = node.post("/fhir", &sent).await.expect(200);
    assert_eq!(answer.list("/entry").len(), entries.len());
    let found = node.get(&format!("/fhir/Observation?patient={PATIENT}&_summary=count")).await;
    assert_eq!(found.at("/total"), ENTRIES + 1);
    let again = node.post("/fhir", &sent).await.expect(200);
    assert_eq!(again.header("x-medulla-duplicate"), "true");
}
