//! Quarantine for operators: what waits, what it is, and taking it again, as it is or repaired.

use super::access::{admit, check_purpose};
use super::json::{base64, optional_time, time};
use super::{Answered, devices, finish};
use crate::fhir::refuse::{CHANNEL, Entrance};
use crate::fhir::{Sent, replay as replay_fhir};
use crate::hl7::{self, Replayed};
use crate::http::ApiError;
use crate::http::app::App;
use crate::http::request::{Asked, receive_small};
use crate::limits::PAGE_ITEMS_MAX;
use crate::quarantine;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use schema_types::error_code::ErrorCode;
use schema_wire::journal::{QuarantineRecord, RawMessage};
use serde_json::{Value, json};
use std::sync::Arc;

/// `GET /api/v1/quarantine`.
pub(crate) async fn get_list(State(app): State<Arc<App>>, asked: Asked) -> Response {
    finish(list(&app, &asked).await)
}

async fn list(app: &App, asked: &Asked) -> Answered {
    asked.only(&["state", "after", "limit"])?;
    let limit = asked.limit(100, PAGE_ITEMS_MAX)?;
    let only_waiting = match asked.parameter("state") {
        None | Some("waiting") => true,
        Some("all") => false,
        Some(_) => return Err(ApiError::bad_request("state is waiting or all")),
    };
    let mut after = asked.number("after")?;
    let gateway = &app.gateway;
    admit(app, asked, gateway.facility("quarantine"), "list-quarantine").await?;
    let snapshot = gateway.runtime.snapshot().await?;
    let mut items = Vec::new();
    let mut next = None;
    while items.len() < limit {
        let (records, more) = quarantine::list(&*snapshot, after, PAGE_ITEMS_MAX).await?;
        let Some(last) = records.last().map(|record| record.id.clone()) else { break };
        after = last.parse().ok();
        for record in &records {
            if only_waiting && record.resolved_at.is_some() {
                continue;
            }
            if items.len() == limit {
                next = items.last().map(|(id, _): &(String, Value)| id.clone());
                break;
            }
            items.push((record.id.clone(), shown(record)));
        }
        if next.is_some() || !more {
            break;
        }
        if items.len() == limit {
            next = items.last().map(|(id, _)| id.clone());
        }
    }
    let items: Vec<Value> = items.into_iter().map(|(_, item)| item).collect();
    Ok(json!({ "items": items, "next": next }))
}

fn shown(record: &QuarantineRecord) -> Value {
    let bytes = match &record.raw {
        RawMessage::Inline(raw) => u64::try_from(raw.expose().len()).unwrap_or(u64::MAX),
        RawMessage::Archived { length_bytes, .. } => *length_bytes,
    };
    json!({
        "id": record.id,
        "received_at": time(record.received_at),
        "source": record.source.as_str(),
        "channel": record.channel,
        "code": record.code.as_str(),
        "reason": record.reason,
        "location": record.location,
        "bytes": bytes,
        "content_type": record.content_type,
        "attempts": record.attempts,
        "resolved_at": optional_time(record.resolved_at),
        "resolution": record.resolution,
    })
}

fn unknown() -> ApiError {
    ApiError::new(ErrorCode::QuarantineUnknown, "there is no such quarantined item")
}

async fn record(app: &App, id: &str) -> Result<QuarantineRecord, ApiError> {
    let id: u64 = id.parse().map_err(|_| unknown())?;
    let snapshot = app.gateway.runtime.snapshot().await?;
    quarantine::read(&*snapshot, id).await?.ok_or_else(unknown)
}

/// `GET /api/v1/quarantine/{id}`.
pub(crate) async fn get_item(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    asked: Asked,
) -> Response {
    finish(item(&app, &asked, &id).await)
}

async fn item(app: &App, asked: &Asked, id: &str) -> Answered {
    asked.only(&[])?;
    let gateway = &app.gateway;
    admit(app, asked, gateway.facility("quarantine"), "show-quarantine").await?;
    let record = record(app, id).await?;
    let snapshot = gateway.runtime.snapshot().await?;
    let raw = quarantine::raw(&*snapshot, &record).await?;
    let mut shown = shown(&record);
    if let Some(map) = shown.as_object_mut() {
        map.insert("raw_base64".to_owned(), Value::from(base64(&raw)));
    }
    Ok(shown)
}

