//! A checked resource as a write at its owner: facts for the entity, rows for the indexes, and
//! what follows from it for others once it is stored.

use super::exchange::Exchange;
use super::index;
use super::place::{self, Misplaced};
use crate::http::ApiError;
use actors_patient::command::{DeviceLink, EncounterFact, ResourceFacts, ResourceWrite, WriteMode};
use actors_runtime::Precondition;
use actors_store::{Mutation, Snapshot};
use schema_fhir::extract::{EncounterLifecycle, PatientLinkRole};
use schema_fhir::{Facts, FhirError, Reference, Resource, extract};
use schema_types::clinical::{EncounterClass, Location, Provenance, ResourceKey};
use schema_types::error_code::ErrorCode;
use schema_types::ids::{EncounterId, EntityId, EntityKind, MessageDigest};
use schema_types::patient::EncounterStatus;
use serde_json::Value;

/// Bytes of a ward's name; facilities refuse longer ones.
const WARD_BYTES_MAX: usize = 200;

/// What is to be done for others once a resource is stored.
#[derive(Debug, Clone)]
pub(crate) enum FollowUp {
    /// `Patient.link`: the record is joined into another.
    Merge {
        /// The record that stays in use.
        survivor: EntityId,
        /// The other.
        retired: EntityId,
    },
    /// `Device.patient`: the device measures this patient.
    Associate {
        /// The device.
        device: EntityId,
        /// The patient.
        patient: EntityId,
    },
}

/// One write at one owner.
#[derive(Clone)]
pub(crate) struct Planned {
    /// The place in the bundle; 0 outside one.
    pub(crate) index: usize,
    pub(crate) owner: EntityId,
    pub(crate) write: ResourceWrite,
    pub(crate) rows: Vec<Mutation>,
    pub(crate) preconditions: Vec<Precondition>,
    pub(crate) follow_ups: Vec<FollowUp>,
    /// The former owner, from whom the resource is taken in the same commit.
    pub(crate) moved_from: Option<EntityId>,
}

/// A resource to be written.
pub(crate) struct Wanted<'a> {
    pub(crate) index: usize,
    pub(crate) mode: WriteMode,
    pub(crate) if_match: Option<u64>,
    /// With its final id and references.
    pub(crate) resource: &'a Resource,
    /// Digest of the resource as it was sent.
    pub(crate) digest: MessageDigest,
    /// Where it stands in a bundle, with a dot at the end; empty outside one.
    pub(crate) prefix: &'a str,
}

/// The digest of a resource as sent: the same content again is a repeat, whatever ids and
/// references the server put into it.
pub(crate) fn content_digest(resource: &Resource) -> MessageDigest {
    MessageDigest::of(&resource.to_json())
}

/// Takes out what only the server says: `meta.versionId` and `meta.lastUpdated`.
pub(crate) fn without_version(resource: Resource) -> Resource {
    let carries =
        |meta: &Value| meta.get("versionId").is_some() || meta.get("lastUpdated").is_some();
    if !resource.value().get("meta").is_some_and(carries) {
        return resource;
    }
    let kept = resource.clone();
    let mut value = resource.into_value();
    if let Some(map) = value.as_object_mut() {
        let mut is_empty = false;
        if let Some(meta) = map.get_mut("meta").and_then(Value::as_object_mut) {
            meta.shift_remove("versionId");
            meta.shift_remove("lastUpdated");
            is_empty = meta.is_empty();
        }
        if is_empty {
            map.shift_remove("meta");
        }
    }
    Resource::from_value(value).unwrap_or(kept)
}

