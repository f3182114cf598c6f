//! The patient in words: events, state and the notices other entities send to a patient.

use crate::clinical::{Code, EncounterClass, Location, Movement, Observation, Origin, Provenance};
use crate::clinical::{ResourceKey, ResourceMeta};
use crate::history::{Measures, Series};
use crate::ids::{AlertId, EncounterId, EntityId, ObservationId, PrincipalId};
use crate::measure::Measure;
use crate::phi::Phi;
use crate::score::{Score, ScoreModel, ScoreResult, Scores};
use crate::time::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a patient came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum Registration {
    /// Never heard of.
    #[default]
    Unknown,
    /// Named by a reference or a result, never registered.
    Provisional,
    /// Registered by an ADT message or a FHIR Patient resource.
    Registered,
}

/// An identifier with its assigner.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identifier {
    /// Assigning authority (CX.4) or FHIR system URI; may be empty.
    pub system: String,
    /// The identifier.
    pub value: Phi<String>,
    /// HL7 table 0203 code, for example `MR`; may be empty.
    pub type_code: String,
}

/// A person's name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PersonName {
    /// Family name.
    pub family: String,
    /// Given names in order.
    pub given: Vec<String>,
}

/// Administrative sex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdministrativeSex {
    /// Female.
    Female,
    /// Male.
    Male,
    /// Other or ambiguous.
    Other,
    /// Stated as unknown.
    Unknown,
}

/// A field's value and when it was stated; older statements do not overwrite newer ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stated<T> {
    /// The value; `None` when unknown or deleted.
    pub value: Option<T>,
    /// When the source stated it.
    pub stated_at: Timestamp,
}

impl<T> Default for Stated<T> {
    fn default() -> Self {
        Self { value: None, stated_at: Timestamp::MIN }
    }
}

/// What a message says about a field: HL7 keeps what is empty and deletes what is `""`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum FieldUpdate<T> {
    /// Nothing said: keep.
    #[default]
    Keep,
    /// Explicitly deleted.
    Clear,
    /// A new value.
    Set(T),
}

/// What a message says about a person.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DemographicsPatch {
    /// Identifiers to add.
    pub identifiers: Vec<Identifier>,
    /// Legal name.
    pub name: FieldUpdate<Phi<PersonName>>,
    /// ISO 8601 date: `YYYY`, `YYYY-MM` or `YYYY-MM-DD`.
    pub birth_date: FieldUpdate<Phi<String>>,
    /// Administrative sex.
    pub sex: FieldUpdate<AdministrativeSex>,
    /// Address on one line.
    pub address: FieldUpdate<Phi<String>>,
    /// Telephone.
    pub phone: FieldUpdate<Phi<String>>,
    /// When the person died.
    pub deceased_at: FieldUpdate<Timestamp>,
}

/// Who the person is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Demographics {
    /// All identifiers seen, sorted.
    pub identifiers: Vec<Identifier>,
    /// Legal name.
    pub name: Stated<Phi<PersonName>>,
    /// ISO 8601 date.
    pub birth_date: Stated<Phi<String>>,
    /// Administrative sex.
    pub sex: Stated<AdministrativeSex>,
    /// Address on one line.
    pub address: Stated<Phi<String>>,
    /// Telephone.
    pub phone: Stated<Phi<String>>,
    /// When the person died.
    pub deceased_at: Stated<Timestamp>,
}

/// Where a stay is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EncounterStatus {
    /// Planned (pre-admission).
    Planned,
    /// In progress.
    Open,
    /// Ended by discharge.
    Discharged,
    /// The admission was cancelled.
    Cancelled,
}

/// One stay: its movements in canonical order and what they fold to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encounter {
    /// Movements sorted by `(at, kind, message id)`.
    pub movements: Vec<Movement>,
    /// Folded status.
    pub status: EncounterStatus,
    /// Folded class.
    pub class: EncounterClass,
    /// Folded location while open.
    pub location: Option<Location>,
    /// Folded begin.
    pub started_at: Option<Timestamp>,
    /// Folded end.
    pub ended_at: Option<Timestamp>,
}

/// A value of a known measure, with what is needed to explain its use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasuredValue {
    /// The value in the measure's unit.
    pub value: Decimal,
    /// When it was true of the patient.
    pub effective_at: Timestamp,
    /// When it was recorded here.
    pub recorded_at: Timestamp,
    /// Which observation.
    pub observation: ObservationId,
    /// Whether it was dated after its arrival by more than the tolerance; such values are only
    /// ever combined with each other.
    pub future_dated: bool,
    /// Where it came from.
    pub provenance: Origin,
}

