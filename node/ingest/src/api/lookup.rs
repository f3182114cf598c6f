//! From a name in a URL to a patient: the key itself, or any identifier. An access to somebody
//! unknown is an access too, and is audited.

use super::access::{audit_refusal, check_purpose};
use crate::http::ApiError;
use crate::http::app::App;
use crate::http::request::Asked;
use actors_patient::Patient;
use actors_runtime::{SubmitError, load, query};
use actors_store::{Snapshot, keys};
use schema_types::error_code::ErrorCode;
use schema_types::ids::{EntityId, EntityKind};

/// The patient of a key or identifier, after the purpose was checked. The operation is for the
/// audit log; an entity that is found records the access itself.
///
/// # Errors
/// `MED-PAT-001` nobody, `MED-PAT-002` more than one, `MED-AUTH-001` no purpose; all audited.
pub(crate) async fn patient(
    app: &App,
    asked: &Asked,
    name: &str,
    operation: &str,
) -> Result<EntityId, ApiError> {
    let snapshot = app.gateway.runtime.snapshot().await?;
    let mut found = find(app, &*snapshot, name).await?;
    drop(snapshot);
    let first = found.pop();
    let would_be = first.clone().unwrap_or_else(|| app.gateway.patient(name));
    check_purpose(app, asked, would_be.clone(), operation).await?;
    match (first, found.is_empty()) {
        (Some(patient), true) => Ok(patient),
        (Some(_), false) => {
            let reason = "the identifier belongs to more than one patient";
            let error = ApiError::new(ErrorCode::PatientAmbiguous, reason);
            Err(audit_refusal(app, asked, (would_be, operation), error).await)
        }
        (None, _) => {
            let error = ApiError::new(ErrorCode::PatientUnknown, "there is no such patient");
            Err(audit_refusal(app, asked, (would_be, operation), error).await)
        }
    }
}

/// Patients that a name can mean; those retired into another one of them left out.
async fn find(
    app: &App,
    snapshot: &dyn Snapshot,
    name: &str,
) -> Result<Vec<EntityId>, SubmitError> {
    let by_key = app.gateway.patient(name);
    if by_key.key() == name && is_known(snapshot, &by_key).await? {
        return Ok(vec![by_key]);
    }
    let named = query::by_identifier(snapshot, &app.gateway.tenant, name).await?;
    let patients: Vec<EntityId> =
        named.into_iter().filter(|entity| entity.kind() == EntityKind::Patient).collect();
    if patients.len() < 2 {
        return Ok(patients);
    }
    let mut in_use = Vec::new();
    for patient in &patients {
        let loaded = load::load::<Patient>(snapshot, patient).await?;
        let into = loaded.state.merged_into.map(|(into, _)| into);
        if !into.is_some_and(|into| patients.contains(&into)) {
            in_use.push(patient.clone());
        }
    }
    Ok(in_use)
}

/// Whether an entity of this name has a journal.
pub(crate) async fn is_known(
    snapshot: &dyn Snapshot,
    entity: &EntityId,
) -> Result<bool, SubmitError> {
    let key = keys::index("known", entity.tenant().as_str())
        .unsigned(u64::from(entity.kind().number()))
        .text(entity.key())
        .finish();
    Ok(snapshot.get(&key).await?.is_some())
}
