//! Versions of resources that are not stored twice: an observation of a patient that did not arrive
//! as FHIR is the event that recorded it, and its version is the event's place in the journal. The
//! index row of the newest one holds the sequence of its journal row.

use crate::audit_log::entity_ref;
use crate::blob;
use crate::error::SubmitError;
use crate::limits::PAGE_ITEMS_MAX;
use crate::load::unframe;
use crate::rows::resource_index_key;
use actors_core::resource::observation_meta;
use actors_store::{KeyRange, RangeQuery, Snapshot, keys};
use schema_types::ids::{EntityId, EntityKind};
use schema_wire::journal::{StoredBody, StoredResource};
use std::collections::BTreeMap;

const OBSERVATION: &str = "Observation";

/// Whether versions of resources of this type may be in the entity's journal.
pub(super) fn may_have(owner: &EntityId, resource_type: &str) -> bool {
    owner.kind() == EntityKind::Patient && resource_type == OBSERVATION
}

/// One version of an observation; the newest when `version` is `None`.
pub(super) async fn find(
    snapshot: &dyn Snapshot,
    owner: &EntityId,
    id: &str,
    version: Option<u64>,
) -> Result<Option<StoredResource>, SubmitError> {
    let reference = entity_ref(owner);
    let row = match version {
        Some(version) => {
            let range = KeyRange {
                begin: keys::journal(reference, 0),
                end: KeyRange::single(&keys::journal(reference, version)).end,
            };
            let page = snapshot.range(RangeQuery::backward(range, 1)).await?;
            page.items.into_iter().next().map(|(_, value)| value)
        }
        None => {
            let index = snapshot.get(&resource_index_key(owner, OBSERVATION, id)).await?;
            let sequence = index.and_then(|value| <[u8; 8]>::try_from(&value[..]).ok());
            match sequence.map(u64::from_be_bytes) {
                Some(sequence) => snapshot.get(&keys::journal(reference, sequence)).await?,
                None => None,
            }
        }
    };
    let Some(row) = row else { return Ok(None) };
    let recorded = recorded(snapshot, &row).await?;
    let is_it = |found: &StoredResource| {
        found.meta.key.id == id && version.is_none_or(|version| found.meta.version == version)
    };
    Ok(recorded.into_iter().rfind(is_it))
}

/// Joins the newest version of every observation in the journal with those that are stored, in id
/// order.
pub(super) async fn join(
    snapshot: &dyn Snapshot,
    owner: &EntityId,
    stored: Vec<StoredResource>,
) -> Result<Vec<StoredResource>, SubmitError> {
    let mut newest: BTreeMap<String, StoredResource> =
        stored.into_iter().map(|found| (found.meta.key.id.clone(), found)).collect();
    let range = keys::journal_from(entity_ref(owner), 0);
    let mut query = Some(RangeQuery::forward(range, PAGE_ITEMS_MAX));
    while let Some(current) = query {
        let page = snapshot.range(current.clone()).await?;
        for (_, row) in &page.items {
            for found in recorded(snapshot, row).await? {
                let held = newest.get(&found.meta.key.id);
                if held.is_none_or(|held| held.meta.version < found.meta.version) {
                    newest.insert(found.meta.key.id.clone(), found);
                }
            }
        }
        query = current.after(&page);
    }
    Ok(newest.into_values().collect())
}

/// The versions of resources that the events of one journal row are.
async fn recorded(snapshot: &dyn Snapshot, row: &[u8]) -> Result<Vec<StoredResource>, SubmitError> {
    let damaged = |error: schema_wire::WireError| SubmitError::Damaged { place: error.to_string() };
    let content = blob::unpack(snapshot, row).await?;
    let record = schema_wire::journal::decode_record(&content).map_err(damaged)?;
    let mut found = Vec::new();
    for (event, version) in unframe(&record.event)?.into_iter().zip(record.sequence..) {
        let recorded = schema_wire::patient::decode_resource_event(event).map_err(damaged)?;
        if let Some((observation, recorded_at)) = recorded {
            let meta = observation_meta(&observation, version, recorded_at);
            let body = StoredBody::Observation(Box::new(observation));
            found.push(StoredResource { meta, body });
        }
    }
    Ok(found)
}
