//! What calls answer, as plain values. Names are those of `rpc.capnp`, which says what they mean.

use schema_types::Decimal;
use std::collections::BTreeMap;
use std::fmt;

/// A durable place in a subscription: after it nothing was seen yet. Keep it as bytes.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Position(pub Vec<u8>);

impl fmt::Debug for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Position({} bytes)", self.0.len())
    }
}

/// What became of one observation.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// The command id under which it was sent.
    pub command_id: String,
    /// Journal sequence of the patient after it; 0 for a repeat.
    pub sequence: u64,
    /// Whether an earlier call with the same command id had the effect already (ONCE-1).
    pub repeated: bool,
    /// Whether it changed anything; false for an observation that was known already.
    pub recorded: bool,
    /// Results of models that changed.
    pub scores: Vec<ScoreView>,
    /// Alerts that were raised, changed or resolved.
    pub alerts: Vec<AlertSummary>,
}

/// The live state of a patient, in short.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LiveState {
    /// The patient's key.
    pub patient: String,
    /// `unknown`, `provisional` or `registered`.
    pub registration: String,
    /// Ward of the open stay; empty: none.
    pub ward: String,
    /// Bed of the open stay; empty: none.
    pub bed: String,
    /// The newest value of each measure.
    pub vitals: Vec<VitalView>,
    /// The current result of each model.
    pub scores: Vec<ScoreView>,
    /// Open alerts.
    pub alerts: Vec<AlertSummary>,
    /// How many observations were ever recorded.
    pub observations_total: u64,
}

/// The newest value of a measure.
#[derive(Debug, Clone, PartialEq)]
pub struct VitalView {
    /// The measure's label, for example `heart-rate`.
    pub measure: String,
    /// In `unit`.
    pub value: Decimal,
    /// UCUM.
    pub unit: String,
    /// When it was true of the patient, microseconds since the Unix epoch.
    pub effective_at_unix_micros: i64,
}

/// The result of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreView {
    /// The model's label, for example `news2`.
    pub model: String,
    /// Version of its tables.
    pub model_version: u16,
    /// The instant for which it holds, microseconds since the Unix epoch.
    pub as_of_unix_micros: i64,
    /// The lowest total that the missing parts allow.
    pub minimum: Decimal,
    /// The highest.
    pub maximum: Decimal,
    /// The band's label, for example `high`.
    pub band: String,
}

/// An alert.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertSummary {
    /// Unique within the patient.
    pub id: String,
    /// What it is about, for example `news2` or `critical-potassium`.
    pub condition: String,
    /// `warning` or `critical`.
    pub severity: String,
    /// `active`, `escalated`, `acknowledged` or `resolved`.
    pub status: String,
    /// When it was raised, microseconds since the Unix epoch.
    pub raised_at_unix_micros: i64,
    /// When it last changed, microseconds since the Unix epoch.
    pub changed_at_unix_micros: i64,
}

/// What happened to an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertChange {
    /// Raised.
    Raised,
    /// More or less urgent than before.
    SeverityChanged,
    /// Somebody took it.
    Acknowledged,
    /// Nobody took it in time.
    Escalated,
    /// Over.
    Resolved,
    /// Something that this client does not know (a newer server).
    Unknown,
}

/// One change of one alert: told once, in the order of its patient.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertItem {
    /// The patient's key.
    pub patient: String,
    /// The patient's journal sequence of the change.
    pub sequence: u64,
    /// What happened.
    pub change: AlertChange,
    /// The condition, for example `news2`.
    pub condition: String,
    /// The alert as it was when the item was sent; it may have changed since.
    pub alert: Option<AlertSummary>,
    /// Resume from here to see what comes after this item, and not this item again. Items that
    /// were sent together share a place: it is set on the last of them.
    pub position: Option<Position>,
}

/// Why a score is what it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// The result.
    pub score: ScoreView,
    /// Points by parameter; `None`: no usable value.
    pub parts: Vec<(String, Option<i32>)>,
    /// The observations used: parameter, observation id, age in microseconds.
    pub inputs: Vec<(String, String, i64)>,
}

/// A part of a timeline, newest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TimelinePage {
    /// When (microseconds since the Unix epoch), what kind, and one line for people.
    pub items: Vec<(i64, String, String)>,
    /// Pass it to get the next page; `None` at the end.
    pub next: Option<Vec<u8>>,
}

/// How many patients are in beds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CensusView {
    /// Occupied beds per ward.
    pub wards: BTreeMap<String, u32>,
}

/// One row of a query's answer: values as text, in the order of the columns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueryRow {
    /// The values.
    pub values: Vec<String>,
}

/// The node that answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeStatus {
    /// The node's name.
    pub node: String,
    /// Its version.
    pub version: String,
    /// Whether it takes work.
    pub ready: bool,
    /// Counters by name.
    pub metrics: BTreeMap<String, u64>,
}
