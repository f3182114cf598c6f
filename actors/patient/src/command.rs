//! What a patient can be asked, and what it answers. Commands are imperative and addressed; the
//! gateways build them, `decide` judges them. No wire format here.

use schema_types::clinical::{
    EncounterClass, Location, Movement, Observation, Provenance, ResourceKey, ResourceMeta,
};
use schema_types::ids::{AlertId, EncounterId, EntityId, ObservationId};
use schema_types::measure::Measure;
use schema_types::patient::{
    Alert, Demographics, DemographicsPatch, EncounterStatus, MeasuredValue, PatientNotice,
    PatientState,
};
use schema_types::phi::Phi;
use schema_types::score::{Parameter, Score, ScoreModel, ScoreResult};
use schema_types::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use actors_core::resource::{ResourceFacts, StoredVersion, WriteMode, WriteOutcome};
pub use actors_core::stay::FoldedStay;

/// What a patient can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// An ADT message: person, and perhaps a movement of a stay. Answered by [`Reply::Done`].
    ApplyAdt(Box<AdtReport>),
    /// Retire another record into this one, which survives (A40). Answered by [`Reply::Done`].
    Merge {
        /// The record to retire.
        retired: EntityId,
        /// When the source says that it happened.
        at: Timestamp,
        /// Where the statement came from.
        provenance: Provenance,
    },
    /// Undo a merge; addressed to the survivor. Answered by [`Reply::Done`].
    Unmerge {
        /// The record that was retired into this one.
        retired: EntityId,
        /// When.
        at: Timestamp,
    },
    /// Results that did not arrive as FHIR resources. Answered by [`Reply::Done`].
    RecordObservations(Box<ObservationReport>),
    /// FHIR resources of this patient, all or nothing. Answered by [`Reply::Stored`].
    StoreResources {
        /// The operation for the audit log, for example `fhir-update Observation`.
        operation: String,
        /// The writes, in order.
        writes: Vec<ResourceWrite>,
    },
    /// The acting principal takes an open alert. Answered by [`Reply::Alerts`] with that alert.
    AcknowledgeAlert {
        /// Which.
        alert: AlertId,
    },
    /// The acting principal ends an open alert. Answered by [`Reply::Alerts`] with that alert.
    ResolveAlert {
        /// Which.
        alert: AlertId,
    },
    /// Another entity tells something. Answered by [`Reply::Done`].
    Notice(PatientNotice),
    /// A durable timer fired. Answered by [`Reply::Done`].
    Timer(Timer),
    /// A question. Changes nothing, is audited, needs a purpose of use from
    /// [`actors_core::purpose::PURPOSES_OF_USE`].
    Read(Read),
}

/// What an ADT message says about one patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdtReport {
    /// The operation for the audit log, for example `adt-a01`.
    pub operation: String,
    /// What is said about the person.
    pub patch: DemographicsPatch,
    /// When the source said it (EVN-2, else MSH-7).
    pub stated_at: Timestamp,
    /// The movement, if the event is one.
    pub movement: Option<(EncounterId, Movement)>,
    /// Whether the message registers the patient; otherwise an unknown one becomes provisional.
    pub registers: bool,
}

/// Results of one message about one patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservationReport {
    /// The operation for the audit log, for example `oru-r01`.
    pub operation: String,
    /// What the message says about the person, and when it said so.
    pub patch: Option<(DemographicsPatch, Timestamp)>,
    /// The results. An observation id that is known already corrects the earlier one.
    pub observations: Vec<Observation>,
    /// Whether a patient never heard of becomes provisional; otherwise the command is rejected
    /// with `PatientUnknown`.
    pub provisional: bool,
}

/// One write of a FHIR resource, with what the gateway read from its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceWrite {
    /// Type and id.
    pub key: ResourceKey,
    /// How it is written.
    pub mode: WriteMode,
    /// FHIR JSON as sent; empty for a deletion.
    #[serde(with = "schema_types::phi::raw")]
    pub body: Phi<Vec<u8>>,
    /// The version that must be current (`If-Match`).
    pub if_match: Option<u64>,
    /// What search needs to know.
    pub facts: ResourceFacts,
    /// The observations in the body. Their ids must be [`observation_id`] of the resource, so that
    /// an update corrects them and a deletion withdraws them.
    pub observations: Vec<Observation>,
    /// What the body says about the person (`Patient`), and when that was stated. Registers.
    pub demographics: Option<(DemographicsPatch, Timestamp)>,
    /// What the body says about a stay (`Encounter`).
    pub encounter: Option<EncounterFact>,
    /// Devices that the body joins to or parts from this patient.
    pub device_links: Vec<DeviceLink>,
}

