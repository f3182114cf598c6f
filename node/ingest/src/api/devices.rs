//! Devices: their state, whom they measure, how often they report, and their own feed of samples.

use super::access::{Posted, check_purpose, command, posted, unexpected};
use super::json::{optional_time, parse_time, time};
use super::{Answered, finish, finish_write, lookup};
use crate::fhir::refuse::{self, Entrance};
use crate::http::ApiError;
use crate::http::app::App;
use crate::http::metrics::Count;
use crate::http::request::Asked;
use actors_device::Device;
use actors_device::command::{BatchOrder, Command, Read, Recorded, Reply};
use actors_runtime::Urgency;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use schema_fhir::{ExtractContext, Resource, extract};
use schema_types::clinical::{Observation, Provenance};
use schema_types::device::{DeviceState, SampleSummary};
use schema_types::error_code::ErrorCode;
use schema_types::ids::{EntityId, MessageDigest};
use schema_types::time::{MICROS_PER_SECOND, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;

/// `GET /api/v1/devices/{id}`.
pub(crate) async fn get_device(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    asked: Asked,
) -> Response {
    finish(show(&app, &asked, &id).await)
}

async fn show(app: &App, asked: &Asked, id: &str) -> Answered {
    asked.only(&[])?;
    let device = app.gateway.device(id);
    check_purpose(app, asked, device.clone(), "device-state").await?;
    let read = Command::Read(Read::State);
    let reply = app.gateway.ask::<Device>(&asked.caller, device.clone(), read).await?;
    let Reply::State(state) = reply else { return unexpected() };
    Ok(shown_state(&device, &state))
}

fn shown_state(device: &EntityId, state: &DeviceState) -> Value {
    let past: Vec<Value> = state
        .past_associations
        .iter()
        .map(|(patient, from, to)| {
            json!({ "patient": patient.key(), "from": time(*from), "to": time(*to) })
        })
        .collect();
    json!({
        "device": device.key(),
        "association": association(state.association.as_ref()),
        "past_associations": past,
        "samples": state.samples_total,
        "out_of_order": state.out_of_order_total,
        "last_sequence": state.last_sequence,
        "gaps": state.gaps,
        "missed": state.missed_total,
        "clock_offset_micros": state.clock_offset_micros,
        "last_received_at": optional_time(state.last_received_at),
        "interval_seconds": state.interval_micros / MICROS_PER_SECOND,
        "silent_since": optional_time(state.silent_since),
        "battery_percent": state.battery_percent,
        "resources": state.resources.values().filter(|meta| !meta.deleted).count(),
    })
}

fn association(current: Option<&(EntityId, Timestamp)>) -> Value {
    current.map_or(
        Value::Null,
        |(patient, since)| json!({ "patient": patient.key(), "since": time(*since) }),
    )
}

/// `POST /api/v1/devices/{id}/associate`.
pub(crate) async fn post_associate(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    asked: Asked,
    body: Body,
) -> Response {
    finish_write(Box::pin(associate(&app, &asked, &id, (body, true))).await)
}

/// `POST /api/v1/devices/{id}/dissociate`.
pub(crate) async fn post_dissociate(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    asked: Asked,
    body: Body,
) -> Response {
    finish_write(Box::pin(associate(&app, &asked, &id, (body, false))).await)
}

async fn associate(
    app: &Arc<App>,
    asked: &Asked,
    id: &str,
    (body, joins): (Body, bool),
) -> Result<(Value, bool), ApiError> {
    let posted = posted(app, asked, body).await?;
    let at = match posted.optional_text("at") {
        "" => app.gateway.runtime.now(),
        text => parse_time("at", text)?,
    };
    let device = app.gateway.device(id);
    let wanted = if joins {
        let patient = posted.text("patient")?;
        let patient = lookup::patient(app, asked, patient, "device-associate").await?;
        Command::Associate { patient, at }
    } else {
        check_purpose(app, asked, device.clone(), "device-dissociate").await?;
        Command::Dissociate { at }
    };
    let gateway = &app.gateway;
    match command::<Device>(gateway, asked, &posted, device.clone(), wanted).await? {
        Some(Reply::Associated { previous, current }) => Ok((
            json!({
                "device": device.key(),
                "previous": previous.map(|patient| patient.key().to_owned()),
                "association": association(current.as_ref()),
            }),
            false,
        )),
        Some(_) => unexpected(),
        None => Ok((json!({ "device": device.key() }), true)),
    }
}

/// `POST /api/v1/devices/{id}/interval`.
pub(crate) async fn post_interval(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    asked: Asked,
    body: Body,
) -> Response {
    finish_write(set_interval(&app, &asked, &id, body).await)
}

async fn set_interval(
    app: &Arc<App>,
    asked: &Asked,
    id: &str,
    body: Body,
) -> Result<(Value, bool), ApiError> {
    let posted = posted(app, asked, body).await?;
    let device = app.gateway.device(id);
    check_purpose(app, asked, device.clone(), "device-interval").await?;
    let seconds = posted.number("seconds").and_then(|seconds| i64::try_from(seconds).ok());
    let seconds = seconds.ok_or_else(|| ApiError::bad_request("seconds is a whole number"))?;
    let interval_micros = seconds.saturating_mul(MICROS_PER_SECOND);
    let answer = json!({ "device": device.key(), "interval_seconds": seconds });
    let wanted = Command::SetInterval { interval_micros };
    let reply = command::<Device>(&app.gateway, asked, &posted, device, wanted).await?;
    Ok((answer, reply.is_none()))
}

/// `POST /api/v1/devices/{id}/samples`.
pub(crate) async fn post_samples(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    asked: Asked,
    body: Body,
) -> Response {
    finish_write(Box::pin(take_samples(&app, &asked, &id, body)).await)
}

async fn take_samples(
    app: &Arc<App>,
    asked: &Asked,
    id: &str,
    body: Body,
) -> Result<(Value, bool), ApiError> {
    let raw = crate::http::request::receive_small(app, &asked.headers, body).await?.bytes.clone();
    let result = samples(app, asked, id, raw.clone()).await;
    match result {
        Ok(answer) => Ok(answer),
        Err(error) => {
            let source =
                schema_types::ids::SourceId::new(format!("api:{}", asked.caller.principal));
            let entrance = Entrance::new("POST", asked.uri.path());
            let place = (&source, &entrance);
            let input = (&raw[..], "application/json");
            let kept = refuse::keep(&app.gateway, &asked.caller, place, input, error).await;
            if kept.quarantine.is_some() {
                app.metrics.count(Count::Quarantined);
            }
            Err(kept)
        }
    }
}

/// Takes a batch of samples; a replay from quarantine comes here too.
pub(crate) async fn samples(
    app: &Arc<App>,
    asked: &Asked,
    id: &str,
    raw: bytes::Bytes,
) -> Result<(Value, bool), ApiError> {
    let mut posted = posted(app, asked, Body::from(raw)).await?;
    posted.urgency = Urgency::Bulk;
    let device = app.gateway.device(id);
    check_purpose(app, asked, device.clone(), "device-samples").await?;
    posted.origin.message = Some(MessageDigest::of(&posted.raw));
    let summary = summary(app, &posted)?;
    let observations = observations(app, &device, &posted, &summary)?;
    let summary =
        SampleSummary { samples: u32::try_from(observations.len()).unwrap_or(u32::MAX), ..summary };
    let wanted = Command::RecordSamples { summary, observations };
    match command::<Device>(&app.gateway, asked, &posted, device.clone(), wanted).await? {
        Some(Reply::Recorded(recorded)) => {
            let repeated = recorded.order == BatchOrder::Repeated;
            Ok((shown_recorded(&device, &recorded), repeated))
        }
        Some(_) => unexpected(),
        None => Ok((json!({ "device": device.key() }), true)),
    }
}

fn shown_recorded(device: &EntityId, recorded: &Recorded) -> Value {
    let order = match recorded.order {
        BatchOrder::Next => "next",
        BatchOrder::Restarted => "restarted",
        BatchOrder::FilledGap => "filled-gap",
        BatchOrder::Repeated => "repeated",
    };
    json!({
        "device": device.key(),
        "order": order,
        "missed": recorded.missed,
        "clock_offset_micros": recorded.clock_offset_micros,
        "patient": recorded.association.as_ref().map(EntityId::key),
        "forwarded": recorded.forwarded,
        "kept": recorded.kept,
    })
}

fn provenance(posted: &Posted, position: &str) -> Provenance {
    Provenance {
        source: posted.origin.source.clone(),
        message: posted.origin.message.unwrap_or_default(),
        position: position.to_owned(),
    }
}

fn summary(app: &App, posted: &Posted) -> Result<SampleSummary, ApiError> {
    let battery = match posted.body.get("battery_percent") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let percent = value.as_u64().and_then(|percent| u8::try_from(percent).ok());
            let reason = "battery_percent is a whole number up to 100";
            Some(percent.ok_or_else(|| ApiError::bad_request(reason))?)
        }
    };
    Ok(SampleSummary {
        samples: 0,
        sequence: posted.number("sequence"),
        device_time: parse_time("device_time", posted.text("device_time")?)?,
        received_at: app.gateway.runtime.now(),
        stored_and_forwarded: posted.body.get("stored_and_forwarded") == Some(&Value::Bool(true)),
        battery_percent: battery,
        provenance: provenance(posted, "samples"),
    })
}

