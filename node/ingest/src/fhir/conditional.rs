//! Searches inside of writes: `If-None-Exist`, conditional updates and conditional references. Only
//! what names a resource is supported there: `_id` and `identifier`.

use super::index;
use crate::gateway::Gateway;
use crate::http::ApiError;
use crate::http::request::pairs;
use actors_runtime::query;
use actors_store::Snapshot;
use schema_fhir::FhirError;
use schema_types::error_code::ErrorCode;
use schema_types::ids::EntityKind;
use serde_json::Value;
use std::collections::BTreeSet;

/// The ids of the live resources that a conditional query finds.
///
/// # Errors
/// `MED-FHIR-004` when the query asks for anything but `_id` and `identifier`.
pub(crate) async fn matches(
    gateway: &Gateway,
    snapshot: &dyn Snapshot,
    resource_type: &str,
    query: &str,
) -> Result<Vec<String>, ApiError> {
    let pairs = pairs(query)?;
    let mut agreed: Option<BTreeSet<String>> = None;
    for (name, value) in &pairs {
        let found = match name.as_str() {
            "_id" => by_id(gateway, snapshot, resource_type, value).await?,
            "identifier" => by_identifier(gateway, snapshot, resource_type, value).await?,
            _ => return Err(unsupported().into()),
        };
        agreed = Some(match agreed {
            None => found,
            Some(before) => before.intersection(&found).cloned().collect(),
        });
    }
    match agreed {
        Some(found) => Ok(found.into_iter().collect()),
        None => Err(unsupported().into()),
    }
}

fn unsupported() -> FhirError {
    let reason = "a condition can name _id and identifier only";
    FhirError::new(ErrorCode::FhirSearchParameter, "", reason)
}

async fn by_id(
    gateway: &Gateway,
    snapshot: &dyn Snapshot,
    resource_type: &str,
    id: &str,
) -> Result<BTreeSet<String>, ApiError> {
    let found = index::newest(snapshot, &gateway.tenant, resource_type, id).await?;
    let live = found.filter(|(_, stored)| !stored.meta.deleted);
    Ok(live.map(|_| id.to_owned()).into_iter().collect())
}

async fn by_identifier(
    gateway: &Gateway,
    snapshot: &dyn Snapshot,
    resource_type: &str,
    token: &str,
) -> Result<BTreeSet<String>, ApiError> {
    let (system, value) = match token.split_once('|') {
        Some((system, value)) => (Some(system), value),
        None => (None, token),
    };
    if value.is_empty() {
        return Err(unsupported().into());
    }
    let found =
        index::by_identifier(snapshot, &gateway.tenant, resource_type, (system, value)).await?;
    let mut ids: BTreeSet<String> = found.into_iter().collect();
    if resource_type == "Patient" && ids.is_empty() {
        let known = match system {
            Some(system) => {
                query::by_assigned_identifier(snapshot, &gateway.tenant, system, value).await?
            }
            None => query::by_identifier(snapshot, &gateway.tenant, value).await?,
        };
        let patients = known.into_iter().filter(|entity| entity.kind() == EntityKind::Patient);
        ids.extend(patients.map(|patient| patient.key().to_owned()));
    }
    Ok(ids)
}

/// Every conditional reference in a resource: type and query.
pub(crate) fn references(value: &Value, found: &mut BTreeSet<(&'static str, String)>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                if name == "reference"
                    && let Some(text) = value.as_str()
                    && let schema_fhir::Reference::Conditional { resource_type, query } =
                        schema_fhir::Reference::from_text(text)
                {
                    found.insert((resource_type, query));
                } else {
                    references(value, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
