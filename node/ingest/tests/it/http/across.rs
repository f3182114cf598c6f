//! Transactions over entities of two nodes, sent to either: all or nothing, as on one node.

use super::world::{NOW_MICROS, Node, bundle, created, patient, vital};
use actors_runtime::{Forward, ForwardError, Runtime, RuntimeConfig, ShardGrant, trail};
use actors_store::MemoryStore;
use bytes::Bytes;
use futures::future::BoxFuture;
use node_env::fake::ManualClock;
use node_ingest::limits::IngestLimits;
use schema_types::cluster::{Epoch, HashRange};
use schema_types::ids::{ShardCount, ShardId};
use serde_json::{Value, json};
use std::sync::Arc;

const SHARDS: ShardCount = ShardCount(8);

/// The way to the other node.
struct Other(Runtime);

impl Forward for Other {
    fn call(
        &self,
        _hash: u64,
        call: Bytes,
        _deadline_ms: u64,
    ) -> BoxFuture<'_, Result<Vec<u8>, ForwardError>> {
        Box::pin(async move { Ok(self.0.serve_call(&call).await) })
    }

    fn shard_at(&self, hash: u64) -> Option<ShardId> {
        Some(SHARDS.shard_of(hash))
    }
}

/// Two nodes with every second shard.
async fn two() -> [Node; 2] {
    let clock = Arc::new(ManualClock::new(NOW_MICROS));
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let config = |name: &str| RuntimeConfig {
        node: name.to_owned(),
        shards: SHARDS.0,
        opens_all_shards: false,
        timer_interval_ms: 10,
        ..RuntimeConfig::default()
    };
    let limits = IngestLimits::default;
    let a = Node::over(Arc::clone(&store), Arc::clone(&clock), config("a"), limits()).await;
    let b = Node::over(store, clock, config("b"), limits()).await;
    a.gateway.runtime.forward_by(Arc::new(Other(b.gateway.runtime.clone())));
    b.gateway.runtime.forward_by(Arc::new(Other(a.gateway.runtime.clone())));
    let nodes = [a, b];
    for shard in (0..SHARDS.0).map(ShardId) {
        let range = HashRange::equal(SHARDS, shard).unwrap();
        let (inherits, retires) = (Vec::new(), Vec::new());
        let grant = ShardGrant { shard, range, epoch: Epoch(1), inherits, retires };
        nodes[usize::from(shard.0 % 2)].gateway.runtime.open_shard(&grant).await.unwrap();
    }
    nodes
}

fn uuid(story: usize, number: usize) -> String {
    format!("0b8e3a3c-7f27-4a5e-9d0a-{story:06}{number:06}")
}

/// Two patients of one organization, each with an observation.
fn story(number: usize) -> Vec<Value> {
    let organization = json!({ "resourceType": "Organization", "name": format!("N{number}") });
    let mut entries = vec![created(&uuid(number, 0), &organization)];
    for one in [1, 2] {
        let mut person = patient(&format!("{number}-{one}"));
        person.as_object_mut().unwrap().remove("id");
        person["managingOrganization"] =
            json!({ "reference": format!("urn:uuid:{}", uuid(number, 0)) });
        let mut heart = vital("x", "8867-4", "80", "/min", "2026-11-22T10:00:00Z");
        heart["subject"]["reference"] = json!(format!("urn:uuid:{}", uuid(number, one)));
        entries.push(created(&uuid(number, one), &person));
        entries.push(created(&uuid(number, one + 2), &heart));
    }
    entries
}

#[tokio::test]
async fn a_transaction_over_two_nodes_is_stored_whole_and_once_once_1() {
    const STORIES: usize = 12;
    let nodes = two().await;
    for number in 0..STORIES {
        let sent = bundle("transaction", &story(number));
        let answer = nodes[number % 2].post("/fhir", &sent).await.expect(200);
        for index in 0..5 {
            assert_eq!(answer.at(&format!("/entry/{index}/response/status")), "201 Created");
        }
        for node in &nodes {
            let again = node.post("/fhir", &sent).await.expect(200);
            assert_eq!(again.header("x-medulla-duplicate"), "true");
            node.get(&format!("/fhir/Organization/{}", uuid(number, 0))).await.expect(200);
            for one in [1, 2] {
                let id = uuid(number, one);
                node.get(&format!("/fhir/Patient/{id}")).await.expect(200);
                let found = node.get(&format!("/fhir/Observation?patient={id}")).await;
                assert_eq!(found.at("/total"), 1);
            }
        }
    }
    for node in &nodes {
        let held = node.gateway.runtime.metrics().group_members_held.get();
        assert!(held > STORIES as u64 / 2, "{held}: the members were all on one node");
    }
    let runtime = &nodes[0].gateway.runtime;
    let snapshot = runtime.snapshot().await.unwrap();
    for shard in 0..SHARDS.0 {
        let keys = runtime.audit_public_keys();
        assert!(trail::verify_shard(&*snapshot, shard, &keys, &[]).await.unwrap().ok, "AUD-2");
    }
}

#[tokio::test]
async fn a_conflict_on_either_node_refuses_a_transaction_whole() {
    let nodes = two().await;
    let ids: Vec<_> = (0..8).map(|number| format!("p{number}")).collect();
    for id in &ids {
        nodes[0].register(id).await;
    }
    let put = |id: &String, tag: &str| {
        let mut person = patient(id);
        person["gender"] = json!("male");
        let request = json!({ "method": "PUT", "url": format!("Patient/{id}"), "ifMatch": tag });
        json!({ "resource": person, "request": request })
    };
    // Each in turn is the one that refuses.
    for refuses in 0..ids.len() {
        let tag = |place: usize| if place == refuses { "W/\"5\"" } else { "W/\"1\"" };
        let entries: Vec<_> =
            ids.iter().enumerate().map(|(place, id)| put(id, tag(place))).collect();
        let answer = nodes[refuses % 2].post("/fhir", &bundle("transaction", &entries)).await;
        answer.refused(412, "MED-FHIR-005");
        for id in &ids {
            let stored = nodes[1].get(&format!("/fhir/Patient/{id}")).await.expect(200);
            assert_eq!(stored.at("/gender"), "female", "{id}");
        }
    }
    let entries: Vec<_> = ids.iter().map(|id| put(id, "W/\"1\"")).collect();
    nodes[1].post("/fhir", &bundle("transaction", &entries)).await.expect(200);
    for id in &ids {
        let stored = nodes[0].get(&format!("/fhir/Patient/{id}")).await.expect(200);
        assert_eq!(stored.at("/gender"), "male", "{id}");
    }
}
