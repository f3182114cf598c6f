//! Around every request: a place in the bound of requests in work, and a panic turned into 500
//! without details. One request's panic disturbs no other.

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::limits::RETRY_AFTER_MS;
use crate::http::metrics::Count;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use futures::FutureExt;
use node_env::trace::{Label, LabelValue, Operation, Outcome, Span};
use schema_types::error_code::ErrorCode;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// The trace that a caller's request belongs to (W3C Trace Context).
const TRACEPARENT: &str = "traceparent";

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
    let span = if watches_itself { None } else { begin_span(&app, &request) };
    let answered = match &span {
        None => isolated(next.run(request)).await,
        Some(span) => span.around(Box::pin(isolated(next.run(request)))).await,
    };
    drop(place);
    let response = answered.unwrap_or_else(|error| {
        app.metrics.count(Count::Panicked);
        refusal(&path, error)
    });
    if let Some(span) = span {
        end_span(*span, response.status());
    }
    app.metrics.count_answer(response.status());
    response
}

/// The span of a request, when it is traced. Of its path only the interface is told (PHI-1).
fn begin_span(app: &App, request: &Request) -> Option<Box<Span>> {
    let tracer = app.gateway.runtime.tracer();
    if !tracer.is_on() {
        return None;
    }
    let traceparent = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok());
    let mut span = tracer.request(Operation::HttpRequest, traceparent)?;
    let interface = if is_fhir(request.uri().path()) { "fhir" } else { "api" };
    span.label(Label::Interface, LabelValue::Word(interface));
    span.label(Label::Method, LabelValue::Word(method_name(request.method())));
    Some(span)
}

fn end_span(mut span: Span, status: StatusCode) {
    span.label(Label::Status, LabelValue::Number(u64::from(status.as_u16())));
    span.end(if status.is_server_error() {
        Outcome::Failed("failed")
    } else if status.is_client_error() {
        // The caller's mistake is no failure of the server, as OpenTelemetry has it.
        Outcome::Done("refused")
    } else {
        Outcome::Done("done")
    });
}

/// A caller may write anything for a method.
fn method_name(method: &Method) -> &'static str {
    let known = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    known.into_iter().find(|name| method.as_str() == *name).unwrap_or("_OTHER")
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
