//! Clinical facts shared by the entities: codes, observations, locations, movements, resources.

use crate::error_code::ErrorCode;
use crate::ids::{EncounterId, EntityId, MessageDigest, MessagePlace, ObservationId, SourceId};
use crate::measure::Measure;
use crate::phi::Phi;
use crate::quantity::Quantity;
use crate::time::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// A code with the system that defines it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Code {
    /// The URI (FHIR) or name (HL7 v2 table 0396) of the code system; may be empty.
    pub system: String,
    /// The code.
    pub code: String,
    /// What a person reads.
    pub display: String,
}

/// Where a fact came from: source, archived message, and the place within that message.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Provenance {
    /// The sending system.
    pub source: SourceId,
    /// The archived raw message.
    pub message: MessageDigest,
    /// The place in the message, for example `OBX-3` or `Observation.component[1]`.
    pub position: String,
}

/// A [`Provenance`] as values in memory hold it: without an allocation of its own as long as its
/// texts are short.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Origin {
    /// The sending system.
    pub source: SourceId,
    /// The archived raw message.
    pub message: MessageDigest,
    /// The place in the message.
    pub position: MessagePlace,
}

impl From<&Provenance> for Origin {
    fn from(provenance: &Provenance) -> Self {
        Self {
            source: provenance.source.clone(),
            message: provenance.message,
            position: MessagePlace::new(provenance.position.as_str()),
        }
    }
}

impl From<&Origin> for Provenance {
    fn from(origin: &Origin) -> Self {
        Self {
            source: origin.source.clone(),
            message: origin.message,
            position: origin.position.as_str().to_owned(),
        }
    }
}

/// The value of an observation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ObservationValue {
    /// A number with its unit.
    Quantity(Quantity),
    /// A code.
    Coded(Code),
    /// Text, possibly about the patient.
    Text(Phi<String>),
    /// A series of samples: what FHIR calls SampledData or HL7 calls NA/MA.
    Sampled {
        /// The value of a zero sample, with the unit.
        origin: Quantity,
        /// Milliseconds between samples.
        period_ms: Decimal,
        /// Multiplier of each sample.
        factor: Decimal,
        /// The samples as sent.
        data: String,
    },
    /// No value, with the reason if one was given.
    Absent(String),
}

/// How final an observation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ObservationStatus {
    /// May still change.
    Preliminary,
    /// Final.
    Final,
    /// Corrected or amended after it was final.
    Corrected,
    /// Withdrawn or entered in error: never scored.
    Withdrawn,
}

/// One measured or stated fact about a patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Unique within the patient.
    pub id: ObservationId,
    /// What was observed.
    pub code: Code,
    /// FHIR observation category code, for example `vital-signs` or `laboratory`; may be empty.
    pub category: String,
    /// The value as sent.
    pub value: ObservationValue,
    /// The measure and the value in its unit, where the code is known, the unit converts and the
    /// value is plausible.
    pub measured: Option<(Measure, Decimal)>,
    /// When it was true of the patient, on the hospital's clock.
    pub effective_at: Timestamp,
    /// How final it is.
    pub status: ObservationStatus,
    /// The device that measured it.
    pub device: Option<EntityId>,
    /// The stay it belongs to.
    pub encounter: Option<EncounterId>,
    /// Where it came from.
    pub provenance: Provenance,
    /// What is doubtful about it: implausible, future-dated, unit unknown.
    pub issues: Vec<ErrorCode>,
}

/// A place in a hospital, from the HL7 PL data type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Location {
    /// The facility (PL.4), or the sending facility.
    pub facility: String,
    /// The ward or unit (PL.1).
    pub ward: String,
    /// The room (PL.2); may be empty.
    pub room: String,
    /// The bed (PL.3); may be empty.
    pub bed: String,
}

/// The kinds of movement that ADT messages report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MovementKind {
    /// A05: pre-admission; reserves, does not occupy.
    PreAdmit,
    /// A01: admitted.
    Admit,
    /// A04: registered as outpatient or emergency visit.
    Register,
    /// A06: outpatient becomes inpatient.
    ToInpatient,
    /// A07: inpatient becomes outpatient.
    ToOutpatient,
    /// A02: moved.
    Transfer,
    /// A08: changed data; says where the patient is, moves nobody.
    Update,
    /// A11: the admission did not happen.
    CancelAdmit,
    /// A12: the transfer did not happen.
    CancelTransfer,
    /// A13: the discharge did not happen.
    CancelDischarge,
    /// A03: discharged.
    Discharge,
}

