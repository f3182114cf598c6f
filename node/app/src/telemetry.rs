//! Spans in the form in which OpenTelemetry collectors take them: OTLP 1.x over HTTP as JSON
//! (opentelemetry-proto, `trace/v1/trace.proto`, with the JSON mapping of the OTLP specification).
//! Sending is the binary's; what spans can say is closed in `node_env::trace` (PHI-1).

use node_env::trace::{FinishedSpan, LabelValue, Operation, Outcome, Role, Tracer};
use serde_json::{Value, json};

/// The path of traces below a collector's address.
pub const TRACES_PATH: &str = "/v1/traces";
/// The instrumentation's name.
const SCOPE: &str = "medulla";
/// OTLP's numbers.
const STATUS_ERROR: u64 = 2;

/// Who sends spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// The node's name, given by its operator.
    pub node: String,
    /// The version of its software.
    pub version: String,
}

/// The body of a request that carries these spans.
#[must_use]
pub fn encode(sender: &Sender, spans: &[FinishedSpan]) -> Vec<u8> {
    let spans: Vec<Value> = spans.iter().map(span).collect();
    let resource = [
        word("service.name", "medulla"),
        word("service.instance.id", &sender.node),
        word("service.version", &sender.version),
    ];
    let body = json!({
        "resourceSpans": [{
            "resource": { "attributes": resource },
            "scopeSpans": [{
                "scope": { "name": SCOPE, "version": sender.version },
                "spans": spans,
            }],
        }],
    });
    body.to_string().into_bytes()
}

fn word(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

/// In JSON, OTLP writes 64-bit numbers as text.
fn number(key: &str, value: u64) -> Value {
    json!({ "key": key, "value": { "intValue": value.to_string() } })
}

fn span(span: &FinishedSpan) -> Value {
    let (outcome, status) = match span.outcome {
        Outcome::Done(outcome) => (outcome, json!({})),
        Outcome::Failed(outcome) => (outcome, json!({ "code": STATUS_ERROR, "message": outcome })),
    };
    let labels = span.labels.iter().map(|(label, value)| match value {
        LabelValue::Number(value) => number(label.name(), *value),
        LabelValue::Word(value) => word(label.name(), value),
    });
    let attributes: Vec<Value> =
        labels.chain(std::iter::once(word("medulla.outcome", outcome))).collect();
    let start_micros = u64::try_from(span.start_unix_micros).unwrap_or(0);
    let end_micros = start_micros.saturating_add(span.duration_micros);
    let nanos = |micros: u64| (u128::from(micros) * 1_000).to_string();
    json!({
        "traceId": format!("{:032x}", span.context.trace()),
        "spanId": format!("{:016x}", span.context.span()),
        "parentSpanId": span.parent.map(|parent| format!("{parent:016x}")).unwrap_or_default(),
        "name": span.operation.name(),
        "kind": kind(span.operation),
        "startTimeUnixNano": nanos(start_micros),
        "endTimeUnixNano": nanos(end_micros),
        "attributes": attributes,
        "status": status,
    })
}

/// OTLP's number of a span's role.
const fn kind(operation: Operation) -> u64 {
    match operation.role() {
        Role::Internal => 1,
        Role::Server => 2,
        Role::Client => 3,
    }
}

/// What became of spans, as metrics; nothing when no request is traced.
pub(crate) fn metrics(tracer: &Tracer) -> Vec<(&'static str, u64)> {
    let Some(counts) = tracer.counts() else { return Vec::new() };
    vec![
        ("medulla_trace_spans_recorded_total", counts.recorded),
        ("medulla_trace_spans_dropped_total", counts.dropped),
        ("medulla_trace_spans_exported_total", counts.exported),
        ("medulla_trace_spans_lost_total", counts.lost),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use node_env::fake::{ManualClock, SeededRng};
    use node_env::trace::{Label, TraceParts};
    use std::sync::Arc;

    #[test]
    fn a_span_is_written_as_the_collectors_read_it() {
        let clock = Arc::new(ManualClock::new(1_780_315_200_000_000));
        let parts = TraceParts {
            clock: clock.clone(),
            rng: Arc::new(SeededRng::new(1)),
            traces_per_million: 0,
        };
        let tracer = Tracer::new(parts);
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let mut span = tracer.request(Operation::HttpRequest, Some(parent)).unwrap();
        span.label(Label::Status, LabelValue::Number(503));
        span.label(Label::Interface, LabelValue::Word("fhir"));
        clock.advance_micros(1_500);
        span.end(Outcome::Failed("failed"));
        let sender = Sender { node: "a".to_owned(), version: "1".to_owned() };
        let body: Value = serde_json::from_slice(&encode(&sender, &tracer.take(9))).unwrap();
        let scope = &body["resourceSpans"][0]["scopeSpans"][0];
        let mut span = scope["spans"][0].clone();
        assert_eq!(span["spanId"].as_str().map(str::len), Some(16));
        span["spanId"] = Value::Null;
        let expected = json!({
            "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
            "spanId": null,
            "parentSpanId": "00f067aa0ba902b7",
            "name": "http.request",
            "kind": 2,
            "startTimeUnixNano": "1780315200000000000",
            "endTimeUnixNano": "1780315200001500000",
            "attributes": [
                { "key": "http.response.status_code", "value": { "intValue": "503" } },
                { "key": "medulla.interface", "value": { "stringValue": "fhir" } },
                { "key": "medulla.outcome", "value": { "stringValue": "failed" } },
            ],
            "status": { "code": 2, "message": "failed" },
        });
        assert_eq!(span, expected);
        let resource = &body["resourceSpans"][0]["resource"]["attributes"][1]["value"];
        assert_eq!(resource["stringValue"], "a");
    }
}
