//! Counters of the HTTP gateway and `/metrics` in the Prometheus text form. Names and labels are
//! ours alone: no path, id or principal is ever one (PHI-1).

use crate::http::app::App;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the HTTP gateway counted since it started.
#[derive(Debug, Default)]
pub(crate) struct HttpMetrics {
    requests: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    overloaded: AtomicU64,
    panicked: AtomicU64,
    quarantined: AtomicU64,
    duplicates: AtomicU64,
    body_bytes: AtomicU64,
}

/// A counter of [`HttpMetrics`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum Count {
    /// A handler panicked.
    Panicked,
    /// Input was put into quarantine.
    Quarantined,
    /// Input that was taken before came again.
    Duplicate,
}

impl HttpMetrics {
    pub(crate) fn count(&self, what: Count) {
        let counter = match what {
            Count::Panicked => &self.panicked,
            Count::Quarantined => &self.quarantined,
            Count::Duplicate => &self.duplicates,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_body(&self, bytes: usize) {
        self.body_bytes.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn count_answer(&self, status: StatusCode) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if status == StatusCode::TOO_MANY_REQUESTS {
            self.overloaded.fetch_add(1, Ordering::Relaxed);
        } else if status.is_client_error() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        } else if status.is_server_error() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Names with values, in stable order.
    pub(crate) fn snapshot(&self) -> Vec<(&'static str, u64)> {
        [
            ("medulla_http_requests_total", &self.requests),
            ("medulla_http_requests_refused_total", &self.refused),
            ("medulla_http_requests_failed_total", &self.failed),
            ("medulla_http_requests_overloaded_total", &self.overloaded),
            ("medulla_http_requests_panicked_total", &self.panicked),
            ("medulla_http_quarantined_total", &self.quarantined),
            ("medulla_http_duplicates_total", &self.duplicates),
            ("medulla_http_body_bytes_total", &self.body_bytes),
        ]
        .into_iter()
        .map(|(name, counter)| (name, counter.load(Ordering::Relaxed)))
        .collect()
    }
}

/// Every metric of the node: name and value.
pub(crate) fn all(app: &App) -> Vec<(String, u64)> {
    let runtime = &app.gateway.runtime;
    let (patients, devices, facilities) = runtime.resident();
    let mut metrics: Vec<(String, u64)> = Vec::new();
    let mut add = |name: &str, value: u64| metrics.push((name.to_owned(), value));
    for (name, value) in runtime.metrics().snapshot() {
        add(name, value);
    }
    let gauge = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    add("medulla_runtime_resident_patients", gauge(patients));
    add("medulla_runtime_resident_devices", gauge(devices));
    add("medulla_runtime_resident_facilities", gauge(facilities));
    for (name, value) in app.metrics.snapshot() {
        add(name, value);
    }
    metrics.extend(app.status.metrics.as_ref().map(|more| more()).unwrap_or_default());
    metrics
}

/// `GET /metrics`.
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let mut text = String::new();
    for (name, value) in all(&app) {
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        // Writing to a string cannot fail.
        let _infallible = writeln!(text, "# TYPE {name} {kind}\n{name} {value}");
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}