impl MovementKind {
    /// Every kind, in the order in which equal times are applied.
    pub const ALL: &'static [Self] = &[
        Self::PreAdmit,
        Self::Admit,
        Self::Register,
        Self::ToInpatient,
        Self::ToOutpatient,
        Self::Transfer,
        Self::Update,
        Self::CancelAdmit,
        Self::CancelTransfer,
        Self::CancelDischarge,
        Self::Discharge,
    ];

    /// The stable number in stored data.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::PreAdmit => 1,
            Self::Admit => 2,
            Self::Register => 3,
            Self::ToInpatient => 4,
            Self::ToOutpatient => 5,
            Self::Transfer => 6,
            Self::Update => 7,
            Self::CancelAdmit => 8,
            Self::CancelTransfer => 9,
            Self::CancelDischarge => 10,
            Self::Discharge => 11,
        }
    }

    /// The kind of a stable number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.number() == number)
    }

    /// Lower-case name with hyphens.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::PreAdmit => "pre-admit",
            Self::Admit => "admit",
            Self::Register => "register",
            Self::ToInpatient => "to-inpatient",
            Self::ToOutpatient => "to-outpatient",
            Self::Transfer => "transfer",
            Self::Update => "update",
            Self::CancelAdmit => "cancel-admit",
            Self::CancelTransfer => "cancel-transfer",
            Self::CancelDischarge => "cancel-discharge",
            Self::Discharge => "discharge",
        }
    }
}

/// The class of a stay, from PV1-2 or `Encounter.class`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EncounterClass {
    /// Not stated.
    Unknown,
    /// Inpatient: occupies a bed.
    Inpatient,
    /// Outpatient or ambulatory.
    Outpatient,
    /// Emergency.
    Emergency,
    /// Pre-admission.
    PreAdmission,
    /// By telephone or video.
    Virtual,
}

impl EncounterClass {
    /// Every class.
    pub const ALL: &'static [Self] = &[
        Self::Unknown,
        Self::Inpatient,
        Self::Outpatient,
        Self::Emergency,
        Self::PreAdmission,
        Self::Virtual,
    ];

    /// The stable number in stored data.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Inpatient => 1,
            Self::Outpatient => 2,
            Self::Emergency => 3,
            Self::PreAdmission => 4,
            Self::Virtual => 5,
        }
    }

    /// The class of a stable number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|class| class.number() == number)
    }

    /// Lower-case name with hyphens.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Inpatient => "inpatient",
            Self::Outpatient => "outpatient",
            Self::Emergency => "emergency",
            Self::PreAdmission => "pre-admission",
            Self::Virtual => "virtual",
        }
    }
}

/// One reported movement of a stay. Movements are kept sorted by `(at, kind, message id)`, so that
/// any order of arrival folds to the same stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    /// What happened.
    pub kind: MovementKind,
    /// When it happened (EVN-6, else EVN-2, else MSH-7).
    pub at: Timestamp,
    /// The control id of the message: breaks ties and names repeats.
    pub message_id: String,
    /// The class that the message states.
    pub class: EncounterClass,
    /// Where the patient is after the movement (PV1-3).
    pub location: Option<Location>,
    /// Where the patient was before (PV1-6).
    pub prior_location: Option<Location>,
    /// Where it came from.
    pub provenance: Provenance,
}

/// A FHIR resource's name within an entity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ResourceKey {
    /// The FHIR type, for example `Observation`.
    pub resource_type: String,
    /// The logical id.
    pub id: String,
}

/// What an entity knows of a stored FHIR resource; the body is stored beside the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceMeta {
    /// Type and id.
    pub key: ResourceKey,
    /// 1 for the first version.
    pub version: u64,
    /// When this version was stored.
    pub updated_at: Timestamp,
    /// Whether this version is a deletion.
    pub deleted: bool,
    /// SHA-256 of the body as sent.
    pub digest: MessageDigest,
    /// The clinical date for date search and timelines, if the resource has one.
    pub date: Option<Timestamp>,
    /// Codes for code search.
    pub codes: Vec<Code>,
    /// Categories for category search.
    pub categories: Vec<Code>,
    /// Short status for display, for example `active`.
    pub status: String,
}
