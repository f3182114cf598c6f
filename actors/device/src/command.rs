//! What a device can be asked, and what it answers. Commands are imperative and addressed; the
//! gateways build them, `decide` judges them. No wire format here.

use schema_types::clinical::{Observation, ResourceKey, ResourceMeta};
use schema_types::device::{DeviceNotice, DeviceState, SampleSummary};
use schema_types::ids::EntityId;
use schema_types::time::Timestamp;
use serde::{Deserialize, Serialize};

pub use actors_core::resource::{
    ResourceFacts, ResourceWrite, StoredVersion, WriteMode, WriteOutcome,
};

/// What a device can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// A batch from the device's own feed. The observations carry the device's clock; they are
    /// corrected by the estimated offset and forwarded to whoever was measured then, or kept with
    /// the device when nobody was. Answered by [`Reply::Recorded`].
    RecordSamples {
        /// What the batch tells about the device.
        summary: SampleSummary,
        /// What it measured, `effective_at` on the device's clock. Ids must be unique per device.
        observations: Vec<Observation>,
    },
    /// Measure this patient from `at` on; an earlier patient is let go at the same instant.
    /// Answered by [`Reply::Associated`].
    Associate {
        /// The patient; same tenant as the device.
        patient: EntityId,
        /// Since when; not before the current or last association began or ended.
        at: Timestamp,
    },
    /// Measure nobody from `at` on. Answered by [`Reply::Associated`].
    Dissociate {
        /// Since when.
        at: Timestamp,
    },
    /// Expect a batch at least this often; 0 turns the silence alarm off. Answered by
    /// [`Reply::Done`].
    SetInterval {
        /// Microseconds, 0 to [`crate::limits::INTERVAL_MICROS_MAX`].
        interval_micros: i64,
    },
    /// FHIR resources about the device, all or nothing. Answered by [`Reply::Stored`].
    StoreResources {
        /// The operation for the audit log, for example `fhir-update Device`.
        operation: String,
        /// The writes, in order.
        writes: Vec<ResourceWrite>,
    },
    /// Another entity tells something. Answered by [`Reply::Recorded`].
    Notice(DeviceNotice),
    /// A durable timer fired. Answered by [`Reply::Done`].
    Timer(Timer),
    /// A question. Changes nothing, is audited, needs a purpose of use from
    /// [`actors_core::purpose::PURPOSES_OF_USE`].
    Read(Read),
}

/// A timer of this entity that fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Timer {
    /// The device may have been silent for too long.
    Silence {
        /// When the timer was due.
        due: Timestamp,
    },
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Read {
    /// The whole live state. Answered by [`Reply::State`].
    State,
    /// The current version of a resource. Answered by [`Reply::Resource`]; rejected with
    /// `FhirNotFound` or `FhirGone`.
    Resource(ResourceKey),
    /// A version of a resource. Answered by [`Reply::Resource`].
    ResourceVersion(ResourceKey, u64),
    /// Current resources of some types (none named: all), deleted ones left out. Answered by
    /// [`Reply::Resources`]. Observations of an unassociated device are not among them: the
    /// store's resource rows have them.
    Resources {
        /// FHIR types.
        types: Vec<String>,
    },
}

/// What a device answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// A change was made, or there was nothing to change.
    Done,
    /// What became of a batch.
    Recorded(Recorded),
    /// Who is measured, and who was before.
    Associated {
        /// The patient that is no longer measured.
        previous: Option<EntityId>,
        /// The patient that is measured now, and since when.
        current: Option<(EntityId, Timestamp)>,
    },
    /// Resources were stored: one entry per write, in order.
    Stored(Vec<StoredVersion>),
    /// The live state.
    State(Box<DeviceState>),
    /// Where to find a resource version.
    Resource {
        /// Type and id.
        key: ResourceKey,
        /// The version asked for; `None`: the newest that the store holds.
        version: Option<u64>,
        /// The current version's description; `None` for an observation of an unassociated
        /// device, of which only the store knows (it may not exist).
        current: Option<Box<ResourceMeta>>,
    },
    /// Descriptions of resources, by key.
    Resources(Vec<ResourceMeta>),
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Whether the batch was new to the device, filled a gap, or repeated what was counted.
    pub order: BatchOrder,
    /// How many sequence numbers were skipped just before it.
    pub missed: u64,
    /// Estimated device clock minus hospital clock after it, microseconds.
    pub clock_offset_micros: i64,
    /// The patient that is measured now; `None`: the device is unassociated.
    pub association: Option<EntityId>,
    /// How many observations were sent to patients.
    pub forwarded: u32,
    /// How many observations nobody was measured for: kept with the device.
    pub kept: u32,
}

/// Where a batch stands among those seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BatchOrder {
    /// Newer than all before it, or not numbered.
    Next,
    /// The device began to count anew.
    Restarted,
    /// Late: it fills a known gap.
    FilledGap,
    /// A repeat; its samples are not counted again.
    Repeated,
}