/// How urgent an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// Someone should look within the hour.
    Warning,
    /// Someone must look now.
    Critical,
}

/// What an alert is about. At most one page per condition is active.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AlertCondition {
    /// A risk score reached its threshold.
    Score(ScoreModel),
    /// A laboratory value or vital sign is critical by itself.
    CriticalValue(Measure),
    /// A device associated with the patient went silent.
    DeviceSilent(EntityId),
}

/// Where an alert is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlertStatus {
    /// Raised, nobody answered yet.
    Active,
    /// Nobody answered in time; a wider circle was told.
    Escalated,
    /// Somebody took it.
    Acknowledged,
    /// Over.
    Resolved,
}

/// One alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Unique within the patient.
    pub id: AlertId,
    /// What it is about.
    pub condition: AlertCondition,
    /// How urgent it is.
    pub severity: Severity,
    /// Where it is in its life.
    pub status: AlertStatus,
    /// When the triggering value was true of the patient.
    pub observed_at: Timestamp,
    /// When it was raised here.
    pub raised_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// How often it was escalated.
    pub escalations: u32,
    /// How many further triggers were folded into it without a new page.
    pub suppressed: u32,
    /// How many results in a row were below the threshold (hysteresis).
    pub calm_results: u32,
    /// Who acknowledged it.
    pub acknowledged_by: Option<PrincipalId>,
    /// Whether the triggering value was dated in the future.
    pub future_dated: bool,
    /// The number that triggered it: a score's minimum or a value.
    pub trigger: Decimal,
    /// The observation that triggered it.
    pub observation: Option<ObservationId>,
}

/// A patient record joined to this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// When the records were joined.
    pub since: Timestamp,
    /// Where the statement came from.
    pub provenance: Provenance,
    /// Values that the other record contributes while joined, oldest first, per measure.
    pub contributions: BTreeMap<Measure, Series>,
}

/// Which side of a link this record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkRole {
    /// This record stays in use; the other was retired into it.
    Survivor,
    /// This record was retired into the other.
    Retired,
}

/// A condition, medication, procedure or other item of the record, for summaries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordItem {
    /// The first code.
    pub code: Code,
    /// Status as sent.
    pub status: String,
    /// Clinical date, if any.
    pub date: Option<Timestamp>,
}

/// What happened to a patient. Past tense, never changed, folded by `evolve` (DET-1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PatientEvent {
    /// The patient became known, or something about the person was stated.
    DemographicsStated {
        /// How the patient is known from now on, at least.
        registration: Registration,
        /// What was said.
        patch: DemographicsPatch,
        /// When the source said it.
        stated_at: Timestamp,
    },
    /// A movement of a stay was reported.
    MovementRecorded {
        /// The stay.
        encounter: EncounterId,
        /// The movement.
        movement: Movement,
    },
    /// Something was observed.
    ObservationRecorded {
        /// The observation.
        observation: Box<Observation>,
        /// When it was recorded here.
        recorded_at: Timestamp,
        /// Whether it is dated after its arrival by more than the tolerance.
        future_dated: bool,
        /// Whether the event is also a version of a FHIR resource: the one that the observation's
        /// id names, with the event's place in the journal as its number.
        as_resource: bool,
    },
    /// A model ran on changed inputs. Recorded by earlier versions; now [`Self::ScoresRecorded`].
    ScoreRecorded {
        /// The result with its parts.
        score: Score,
    },
    /// Models ran on changed inputs.
    ScoresRecorded {
        /// The results, in the order in which they were found.
        results: Vec<ScoreResult>,
    },
    /// A condition began to need attention.
    AlertRaised {
        /// The alert.
        alert: Alert,
    },
    /// A further trigger of an open condition was folded into its alert.
    AlertSuppressed {
        /// The condition.
        condition: AlertCondition,
        /// When.
        at: Timestamp,
        /// The triggering number.
        trigger: Decimal,
    },
    /// An open alert became more or less urgent.
    AlertSeverityChanged {
        /// The condition.
        condition: AlertCondition,
        /// From now on.
        severity: Severity,
        /// When.
        at: Timestamp,
        /// The triggering number.
        trigger: Decimal,
    },
    /// A result below the threshold was seen; enough of them in a row resolve the alert.
    AlertCalmed {
        /// The condition.
        condition: AlertCondition,
        /// When.
        at: Timestamp,
    },
    /// Somebody took the alert.
    AlertAcknowledged {
        /// The condition.
        condition: AlertCondition,
        /// Who.
        by: PrincipalId,
        /// When.
        at: Timestamp,
    },
    /// Nobody took the alert in time.
    AlertEscalated {
        /// The condition.
        condition: AlertCondition,
        /// When.
        at: Timestamp,
    },
    /// The alert is over.
    AlertResolved {
        /// The condition.
        condition: AlertCondition,
        /// When.
        at: Timestamp,
    },
    /// A version of a FHIR resource was stored or deleted.
    ResourceStored {
        /// What is known of it.
        meta: ResourceMeta,
    },
    /// A device began to measure this patient.
    DeviceAssociated {
        /// The device.
        device: EntityId,
        /// Since when.
        at: Timestamp,
    },
    /// A device no longer measures this patient.
    DeviceDissociated {
        /// The device.
        device: EntityId,
        /// Since when.
        at: Timestamp,
    },
    /// Two records were joined.
    LinkAdded {
        /// The other record.
        other: EntityId,
        /// This record's side.
        role: LinkRole,
        /// When.
        at: Timestamp,
        /// Where the statement came from.
        provenance: Provenance,
    },
    /// Two records were separated again; everything is as if they had never been joined.
    LinkRemoved {
        /// The other record.
        other: EntityId,
        /// When.
        at: Timestamp,
    },
    /// A value of a record that was retired into this one.
    ContributionReceived {
        /// The retired record.
        from: EntityId,
        /// What was measured.
        measure: Measure,
        /// The value.
        value: MeasuredValue,
    },
}

