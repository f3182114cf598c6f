//! FHIR resources: all writes of a command or none, versions that grow by one (PAT-9), and what the
//! resources say of the person, stays, devices and observations.

use super::draft::Draft;
use super::observations::{self, Batch, Origin};
use super::{Decided, Refusal, adt, devices, person};
use crate::command::{EncounterFact, ResourceWrite, StoredVersion, WriteMode, WriteOutcome};
use crate::event::Event;
use crate::limits::{OBSERVATIONS_MAX, RESOURCES_MAX, WRITES_MAX};
use actors_core::{Effect, IndexEntry, ResourceBody};
use schema_types::audit::AuditAction;
use schema_types::clinical::{EncounterClass, Movement, MovementKind, ResourceMeta};
use schema_types::error_code::ErrorCode;
use schema_types::patient::{EncounterStatus, Registration};
use schema_types::time::Timestamp;

/// How the audit log names a batch of writes.
pub(super) fn audit_action(writes: &[ResourceWrite]) -> AuditAction {
    let all = |mode| writes.iter().all(|write| write.mode == mode);
    if all(WriteMode::Create) {
        AuditAction::Create
    } else if all(WriteMode::Delete) {
        AuditAction::Delete
    } else {
        AuditAction::Update
    }
}

pub(super) fn decide_store_resources(
    draft: &mut Draft<'_>,
    writes: Vec<ResourceWrite>,
) -> Decided<Vec<StoredVersion>> {
    let observations: usize = writes.iter().map(|write| write.observations.len()).sum();
    if writes.len() > WRITES_MAX || observations > OBSERVATIONS_MAX {
        return Err(Refusal::limit("too many resources in one command"));
    }
    let mut batch = Batch::default();
    let mut versions = Vec::with_capacity(writes.len());
    let mut age_changed = false;
    for write in writes {
        let stored = store(draft, &write)?;
        if stored.outcome != WriteOutcome::Unchanged {
            age_changed |= apply_facts(draft, &mut batch, write)?;
        }
        versions.push(stored);
    }
    observations::finish(draft, batch, age_changed);
    Ok(versions)
}

/// Stores one version, unless it repeats the current one.
fn store(draft: &mut Draft<'_>, write: &ResourceWrite) -> Decided<StoredVersion> {
    let current = draft.resource(&write.key).cloned();
    let outcome = outcome_of(write, current.as_ref())?;
    let now = draft.context.now;
    let (version, updated_at) = current.map_or((0, now), |meta| (meta.version, meta.updated_at));
    let key = write.key.clone();
    if outcome == WriteOutcome::Unchanged {
        return Ok(StoredVersion { key, version, updated_at, outcome });
    }
    if draft.resources_with(&key) > RESOURCES_MAX {
        return Err(Refusal::limit("too many resources of one patient"));
    }
    let deleted = write.mode == WriteMode::Delete;
    let facts = write.facts.clone();
    let meta = ResourceMeta {
        key: key.clone(),
        version: version.saturating_add(1),
        updated_at: now,
        deleted,
        digest: facts.digest,
        date: facts.date,
        codes: facts.codes,
        categories: facts.categories,
        status: facts.status,
    };
    let version = meta.version;
    let body = if deleted { ResourceBody::Deleted } else { ResourceBody::Json(write.body.clone()) };
    draft.emit(Event::ResourceStored { meta: meta.clone() });
    draft.push_effect(Effect::PutResource { meta, body });
    // A deleted resource stays in the index: a read has to answer that it is gone.
    draft.push_effect(Effect::PutIndex(IndexEntry::Resource {
        resource_type: key.resource_type.clone(),
        id: key.id.clone(),
    }));
    Ok(StoredVersion { key, version, updated_at: now, outcome })
}

