//! `GET /api/v1/audit/export?format=fhir`: audit records as FHIR AuditEvents, shard after shard.

use super::access::admit;
use super::audit::outcome;
use super::finish;
use crate::http::ApiError;
use crate::http::app::App;
use crate::http::request::Asked;
use crate::limits::PAGE_ITEMS_MAX;
use actors_runtime::trail::{self, TrailEntry};
use axum::extract::State;
use axum::response::Response;
use schema_fhir::time::render_instant;
use schema_types::audit::AuditOutcome;
use schema_types::ids::EntityKind;
use serde_json::{Value, json};
use std::sync::Arc;

const PURPOSE_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const TYPE_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";
const OPERATION_SYSTEM: &str = "urn:medulla:operation";

/// The handler.
pub(crate) async fn get_export(State(app): State<Arc<App>>, asked: Asked) -> Response {
    finish(export(&app, &asked).await)
}

async fn export(app: &App, asked: &Asked) -> Result<Value, ApiError> {
    asked.only(&["format", "after", "limit"])?;
    if asked.parameter("format").is_some_and(|format| format != "fhir") {
        return Err(ApiError::bad_request("format is fhir"));
    }
    let limit = asked.limit(100, PAGE_ITEMS_MAX)?;
    let (mut shard, mut index): (u16, u64) = place(asked.parameter("after"))?;
    let gateway = &app.gateway;
    admit(app, asked, gateway.facility("audit"), "audit-export").await?;
    let snapshot = gateway.runtime.snapshot().await?;
    let mut entries = Vec::new();
    let first = shard;
    for log in trail::shards(&*snapshot).await?.into_iter().filter(|log| *log >= first) {
        if log > shard {
            (shard, index) = (log, 0);
        }
        while entries.len() < limit
            && let Some(entry) = trail::record_at(&*snapshot, shard, index).await?
        {
            entries.push(event(&entry));
            index += 1;
        }
        if entries.len() >= limit {
            break;
        }
    }
    let mut bundle = json!({ "resourceType": "Bundle", "type": "collection" });
    let Some(map) = bundle.as_object_mut() else { return Ok(Value::Null) };
    if entries.len() == limit {
        let url = format!("/api/v1/audit/export?format=fhir&limit={limit}&after={shard}.{index}");
        map.insert("link".to_owned(), json!([{ "relation": "next", "url": url }]));
    }
    if !entries.is_empty() {
        map.insert("entry".to_owned(), Value::Array(entries));
    }
    Ok(bundle)
}

/// `shard.index` of the next record.
fn place(token: Option<&str>) -> Result<(u16, u64), ApiError> {
    let Some(token) = token else { return Ok((0, 0)) };
    let parsed = token
        .split_once('.')
        .and_then(|(shard, index)| Some((shard.parse().ok()?, index.parse().ok()?)));
    parsed.ok_or_else(|| ApiError::bad_request("after is not a token of this export"))
}

fn event(entry: &TrailEntry) -> Value {
    let record = &entry.record;
    let (word, code) = outcome(record.outcome);
    let outcome_code = match record.outcome {
        AuditOutcome::Done | AuditOutcome::Repeated => "0",
        AuditOutcome::Rejected(_) => "4",
        AuditOutcome::Denied(_) => "8",
    };
    let name = match record.entity.kind() {
        EntityKind::Patient => "Patient",
        EntityKind::Device => "Device",
        EntityKind::Facility => "Location",
    };
    let what = json!({ "identifier": {
        "system": format!("urn:medulla:{}", record.entity.kind().name()),
        "value": record.entity.key(),
    }, "type": name });
    let principal = record.principal.as_str();
    let who = json!({ "identifier": { "system": "urn:medulla:principal", "value": principal } });
    let mut agent = json!({ "who": who, "requestor": true });
    if let Some(map) = agent.as_object_mut().filter(|_| !record.purpose.is_empty()) {
        let purpose = json!([{ "coding": [{ "system": PURPOSE_SYSTEM, "code": record.purpose }] }]);
        map.insert("purposeOfUse".to_owned(), purpose);
    }
    let resource = json!({
        "resourceType": "AuditEvent",
        "id": format!("{}.{}", entry.shard, entry.index),
        "type": { "system": TYPE_SYSTEM, "code": "rest" },
        "subtype": [{ "system": OPERATION_SYSTEM, "code": record.operation.replace(' ', "-"),
            "display": record.operation }],
        "action": record.action.code().to_string(),
        "recorded": render_instant(record.at),
        "outcome": outcome_code,
        "outcomeDesc": code.unwrap_or(word),
        "agent": [agent],
        "source": { "observer": { "display": record.source.as_str() } },
        "entity": [{ "what": what }],
    });
    json!({ "fullUrl": format!("urn:medulla:audit:{}.{}", entry.shard, entry.index),
        "resource": resource })
}
