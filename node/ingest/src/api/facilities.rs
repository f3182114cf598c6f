//! Facilities: census now and then, beds and who is in them, and what a bed is ready for.

use super::access::{admit, check_purpose, command, posted, unexpected};
use super::json::{optional_time, time, time_parameter};
use super::{Answered, finish, finish_write};
use crate::http::ApiError;
use crate::http::app::App;
use crate::http::request::Asked;
use crate::limits::PAGE_ITEMS_MAX;
use actors_facility::Facility;
use actors_facility::command::{BedBoard, Census, Command, Occupancy, Occupant, Read, Reply};
use actors_runtime::query;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use schema_types::facility::{BedKey, BedStatus};
use schema_types::ids::{EntityId, EntityKind};
use schema_types::time::MICROS_PER_MINUTE;
use serde_json::{Value, json};
use std::sync::Arc;

/// How keys of directories begin: they are no hospitals.
const DIRECTORY: &str = "directory.";
/// What the gateways record accesses under that belong to no entity.
const DESKS: &[&str] = &["alerts", "patients", "quarantine"];

/// `GET /api/v1/facilities`.
pub(crate) async fn get_list(State(app): State<Arc<App>>, asked: Asked) -> Response {
    finish(list(&app, &asked).await)
}

async fn list(app: &App, asked: &Asked) -> Answered {
    asked.only(&[])?;
    let gateway = &app.gateway;
    admit(app, asked, gateway.facility("facilities"), "list-facilities").await?;
    let snapshot = gateway.runtime.snapshot().await?;
    let mut keys = Vec::new();
    let mut after = None;
    loop {
        let kind = EntityKind::Facility;
        let tenant = &gateway.tenant;
        let page = query::known(&*snapshot, tenant, kind, after, PAGE_ITEMS_MAX).await?;
        let hospitals = page.entities.iter().map(EntityId::key);
        let is_hospital = |key: &&str| !key.starts_with(DIRECTORY) && !DESKS.contains(key);
        keys.extend(hospitals.filter(is_hospital).map(str::to_owned));
        after = page.next;
        if after.is_none() {
            return Ok(json!({ "facilities": keys }));
        }
    }
}

async fn ask(app: &App, asked: &Asked, id: &str, read: Read) -> Result<Reply, ApiError> {
    let facility = app.gateway.facility(id);
    check_purpose(app, asked, facility.clone(), "facility").await?;
    Ok(app.gateway.ask::<Facility>(&asked.caller, facility, Command::Read(read)).await?)
}

/// `GET /api/v1/facilities/{id}/census`.
pub(crate) async fn get_census(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    asked: Asked,
) -> Response {
    finish(census(&app, &asked, &id).await)
}

async fn census(app: &App, asked: &Asked, id: &str) -> Answered {
    asked.only(&["at"])?;
    let at = time_parameter(asked, "at")?;
    let reply = ask(app, asked, id, Read::Census { at }).await?;
    let Reply::Census(Census { at, occupied }) = reply else { return unexpected() };
    Ok(json!({ "facility": id, "at": optional_time(at), "wards": occupied }))
}

/// `GET /api/v1/facilities/{id}/census-series`.
pub(crate) async fn get_census_series(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    asked: Asked,
) -> Response {
    finish(census_series(&app, &asked, &id).await)
}

async fn census_series(app: &App, asked: &Asked, id: &str) -> Answered {
    asked.only(&["from", "to", "step-minutes"])?;
    let (from, to) = (time_parameter(asked, "from")?, time_parameter(asked, "to")?);
    let (Some(from), Some(to)) = (from, to) else {
        return Err(ApiError::bad_request("from and to are needed"));
    };
    let step_minutes = asked.number("step-minutes")?.unwrap_or(60);
    let step_micros = i64::try_from(step_minutes).unwrap_or(i64::MAX);
    let step_micros = step_micros.saturating_mul(MICROS_PER_MINUTE);
    let reply = ask(app, asked, id, Read::CensusSeries { from, to, step_micros }).await?;
    let Reply::CensusSeries(series) = reply else { return unexpected() };
    let hours: Vec<Value> = series
        .into_iter()
        .map(|census| json!({ "at": optional_time(census.at), "wards": census.occupied }))
        .collect();
    Ok(json!({ "facility": id, "hours": hours }))
}

/// `GET /api/v1/facilities/{id}/beds`.
pub(crate) async fn get_beds(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    asked: Asked,
) -> Response {
    finish(beds(&app, &asked, &id).await)
}

