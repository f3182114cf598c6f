//! Open alerts of all patients, and what a clinician does with one.

use super::access::{check_purpose, command, page_token, posted, unexpected};
use super::json::{alert, hex};
use super::{Answered, finish, finish_write, lookup};
use crate::feed::open_alerts;
use crate::http::ApiError;
use crate::http::app::App;
use crate::http::request::Asked;
use crate::limits::PAGE_ITEMS_MAX;
use actors_patient::Patient;
use actors_patient::command::{Command, Reply};
use actors_runtime::Urgency;
use actors_runtime::query;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use schema_types::ids::AlertId;
use serde_json::{Value, json};
use std::sync::Arc;

/// `GET /api/v1/alerts`: a page holds the alerts of at most `limit` patients.
pub(crate) async fn get_list(State(app): State<Arc<App>>, asked: Asked) -> Response {
    finish(list(&app, &asked).await)
}

async fn list(app: &App, asked: &Asked) -> Answered {
    asked.only(&["after", "limit"])?;
    let limit = asked.limit(100, PAGE_ITEMS_MAX)?;
    let after = page_token(asked)?;
    let gateway = &app.gateway;
    check_purpose(app, asked, gateway.facility("alerts"), "alerts").await?;
    let snapshot = gateway.runtime.snapshot().await?;
    let page = query::with_open_alerts(&*snapshot, &gateway.tenant, after, limit).await?;
    drop(snapshot);
    let mut alerts = Vec::new();
    for patient in &page.entities {
        // Each patient records the look at its alerts.
        let open = open_alerts(gateway, &asked.caller, patient).await?;
        alerts.extend(open.iter().map(|one| alert(patient, one)));
    }
    Ok(json!({ "alerts": alerts, "next": page.next.map(|key| hex(&key)) }))
}

/// `POST /api/v1/alerts/{patient}/{alert}/acknowledge`.
pub(crate) async fn post_acknowledge(
    State(app): State<Arc<App>>,
    Path((patient, alert)): Path<(String, String)>,
    asked: Asked,
    body: Body,
) -> Response {
    let wanted = (Command::AcknowledgeAlert { alert: AlertId::new(alert) }, "alert-acknowledge");
    finish_write(Box::pin(change(&app, &asked, &patient, (wanted, body))).await)
}

/// `POST /api/v1/alerts/{patient}/{alert}/resolve`.
pub(crate) async fn post_resolve(
    State(app): State<Arc<App>>,
    Path((patient, alert)): Path<(String, String)>,
    asked: Asked,
    body: Body,
) -> Response {
    let wanted = (Command::ResolveAlert { alert: AlertId::new(alert) }, "alert-resolve");
    finish_write(Box::pin(change(&app, &asked, &patient, (wanted, body))).await)
}

async fn change(
    app: &Arc<App>,
    asked: &Asked,
    patient: &str,
    ((wanted, operation), body): ((Command, &str), Body),
) -> Result<(Value, bool), ApiError> {
    let mut posted = posted(app, asked, body).await?;
    posted.urgency = Urgency::Alarm;
    let patient = lookup::patient(app, asked, patient, operation).await?;
    let gateway = &app.gateway;
    match command::<Patient>(gateway, asked, &posted, patient.clone(), wanted).await? {
        Some(Reply::Alerts(alerts)) => {
            let shown: Vec<Value> = alerts.iter().map(|one| alert(&patient, one)).collect();
            Ok((json!({ "alert": shown.first(), "patient": patient.key() }), false))
        }
        Some(_) => unexpected(),
        None => Ok((json!({ "alert": null, "patient": patient.key() }), true)),
    }
}
