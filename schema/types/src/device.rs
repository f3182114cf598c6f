//! The device in words: events, state and the notices other entities send to a device.

use crate::clinical::{Provenance, ResourceKey, ResourceMeta};
use crate::ids::EntityId;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a batch of samples tells about the device itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleSummary {
    /// How many observations the batch holds.
    pub samples: u32,
    /// The device's own number of the batch, if it counts.
    pub sequence: Option<u64>,
    /// The newest sample on the device's clock.
    pub device_time: Timestamp,
    /// When the batch arrived.
    pub received_at: Timestamp,
    /// Whether the device says that it sends late what it stored while it was offline.
    pub stored_and_forwarded: bool,
    /// Battery charge in percent, if reported.
    pub battery_percent: Option<u8>,
    /// Where it came from.
    pub provenance: Provenance,
}

/// What happened to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceEvent {
    /// A batch of samples arrived.
    SamplesReceived {
        /// What it tells about the device.
        summary: SampleSummary,
        /// How many sequence numbers were skipped just before it.
        missed: u64,
        /// The estimated device clock minus hospital clock, microseconds, after this batch.
        clock_offset_micros: i64,
    },
    /// A batch repeated or preceded what was seen: late, or a repeat.
    SamplesOutOfOrder {
        /// What it tells about the device.
        summary: SampleSummary,
        /// Whether it filled a known gap.
        filled_gap: bool,
    },
    /// The device measures a patient from now on.
    Associated {
        /// The patient.
        patient: EntityId,
        /// Since when.
        at: Timestamp,
    },
    /// The device measures nobody from now on.
    Dissociated {
        /// The patient it measured.
        patient: EntityId,
        /// Since when.
        at: Timestamp,
    },
    /// Nothing arrived for longer than the device's interval allows.
    WentSilent {
        /// Since when.
        at: Timestamp,
    },
    /// It speaks again.
    SpokeAgain {
        /// Since when.
        at: Timestamp,
    },
    /// The expected interval between batches was set.
    IntervalSet {
        /// Microseconds.
        interval_micros: i64,
    },
    /// A version of a FHIR resource was stored or deleted.
    ResourceStored {
        /// What is known of it.
        meta: ResourceMeta,
    },
}

/// The live state of a device: the fold of its events (DET-1).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeviceState {
    /// Who is measured, since when.
    pub association: Option<(EntityId, Timestamp)>,
    /// Who was measured before, oldest first: patient, from, to.
    pub past_associations: Vec<(EntityId, Timestamp, Timestamp)>,
    /// How many samples arrived.
    pub samples_total: u64,
    /// How many batches arrived late or repeated.
    pub out_of_order_total: u64,
    /// The highest sequence number seen.
    pub last_sequence: Option<u64>,
    /// Open gaps as inclusive ranges of sequence numbers, oldest first.
    pub gaps: Vec<(u64, u64)>,
    /// How many sequence numbers were ever missed at first.
    pub missed_total: u64,
    /// Estimated device clock minus hospital clock, microseconds.
    pub clock_offset_micros: i64,
    /// When a batch last arrived.
    pub last_received_at: Option<Timestamp>,
    /// Expected interval between batches, microseconds; 0 when unknown (no silence alarm).
    pub interval_micros: i64,
    /// Since when it is silent.
    pub silent_since: Option<Timestamp>,
    /// Battery charge in percent.
    pub battery_percent: Option<u8>,
    /// Current versions of stored FHIR resources.
    pub resources: BTreeMap<ResourceKey, ResourceMeta>,
}

/// What other entities tell a device, by outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceNotice {
    /// Observations that this device made reached a patient by another way.
    SamplesSeen {
        /// The patient they are about.
        patient: EntityId,
        /// What they tell about the device.
        summary: SampleSummary,
    },
}