fn outcome_of(write: &ResourceWrite, current: Option<&ResourceMeta>) -> Decided<WriteOutcome> {
    let conflict = |reason| Err(Refusal::wrong(ErrorCode::FhirVersionConflict, reason));
    if write.if_match.is_some() && write.if_match != current.map(|meta| meta.version) {
        return conflict("the version in if-match is not the current one");
    }
    let live = current.filter(|meta| !meta.deleted);
    let is_repeat = live.is_some_and(|meta| meta.digest == write.facts.digest);
    match (write.mode, live) {
        (WriteMode::Delete, None) => Ok(WriteOutcome::Unchanged),
        (WriteMode::Delete, Some(_)) => Ok(WriteOutcome::Deleted),
        (WriteMode::Create | WriteMode::Update, Some(_)) if is_repeat => {
            Ok(WriteOutcome::Unchanged)
        }
        (WriteMode::Create, Some(_)) => conflict("the resource exists with other content"),
        (WriteMode::Update, Some(_)) => Ok(WriteOutcome::Updated),
        (WriteMode::Create | WriteMode::Update, None) => Ok(WriteOutcome::Created),
    }
}

/// Returns whether the birth date changed.
fn apply_facts(draft: &mut Draft<'_>, batch: &mut Batch, write: ResourceWrite) -> Decided<bool> {
    let mut age_changed = false;
    if let Some((patch, stated_at)) = write.demographics {
        age_changed = person::state_person(draft, Registration::Registered, patch, stated_at)?;
    }
    person::make_provisional(draft);
    if let Some(fact) = write.encounter {
        for movement in movements_of(&write.key.id, &fact, draft.context.now) {
            adt::record_movement(draft, &fact.encounter, movement)?;
        }
    }
    for link in &write.device_links {
        devices::link_device(draft, link)?;
    }
    if write.key.resource_type == "Observation" {
        for id in observations::held_for(draft, &write.key) {
            if !write.observations.iter().any(|observation| observation.id == id) {
                observations::withdraw(draft, batch, &id);
            }
        }
    }
    for observation in write.observations {
        observations::record(draft, batch, observation, Origin::Fhir);
    }
    Ok(age_changed)
}

/// What an `Encounter` amounts to as movements: how it began and how it ended. Written again, they
/// replace the earlier ones of the same resource.
fn movements_of(resource_id: &str, fact: &EncounterFact, now: Timestamp) -> Vec<Movement> {
    let prefix = crate::evolve::REWRITABLE;
    let movement = |kind: MovementKind, at: Timestamp, part: &str| Movement {
        kind,
        at,
        message_id: format!("{prefix}{resource_id}/{part}"),
        class: fact.class,
        location: fact.location.clone(),
        prior_location: None,
        provenance: fact.provenance.clone(),
    };
    let started_at = fact.started_at.or(fact.ended_at).unwrap_or(now);
    let began = match (fact.status, fact.class) {
        (EncounterStatus::Planned, _) => MovementKind::PreAdmit,
        (_, EncounterClass::Inpatient) => MovementKind::Admit,
        (
            EncounterStatus::Open | EncounterStatus::Discharged | EncounterStatus::Cancelled,
            EncounterClass::Unknown
            | EncounterClass::Outpatient
            | EncounterClass::Emergency
            | EncounterClass::PreAdmission
            | EncounterClass::Virtual,
        ) => MovementKind::Register,
    };
    let begin = movement(began, started_at, "begin");
    let ended_at = fact.ended_at.unwrap_or(started_at).max(started_at);
    let end = match fact.status {
        EncounterStatus::Planned => None,
        EncounterStatus::Open => Some(MovementKind::CancelDischarge),
        EncounterStatus::Discharged => Some(MovementKind::Discharge),
        EncounterStatus::Cancelled => Some(MovementKind::CancelAdmit),
    };
    let end = end.map(|kind| {
        let mut end = movement(kind, ended_at, "end");
        end.location = None;
        end
    });
    std::iter::once(begin).chain(end).collect()
}
