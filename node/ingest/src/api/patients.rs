//! Lists of patients, and what clinicians and record keepers state about one: merges and the SpO2
//! scale.

use super::access::{Posted, admit, command, page_token, posted};
use super::json::hex;
use super::{Answered, finish, finish_write, lookup};
use crate::http::ApiError;
use crate::http::app::App;
use crate::http::request::Asked;
use crate::limits::PAGE_ITEMS_MAX;
use actors_patient::Patient;
use actors_patient::command::{Command, ObservationReport};
use actors_runtime::query;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use schema_types::Decimal;
use schema_types::clinical::{Code, Observation, ObservationStatus, ObservationValue, Provenance};
use schema_types::ids::{EntityKind, MessageDigest, ObservationId};
use schema_types::measure::{MEDULLA_SYSTEM, Measure};
use schema_types::quantity::Quantity;
use serde_json::{Value, json};
use std::sync::Arc;

/// `GET /api/v1/patients`.
pub(crate) async fn get_list(State(app): State<Arc<App>>, asked: Asked) -> Response {
    finish(list(&app, &asked).await)
}

async fn list(app: &App, asked: &Asked) -> Answered {
    asked.only(&["after", "limit"])?;
    let limit = asked.limit(100, PAGE_ITEMS_MAX)?;
    let after = page_token(asked)?;
    let gateway = &app.gateway;
    admit(app, asked, gateway.facility("patients"), "list-patients").await?;
    let snapshot = gateway.runtime.snapshot().await?;
    let kind = EntityKind::Patient;
    let page = query::known(&*snapshot, &gateway.tenant, kind, after, limit).await?;
    let keys: Vec<&str> = page.entities.iter().map(|patient| patient.key()).collect();
    Ok(json!({ "patients": keys, "next": page.next.map(|key| hex(&key)) }))
}

/// `POST /api/v1/patients/{id}/merge`.
pub(crate) async fn post_merge(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    asked: Asked,
    body: Body,
) -> Response {
    finish_write(Box::pin(join(&app, &asked, &id, (body, true))).await)
}

/// `POST /api/v1/patients/{id}/unmerge`.
pub(crate) async fn post_unmerge(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    asked: Asked,
    body: Body,
) -> Response {
    finish_write(Box::pin(join(&app, &asked, &id, (body, false))).await)
}

async fn join(
    app: &Arc<App>,
    asked: &Asked,
    id: &str,
    (body, joins): (Body, bool),
) -> Result<(Value, bool), ApiError> {
    let posted = posted(app, asked, body).await?;
    let operation = if joins { "merge" } else { "unmerge" };
    let survivor = lookup::patient(app, asked, id, operation).await?;
    let retired = lookup::patient(app, asked, posted.text("retired")?, operation).await?;
    let at = app.gateway.runtime.now();
    let provenance = Provenance {
        source: posted.origin.source.clone(),
        message: MessageDigest::default(),
        position: operation.to_owned(),
    };
    let wanted = if joins {
        Command::Merge { retired: retired.clone(), at, provenance }
    } else {
        Command::Unmerge { retired: retired.clone(), at }
    };
    let answer = json!({ "patient": survivor.key(), "retired": retired.key(), "merged": joins });
    let reply = command::<Patient>(&app.gateway, asked, &posted, survivor, wanted).await?;
    Ok((answer, reply.is_none()))
}

/// `POST /api/v1/patients/{id}/oxygen-scale`.
pub(crate) async fn post_oxygen_scale(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    asked: Asked,
    body: Body,
) -> Response {
    finish_write(Box::pin(set_oxygen_scale(&app, &asked, &id, body)).await)
}

async fn set_oxygen_scale(
    app: &Arc<App>,
    asked: &Asked,
    id: &str,
    body: Body,
) -> Result<(Value, bool), ApiError> {
    let mut posted = posted(app, asked, body).await?;
    let scale = posted.number("scale").filter(|scale| (1..=2).contains(scale));
    let scale = scale.ok_or_else(|| ApiError::bad_request("scale is 1 or 2"))?;
    let patient = lookup::patient(app, asked, id, "oxygen-scale").await?;
    // The statement itself is the message that scores can be traced back to.
    posted.origin.message = Some(MessageDigest::of(&posted.raw));
    let report = ObservationReport {
        operation: "oxygen-scale".to_owned(),
        patch: None,
        observations: vec![scale_observation(app, &posted, scale)],
        provisional: false,
    };
    let answer = json!({ "patient": patient.key(), "scale": scale });
    let wanted = Command::RecordObservations(Box::new(report));
    let reply = command::<Patient>(&app.gateway, asked, &posted, patient, wanted).await?;
    Ok((answer, reply.is_none()))
}

fn scale_observation(app: &App, posted: &Posted, scale: u64) -> Observation {
    let now = app.gateway.runtime.now();
    let measure = Measure::OxygenScale;
    let value = Decimal::from(scale);
    let label = measure.label();
    Observation {
        id: ObservationId::new(format!("{label}-{}", now.unix_micros())),
        code: Code {
            system: MEDULLA_SYSTEM.to_owned(),
            code: label.to_owned(),
            display: "NEWS2 SpO2 scale".to_owned(),
        },
        category: String::new(),
        value: ObservationValue::Quantity(Quantity { value, unit: measure.unit().to_owned() }),
        measured: Some((measure, value)),
        effective_at: now,
        status: ObservationStatus::Final,
        device: None,
        encounter: None,
        provenance: Provenance {
            source: posted.origin.source.clone(),
            message: MessageDigest::of(&posted.raw),
            position: "scale".to_owned(),
        },
        issues: Vec::new(),
    }
}
