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
    let answered = isolated(next.run(request)).await;
    drop(place);
    let response = answered.unwrap_or_else(|error| {
        app.metrics.count(Count::Panicked);
        refusal(&path, error)
    });
    app.metrics.count_answer(response.status());
    response
}

/// Runs a handler so that its panic becomes an error that says nothing of it.
async fn isolated(handler: impl Future<Output = Response>) -> Result<Response, ApiError> {
    AssertUnwindSafe(handler).catch_unwind().await.map_err(|_panic| {
        tracing::error!("request handler panicked");
        ApiError::new(ErrorCode::EntityFailed, "internal error").with_status(500)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[tokio::test]
    async fn a_panic_is_an_answer_without_details() {
        let canary = std::hint::black_box(true);
        let error = isolated(async move {
            assert!(!canary, "CANARY-NAME");
            Response::new(Body::empty())
        });
        let response = refusal("/fhir/Patient", error.await.unwrap_err());
        assert_eq!(response.status(), 500);
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(text.contains("MED-NODE-010") && !text.contains("CANARY"), "{text}");
    }
}
