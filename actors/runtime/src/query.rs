//! Finding entities and reading stored rows without waking anybody. Callers audit the access
//! before they show a result (AUD-1).

mod in_journal;

use crate::audit_log::entity_ref;
use crate::blob;
use crate::error::SubmitError;
use crate::limits::PAGE_ITEMS_MAX;
use actors_store::tuple::{TupleError, TupleReader};
use actors_store::{KeyRange, RangeQuery, Snapshot, keys};
use bytes::Bytes;
use schema_types::ids::{EntityId, EntityKind, TenantId};
use schema_wire::journal::StoredResource;

/// Entities found in an index and where to go on.
#[derive(Debug, Default)]
pub struct Found {
    /// The entities, in index order.
    pub entities: Vec<EntityId>,
    /// Pass this to get the next page; `None` at the end.
    pub next: Option<Bytes>,
}

fn damaged(_: TupleError) -> SubmitError {
    SubmitError::Damaged { place: "index row".to_owned() }
}

fn page_range(prefix: &[u8], after: Option<Bytes>) -> KeyRange {
    let mut range = KeyRange::prefix(prefix);
    if let Some(after) = after {
        range.begin = KeyRange::single(&after).end;
    }
    range
}

async fn scan(
    snapshot: &dyn Snapshot,
    tenant: &TenantId,
    prefix: Bytes,
    skip_texts: usize,
    page: (Option<Bytes>, usize),
) -> Result<Found, SubmitError> {
    let (after, limit) = page;
    let range = page_range(&prefix, after);
    let rows = snapshot.range(RangeQuery::forward(range, limit.clamp(1, PAGE_ITEMS_MAX))).await?;
    let mut found = Found::default();
    for (key, _) in &rows.items {
        let mut reader = TupleReader::new(&key[prefix.len()..]);
        for _ in 0..skip_texts {
            reader.text().map_err(damaged)?;
        }
        let number = u8::try_from(reader.unsigned().map_err(damaged)?).unwrap_or(0);
        let key = reader.text().map_err(damaged)?;
        let kind = EntityKind::from_number(number)
            .ok_or_else(|| SubmitError::Damaged { place: "index row".to_owned() })?;
        found.entities.push(EntityId::new(tenant.clone(), kind, &key));
    }
    if rows.more {
        found.next = rows.items.last().map(|(key, _)| key.clone());
    }
    Ok(found)
}

/// Entities that carry an identifier, whatever its assigner.
///
/// # Errors
/// [`SubmitError`] when the store cannot be read.
pub async fn by_identifier(
    snapshot: &dyn Snapshot,
    tenant: &TenantId,
    value: &str,
) -> Result<Vec<EntityId>, SubmitError> {
    let prefix = keys::index("identifier", tenant.as_str()).text(value).finish();
    let found = scan(snapshot, tenant, prefix, 1, (None, PAGE_ITEMS_MAX)).await?;
    let mut entities = found.entities;
    entities.sort();
    entities.dedup();
    Ok(entities)
}

/// Entities that carry an identifier of one assigner.
///
/// # Errors
/// [`SubmitError`] when the store cannot be read.
pub async fn by_assigned_identifier(
    snapshot: &dyn Snapshot,
    tenant: &TenantId,
    system: &str,
    value: &str,
) -> Result<Vec<EntityId>, SubmitError> {
    let prefix = keys::index("identifier", tenant.as_str()).text(value).text(system).finish();
    Ok(scan(snapshot, tenant, prefix, 0, (None, PAGE_ITEMS_MAX)).await?.entities)
}

/// The entity that keeps a FHIR resource.
///
/// # Errors
/// [`SubmitError`] when the store cannot be read.
pub async fn resource_owner(
    snapshot: &dyn Snapshot,
    tenant: &TenantId,
    resource_type: &str,
    id: &str,
) -> Result<Option<EntityId>, SubmitError> {
    let prefix = keys::index("resource", tenant.as_str()).text(resource_type).text(id).finish();
    Ok(scan(snapshot, tenant, prefix, 0, (None, 1)).await?.entities.pop())
}

