//! FHIR resources: all writes of a command or none, versions that grow by one (PAT-9), and what the
//! resources say of the person, stays, devices and observations.

use super::draft::Draft;
use super::observations::{self, Batch, Origin};
use super::{Decided, Refusal, adt, devices, person};
use crate::command::{
    DeviceLink, EncounterFact, ResourceWrite, StoredVersion, WriteMode, WriteOutcome,
};
use crate::event::Event;
use crate::limits::{OBSERVATIONS_MAX, RESOURCES_MAX, WRITES_MAX};
use actors_core::resource::{self, WriteError, WriteLimits, plan_writes};
use schema_types::audit::AuditAction;
use schema_types::clinical::{EncounterClass, Movement, MovementKind, Observation, ResourceKey};
use schema_types::patient::{DemographicsPatch, EncounterStatus, Registration};
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
    if observations > OBSERVATIONS_MAX {
        return Err(Refusal::limit("too many observations in one command"));
    }
    let (writes, meanings): (Vec<_>, Vec<_>) = writes.into_iter().map(split).unzip();
    let limits = WriteLimits { resources_max: RESOURCES_MAX, writes_max: WRITES_MAX };
    let plan =
        plan_writes(&draft.base.resources, writes, draft.context.now, limits).map_err(refusal)?;
    for effect in plan.effects {
        draft.push_effect(effect);
    }
    let mut batch = Batch::default();
    let mut age_changed = false;
    let mut stored = plan.stored.into_iter();
    for (version, meaning) in plan.versions.iter().zip(meanings) {
        if version.outcome == WriteOutcome::Unchanged {
            continue;
        }
        if let Some(meta) = stored.next() {
            draft.emit(Event::ResourceStored { meta });
        }
        age_changed |= apply(draft, &mut batch, &version.key, meaning)?;
    }
    observations::finish(draft, batch, age_changed);
    Ok(plan.versions)
}

fn refusal(error: WriteError) -> Refusal {
    let reason = match error {
        WriteError::VersionConflict => "the current version is not the expected one",
        WriteError::TooMany => "too many resources",
        WriteError::EmptyBody => "the body is empty",
    };
    Refusal::wrong(error.code(), reason)
}

/// What a resource says beside what is kept of every resource.
struct Meaning {
    observations: Vec<Observation>,
    demographics: Option<(DemographicsPatch, Timestamp)>,
    encounter: Option<EncounterFact>,
    device_links: Vec<DeviceLink>,
}

fn split(write: ResourceWrite) -> (resource::ResourceWrite, Meaning) {
    let ResourceWrite { key, mode, body, if_match, facts, .. } = write;
    let (observations, demographics) = (write.observations, write.demographics);
    let (encounter, device_links) = (write.encounter, write.device_links);
    let meaning = Meaning { observations, demographics, encounter, device_links };
    (resource::ResourceWrite { key, mode, body, if_match, facts }, meaning)
}

/// Returns whether the birth date changed.
fn apply(
    draft: &mut Draft<'_>,
    batch: &mut Batch,
    key: &ResourceKey,
    meaning: Meaning,
) -> Decided<bool> {
    let mut age_changed = false;
    if let Some((patch, stated_at)) = meaning.demographics {
        age_changed = person::state_person(draft, Registration::Registered, patch, stated_at)?;
    }
    person::make_provisional(draft);
    if let Some(fact) = meaning.encounter {
        for movement in movements_of(&key.id, &fact, draft.context.now) {
            adt::record_movement(draft, &fact.encounter, movement)?;
        }
    }
    for link in &meaning.device_links {
        devices::link_device(draft, link)?;
    }
    if key.resource_type == "Observation" {
        for id in observations::held_for(draft, key) {
            if !meaning.observations.iter().any(|observation| observation.id == id) {
                observations::withdraw(draft, batch, &id);
            }
        }
    }
    for observation in meaning.observations {
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
