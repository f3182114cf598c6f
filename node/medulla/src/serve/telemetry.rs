//! `[telemetry]` of the configuration, and the task that sends spans to a collector. It sends what
//! the tracer's bounded queue holds, now and then; what a collector does not take is counted and
//! gone. No request ever waits for it (LIM-1).

use crate::client::http::{Base, Http, Identity, Question};
use crate::failure::Failure;
use bytes::Bytes;
use hyper::Method;
use node_app::Environment;
use node_app::telemetry::{Sender, TRACES_PATH, encode};
use node_env::trace::{TraceParts, Tracer};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often spans are sent, milliseconds.
const SEND_INTERVAL_MS: u64 = 1_000;
/// How long a collector may take for one request, seconds.
const SEND_SECONDS_MAX: u64 = 5;
/// Spans of one request.
const SPANS_PER_REQUEST_MAX: usize = 512;
/// A collector that takes nothing is told of once in so many turns.
const TURNS_BETWEEN_WARNINGS: u64 = 60;
const MILLION: u32 = 1_000_000;

/// `[telemetry]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TelemetrySection {
    /// Address of an OpenTelemetry collector, OTLP over HTTP: `http://host:4318`; empty: no
    /// request is traced.
    pub(crate) otlp: String,
    /// Of a million requests so many are traced; callers that send a `traceparent` decide for
    /// themselves.
    pub(crate) traces_per_million: u32,
}

impl Default for TelemetrySection {
    fn default() -> Self {
        Self { otlp: String::new(), traces_per_million: 10_000 }
    }
}

/// The running task.
pub(crate) struct Telemetry {
    stopping: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl TelemetrySection {
    /// Starts sending; gives the tracer whose spans are sent, or one that is off.
    pub(crate) fn start(
        &self,
        environment: &Environment,
        node: &str,
    ) -> Result<(Tracer, Option<Telemetry>), Failure> {
        if self.traces_per_million > MILLION {
            return Err(Failure::usage("traces_per_million is at most 1000000"));
        }
        if self.otlp.is_empty() {
            return Ok((Tracer::off(), None));
        }
        let tracer = Tracer::new(TraceParts {
            clock: Arc::clone(&environment.clock),
            rng: Arc::clone(&environment.rng),
            traces_per_million: self.traces_per_million,
        });
        let base = Base::parse(&self.otlp)?;
        let path = format!("{}{TRACES_PATH}", base.path());
        let sending = Sending {
            http: Http::new(base, Identity::default()),
            path,
            sender: Sender { node: node.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
            tracer: tracer.clone(),
            failed_turns: 0,
        };
        let stopping = watch::Sender::new(false);
        let task = tokio::spawn(sending.run(stopping.subscribe()));
        Ok((tracer, Some(Telemetry { stopping, task })))
    }
}

impl Telemetry {
    /// Sends what is left and ends.
    pub(crate) async fn finish(self) {
        self.stopping.send_replace(true);
        // A task that panicked has nothing left to send.
        drop(self.task.await);
    }
}

struct Sending {
    http: Http,
    path: String,
    sender: Sender,
    tracer: Tracer,
    failed_turns: u64,
}

impl Sending {
    async fn run(mut self, mut stopping: watch::Receiver<bool>) {
        let interval = Duration::from_millis(SEND_INTERVAL_MS);
        loop {
            let asked = tokio::time::timeout(interval, stopping.wait_for(|stop| *stop));
            let is_last = asked.await.is_ok();
            self.turn().await;
            if is_last {
                return;
            }
        }
    }

    /// Sends what there is, or finds that nobody takes it.
    async fn turn(&mut self) {
        loop {
            let spans = self.tracer.take(SPANS_PER_REQUEST_MAX);
            if spans.is_empty() {
                return;
            }
            let count = u64::try_from(spans.len()).unwrap_or(u64::MAX);
            match self.send(encode(&self.sender, &spans)).await {
                Ok(()) => {
                    self.failed_turns = 0;
                    self.tracer.count_exported(count);
                }
                Err(reason) => {
                    self.tracer.count_lost(count);
                    if self.failed_turns.is_multiple_of(TURNS_BETWEEN_WARNINGS) {
                        tracing::warn!(reason, "the collector takes no traces");
                    }
                    self.failed_turns += 1;
                    return;
                }
            }
        }
    }

    async fn send(&self, body: Vec<u8>) -> Result<(), String> {
        let question = Question::new(Method::POST, self.path.clone(), Bytes::from(body));
        let limit = Duration::from_secs(SEND_SECONDS_MAX);
        match tokio::time::timeout(limit, self.http.ask(question)).await {
            Ok(Ok(answer)) if (200..300).contains(&answer.status) => Ok(()),
            Ok(Ok(answer)) => Err(format!("status {}", answer.status)),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer in {SEND_SECONDS_MAX} seconds")),
        }
    }
}

#[cfg(test)]
#[path = "telemetry_test.rs"]
mod tests;