/// The FHIR Observations of a batch. Their ids are ours: unique per device, the same for a repeat.
fn observations(
    app: &App,
    device: &EntityId,
    posted: &Posted,
    summary: &SampleSummary,
) -> Result<Vec<Observation>, ApiError> {
    let list = posted.body.get("observations").and_then(Value::as_array);
    let list = list.ok_or_else(|| ApiError::bad_request("observations is a list"))?;
    let batch = match summary.sequence {
        Some(sequence) => format!("s{sequence}-{}", summary.device_time.unix_micros()),
        None => format!("m{}", &MessageDigest::of(&posted.raw).to_hex()[..16]),
    };
    let context = ExtractContext {
        tenant: app.gateway.tenant.clone(),
        source: posted.origin.source.clone(),
        message: posted.origin.message.unwrap_or_default(),
        received_at: summary.device_time,
    };
    let mut found = Vec::new();
    for (index, value) in list.iter().enumerate() {
        let place = format!("observations[{index}]");
        let mut resource = Resource::from_value(value.clone()).map_err(ApiError::from)?;
        if resource.resource_type() != "Observation" {
            let reason = format!("{place} is not an Observation");
            return Err(ApiError::new(ErrorCode::FhirStructure, reason));
        }
        let name = format!("{}\n{batch}\n{index}", device.key());
        resource.set_id(&crate::fhir::exchange::derived_id(&[name.as_bytes()]));
        let problems = resource.validate();
        if !problems.is_empty() {
            return Err(problems.into());
        }
        for mut observation in extract(&resource, &context).observations {
            let position = format!("{place}.{}", observation.provenance.position);
            observation.provenance.position = position;
            observation.device = Some(device.clone());
            found.push(observation);
        }
    }
    Ok(found)
}