/// Ids and owners of the resources of one type, in id order.
///
/// # Errors
/// [`SubmitError`] when the store cannot be read.
pub async fn resources_of_type(
    snapshot: &dyn Snapshot,
    tenant: &TenantId,
    resource_type: &str,
    after: Option<Bytes>,
    limit: usize,
) -> Result<Found, SubmitError> {
    let prefix = keys::index("resource", tenant.as_str()).text(resource_type).finish();
    scan(snapshot, tenant, prefix, 1, (after, limit)).await
}

/// Entities with open alerts.
///
/// # Errors
/// [`SubmitError`] when the store cannot be read.
pub async fn with_open_alerts(
    snapshot: &dyn Snapshot,
    tenant: &TenantId,
    after: Option<Bytes>,
    limit: usize,
) -> Result<Found, SubmitError> {
    let prefix = keys::index("open-alerts", tenant.as_str()).finish();
    scan(snapshot, tenant, prefix, 0, (after, limit)).await
}

/// Known entities of a kind.
///
/// # Errors
/// [`SubmitError`] when the store cannot be read.
pub async fn known(
    snapshot: &dyn Snapshot,
    tenant: &TenantId,
    kind: EntityKind,
    after: Option<Bytes>,
    limit: usize,
) -> Result<Found, SubmitError> {
    let number = u64::from(kind.number());
    let prefix = keys::index("known", tenant.as_str()).unsigned(number).finish();
    let range = page_range(&prefix, after);
    let rows = snapshot.range(RangeQuery::forward(range, limit.clamp(1, PAGE_ITEMS_MAX))).await?;
    let mut found = Found::default();
    for (key, _) in &rows.items {
        let key = TupleReader::new(&key[prefix.len()..]).text().map_err(damaged)?;
        found.entities.push(EntityId::new(tenant.clone(), kind, &key));
    }
    found.next = rows.more.then(|| rows.items.last().map(|(key, _)| key.clone())).flatten();
    Ok(found)
}

/// Reads one version of a resource; the newest when `version` is `None`.
///
/// # Errors
/// [`SubmitError::Damaged`] when the row does not decode.
pub async fn resource(
    snapshot: &dyn Snapshot,
    owner: &EntityId,
    resource_type: &str,
    id: &str,
    version: Option<u64>,
) -> Result<Option<StoredResource>, SubmitError> {
    let reference = entity_ref(owner);
    let value = match version {
        Some(version) => {
            snapshot.get(&keys::resource(reference, resource_type, id, version)).await?
        }
        None => {
            let versions = keys::resource_versions(reference, resource_type, id);
            let page = snapshot.range(RangeQuery::backward(versions, 1)).await?;
            page.items.into_iter().next().map(|(_, value)| value)
        }
    };
    let stored = match value {
        Some(value) => Some(decode(snapshot, &value).await?),
        None => None,
    };
    if !in_journal::may_have(owner, resource_type) || (stored.is_some() && version.is_some()) {
        return Ok(stored);
    }
    let recorded = in_journal::find(snapshot, owner, id, version).await?;
    Ok(stored.into_iter().chain(recorded).max_by_key(|found| found.meta.version))
}

async fn decode(snapshot: &dyn Snapshot, value: &[u8]) -> Result<StoredResource, SubmitError> {
    let content = blob::unpack(snapshot, value).await?;
    schema_wire::journal::decode_resource(&content)
        .map_err(|error| SubmitError::Damaged { place: error.to_string() })
}

/// The newest version of every resource of one type that an entity keeps, deleted ones included,
/// in id order.
///
/// # Errors
/// [`SubmitError::Damaged`] when a row does not decode.
pub async fn resources_of_entity(
    snapshot: &dyn Snapshot,
    owner: &EntityId,
    resource_type: &str,
) -> Result<Vec<StoredResource>, SubmitError> {
    let mut newest: Vec<StoredResource> = Vec::new();
    let range = keys::resources_of_type(entity_ref(owner), resource_type);
    let mut query = Some(RangeQuery::forward(range, PAGE_ITEMS_MAX));
    while let Some(current) = query {
        let page = snapshot.range(current.clone()).await?;
        for (_, value) in &page.items {
            let stored = decode(snapshot, value).await?;
            match newest.last_mut() {
                Some(last) if last.meta.key == stored.meta.key => *last = stored,
                _ => newest.push(stored),
            }
        }
        query = current.after(&page);
    }
    if in_journal::may_have(owner, resource_type) {
        return in_journal::join(snapshot, owner, newest).await;
    }
    Ok(newest)
}