/// `POST /api/v1/quarantine/{id}/replay`.
pub(crate) async fn post_replay(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    asked: Asked,
    body: Body,
) -> Response {
    finish(Box::pin(replay(&app, &asked, &id, body)).await)
}

async fn replay(app: &Arc<App>, asked: &Asked, id: &str, body: Body) -> Answered {
    asked.only(&[])?;
    let gateway = &app.gateway;
    let desk = gateway.facility("quarantine");
    check_purpose(app, asked, desk, "quarantine replay").await?;
    let repaired = receive_small(app, &asked.headers, body).await?.bytes.clone();
    let repaired = (!repaired.is_empty()).then_some(repaired);
    let record = record(app, id).await?;
    if record.channel != CHANNEL {
        let repaired = repaired.map(|bytes| bytes.to_vec());
        let replayed = hl7::replay(gateway, &asked.caller, record, repaired).await?;
        return Ok(shown_hl7(id, replayed));
    }
    if record.resolved_at.is_some() {
        let reason = "the item was settled before";
        return Ok(refusal(id, ErrorCode::QuarantineUnknown, reason));
    }
    let raw = match &repaired {
        Some(bytes) => bytes.clone(),
        None => {
            let snapshot = gateway.runtime.snapshot().await?;
            Bytes::from(quarantine::raw(&*snapshot, &record).await?)
        }
    };
    let result = take_again(app, asked, &record, (raw, repaired.is_some())).await;
    let (settled, answer) = match result {
        Ok(()) => {
            let how = if repaired.is_some() { "taken, repaired" } else { "taken" };
            (Ok(how.to_owned()), json!({ "id": id, "accepted": true }))
        }
        Err(error) if !error.concerns_content() && error.status >= 429 => return Err(error),
        Err(error) => {
            let answer = refusal(id, error.code, &error.message);
            // The kept bytes are what they were: what is wrong with others is not theirs.
            let noted = match repaired {
                Some(_) => (record.code, record.reason.clone()),
                None => (error.code, error.message),
            };
            (Err(noted), answer)
        }
    };
    quarantine::settle(gateway, &asked.caller, record, settled).await?;
    Ok(answer)
}

fn refusal(id: &str, code: ErrorCode, message: &str) -> Value {
    json!({ "id": id, "accepted": false, "code": code.as_str(), "message": message })
}

fn shown_hl7(id: &str, replayed: Replayed) -> Value {
    match replayed {
        Replayed::Accepted => json!({ "id": id, "accepted": true }),
        Replayed::Duplicate => json!({ "id": id, "accepted": true, "duplicate": true }),
        Replayed::Refused { code, reason, .. } | Replayed::NotNow { code, reason } => {
            refusal(id, code, &reason)
        }
    }
}

/// Sends the bytes through the path that they came by.
async fn take_again(
    app: &Arc<App>,
    asked: &Asked,
    record: &QuarantineRecord,
    (raw, is_repaired): (Bytes, bool),
) -> Result<(), ApiError> {
    if record.code == ErrorCode::FhirTooLarge && !is_repaired {
        let reason = "only a part of the body is kept; replay it with repaired bytes";
        return Err(ApiError::new(ErrorCode::FhirTooLarge, reason));
    }
    let entrance = Entrance::of(&record.content_type);
    let entrance = entrance.ok_or_else(|| ApiError::bad_request("the item names no request"))?;
    let device = entrance.path.strip_prefix("/api/v1/devices/");
    if let Some(device) = device.and_then(|rest| rest.strip_suffix("/samples")) {
        return devices::samples(app, asked, device, raw).await.map(|_| ());
    }
    let sent = Sent {
        method: entrance.method,
        target: entrance.path,
        media_type: Some("application/fhir+json".to_owned()),
        if_match: None,
        if_none_exist: None,
        prefer: Some("return=minimal".to_owned()),
        key: None,
        caller: asked.caller.clone(),
        raw,
        is_cut: false,
    };
    let base_url = app.status.fhir_base_url.clone().unwrap_or_else(|| "/fhir".to_owned());
    replay_fhir(app, sent, &base_url).await
}