/// Plans a create or an update.
///
/// # Errors
/// What is wrong with the resource, or why the store cannot be read.
pub(crate) async fn plan(
    exchange: &Exchange,
    snapshot: &dyn Snapshot,
    wanted: Wanted<'_>,
) -> Result<Planned, ApiError> {
    let mut facts = extract(wanted.resource, &exchange.extract_context());
    check_identifiers(&facts)?;
    let gateway = &exchange.gateway;
    let value = wanted.resource.value();
    let owner = match place::place(gateway, snapshot, &facts, value).await {
        Ok(owner) => owner,
        Err(Misplaced::Problem(problem)) => return Err(problem.into()),
        Err(Misplaced::Store(error)) => return Err(error.into()),
    };
    let (resource_type, id) = (facts.resource_type, facts.id.clone().unwrap_or_default());
    // Of an id that was drawn for this request nobody knows yet, and the precondition says so
    // again; in bundles a client may choose it.
    let is_drawn = wanted.mode == WriteMode::Create && wanted.prefix.is_empty() && !exchange.once();
    let current = match is_drawn {
        true => None,
        false => index::newest(snapshot, &gateway.tenant, resource_type, &id).await?,
    };
    let is_other_interface = current.as_ref().is_some_and(|(owner, _)| !owner.by_fhir);
    if is_other_interface {
        let reason = "the resource came by another interface and is not changed by FHIR";
        return Err(ApiError::new(ErrorCode::FhirInteraction, reason).with_status(409));
    }
    let tenant = &gateway.tenant;
    let mut rows = index::identifier_rows(tenant, resource_type, &id, value);
    let (row, precondition) = index::own(&owner, resource_type, &id, current.is_none());
    let moved_from =
        current.as_ref().map(|(owner, _)| owner.entity.clone()).filter(|former| *former != owner);
    let mut preconditions = Vec::new();
    if current.is_none() || moved_from.is_some() {
        rows.push(row);
        preconditions.push(precondition);
    }
    let mut follow_ups = Vec::new();
    if let Some(patient) = named_patient(exchange, &facts) {
        rows.push(index::device_row(&patient, &id));
        if !matches!(facts.status.as_str(), "inactive" | "entered-in-error") {
            follow_ups.push(FollowUp::Associate { device: owner.clone(), patient });
        }
    }
    follow_ups.extend(merges(exchange, &facts, &owner));
    let write = write(exchange, &wanted, &mut facts, &owner);
    let index = wanted.index;
    Ok(Planned { index, owner, write, rows, preconditions, follow_ups, moved_from })
}

/// An identifier that cannot stand in an index would make the whole commit fail.
fn check_identifiers(facts: &Facts) -> Result<(), FhirError> {
    let identifiers = facts.demographics.iter().flat_map(|patch| &patch.identifiers);
    for identifier in identifiers {
        if !index::fits_key(&identifier.system, identifier.value.expose()) {
            let reason = "an identifier is too long";
            return Err(FhirError::new(ErrorCode::EntityLimit, "Patient.identifier", reason));
        }
    }
    Ok(())
}

/// The patient that a Device names.
fn named_patient(exchange: &Exchange, facts: &Facts) -> Option<EntityId> {
    let reference = facts.patient_reference.as_ref().filter(|_| facts.resource_type == "Device")?;
    let is_patient = reference.resource_type() == Some("Patient");
    let id = reference.id().filter(|_| is_patient)?;
    Some(exchange.gateway.patient(id))
}

fn merges(exchange: &Exchange, facts: &Facts, this: &EntityId) -> Vec<FollowUp> {
    let other = |reference: &Reference| {
        let is_patient = reference.resource_type() == Some("Patient");
        let id = reference.id().filter(|_| is_patient)?;
        Some(exchange.gateway.patient(id)).filter(|other| other != this)
    };
    facts
        .links
        .iter()
        .filter_map(|link| {
            let other = other(&link.other)?;
            let (survivor, retired) = match link.role {
                PatientLinkRole::ReplacedBy => (other, this.clone()),
                PatientLinkRole::Replaces => (this.clone(), other),
            };
            Some(FollowUp::Merge { survivor, retired })
        })
        .collect()
}

fn write(
    exchange: &Exchange,
    wanted: &Wanted<'_>,
    facts: &mut Facts,
    owner: &EntityId,
) -> ResourceWrite {
    let key = ResourceKey {
        resource_type: facts.resource_type.to_owned(),
        id: facts.id.clone().unwrap_or_default(),
    };
    let stored = ResourceFacts {
        digest: wanted.digest,
        date: facts.date.and_then(|date| date.anchor()),
        codes: std::mem::take(&mut facts.codes),
        categories: std::mem::take(&mut facts.categories),
        status: facts.status.clone(),
    };
    let body = wanted.resource.to_json();
    let mut write = ResourceWrite::new(key, wanted.mode, body, stored);
    write.if_match = wanted.if_match;
    if owner.kind() != EntityKind::Patient {
        return write;
    }
    write.observations = std::mem::take(&mut facts.observations);
    for observation in &mut write.observations {
        let position = &observation.provenance.position;
        observation.provenance.position = format!("{}{position}", wanted.prefix);
    }
    write.demographics = facts.demographics.take().map(|patch| (patch, exchange.received_at));
    write.encounter = encounter_fact(exchange, wanted, facts);
    write.device_links = device_links(exchange, facts);
    write
}

