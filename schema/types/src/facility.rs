//! The facility in words: events, state and the notices other entities send to a facility.
//!
//! A facility is a hospital with units and beds, or a directory of shared FHIR resources
//! (organisations, practitioners, medications) that belong to no patient.

use crate::clinical::{Movement, ResourceKey, ResourceMeta};
use crate::ids::{EncounterId, EntityId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a bed is ready for, when nobody is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BedStatus {
    /// Can take a patient.
    Ready,
    /// Kept for a named patient.
    Reserved,
    /// Left, not cleaned.
    Dirty,
    /// Being cleaned.
    Cleaning,
    /// Out of use.
    Blocked,
    /// Not staffed.
    Closed,
}

/// A bed by ward, room and bed name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BedKey {
    /// The ward.
    pub ward: String,
    /// The room.
    pub room: String,
    /// The bed.
    pub bed: String,
}

/// A stay as the facility knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stay {
    /// The patient.
    pub patient: EntityId,
    /// Counts up at the patient; a lower one never replaces a higher one.
    pub revision: u64,
    /// All movements in canonical order.
    pub movements: Vec<Movement>,
}

/// What happened at a facility.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FacilityEvent {
    /// A patient's stay changed.
    StayNoted {
        /// The stay's name within the patient.
        encounter: EncounterId,
        /// What is now known of it.
        stay: Stay,
    },
    /// Somebody set what a bed is ready for.
    BedStatusSet {
        /// The bed.
        bed: BedKey,
        /// From now on.
        status: BedStatus,
        /// When.
        at: Timestamp,
    },
    /// A version of a FHIR resource was stored or deleted.
    ResourceStored {
        /// What is known of it.
        meta: ResourceMeta,
    },
}

/// The live state of a facility: the fold of its events (DET-1).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FacilityState {
    /// Stays by patient and encounter.
    pub stays: BTreeMap<(EntityId, EncounterId), Stay>,
    /// Beds ever seen, with what they are ready for when empty.
    pub beds: BTreeMap<BedKey, (BedStatus, Timestamp)>,
    /// Current versions of stored FHIR resources.
    pub resources: BTreeMap<ResourceKey, ResourceMeta>,
    /// Movements of all stays: counted along, because each new one is held against a limit. Not
    /// stored, as it follows from the stays.
    pub movements_total: usize,
}

/// What other entities tell a facility, by outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FacilityNotice {
    /// A patient's stay changed: the whole stay, so that order and repeats do not matter.
    StayChanged {
        /// The stay's name within the patient.
        encounter: EncounterId,
        /// What is now known of it.
        stay: Stay,
    },
}