impl ResourceWrite {
    /// A write that says nothing but its body; the caller fills in what it read from it.
    #[must_use]
    pub fn new(key: ResourceKey, mode: WriteMode, body: Vec<u8>, facts: ResourceFacts) -> Self {
        Self {
            key,
            mode,
            body: Phi::new(body),
            if_match: None,
            facts,
            observations: Vec::new(),
            demographics: None,
            encounter: None,
            device_links: Vec::new(),
        }
    }
}

/// What a FHIR `Encounter` says about a stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncounterFact {
    /// The stay.
    pub encounter: EncounterId,
    /// `planned` is Planned; `finished` is Discharged; `cancelled` and `entered-in-error` are
    /// Cancelled; all others are Open.
    pub status: EncounterStatus,
    /// From `Encounter.class`.
    pub class: EncounterClass,
    /// `period.start`.
    pub started_at: Option<Timestamp>,
    /// `period.end`.
    pub ended_at: Option<Timestamp>,
    /// Where, if the resource names a bed or ward of a facility.
    pub location: Option<Location>,
    /// Where the statement came from.
    pub provenance: Provenance,
}

/// A device that measures this patient from or until some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceLink {
    /// The device.
    pub device: EntityId,
    /// Whether it measures this patient from then on.
    pub associated: bool,
    /// Since when.
    pub at: Timestamp,
}

/// The id of an observation that a FHIR `Observation` resource holds: the resource's id for its own
/// value, `{id}.c{n}` (n from 0) for its components.
#[must_use]
pub fn observation_id(resource_id: &str, component: Option<usize>) -> ObservationId {
    match component {
        None => ObservationId::new(resource_id),
        Some(index) => ObservationId::new(format!("{resource_id}.c{index}")),
    }
}

/// Whether an observation is one that [`observation_id`] names for this resource.
#[must_use]
pub fn is_observation_of(resource_id: &str, observation: &ObservationId) -> bool {
    observation.as_str().strip_prefix(resource_id).is_some_and(|rest| {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        rest.is_empty() || rest.strip_prefix(".c").is_some_and(is_number)
    })
}

/// A timer of this entity that fired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Timer {
    /// Nobody took an alert in time.
    EscalateAlert {
        /// The label of the alert's condition ([`crate::state::condition_label`]).
        label: String,
        /// When the timer was due.
        due: Timestamp,
    },
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Read {
    /// The whole live state. Answered by [`Reply::State`].
    State,
    /// Open alerts. Answered by [`Reply::Alerts`].
    OpenAlerts,
    /// The current version of a resource. Answered by [`Reply::Resource`]; rejected with
    /// `FhirNotFound` or `FhirGone`.
    Resource(ResourceKey),
    /// A version of a resource. Answered by [`Reply::Resource`].
    ResourceVersion(ResourceKey, u64),
    /// Current resources of some types (none named: all), deleted ones left out. Answered by
    /// [`Reply::Resources`]. Observations that did not arrive as FHIR are not among them: the
    /// store's resource rows have them.
    Resources {
        /// FHIR types.
        types: Vec<String>,
    },
    /// What the live state knows of an interval, oldest first. Answered by [`Reply::Timeline`].
    Timeline {
        /// From, inclusive.
        from: Timestamp,
        /// To, exclusive.
        to: Timestamp,
    },
    /// Why scores are what they are. Answered by [`Reply::Explained`].
    Explain {
        /// Which model; all when absent.
        model: Option<ScoreModel>,
        /// At which instant; the current results when absent.
        as_of: Option<Timestamp>,
    },
    /// What was true at an instant, by all that is known now. Answered by [`Reply::AsOf`]. What
    /// was known then is this same question to a state replayed up to then.
    AsOf {
        /// The instant.
        at: Timestamp,
    },
}

