//! Reading one resource or one version of it: audited at its owner first, then read from what is
//! durable (AUD-1, ACK-1).

use super::index;
use super::store::unexpected;
use super::stored;
use crate::gateway::{Caller, Gateway, Origin};
use crate::http::ApiError;
use actors_device::Device;
use actors_facility::Facility;
use actors_patient::Patient;
use actors_patient::state::has_person;
use actors_runtime::{Attachments, Outcome, SubmitError, query};
use schema_fhir::render::{Version, render_patient};
use schema_types::audit::{AuditAction, AuditOutcome};
use schema_types::clinical::ResourceKey;
use schema_types::error_code::ErrorCode;
use schema_types::ids::{CommandId, EntityId, EntityKind, MessageDigest, SourceId};
use schema_types::patient::PatientState;
use schema_types::time::Timestamp;
use serde_json::{Value, json};

/// A resource to show.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) resource: Value,
    pub(crate) version: u64,
    pub(crate) updated_at: Timestamp,
}

/// The origin of a question at the FHIR interface.
pub(crate) fn question(gateway: &Gateway) -> Origin {
    Origin {
        source: SourceId::new("fhir"),
        command_id: CommandId::new(gateway.fresh_id()),
        content: MessageDigest::default(),
        message: None,
    }
}

/// Records an access that no entity judged, and gives the error back.
pub(crate) async fn refused(
    gateway: &Gateway,
    caller: &Caller,
    (entity, operation): (EntityId, &str),
    error: ApiError,
) -> ApiError {
    let outcome = if error.code == ErrorCode::PurposeRefused {
        AuditOutcome::Denied(error.code)
    } else {
        AuditOutcome::Rejected(error.code)
    };
    let origin = question(gateway);
    let what = (AuditAction::Read, operation, outcome);
    let draft = gateway.draft(caller, &origin, entity, what);
    match gateway.runtime.record(draft, Vec::new()).await {
        Ok(()) => error,
        Err(failure) => failure.into(),
    }
}

/// Records an access that no entity judged, before its result is shown (AUD-1).
pub(crate) async fn accessed(
    gateway: &Gateway,
    caller: &Caller,
    (entity, operation): (EntityId, &str),
) -> Result<(), SubmitError> {
    let what = (AuditAction::Read, operation, AuditOutcome::Done);
    let draft = gateway.draft(caller, &question(gateway), entity, what);
    gateway.runtime.record(draft, Vec::new()).await
}

/// Refuses a caller without an accepted purpose; the refusal is audited at `entity`.
pub(crate) async fn check_purpose(
    gateway: &Gateway,
    caller: &Caller,
    (entity, operation): (EntityId, &str),
) -> Result<(), ApiError> {
    if actors_core::purpose::check(&caller.purpose).is_ok() {
        return Ok(());
    }
    let reason = "the purpose of use is missing or not accepted";
    let error = ApiError::new(ErrorCode::PurposeRefused, reason);
    Err(refused(gateway, caller, (entity, operation), error).await)
}

/// Reads the current version, or the one named.
///
/// # Errors
/// 404 and 410 as FHIR has them; every one is audited.
pub(crate) async fn read(
    gateway: &Gateway,
    caller: &Caller,
    key: ResourceKey,
    version: Option<u64>,
) -> Result<Shown, ApiError> {
    let snapshot = gateway.runtime.snapshot().await?;
    let owner = index::owner(&*snapshot, &gateway.tenant, &key.resource_type, &key.id).await?;
    drop(snapshot);
    if key.resource_type == "Patient" && owner.is_none() {
        return read_person(gateway, caller, key, version).await;
    }
    let Some(owner) = owner else {
        let entity = gateway.directory(&key.resource_type);
        let operation = format!("fhir-read {}", key.resource_type);
        check_purpose(gateway, caller, (entity.clone(), &operation)).await?;
        let error = ApiError::new(ErrorCode::FhirNotFound, "there is no such resource");
        return Err(refused(gateway, caller, (entity, &operation), error).await);
    };
    ask(gateway, caller, (&owner.entity, &key), version).await?;
    stored_version(gateway, &owner.entity, &key, version).await
}