fn encounter_fact(
    exchange: &Exchange,
    wanted: &Wanted<'_>,
    facts: &Facts,
) -> Option<EncounterFact> {
    let stay = facts.encounter.as_ref()?;
    let status = match stay.lifecycle {
        EncounterLifecycle::Planned => EncounterStatus::Planned,
        EncounterLifecycle::Finished => EncounterStatus::Discharged,
        EncounterLifecycle::Cancelled => EncounterStatus::Cancelled,
        EncounterLifecycle::Open | EncounterLifecycle::Unknown => EncounterStatus::Open,
    };
    let location = facts.encounter.as_ref().and_then(|stay| {
        let place = stay.locations.last().filter(|_| stay.class == EncounterClass::Inpatient)?;
        let provider = wanted.resource.value().get("serviceProvider")?;
        let facility = Reference::from_value(provider)?.id()?.to_owned();
        let ward = match place.display.as_str() {
            "" => place.location.id()?.to_owned(),
            display => display[..display.floor_char_boundary(WARD_BYTES_MAX)].to_owned(),
        };
        Some(Location { facility, ward, room: String::new(), bed: String::new() })
    });
    Some(EncounterFact {
        encounter: EncounterId::new(facts.id.clone().unwrap_or_default()),
        status,
        class: stay.class,
        started_at: stay.started_at,
        ended_at: stay.ended_at,
        location,
        provenance: Provenance {
            source: exchange.source.clone(),
            message: exchange.message,
            position: format!("{}Encounter", wanted.prefix),
        },
    })
}

/// A `DeviceUseStatement` says since when a device is used by the patient, or that it is no more.
fn device_links(exchange: &Exchange, facts: &Facts) -> Vec<DeviceLink> {
    let reference =
        facts.device_reference.as_ref().filter(|_| facts.resource_type == "DeviceUseStatement");
    let is_device = |reference: &&Reference| reference.resource_type() == Some("Device");
    let Some(id) = reference.filter(is_device).and_then(Reference::id) else { return Vec::new() };
    let associated = facts.status == "active";
    let stated = facts
        .date
        .and_then(|date| if associated { date.anchor() } else { Some(date.end.plus_micros(-1)) });
    let at = stated.unwrap_or(exchange.received_at).min(exchange.received_at);
    vec![DeviceLink { device: exchange.gateway.device(id), associated, at }]
}

/// Plans a deletion; `None` when there never was such a resource.
///
/// # Errors
/// When the store cannot be read, or the resource came by another interface.
pub(crate) async fn plan_delete(
    exchange: &Exchange,
    snapshot: &dyn Snapshot,
    (index, key): (usize, ResourceKey),
    if_match: Option<u64>,
) -> Result<Option<Planned>, ApiError> {
    let tenant = &exchange.gateway.tenant;
    let owner = index::owner(snapshot, tenant, &key.resource_type, &key.id).await?;
    let Some(owner) = owner else { return Ok(None) };
    if !owner.by_fhir {
        let reason = "the resource came by another interface and is not deleted by FHIR";
        return Err(ApiError::new(ErrorCode::FhirInteraction, reason).with_status(409));
    }
    // Deletions of one resource are the same content, whoever asks.
    let facts = ResourceFacts::default();
    let mut write = ResourceWrite::new(key, WriteMode::Delete, Vec::new(), facts);
    write.if_match = if_match;
    Ok(Some(Planned {
        index,
        owner: owner.entity,
        write,
        rows: Vec::new(),
        preconditions: Vec::new(),
        follow_ups: Vec::new(),
        moved_from: None,
    }))
}
