//! The result of a measurement: for programs the JSON object that the CLI promises, for people
//! rows of a table. Figures that were not measured are null, never zero.

use crate::counters::Counters;
use crate::histogram::Observed;
use serde_json::{Map, Value, json};

/// One measurement.
#[derive(Debug, Clone, Default)]
pub struct Report {
    fields: Map<String, Value>,
}

/// A ratio with three digits after the point; null when there is nothing to divide by.
#[must_use]
pub fn ratio(amount: u64, by: u64) -> Value {
    if by == 0 { Value::Null } else { rounded(as_float(amount) / as_float(by)) }
}

/// A number with three digits after the point; null when it is none.
#[must_use]
pub fn rounded(number: f64) -> Value {
    if number.is_finite() { json!((number * 1_000.0).round() / 1_000.0) } else { Value::Null }
}

/// Counts below 2^53 are exact; larger ones lose digits that nobody reads.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub const fn as_float(number: u64) -> f64 {
    number as f64
}

impl Report {
    /// An empty report of a workload.
    #[must_use]
    pub fn new(workload: &str) -> Self {
        let mut report = Self::default();
        report.set("workload", workload);
        report
    }

    /// Sets a figure.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name.to_owned(), value.into());
    }

    /// A figure; null when it was not measured.
    #[must_use]
    pub fn get(&self, name: &str) -> &Value {
        self.fields.get(name).unwrap_or(&Value::Null)
    }

    /// A figure as a number, if it is one.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<f64> {
        self.get(name).as_f64()
    }

    /// Sets what callers saw in `micros`.
    pub fn set_observed(&mut self, observed: &Observed, micros: u64) {
        self.set("seconds", rounded(as_float(micros) / 1e6));
        self.set("operations", observed.operations);
        let rate = as_float(observed.operations) * 1e6 / as_float(micros.max(1));
        self.set("ops_per_second", rounded(rate));
        for (name, share) in [("p50_us", 0.5), ("p99_us", 0.99), ("p999_us", 0.999)] {
            self.set(name, observed.quantile(share));
        }
        self.set("max_us", observed.longest());
        self.set("errors", observed.failures());
        let by_code = observed.errors.iter().map(|(code, count)| (code.clone(), json!(count)));
        self.set("errors_by_code", by_code.collect::<Map<_, _>>());
    }

    /// Sets what a node in this process counted for `operations`.
    pub fn set_counters(&mut self, counters: &Counters, operations: u64) {
        self.set("cpu_us_per_op", ratio(counters.cpu_micros, operations));
        let of_store = [
            ("fsyncs", Value::from(counters.fsyncs)),
            ("fsyncs_per_1000_ops", ratio(counters.fsyncs * 1_000, operations)),
            ("log_bytes", Value::from(counters.log_bytes)),
            ("bytes_per_op", ratio(counters.log_bytes, operations)),
        ];
        for (name, value) in of_store {
            // What is not known is no zero.
            self.set(name, if counters.store_is_elsewhere { Value::Null } else { value });
        }
        self.set("units_per_batch", ratio(counters.units, counters.batches));
        self.set("batches", counters.batches);
        self.set("events", counters.events);
        self.set("audit_records", counters.audit_records);
    }

    /// The JSON object.
    #[must_use]
    pub fn into_value(self) -> Value {
        Value::Object(self.fields)
    }

    /// Names and values of the figures, for a table.
    #[must_use]
    pub fn rows(&self) -> Vec<(String, String)> {
        let shown = |value: &Value| match value {
            Value::Null => "not measured".to_owned(),
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                value.to_string()
            }
        };
        self.fields.iter().map(|(name, value)| (name.clone(), shown(value))).collect()
    }
}