/// The live state of a patient: the fold of the events (DET-1).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PatientState {
    /// How the patient is known.
    pub registration: Registration,
    /// Who the person is.
    pub demographics: Demographics,
    /// Stays by id. Boxed: most patients have one, and a map keeps room for eleven.
    pub encounters: BTreeMap<EncounterId, Box<Encounter>>,
    /// Recent values per measure, oldest first; the newest of all is the last one.
    pub measures: Measures,
    /// How many observations were ever recorded.
    pub observations_total: u64,
    /// The current result of each model.
    pub scores: Scores,
    /// Open alerts, one per condition.
    pub alerts: BTreeMap<AlertCondition, Alert>,
    /// Recently resolved alerts, oldest first.
    pub resolved_alerts: Vec<Alert>,
    /// How many alerts were ever raised.
    pub alerts_total: u64,
    /// Current versions of stored FHIR resources.
    pub resources: BTreeMap<ResourceKey, ResourceMeta>,
    /// Devices that measure this patient, since when.
    pub devices: BTreeMap<EntityId, Timestamp>,
    /// Records retired into this one.
    pub links: BTreeMap<EntityId, Link>,
    /// The record that this one was retired into, and since when.
    pub merged_into: Option<(EntityId, Timestamp)>,
}

/// What other entities tell a patient, by outbox: delivered at least once, one effect (ONCE-1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PatientNotice {
    /// A record was retired into this one: take its values into account.
    Contribution {
        /// The retired record.
        from: EntityId,
        /// Values per measure.
        values: Vec<(Measure, MeasuredValue)>,
    },
    /// This record was retired into another.
    Retired {
        /// The surviving record.
        into: EntityId,
        /// When.
        at: Timestamp,
        /// Where the statement came from.
        provenance: Provenance,
    },
    /// This record was separated again.
    Separated {
        /// The other record.
        from: EntityId,
        /// When.
        at: Timestamp,
    },
    /// A device measured this patient.
    DeviceObservations {
        /// The device.
        device: EntityId,
        /// What it measured.
        observations: Vec<Observation>,
    },
    /// A device began or ceased to measure this patient.
    DeviceAssociation {
        /// The device.
        device: EntityId,
        /// Whether it measures this patient from now on.
        associated: bool,
        /// Since when.
        at: Timestamp,
    },
    /// A device that measures this patient went silent, or spoke again.
    DeviceSilence {
        /// The device.
        device: EntityId,
        /// Whether it is silent now.
        silent: bool,
        /// Since when.
        at: Timestamp,
    },
}
