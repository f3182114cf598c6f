//! From a resource to words: who, what, when, and for Observation, Patient and Encounter the facts
//! that the entities keep. Nothing is guessed: what the resource does not say stays empty.

mod observation;
mod paths;
mod person;
mod stay;

pub use paths::FactPaths;
pub use stay::{EncounterFacts, EncounterLifecycle, StayLocation};

use crate::reference::Reference;
use crate::resource::Resource;
use crate::time::Interval;
use schema_types::clinical::{Code, Observation};
use schema_types::ids::{MessageDigest, SourceId, TenantId};
use schema_types::patient::DemographicsPatch;
use schema_types::time::Timestamp;

/// What the caller knows of the message that a resource came in.
#[derive(Debug, Clone)]
pub struct ExtractContext {
    /// Whose data these are.
    pub tenant: TenantId,
    /// The sending system.
    pub source: SourceId,
    /// The archived raw message.
    pub message: MessageDigest,
    /// When it arrived: the time of an observation that states none.
    pub received_at: Timestamp,
}

/// A statement that two patient records are about one person (`Patient.link`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatientLink {
    /// Which side this record is.
    pub role: PatientLinkRole,
    /// The other record.
    pub other: Reference,
}

/// The codes of `Patient.link.type` that retire a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatientLinkRole {
    /// `replaced-by`: this record was retired into the other.
    ReplacedBy,
    /// `replaces`: the other record was retired into this one.
    Replaces,
}

/// What a resource says, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The FHIR type.
    pub resource_type: &'static str,
    /// The logical id, if it has one yet.
    pub id: Option<String>,
    /// The patient it belongs to: the first reference of the Patient compartment that can be to a
    /// patient. For a Patient with an id: itself.
    pub patient_reference: Option<Reference>,
    /// The device it is about or came from.
    pub device_reference: Option<Reference>,
    /// The stay it belongs to.
    pub encounter_reference: Option<Reference>,
    /// Codes for code search, first the most specific element.
    pub codes: Vec<Code>,
    /// Categories for category search.
    pub categories: Vec<Code>,
    /// What the clinical date covers, by its precision.
    pub date: Option<Interval>,
    /// Status as sent; empty when there is none.
    pub status: String,
    /// The observations of an Observation: itself when it has a value of its own or nothing else,
    /// and one for each component. Empty for other types.
    pub observations: Vec<Observation>,
    /// What a Patient says of the person.
    pub demographics: Option<DemographicsPatch>,
    /// What an Encounter says of the stay.
    pub encounter: Option<EncounterFacts>,
    /// The records that a Patient replaces or is replaced by.
    pub links: Vec<PatientLink>,
}

/// Reads the facts of a resource. Assign the id first: observations are named after it.
#[must_use]
pub fn extract(resource: &Resource, context: &ExtractContext) -> Facts {
    let mut facts = outline(resource);
    match facts.resource_type {
        "Observation" => facts.observations = observation::observations(resource, &facts, context),
        "Patient" => {
            facts.demographics = Some(person::demographics(resource.value()));
            facts.links = person::links(resource.value());
        }
        "Encounter" => facts.encounter = Some(stay::encounter(resource.value())),
        _ => {}
    }
    facts
}

/// The facts that every type has, without observations, person and stay.
#[must_use]
pub fn outline(resource: &Resource) -> Facts {
    let resource_type = resource.resource_type();
    let table = FactPaths::of(resource_type);
    let value = resource.value();
    let id = resource.id().map(str::to_owned);
    let patient_reference = match (&id, resource_type) {
        (Some(id), "Patient") => Some(Reference::Local { resource_type, id: id.clone() }),
        _ => paths::patient(table, value),
    };
    let reference = |list: &[&str], wanted: &str| paths::reference(list, value, wanted);
    Facts {
        resource_type,
        patient_reference,
        device_reference: reference(&table.device, "Device"),
        encounter_reference: reference(&table.encounter, "Encounter"),
        codes: paths::codes(&table.code, value),
        categories: paths::codes(&table.category, value),
        date: paths::date(&table.date, value),
        status: paths::status(table, value),
        observations: Vec::new(),
        demographics: None,
        encounter: None,
        links: Vec::new(),
        id,
    }
}
