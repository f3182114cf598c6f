//! FHIR resources that an entity keeps beside its journal: writes, the version check, and what a
//! batch of writes amounts to. The same rules for every entity; what a resource means is not here.

use crate::effect::{Effect, IndexEntry, ResourceBody};
use schema_types::clinical::{Code, Observation, ObservationStatus, ResourceKey, ResourceMeta};
use schema_types::error_code::ErrorCode;
use schema_types::ids::MessageDigest;
use schema_types::phi::Phi;
use schema_types::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a resource is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WriteMode {
    /// Must not exist (a deleted one is recreated).
    Create,
    /// Creates, replaces or recreates.
    Update,
    /// Deletes; deleting what is not there changes nothing.
    Delete,
}

/// What search and summaries need to know of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ResourceFacts {
    /// SHA-256 of the body as sent; the same digest as the current version is a repeat.
    pub digest: MessageDigest,
    /// The clinical date, if the resource has one.
    pub date: Option<Timestamp>,
    /// Codes.
    pub codes: Vec<Code>,
    /// Categories.
    pub categories: Vec<Code>,
    /// Short status for display.
    pub status: String,
}

/// One write of a FHIR resource, with what the gateway read from its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceWrite {
    /// Type and id.
    pub key: ResourceKey,
    /// How it is written.
    pub mode: WriteMode,
    /// FHIR JSON as sent; empty for a deletion.
    #[serde(with = "schema_types::phi::raw")]
    pub body: Phi<Vec<u8>>,
    /// The version that must be current (`If-Match`).
    pub if_match: Option<u64>,
    /// What search needs to know.
    pub facts: ResourceFacts,
}

/// What became of one write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredVersion {
    /// Type and id.
    pub key: ResourceKey,
    /// The current version afterwards; 0 when a resource that never existed was deleted.
    pub version: u64,
    /// When that version was stored.
    pub updated_at: Timestamp,
    /// What became of the write.
    pub outcome: WriteOutcome,
}

/// What became of one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WriteOutcome {
    /// The resource is new, or was deleted before.
    Created,
    /// A new version replaces the one before.
    Updated,
    /// The resource is deleted now.
    Deleted,
    /// Nothing changed.
    Unchanged,
}

/// Why a batch of writes is refused; nothing of it is done. Carries no text of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// `If-Match` names another version, or a resource to be created exists.
    #[error("the current version is not the expected one")]
    VersionConflict,
    /// The entity or the command would hold more than it may.
    #[error("too many resources")]
    TooMany,
    /// A stored version has no body.
    #[error("the body is empty")]
    EmptyBody,
}

impl WriteError {
    /// The code that users see.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::VersionConflict => ErrorCode::FhirVersionConflict,
            Self::TooMany => ErrorCode::EntityLimit,
            Self::EmptyBody => ErrorCode::FhirSyntax,
        }
    }
}

/// How many resources one entity may keep, and one command may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteLimits {
    /// Resources of one entity, deleted ones included.
    pub resources_max: usize,
    /// Writes of one command.
    pub writes_max: usize,
}

/// What a batch of writes amounts to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WritePlan {
    /// New versions in order: one event each.
    pub stored: Vec<ResourceMeta>,
    /// Bodies and index rows to store in the same commit.
    pub effects: Vec<Effect>,
    /// One entry per write, in order.
    pub versions: Vec<StoredVersion>,
}

/// Plans writes, all or nothing; a later write sees the earlier ones. The same content as the
/// current version is a repeat and changes nothing. A deleted resource keeps its index row, so
/// that readers learn that it is gone.
///
/// # Errors
/// [`WriteError`] for the first write that cannot be done.
pub fn plan_writes(
    current: &BTreeMap<ResourceKey, ResourceMeta>,
    writes: Vec<ResourceWrite>,
    now: Timestamp,
    limits: WriteLimits,
) -> Result<WritePlan, WriteError> {
    if writes.len() > limits.writes_max {
        return Err(WriteError::TooMany);
    }
    let mut plan = WritePlan::default();
    let mut newest: BTreeMap<ResourceKey, ResourceMeta> = BTreeMap::new();
    let mut added = 0;
    for write in writes {
        let before = newest.get(&write.key).or_else(|| current.get(&write.key));
        check_write(&write, before)?;
        if before.is_none() && write.mode != WriteMode::Delete {
            added += 1;
        }
        if current.len() + added > limits.resources_max {
            return Err(WriteError::TooMany);
        }
        if let Some(meta) = plan_write(&mut plan, before, write, now) {
            newest.insert(meta.key.clone(), meta);
        }
    }
    Ok(plan)
}