/// What a patient answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// A change was made, or there was nothing to change.
    Done(Changes),
    /// Resources were stored: one entry per write, in order.
    Stored {
        /// The version that each write led to.
        versions: Vec<StoredVersion>,
        /// What else changed.
        changes: Changes,
    },
    /// The live state.
    State(Box<PatientState>),
    /// Alerts.
    Alerts(Vec<Alert>),
    /// Where to find a resource version.
    Resource {
        /// Type and id.
        key: ResourceKey,
        /// The version asked for; `None`: the newest that the store holds.
        version: Option<u64>,
        /// The current version's description; `None` for an observation that did not arrive as
        /// FHIR, of which only the store knows (it may not exist).
        current: Option<Box<ResourceMeta>>,
    },
    /// Descriptions of resources, by key.
    Resources(Vec<ResourceMeta>),
    /// What is known of an interval, oldest first.
    Timeline(Vec<TimelineItem>),
    /// Scores with the origin of every input.
    Explained(Vec<Explanation>),
    /// What was true at an instant.
    AsOf(Box<AsOfView>),
}

/// What a command changed, for gateways and for those who watch.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Changes {
    /// Observations recorded or corrected.
    pub observations_recorded: u32,
    /// Observations that were known already.
    pub observations_repeated: u32,
    /// Movements recorded.
    pub movements_recorded: u32,
    /// Results of models that changed, in order.
    pub scores: Vec<ScoreResult>,
    /// Alerts that were raised, changed or resolved, as they are afterwards.
    pub alerts: Vec<Alert>,
}

/// One thing on a timeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum TimelineItem {
    /// A movement of a stay.
    Movement {
        /// The stay.
        encounter: EncounterId,
        /// The movement.
        movement: Movement,
    },
    /// A value of a known measure.
    Value {
        /// What was measured.
        measure: Measure,
        /// The value.
        value: MeasuredValue,
    },
    /// The current result of a model.
    Score(ScoreResult),
    /// An alert, open or recently resolved, at the time when it was raised.
    Alert(Box<Alert>),
    /// A resource with a clinical date.
    Resource(Box<ResourceMeta>),
}

impl TimelineItem {
    /// When it was true of the patient.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Movement { movement, .. } => movement.at,
            Self::Value { value, .. } => value.effective_at,
            Self::Score(score) => score.as_of,
            Self::Alert(alert) => alert.raised_at,
            Self::Resource(meta) => meta.date.unwrap_or(meta.updated_at),
        }
    }
}

/// A score with the origin of every input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The result, with model version, parts and what was missing.
    pub score: Score,
    /// Whether every part had a usable input.
    pub complete: bool,
    /// Whether the parts were found again. `false`: the version of the model that made the result
    /// is not built in, so `score` has no parts and there are no inputs.
    pub replayed: bool,
    /// Every input of every part, in the order of the parts.
    pub inputs: Vec<ExplainedInput>,
    /// The open alert that this model raised.
    pub alert: Option<Alert>,
}

/// Where an input came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedInput {
    /// The parameter of the model.
    #[serde(deserialize_with = "schema_types::score::parameter_from_name")]
    pub parameter: Parameter,
    /// What was measured.
    pub measure: Measure,
    /// Which observation.
    pub observation: ObservationId,
    /// Its age at the time of the score, microseconds.
    pub age_micros: i64,
    /// Whether it was dated in the future.
    pub future_dated: bool,
    /// Where it came from; `None` when it left the bounded history since.
    pub provenance: Option<Provenance>,
    /// The retired record that contributes it; `None`: this one's own.
    pub contributed_by: Option<EntityId>,
}

/// What was true at an instant, by all that is known now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AsOfView {
    /// The instant.
    pub at: Timestamp,
    /// Who the person is (as known now).
    pub demographics: Demographics,
    /// The newest value of each measure at the instant.
    pub values: BTreeMap<Measure, MeasuredValue>,
    /// Each model at the instant, where it had any input.
    pub scores: Vec<Score>,
    /// Stays folded up to the instant, where anything had happened.
    pub stays: BTreeMap<EncounterId, FoldedStay>,
}
