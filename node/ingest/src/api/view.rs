//! `GET /api/v1/patients/{id}`: the live state of a patient, or a past one.

use super::access::unexpected;
use super::past::{self, Instants};
use super::summary::{Seen, summary};
use super::{Answered, finish, lookup};
use crate::http::app::App;
use crate::http::request::Asked;
use actors_patient::Patient;
use actors_patient::command::{Command, Read, Reply};
use axum::extract::{Path, State};
use axum::response::Response;
use std::sync::Arc;

/// The handler.
pub(crate) async fn get_patient(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    asked: Asked,
) -> Response {
    finish(Box::pin(view(&app, &asked, &id)).await)
}

async fn view(app: &App, asked: &Asked, id: &str) -> Answered {
    asked.only(&["as-of", "known-at"])?;
    let Instants { as_of, known_at } = Instants::of(asked)?;
    let patient = lookup::patient(app, asked, id, "show").await?;
    let read = match as_of.or(known_at) {
        None => Read::State,
        Some(at) => Read::AsOf { at },
    };
    let gateway = &app.gateway;
    let reply = gateway.ask::<Patient>(&asked.caller, patient.clone(), Command::Read(read)).await?;
    let now = gateway.runtime.now();
    let patient = &patient;
    if let Reply::State(state) = &reply {
        let (as_of, known_at, scores) = (None, None, None);
        return Ok(summary(&Seen { patient, state, scores, as_of, known_at, now }));
    }
    let state = past::state(gateway, patient, known_at).await?;
    let scores = match as_of {
        None => None,
        Some(at) => match past::ask(app, asked, (patient, &state), Read::AsOf { at })? {
            Reply::AsOf(view) => Some(view.scores),
            Reply::Done(_)
            | Reply::Stored { .. }
            | Reply::State(_)
            | Reply::Alerts(_)
            | Reply::Resource { .. }
            | Reply::Resources(_)
            | Reply::Timeline(_)
            | Reply::Explained(_) => return unexpected(),
        },
    };
    Ok(summary(&Seen { patient, state: &state, scores, as_of, known_at, now }))
}
