//! The operators' and clinicians' API under `/api/v1`: patients, alerts, quarantine, facilities,
//! devices, audit and the node itself. Every access needs a purpose of use and is audited (AUD-1).

mod access;
mod alerts;
mod audit;
mod audit_event;
mod cluster;
mod devices;
mod explain;
mod facilities;
pub(crate) mod json;
mod lookup;
mod past;
mod patients;
mod quarantine;
mod query;
mod summary;
mod timeline;
mod timeline_text;
mod view;
mod watch;

use crate::http::ApiError;
use crate::http::app::App;
use axum::Json;
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use std::sync::Arc;

/// The paths under `/api/v1`.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().merge(patient_routes()).merge(other_routes())
}

fn patient_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/patients", get(patients::get_list))
        .route("/api/v1/patients/{id}", get(view::get_patient))
        .route("/api/v1/patients/{id}/timeline", get(timeline::get_timeline))
        .route("/api/v1/patients/{id}/explain", get(explain::get_explain))
        .route("/api/v1/patients/{id}/merge", post(patients::post_merge))
        .route("/api/v1/patients/{id}/unmerge", post(patients::post_unmerge))
        .route("/api/v1/patients/{id}/oxygen-scale", post(patients::post_oxygen_scale))
        .route("/api/v1/alerts", get(alerts::get_list))
        .route("/api/v1/alerts/watch", get(watch::get_watch))
        .route("/api/v1/alerts/{patient}/{alert}/acknowledge", post(alerts::post_acknowledge))
        .route("/api/v1/alerts/{patient}/{alert}/resolve", post(alerts::post_resolve))
}

fn other_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/query", get(query::get_query).post(query::post_query))
        .route("/api/v1/quarantine", get(quarantine::get_list))
        .route("/api/v1/quarantine/{id}", get(quarantine::get_item))
        .route("/api/v1/quarantine/{id}/replay", post(quarantine::post_replay))
        .route("/api/v1/facilities", get(facilities::get_list))
        .route("/api/v1/facilities/{id}/census", get(facilities::get_census))
        .route("/api/v1/facilities/{id}/census-series", get(facilities::get_census_series))
        .route(
            "/api/v1/facilities/{id}/beds",
            get(facilities::get_beds).post(facilities::post_beds),
        )
        .route("/api/v1/devices/{id}", get(devices::get_device))
        .route("/api/v1/devices/{id}/associate", post(devices::post_associate))
        .route("/api/v1/devices/{id}/dissociate", post(devices::post_dissociate))
        .route("/api/v1/devices/{id}/interval", post(devices::post_interval))
        .route("/api/v1/devices/{id}/samples", post(devices::post_samples))
        .route("/api/v1/audit/verify", get(audit::get_verify))
        .route("/api/v1/audit/records/{shard}/{index}", get(audit::get_record))
        .route("/api/v1/audit/patients/{id}", get(audit::get_patient))
        .route("/api/v1/audit/patients/{id}/disclosures", get(audit::get_disclosures))
        .route("/api/v1/audit/export", get(audit_event::get_export))
        .merge(cluster_routes())
}

fn cluster_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/control", get(cluster::get_control))
        .route("/api/v1/nodes", get(cluster::get_nodes).post(cluster::post_node))
        .route("/api/v1/nodes/{node}/drain", post(cluster::post_drain))
        .route("/api/v1/nodes/{node}/resume", post(cluster::post_resume))
        .route("/api/v1/nodes/{node}/leave", post(cluster::post_leave))
        .route("/api/v1/shards", get(cluster::get_shards))
        .route("/api/v1/shards/{shard}", get(cluster::get_shard))
        .route("/api/v1/shards/{shard}/move", post(cluster::post_move))
        .route("/api/v1/shards/{shard}/split", post(cluster::post_split))
        .route("/api/v1/shards/{shard}/merge", post(cluster::post_merge))
}

type Answered = Result<Value, ApiError>;

fn finish(answered: Answered) -> Response {
    match answered {
        Ok(value) => Json(value).into_response(),
        Err(error) => error.into_json(),
    }
}

/// Finishes the answer to a write; a repeat is marked.
fn finish_write(answered: Result<(Value, bool), ApiError>) -> Response {
    match answered {
        Ok((value, repeated)) => {
            let mut response = Json(value).into_response();
            if repeated {
                let yes = axum::http::HeaderValue::from_static("true");
                response.headers_mut().insert("x-medulla-duplicate", yes);
            }
            response
        }
        Err(error) => error.into_json(),
    }
}
