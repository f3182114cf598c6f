//! What a facility can be asked, and what it answers. Commands are imperative and addressed; the
//! gateways build them, `decide` judges them. No wire format here.

use schema_types::clinical::{ResourceKey, ResourceMeta};
use schema_types::facility::{BedKey, BedStatus, FacilityNotice, FacilityState};
use schema_types::ids::{EncounterId, EntityId};
use schema_types::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use actors_core::resource::{
    ResourceFacts, ResourceWrite, StoredVersion, WriteMode, WriteOutcome,
};

/// What a facility can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Say what a bed is ready for. An older statement never replaces a newer one. Answered by
    /// [`Reply::Done`].
    SetBedStatus {
        /// The bed.
        bed: BedKey,
        /// What it is ready for when nobody is in it.
        status: BedStatus,
        /// Since when.
        at: Timestamp,
    },
    /// FHIR resources of the directory, all or nothing. Answered by [`Reply::Stored`].
    StoreResources {
        /// The operation for the audit log, for example `fhir-update Organization`.
        operation: String,
        /// The writes, in order.
        writes: Vec<ResourceWrite>,
    },
    /// A patient tells of a stay. Answered by [`Reply::Done`].
    Notice(FacilityNotice),
    /// A question. Changes nothing, is audited, needs a purpose of use from
    /// [`actors_core::purpose::PURPOSES_OF_USE`].
    Read(Read),
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Read {
    /// The whole live state. Answered by [`Reply::State`].
    State,
    /// How many patients are in beds, per ward. Answered by [`Reply::Census`].
    Census {
        /// At which instant, by all that is known now; absent: after everything known.
        at: Option<Timestamp>,
    },
    /// The census at `from`, `from + step`, ... up to and including `to`. Answered by
    /// [`Reply::CensusSeries`].
    CensusSeries {
        /// The first instant.
        from: Timestamp,
        /// The last instant, if a step falls on it.
        to: Timestamp,
        /// Microseconds between instants, at least 1.
        step_micros: i64,
    },
    /// Every bed and who is in it, after everything known. Answered by [`Reply::BedBoard`].
    BedBoard,
    /// The current version of a resource. Answered by [`Reply::Resource`]; rejected with
    /// `FhirNotFound` or `FhirGone`.
    Resource(ResourceKey),
    /// A version of a resource. Answered by [`Reply::Resource`].
    ResourceVersion(ResourceKey, u64),
    /// Current resources of some types (none named: all), deleted ones left out. Answered by
    /// [`Reply::Resources`].
    Resources {
        /// FHIR types.
        types: Vec<String>,
    },
}

/// What a facility answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// What was said is known now.
    Done {
        /// Whether it changed anything.
        changed: bool,
    },
    /// Resources were stored: one entry per write, in order.
    Stored(Vec<StoredVersion>),
    /// The live state.
    State(Box<FacilityState>),
    /// How many patients are in beds.
    Census(Census),
    /// How many patients were in beds at each instant, oldest first.
    CensusSeries(Vec<Census>),
    /// Every bed.
    BedBoard(BedBoard),
    /// Where to find a resource version.
    Resource {
        /// Type and id.
        key: ResourceKey,
        /// The version asked for.
        version: u64,
        /// The current version's description.
        current: Box<ResourceMeta>,
    },
    /// Descriptions of resources, by key.
    Resources(Vec<ResourceMeta>),
}

/// How many inpatients were in beds at an instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    /// The instant; absent: after everything known.
    pub at: Option<Timestamp>,
    /// Occupied beds per ward; every ward ever heard of is named, with 0 when it is empty.
    pub occupied: BTreeMap<String, u32>,
}

/// Every bed ever heard of, and who is in it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BedBoard {
    /// By bed.
    pub beds: BTreeMap<BedKey, BedEntry>,
    /// Inpatients of a ward of whom no bed is known, by ward.
    pub without_bed: BTreeMap<String, Vec<Occupant>>,
}

/// One bed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BedEntry {
    /// Who is in it, or what it is ready for.
    pub occupancy: Occupancy,
    /// Planned stays that name the bed, by patient.
    pub reserved_for: Vec<Occupant>,
}

/// Who is in a bed, or what it is ready for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Occupancy {
    /// Nobody is in it.
    Free(BedStatus),
    /// One patient is in it.
    Occupied(Occupant),
    /// More than one open stay names it: somebody must look where these patients are.
    Conflict(Vec<Occupant>),
}

/// A stay that a bed is used or kept for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Occupant {
    /// The patient.
    pub patient: EntityId,
    /// The stay.
    pub encounter: EncounterId,
    /// When the patient came into this place; absent for a reservation.
    pub since: Option<Timestamp>,
}
