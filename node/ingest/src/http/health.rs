//! `GET /health` (does the process live and may the store be trusted) and `GET /ready` (does the
//! node take work).

use crate::http::app::App;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::sync::Arc;

/// `GET /health`.
pub(crate) async fn health(State(app): State<Arc<App>>) -> Response {
    match app.gateway.runtime.stop_reason() {
        None => Json(json!({ "status": "ok" })).into_response(),
        Some(reason) => {
            let body = Json(json!({ "status": "stopped", "reason": reason }));
            (StatusCode::INTERNAL_SERVER_ERROR, body).into_response()
        }
    }
}

/// `GET /ready`.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response {
    let stopped = app.gateway.runtime.stop_reason();
    match stopped.or_else(|| app.status.waiting()) {
        None => Json(json!({ "ready": true })).into_response(),
        Some(reason) => {
            let body = Json(json!({ "ready": false, "reason": reason }));
            (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
        }
    }
}
