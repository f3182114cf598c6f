//! A node on the in-memory store and its router. Every person is invented.

use actors_audit::HeadSigner;
use actors_runtime::{Runtime, RuntimeConfig, RuntimeParts};
use actors_store::MemoryStore;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use node_env::Offload;
use node_env::fake::{ManualClock, SeededRng};
use node_ingest::gateway::Gateway;
use node_ingest::http::{NodeStatus, router};
use node_ingest::limits::IngestLimits;
use schema_types::ids::TenantId;
use schema_types::time::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use tower::ServiceExt;

/// 2026-11-23T00:00:00Z.
pub(crate) const NOW_MICROS: i64 = 1_795_392_000_000_000;
/// A caller who treats.
pub(crate) const TREATS: &[(&str, &str)] =
    &[("x-medulla-principal", "nurse:ada"), ("x-medulla-purpose", "TREAT")];

/// A node without sockets.
pub(crate) struct Node {
    pub(crate) router: Router,
    pub(crate) gateway: Gateway,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) status: NodeStatus,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The stable code of a refusal in either form.
    pub(crate) fn code(&self) -> String {
        if let Some(code) = self.json.pointer("/error/code") {
            return code.as_str().unwrap().to_owned();
        }
        let diagnostics = self.json.pointer("/issue/0/diagnostics");
        let text = diagnostics.and_then(Value::as_str).unwrap_or_default();
        text.split([' ', ':']).next().unwrap_or_default().to_owned()
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.code(), code, "{}", answer.text);
        answer
    }

    pub(crate) fn at(&self, pointer: &str) -> &Value {
        self.json.pointer(pointer).unwrap_or(&Value::Null)
    }

    pub(crate) fn list(&self, pointer: &str) -> &[Value] {
        self.at(pointer).as_array().map_or(&[], Vec::as_slice)
    }
}

impl Node {
    pub(crate) async fn new() -> Self {
        Self::with(IngestLimits::default()).await
    }

    pub(crate) async fn with(limits: IngestLimits) -> Self {
        let clock = Arc::new(ManualClock::new(NOW_MICROS));
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let config = RuntimeConfig { shards: 4, timer_interval_ms: 10, ..RuntimeConfig::default() };
        Self::over(store, clock, config, limits).await
    }

    /// A node over a store that others may use too.
    pub(crate) async fn over(
        store: Arc<MemoryStore>,
        clock: Arc<ManualClock>,
        config: RuntimeConfig,
        limits: IngestLimits,
    ) -> Self {
        let signer = Arc::new(HeadSigner::new(&[7; 32]));
        let parts = RuntimeParts { store, clock: clock.clone(), signer, config };
        let runtime = Runtime::start(parts).await.unwrap();
        let gateway = Gateway {
            runtime,
            tenant: TenantId::new("t1"),
            limits,
            rng: Arc::new(SeededRng::new(11)),
            offload: Offload::Pool,
        };
        let status = NodeStatus::new("node-1", Timestamp::from_unix_micros(NOW_MICROS));
        let router = router(gateway.clone(), status.clone());
        Self { router, gateway, clock, status }
    }

    pub(crate) async fn raw(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.raw(request.body(body.into()).unwrap()).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status, headers, text, json }
    }

    /// A read as somebody who treats.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, TREATS, Body::empty()).await
    }

    /// A write as somebody who treats.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, TREATS, body.to_string()).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, TREATS, body.to_string()).await
    }

    /// Stores a patient with a medical record number.
    pub(crate) async fn register(&self, id: &str) {
        self.put(&format!("/fhir/Patient/{id}"), &patient(id)).await.expect(201);
    }

    pub(crate) fn advance_seconds(&self, seconds: u32) {
        for _ in 0..seconds {
            self.clock.advance_micros(1_000_000);
        }
    }

    /// Waits until a listing has what is looked for; outbox and timers work in their own time.
    pub(crate) async fn until(&self, path: &str, holds: impl Fn(&Answer) -> bool) -> Answer {
        for _ in 0..1_000 {
            let answer = self.get(path).await;
            if holds(&answer) {
                return answer;
            }
            tokio::task::yield_now().await;
        }
        panic!("what was waited for did not come: {path}");
    }
}

pub(crate) fn patient(id: &str) -> Value {
    json!({
        "resourceType": "Patient",
        "id": id,
        "identifier": [{ "system": "urn:hospital", "value": format!("MRN-{id}") }],
        "name": [{ "family": "Canary", "given": ["Ada", "B"] }],
        "gender": "female",
        "birthDate": "1961-05-04",
    })
}

/// A vital sign of a patient by LOINC code.
pub(crate) fn vital(patient: &str, loinc: &str, value: &str, unit: &str, at: &str) -> Value {
    let number: serde_json::Number = serde_json::from_str(value).unwrap();
    json!({
        "resourceType": "Observation",
        "status": "final",
        "category": [{ "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/observation-category",
            "code": "vital-signs",
        }] }],
        "code": { "coding": [{ "system": "http://loinc.org", "code": loinc }] },
        "subject": { "reference": format!("Patient/{patient}") },
        "effectiveDateTime": at,
        "valueQuantity": {
            "value": number,
            "unit": unit,
            "system": "http://unitsofmeasure.org",
            "code": unit,
        },
    })
}

pub(crate) fn bundle(kind: &str, entries: &[Value]) -> Value {
    json!({ "resourceType": "Bundle", "type": kind, "entry": entries })
}

/// An entry that creates a resource under a urn.
pub(crate) fn created(uuid: &str, resource: &Value) -> Value {
    let url = resource["resourceType"].clone();
    json!({
        "fullUrl": format!("urn:uuid:{uuid}"),
        "resource": resource,
        "request": { "method": "POST", "url": url },
    })
}