async fn beds(app: &App, asked: &Asked, id: &str) -> Answered {
    asked.only(&[])?;
    let Reply::BedBoard(board) = ask(app, asked, id, Read::BedBoard).await? else {
        return unexpected();
    };
    Ok(shown_board(id, &board))
}

fn shown_board(facility: &str, board: &BedBoard) -> Value {
    let mut conflicts = Vec::new();
    let mut beds = Vec::new();
    for (key, entry) in &board.beds {
        let BedKey { ward, room, bed } = key;
        let mut shown = json!({ "ward": ward, "room": room, "bed": bed });
        let Some(map) = shown.as_object_mut() else { continue };
        let mut say = |name: &str, value: Value| map.insert(name.to_owned(), value);
        match &entry.occupancy {
            Occupancy::Free(status) => {
                say("state", Value::from(bed_status(*status)));
            }
            Occupancy::Occupied(occupant) => {
                say("state", Value::from("occupied"));
                say("patient", Value::from(occupant.patient.key()));
                say("encounter", Value::from(occupant.encounter.as_str()));
                say("since", optional_time(occupant.since));
            }
            Occupancy::Conflict(occupants) => {
                say("state", Value::from("conflict"));
                let patients = occupants.iter().map(shown_occupant).collect::<Vec<_>>();
                conflicts
                    .push(json!({ "ward": ward, "room": room, "bed": bed, "patients": patients }));
            }
        }
        if !entry.reserved_for.is_empty() {
            let reserved = entry.reserved_for.iter().map(shown_occupant).collect::<Vec<_>>();
            say("reserved_for", Value::from(reserved));
        }
        beds.push(shown);
    }
    let without_bed: serde_json::Map<String, Value> = board
        .without_bed
        .iter()
        .map(|(ward, occupants)| {
            (ward.clone(), occupants.iter().map(shown_occupant).collect::<Vec<_>>().into())
        })
        .collect();
    json!({
        "facility": facility,
        "beds": beds,
        "conflicts": conflicts,
        "without_bed": without_bed,
    })
}

fn shown_occupant(occupant: &Occupant) -> Value {
    json!({
        "patient": occupant.patient.key(),
        "encounter": occupant.encounter.as_str(),
        "since": optional_time(occupant.since),
    })
}

const BED_STATUSES: &[BedStatus] = &[
    BedStatus::Ready,
    BedStatus::Reserved,
    BedStatus::Dirty,
    BedStatus::Cleaning,
    BedStatus::Blocked,
    BedStatus::Closed,
];

const fn bed_status(status: BedStatus) -> &'static str {
    match status {
        BedStatus::Ready => "ready",
        BedStatus::Reserved => "reserved",
        BedStatus::Dirty => "dirty",
        BedStatus::Cleaning => "cleaning",
        BedStatus::Blocked => "blocked",
        BedStatus::Closed => "closed",
    }
}

/// `POST /api/v1/facilities/{id}/beds`.
pub(crate) async fn post_beds(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    asked: Asked,
    body: Body,
) -> Response {
    finish_write(set_bed(&app, &asked, &id, body).await)
}

async fn set_bed(
    app: &Arc<App>,
    asked: &Asked,
    id: &str,
    body: Body,
) -> Result<(Value, bool), ApiError> {
    let posted = posted(app, asked, body).await?;
    let facility = app.gateway.facility(id);
    check_purpose(app, asked, facility.clone(), "facility-bed-status").await?;
    let wanted = posted.text("status")?;
    let status = BED_STATUSES.iter().copied().find(|status| bed_status(*status) == wanted);
    let status = status.ok_or_else(|| {
        ApiError::bad_request("status is ready, reserved, dirty, cleaning, blocked or closed")
    })?;
    let bed = BedKey {
        ward: posted.text("ward")?.to_owned(),
        room: posted.optional_text("room").to_owned(),
        bed: posted.text("bed")?.to_owned(),
    };
    let at = app.gateway.runtime.now();
    let answer = json!({
        "facility": id,
        "ward": bed.ward,
        "room": bed.room,
        "bed": bed.bed,
        "status": bed_status(status),
        "at": time(at),
    });
    let wanted = Command::SetBedStatus { bed, status, at };
    let reply = command::<Facility>(&app.gateway, asked, &posted, facility, wanted).await?;
    Ok((answer, reply.is_none()))
}
