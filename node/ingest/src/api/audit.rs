//! The audit log for those who may see it: verification, single records with proof, who saw a
//! patient, and the accounting of disclosures (45 CFR 164.528).

use super::access::admit;
use super::json::{hex, time, time_parameter};
use super::{Answered, finish, lookup};
use crate::http::ApiError;
use crate::http::app::App;
use crate::http::limits::TRAIL_RECORDS_MAX;
use crate::http::request::Asked;
use actors_runtime::trail::{self, TrailEntry};
use axum::extract::{Path, State};
use axum::response::Response;
use schema_types::audit::{AuditAction, AuditOutcome};
use schema_types::error_code::ErrorCode;
use schema_types::time::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

/// Purposes whose reads are no disclosures: treatment, payment, operations.
const INTERNAL_PURPOSES: &[&str] = &["TREAT", "ETREAT", "HPAYMT", "HOPERAT"];

/// `GET /api/v1/audit/verify`.
pub(crate) async fn get_verify(State(app): State<Arc<App>>, asked: Asked) -> Response {
    finish(verify(&app, &asked).await)
}

async fn verify(app: &App, asked: &Asked) -> Answered {
    asked.only(&[])?;
    let gateway = &app.gateway;
    admit(app, asked, gateway.facility("audit"), "audit-verify").await?;
    let snapshot = gateway.runtime.snapshot().await?;
    let keys = gateway.runtime.audit_public_keys();
    let anchors = app.status.cluster.as_ref().map(|cluster| cluster.audit_anchors());
    let anchors = anchors.unwrap_or_default();
    let (mut records, mut first_bad, mut reports) = (0, Value::Null, Vec::new());
    let mut is_sound = true;
    for shard in trail::shards(&*snapshot).await? {
        let report = trail::verify_shard(&*snapshot, shard, &keys, &anchors).await?;
        records += report.records;
        is_sound &= report.ok;
        if let (Some(index), true) = (report.first_bad, first_bad.is_null()) {
            first_bad = json!({ "shard": shard, "index": index });
        }
        let findings: Vec<Value> = report
            .findings
            .iter()
            .map(|finding| {
                json!({
                    "kind": format!("{:?}", finding.kind),
                    "index": finding.index,
                    "detail": finding.detail,
                })
            })
            .collect();
        reports.push(json!({
            "shard": shard,
            "ok": report.ok,
            "records": report.records,
            "first_bad": report.first_bad,
            "proven_below": report.proven_below,
            "heads_checked": report.heads_checked,
            "findings": findings,
            "findings_dropped": report.findings_dropped,
        }));
    }
    Ok(json!({
        "ok": is_sound,
        "records": records,
        "shards": reports.len(),
        "first_bad": first_bad,
        "reports": reports,
    }))
}

/// `GET /api/v1/audit/records/{shard}/{index}`.
pub(crate) async fn get_record(
    State(app): State<Arc<App>>,
    Path((shard, index)): Path<(String, String)>,
    asked: Asked,
) -> Response {
    finish(record(&app, &asked, (&shard, &index)).await)
}

async fn record(app: &App, asked: &Asked, (shard, index): (&str, &str)) -> Answered {
    asked.only(&[])?;
    let gateway = &app.gateway;
    admit(app, asked, gateway.facility("audit"), "audit-prove").await?;
    let missing =
        || ApiError::new(ErrorCode::BadRequest, "there is no such audit record").with_status(404);
    let (Ok(shard), Ok(index)) = (shard.parse(), index.parse()) else { return Err(missing()) };
    let snapshot = gateway.runtime.snapshot().await?;
    let proof = trail::prove(&*snapshot, shard, index).await?.ok_or_else(missing)?;
    let head = proof.head.head;
    Ok(json!({
        "record": shown(&proof.entry),
        "leaf_hash": hex(&proof.leaf_hash),
        "path": proof.path.iter().map(|hash| hex(hash)).collect::<Vec<_>>(),
        "head": {
            "shard": head.shard.0,
            "size": head.size,
            "root": hex(&head.root),
            "at": time(head.at),
            "key_id": hex(&head.key_id.0),
            "signature": hex(&proof.head.signature),
            "signed": hex(&proof.head.encode()),
        },
        "public_key": hex(&gateway.runtime.audit_public_key()),
    }))
}

