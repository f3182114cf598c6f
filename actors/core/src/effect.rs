//! Effects: what a decision wants done in the same commit as its events, as data.

use schema_types::clinical::{Observation, ResourceMeta};
use schema_types::device::DeviceNotice;
use schema_types::facility::FacilityNotice;
use schema_types::ids::{EntityId, ObservationId};
use schema_types::patient::PatientNotice;
use schema_types::time::Timestamp;

/// A message to another entity: stored with its cause, delivered at least once, one effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// To a patient.
    Patient(PatientNotice),
    /// To a device.
    Device(DeviceNotice),
    /// To a facility.
    Facility(FacilityNotice),
}

/// The body of a stored resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceBody {
    /// FHIR JSON as it was sent.
    Json(schema_types::phi::Phi<Vec<u8>>),
    /// An observation that did not arrive as FHIR; rendered when read.
    Observation(Box<Observation>),
    /// Nothing: this version is a deletion.
    Deleted,
}

/// A row that finds entities without waking them. Scoped to the tenant by the shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexEntry {
    /// An identifier belongs to this entity.
    Identifier {
        /// Assigner or system; may be empty.
        system: String,
        /// The identifier.
        value: schema_types::phi::Phi<String>,
    },
    /// A FHIR resource is kept by this entity.
    Resource {
        /// The FHIR type.
        resource_type: String,
        /// The logical id.
        id: String,
    },
    /// An observation of this entity is a FHIR resource whose versions are in the entity's journal:
    /// the row names the one that the first event of this command begins.
    Observation {
        /// The logical id.
        id: ObservationId,
    },
    /// This entity has at least one open alert.
    OpenAlerts,
    /// This entity exists.
    Known,
}

/// What a decision wants done in the same commit as its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Tell another entity (transactional outbox).
    Send {
        /// Who.
        to: EntityId,
        /// What.
        notice: Notice,
    },
    /// Set or move a durable timer of this entity.
    SetTimer {
        /// The timer's name within the entity.
        name: String,
        /// When it fires.
        due: Timestamp,
    },
    /// Remove a timer; nothing happens when there is none.
    CancelTimer {
        /// The timer's name within the entity.
        name: String,
    },
    /// Store a version of a resource beside the journal.
    PutResource {
        /// Its description.
        meta: ResourceMeta,
        /// Its body.
        body: ResourceBody,
    },
    /// Add an index row.
    PutIndex(IndexEntry),
    /// Remove an index row.
    ClearIndex(IndexEntry),
}