/// Asks the owner, which judges the access and has it audited.
async fn ask(
    gateway: &Gateway,
    caller: &Caller,
    (owner, key): (&EntityId, &ResourceKey),
    version: Option<u64>,
) -> Result<(), SubmitError> {
    let (entity, key) = (owner.clone(), key.clone());
    match owner.kind() {
        EntityKind::Patient => {
            use actors_patient::command::{Command, Read};
            let read = match version {
                Some(version) => Read::ResourceVersion(key, version),
                // Of an observation that did not come as FHIR only the store knows.
                None => Read::Resource(key),
            };
            gateway.ask::<Patient>(caller, entity, Command::Read(read)).await.map(|_| ())
        }
        EntityKind::Device => {
            use actors_device::command::{Command, Read};
            let read = match version {
                Some(version) => Read::ResourceVersion(key, version),
                None => Read::Resource(key),
            };
            gateway.ask::<Device>(caller, entity, Command::Read(read)).await.map(|_| ())
        }
        EntityKind::Facility => {
            use actors_facility::command::{Command, Read};
            let read = match version {
                Some(version) => Read::ResourceVersion(key, version),
                None => Read::Resource(key),
            };
            gateway.ask::<Facility>(caller, entity, Command::Read(read)).await.map(|_| ())
        }
    }
}

/// The stored version, read after the access was audited.
pub(crate) async fn stored_version(
    gateway: &Gateway,
    owner: &EntityId,
    key: &ResourceKey,
    version: Option<u64>,
) -> Result<Shown, ApiError> {
    let snapshot = gateway.runtime.snapshot().await?;
    let found = query::resource(&*snapshot, owner, &key.resource_type, &key.id, version).await?;
    let Some(found) = found else {
        return Err(ApiError::new(ErrorCode::FhirNotFound, "there is no such resource"));
    };
    match stored::shown(&found, owner)? {
        Some(resource) => {
            Ok(Shown { resource, version: found.meta.version, updated_at: found.meta.updated_at })
        }
        None => Err(ApiError::new(ErrorCode::FhirGone, "the resource was deleted")),
    }
}

/// A patient without a Patient resource: known by HL7 v2, or only referred to.
async fn read_person(
    gateway: &Gateway,
    caller: &Caller,
    key: ResourceKey,
    version: Option<u64>,
) -> Result<Shown, ApiError> {
    use actors_patient::command::{Command, Read, Reply};
    let origin = question(gateway);
    let entity = gateway.patient(&key.id);
    let envelope = gateway.envelope(caller, &origin, entity, Command::Read(Read::State));
    let submitted = gateway.runtime.submit::<Patient>(envelope, Attachments::default());
    let (state, sequence) = match submitted.await? {
        Outcome::Done { reply: Reply::State(state), sequence } => (state, sequence),
        Outcome::Done { .. } | Outcome::Repeated { .. } => unexpected()?,
    };
    if !has_person(&state) {
        return Err(ApiError::new(ErrorCode::PatientUnknown, "there is no such patient"));
    }
    if version.is_some_and(|version| version != sequence) {
        return Err(ApiError::new(ErrorCode::FhirNotFound, "there is no such version"));
    }
    Ok(person(&key.id, &state, sequence))
}

/// A person as a Patient resource.
pub(crate) fn person(key: &str, state: &PatientState, sequence: u64) -> Shown {
    let updated_at = person_updated_at(state);
    let version = Version { number: sequence, updated_at };
    let mut resource = render_patient(key, &state.demographics, version);
    if let (Some((into, _)), Some(map)) = (&state.merged_into, resource.as_object_mut()) {
        let other = json!({ "reference": format!("Patient/{}", into.key()) });
        map.insert("link".to_owned(), json!([{ "other": other, "type": "replaced-by" }]));
    }
    Shown { resource, version: sequence, updated_at }
}

/// When something was last stated about the person.
pub(crate) fn person_updated_at(state: &PatientState) -> Timestamp {
    let person = &state.demographics;
    let stated = [
        person.name.stated_at,
        person.birth_date.stated_at,
        person.sex.stated_at,
        person.address.stated_at,
        person.phone.stated_at,
        person.deceased_at.stated_at,
    ];
    let newest = stated.into_iter().max().unwrap_or(Timestamp::MIN);
    newest.max(Timestamp::from_unix_micros(0))
}