/// A record as JSON.
pub(crate) fn shown(entry: &TrailEntry) -> Value {
    let record = &entry.record;
    let (outcome, code) = outcome(record.outcome);
    json!({
        "shard": entry.shard,
        "index": entry.index,
        "at": time(record.at),
        "principal": record.principal.as_str(),
        "purpose": record.purpose,
        "action": record.action.code().to_string(),
        "entity": format!("{}/{}", record.entity.kind().name(), record.entity.key()),
        "operation": record.operation,
        "outcome": outcome,
        "code": code,
        "source": record.source.as_str(),
        "command_id": record.command_id.as_str(),
        "message": record.message.map(schema_types::ids::MessageDigest::to_hex),
        "sequence": record.sequence,
        "events": record.events,
    })
}

/// The word for an outcome, and its code if it has one.
pub(crate) const fn outcome(outcome: AuditOutcome) -> (&'static str, Option<&'static str>) {
    match outcome {
        AuditOutcome::Done => ("done", None),
        AuditOutcome::Repeated => ("repeated", None),
        AuditOutcome::Denied(code) => ("denied", Some(code.as_str())),
        AuditOutcome::Rejected(code) => ("rejected", Some(code.as_str())),
    }
}

/// `GET /api/v1/audit/patients/{id}`: the newest records, oldest first.
pub(crate) async fn get_patient(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    asked: Asked,
) -> Response {
    finish(Box::pin(of_patient(&app, &asked, &id)).await)
}

async fn of_patient(app: &App, asked: &Asked, id: &str) -> Answered {
    asked.only(&["limit"])?;
    let limit = asked.limit(1_000, TRAIL_RECORDS_MAX)?;
    let (patient, entries) = entries(app, asked, id, "audit-trail").await?;
    let skipped = entries.len().saturating_sub(limit);
    let records: Vec<Value> = entries[skipped..].iter().map(shown).collect();
    Ok(json!({ "patient": patient, "records": records, "total": entries.len() }))
}

/// The audit records of a patient; the look at them is one more.
async fn entries(
    app: &App,
    asked: &Asked,
    id: &str,
    operation: &str,
) -> Result<(String, Vec<TrailEntry>), ApiError> {
    let gateway = &app.gateway;
    let patient = lookup::patient(app, asked, id, operation).await;
    let patient = match patient {
        Ok(patient) => patient,
        // Attempts on somebody unknown are on record too.
        Err(error) if error.code == ErrorCode::PatientUnknown => gateway.patient(id),
        Err(error) => return Err(error),
    };
    super::access::audit(app, asked, patient.clone(), operation).await?;
    let snapshot = gateway.runtime.snapshot().await?;
    let entries = trail::of_entity(&*snapshot, &patient, TRAIL_RECORDS_MAX).await?;
    Ok((patient.key().to_owned(), entries))
}

/// `GET /api/v1/audit/patients/{id}/disclosures`.
pub(crate) async fn get_disclosures(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    asked: Asked,
) -> Response {
    finish(Box::pin(disclosures(&app, &asked, &id)).await)
}

async fn disclosures(app: &App, asked: &Asked, id: &str) -> Answered {
    asked.only(&["from", "to"])?;
    let from = time_parameter(asked, "from")?.unwrap_or(Timestamp::MIN);
    let to = time_parameter(asked, "to")?.unwrap_or(Timestamp::MAX);
    let (patient, entries) = entries(app, asked, id, "audit-disclosures").await?;
    let is_disclosure = |entry: &&TrailEntry| {
        let record = &entry.record;
        record.action == AuditAction::Read
            && record.outcome == AuditOutcome::Done
            && !INTERNAL_PURPOSES.contains(&record.purpose.as_str())
            && record.at >= from
            && record.at < to
    };
    let records: Vec<Value> = entries.iter().filter(is_disclosure).map(shown).collect();
    Ok(json!({ "patient": patient, "disclosures": records }))
}
