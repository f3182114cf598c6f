//! `GET /api/v1/patients/{id}/explain`: every score with the exact inputs, their ages and origins.

use super::access::unexpected;
use super::json::{add_provenance, alert, decimal, missing, time};
use super::past::{self, Instants};
use super::{Answered, finish, lookup};
use crate::http::ApiError;
use crate::http::app::App;
use crate::http::request::Asked;
use actors_patient::Patient;
use actors_patient::command::{Command, ExplainedInput, Explanation, Read, Reply};
use axum::extract::{Path, State};
use axum::response::Response;
use schema_types::ids::EntityId;
use schema_types::score::{ScoreInput, ScoreModel, ScorePart};
use schema_types::time::MICROS_PER_SECOND;
use serde_json::{Value, json};
use std::sync::Arc;

/// The handler.
pub(crate) async fn get_explain(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    asked: Asked,
) -> Response {
    finish(Box::pin(explain(&app, &asked, &id)).await)
}

async fn explain(app: &App, asked: &Asked, id: &str) -> Answered {
    asked.only(&["model", "as-of", "known-at"])?;
    let Instants { as_of, known_at } = Instants::of(asked)?;
    let model = asked.parameter("model").map(model).transpose()?;
    let patient = lookup::patient(app, asked, id, "explain").await?;
    let question = || Read::Explain { model, as_of };
    let gateway = &app.gateway;
    let command = Command::Read(question());
    let mut reply = gateway.ask::<Patient>(&asked.caller, patient.clone(), command).await?;
    if known_at.is_some() {
        let state = past::state(gateway, &patient, known_at).await?;
        reply = past::ask(app, asked, (&patient, &state), question())?;
    }
    let Reply::Explained(explanations) = reply else { return unexpected() };
    let explanations: Vec<Value> =
        explanations.iter().map(|explanation| explained(&patient, explanation)).collect();
    Ok(json!({ "patient": patient.key(), "explanations": explanations }))
}

fn model(label: &str) -> Result<ScoreModel, ApiError> {
    ScoreModel::ALL
        .iter()
        .copied()
        .find(|model| model.label() == label)
        .ok_or_else(|| ApiError::bad_request("model is not one that runs here"))
}

fn explained(patient: &EntityId, explanation: &Explanation) -> Value {
    let score = &explanation.score;
    let parts: Vec<Value> =
        score.parts.iter().map(|part| explained_part(part, &explanation.inputs)).collect();
    let mut shown = json!({
        "model": score.model.label(),
        "model_version": score.model_version,
        "as_of": time(score.as_of),
        "minimum": decimal(score.minimum),
        "maximum": decimal(score.maximum),
        "complete": explanation.complete,
        "band": score.band.label(),
        "parts": parts,
    });
    if let (Some(map), false) = (shown.as_object_mut(), explanation.replayed) {
        // The version of the model that made the result is not built in.
        map.insert("replayed".to_owned(), Value::from(false));
    }
    if let (Some(map), Some(one)) = (shown.as_object_mut(), &explanation.alert) {
        map.insert("alert".to_owned(), alert(patient, one));
    }
    shown
}

fn explained_part(part: &ScorePart, origins: &[ExplainedInput]) -> Value {
    let inputs: Vec<Value> =
        part.inputs.iter().map(|input| explained_input(part, input, origins)).collect();
    let mut shown = json!({
        "parameter": part.parameter,
        "points": part.points.ok(),
        "inputs": inputs,
    });
    if let (Some(map), Err(reason)) = (shown.as_object_mut(), part.points) {
        map.insert("missing".to_owned(), Value::from(missing(reason)));
    }
    shown
}

fn explained_input(part: &ScorePart, input: &ScoreInput, origins: &[ExplainedInput]) -> Value {
    let mut shown = json!({
        "measure": input.measure.label(),
        "value": decimal(input.value),
        "unit": input.measure.unit(),
        "observed_at": time(input.observed_at),
        "observation": input.observation.as_str(),
    });
    let origin = origins.iter().find(|origin| {
        origin.parameter == part.parameter
            && origin.measure == input.measure
            && origin.observation == input.observation
    });
    let (Some(map), Some(origin)) = (shown.as_object_mut(), origin) else { return shown };
    let age_seconds = origin.age_micros.div_euclid(MICROS_PER_SECOND);
    map.insert("age_seconds".to_owned(), Value::from(age_seconds));
    map.insert("future_dated".to_owned(), Value::from(origin.future_dated));
    if let Some(provenance) = &origin.provenance {
        add_provenance(map, provenance);
    }
    if let Some(from) = &origin.contributed_by {
        map.insert("contributed_by".to_owned(), Value::from(from.key()));
    }
    shown
}
