//! Around every request: a place in the bound of requests in work, and a panic turned into 500
//! without details. One request's panic disturbs no other.

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::limits::RETRY_AFTER_MS;
use crate::http::metrics::Count;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use futures::FutureExt;
use schema_types::error_code::ErrorCode;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// Whether a path belongs to the FHIR interface.
pub(crate) fn is_fhir(path: &str) -> bool {
    path == "/fhir" || path.starts_with("/fhir/")
}

/// The error in the form of the interface that was asked.
pub(crate) fn refusal(path: &str, error: ApiError) -> Response {
    if is_fhir(path) { error.into_fhir() } else { error.into_json() }
}

/// The middleware.
pub(crate) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let watches_itself = matches!(path.as_str(), "/health" | "/ready" | "/metrics");
    let place = match Arc::clone(&app.in_flight).try_acquire_owned() {
        Ok(place) => Some(place),
        // An overloaded node must still be able to say how it is.
        Err(_) if watches_itself => None,
        Err(_) => {
            let response = refusal(&path, ApiError::overloaded("requests", RETRY_AFTER_MS));
            app.metrics.count_answer(response.status());
            return response;
        }
    };
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    drop(place);
    let response = answered.unwrap_or_else(|_panic| {
        app.metrics.count(Count::Panicked);
        tracing::error!("request handler panicked");
        refusal(&path, ApiError::new(ErrorCode::EntityFailed, "internal error").with_status(500))
    });
    app.metrics.count_answer(response.status());
    response
}