fn check_write(write: &ResourceWrite, before: Option<&ResourceMeta>) -> Result<(), WriteError> {
    let version = before.map_or(0, |meta| meta.version);
    if write.if_match.is_some_and(|expected| expected != version) {
        return Err(WriteError::VersionConflict);
    }
    let live = before.filter(|meta| !meta.deleted);
    let is_other = live.is_some_and(|meta| meta.digest != write.facts.digest);
    if write.mode == WriteMode::Create && is_other {
        return Err(WriteError::VersionConflict);
    }
    if write.mode != WriteMode::Delete && write.body.expose().is_empty() {
        return Err(WriteError::EmptyBody);
    }
    Ok(())
}

/// Adds one checked write to the plan; answers the new version, if there is one.
fn plan_write(
    plan: &mut WritePlan,
    before: Option<&ResourceMeta>,
    write: ResourceWrite,
    now: Timestamp,
) -> Option<ResourceMeta> {
    let live = before.filter(|meta| !meta.deleted);
    let deletes = write.mode == WriteMode::Delete;
    let is_repeat = match live {
        Some(meta) => !deletes && meta.digest == write.facts.digest,
        None => deletes,
    };
    let outcome = match (is_repeat, deletes, live) {
        (true, _, _) => WriteOutcome::Unchanged,
        (false, true, _) => WriteOutcome::Deleted,
        (false, false, Some(_)) => WriteOutcome::Updated,
        (false, false, None) => WriteOutcome::Created,
    };
    let (version, updated_at) = match before {
        Some(meta) if is_repeat => (meta.version, meta.updated_at),
        Some(meta) => (meta.version + 1, now),
        None => (u64::from(!is_repeat), now),
    };
    let stored = StoredVersion { key: write.key.clone(), version, updated_at, outcome };
    plan.versions.push(stored);
    if is_repeat {
        return None;
    }
    let ResourceFacts { digest, date, codes, categories, status } = write.facts;
    let (key, deleted) = (write.key, deletes);
    let meta =
        ResourceMeta { key, version, updated_at, deleted, digest, date, codes, categories, status };
    let body = if deletes { ResourceBody::Deleted } else { ResourceBody::Json(write.body) };
    plan.effects.push(Effect::PutResource { meta: meta.clone(), body });
    if before.is_none() {
        plan.effects.push(Effect::PutIndex(IndexEntry::Resource {
            resource_type: meta.key.resource_type.clone(),
            id: meta.key.id.clone(),
        }));
    }
    plan.stored.push(meta.clone());
    Some(meta)
}

/// The current description of a resource, where the version asked for (absent: the current one)
/// can be read.
///
/// # Errors
/// `FhirNotFound` when there never was such a version, `FhirGone` when it is a deletion.
pub fn find<'a>(
    resources: &'a BTreeMap<ResourceKey, ResourceMeta>,
    key: &ResourceKey,
    version: Option<u64>,
) -> Result<&'a ResourceMeta, ErrorCode> {
    let meta = resources.get(key).ok_or(ErrorCode::FhirNotFound)?;
    let version = version.unwrap_or(meta.version);
    if version == 0 || version > meta.version {
        return Err(ErrorCode::FhirNotFound);
    }
    if meta.deleted && version == meta.version {
        return Err(ErrorCode::FhirGone);
    }
    Ok(meta)
}

/// What is known of an observation that is a resource because of an event that recorded it: the
/// event's place in the journal is its version.
#[must_use]
pub fn observation_meta(
    observation: &Observation,
    version: u64,
    updated_at: Timestamp,
) -> ResourceMeta {
    let coded = |code: &str| Code { code: code.to_owned(), ..Code::default() };
    let status = match observation.status {
        ObservationStatus::Preliminary => "preliminary",
        ObservationStatus::Final => "final",
        ObservationStatus::Corrected => "corrected",
        ObservationStatus::Withdrawn => "entered-in-error",
    };
    ResourceMeta {
        key: ResourceKey {
            resource_type: "Observation".to_owned(),
            id: observation.id.as_str().to_owned(),
        },
        version,
        updated_at,
        deleted: false,
        digest: observation.provenance.message,
        date: Some(observation.effective_at),
        codes: vec![observation.code.clone()],
        categories: match observation.category.as_str() {
            "" => Vec::new(),
            category => vec![coded(category)],
        },
        status: status.to_owned(),
    }
}

/// Current resources of some types (none named: all), by key; deleted ones are left out.
#[must_use]
pub fn of_types(
    resources: &BTreeMap<ResourceKey, ResourceMeta>,
    types: &[String],
) -> Vec<ResourceMeta> {
    resources
        .values()
        .filter(|meta| !meta.deleted)
        .filter(|meta| types.is_empty() || types.contains(&meta.key.resource_type))
        .cloned()
        .collect()
}

#[cfg(test)]
#[path = "resource_test.rs"]
mod tests;
