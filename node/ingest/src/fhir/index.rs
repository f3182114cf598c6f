//! Rows of the gateway's own that find FHIR resources: who keeps a resource, which resource carries
//! an identifier, which devices name a patient. They are written in the commit of the resource;
//! what they say is checked against the resource before it is believed.

use actors_runtime::{Precondition, SubmitError, query};
use actors_store::{KeyRange, Mutation, RangeQuery, Snapshot, keys, tuple::TupleReader};
use bytes::Bytes;
use schema_types::ids::{EntityId, EntityKind, TenantId};
use schema_wire::journal::StoredResource;
use serde_json::Value;

/// Bytes of an identifier with its system that stand in a key.
const IDENTIFIER_BYTES_MAX: usize = 1_024;
/// Identifiers of one resource that are indexed.
const IDENTIFIERS_MAX: usize = 32;
/// Rows of one lookup.
const ROWS_MAX: usize = 1_000;

/// Who keeps a resource.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    pub(crate) entity: EntityId,
    /// Whether the resource came by FHIR; otherwise it is a fact of another interface.
    pub(crate) by_fhir: bool,
}

fn owner_key(tenant: &TenantId, resource_type: &str, id: &str) -> Bytes {
    keys::index("fhir-owner", tenant.as_str()).text(resource_type).text(id).finish()
}

fn damaged() -> SubmitError {
    SubmitError::Damaged { place: "fhir index row".to_owned() }
}

/// Who keeps a resource, deleted ones included.
pub(crate) async fn owner(
    snapshot: &dyn Snapshot,
    tenant: &TenantId,
    resource_type: &str,
    id: &str,
) -> Result<Option<Owner>, SubmitError> {
    let Some(value) = snapshot.get(&owner_key(tenant, resource_type, id)).await? else {
        let entity = query::resource_owner(snapshot, tenant, resource_type, id).await?;
        return Ok(entity.map(|entity| Owner { entity, by_fhir: false }));
    };
    let (number, key) = value.split_first().ok_or_else(damaged)?;
    let kind = EntityKind::from_number(*number).ok_or_else(damaged)?;
    let key = std::str::from_utf8(key).map_err(|_| damaged())?;
    let entity = EntityId::new(tenant.clone(), kind, key);
    Ok(Some(Owner { entity, by_fhir: true }))
}

/// The newest version of a resource with its owner.
pub(crate) async fn newest(
    snapshot: &dyn Snapshot,
    tenant: &TenantId,
    resource_type: &str,
    id: &str,
) -> Result<Option<(Owner, StoredResource)>, SubmitError> {
    let Some(owner) = owner(snapshot, tenant, resource_type, id).await? else { return Ok(None) };
    let stored = query::resource(snapshot, &owner.entity, resource_type, id, None).await?;
    Ok(stored.map(|stored| (owner, stored)))
}

/// The row that says who keeps a resource, and what must hold for it: that nobody else began to
/// keep one of this name meanwhile.
pub(crate) fn own(
    entity: &EntityId,
    resource_type: &str,
    id: &str,
    is_new: bool,
) -> (Mutation, Precondition) {
    let key = owner_key(entity.tenant(), resource_type, id);
    let mut value = vec![entity.kind().number()];
    value.extend_from_slice(entity.key().as_bytes());
    let precondition =
        if is_new { Precondition::Absent(key.clone()) } else { Precondition::Present(key.clone()) };
    (Mutation::set(key, value), precondition)
}

/// System and value of every identifier of a resource.
pub(crate) fn identifiers(resource: &Value) -> Vec<(&str, &str)> {
    let Some(found) = resource.get("identifier") else { return Vec::new() };
    let list = found.as_array().map_or(std::slice::from_ref(found), Vec::as_slice);
    list.iter()
        .filter_map(|identifier| {
            let value = identifier.get("value").and_then(Value::as_str)?;
            let system = identifier.get("system").and_then(Value::as_str).unwrap_or_default();
            Some((system, value))
        })
        .collect()
}

/// Whether an identifier may stand in the key of an index row.
pub(crate) fn fits_key(system: &str, value: &str) -> bool {
    system.len() + value.len() <= IDENTIFIER_BYTES_MAX
}

/// The rows that find a resource by its identifiers.
pub(crate) fn identifier_rows(
    tenant: &TenantId,
    resource_type: &str,
    id: &str,
    resource: &Value,
) -> Vec<Mutation> {
    identifiers(resource)
        .into_iter()
        .filter(|(system, value)| fits_key(system, value))
        .take(IDENTIFIERS_MAX)
        .map(|(system, value)| {
            let key = keys::index("fhir-identifier", tenant.as_str())
                .text(resource_type)
                .text(value)
                .text(system)
                .text(id)
                .finish();
            Mutation::set(key, Bytes::new())
        })
        .collect()
}

/// Ids of live resources of a type that carry an identifier; `system` absent: of any system.
pub(crate) async fn by_identifier(
    snapshot: &dyn Snapshot,
    tenant: &TenantId,
    resource_type: &str,
    (system, value): (Option<&str>, &str),
) -> Result<Vec<String>, SubmitError> {
    if !fits_key(system.unwrap_or_default(), value) {
        return Ok(Vec::new());
    }
    let prefix = keys::index("fhir-identifier", tenant.as_str()).text(resource_type).text(value);
    let prefix = prefix.finish();
    let rows = snapshot.range(RangeQuery::forward(KeyRange::prefix(&prefix), ROWS_MAX)).await?;
    let mut ids = Vec::new();
    for (key, _) in &rows.items {
        let mut reader = TupleReader::new(&key[prefix.len()..]);
        let row_system = reader.text().map_err(|_| damaged())?;
        let id = reader.text().map_err(|_| damaged())?;
        if system.is_some_and(|system| system != row_system) {
            continue;
        }
        let found = newest(snapshot, tenant, resource_type, &id).await?;
        let Some(body) = found.and_then(|(_, stored)| super::stored::json(&stored)) else {
            continue;
        };
        if identifiers(&body).contains(&(row_system.as_str(), value)) && !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// The row that finds the devices whose resource names a patient.
pub(crate) fn device_row(patient: &EntityId, device_id: &str) -> Mutation {
    let key = keys::index("fhir-device-of", patient.tenant().as_str())
        .text(patient.key())
        .text(device_id)
        .finish();
    Mutation::set(key, Bytes::new())
}

/// Ids of Device resources that named a patient at some time.
pub(crate) async fn devices_of(
    snapshot: &dyn Snapshot,
    patient: &EntityId,
) -> Result<Vec<String>, SubmitError> {
    let prefix =
        keys::index("fhir-device-of", patient.tenant().as_str()).text(patient.key()).finish();
    let rows = snapshot.range(RangeQuery::forward(KeyRange::prefix(&prefix), ROWS_MAX)).await?;
    rows.items
        .iter()
        .map(|(key, _)| TupleReader::new(&key[prefix.len()..]).text().map_err(|_| damaged()))
        .collect()
}
