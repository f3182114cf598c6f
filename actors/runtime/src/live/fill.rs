//! Rows for entities from before there were live rows: made in the background from snapshot and
//! journal, without waking anybody. A meta key says that every entity has its row.

use super::{INDEX_NAME, row_key};
use crate::audit_log::entity_ref;
use crate::error::SubmitError;
use crate::load;
use crate::node::Runtime;
use actors_core::Entity;
use actors_device::Device;
use actors_facility::Facility;
use actors_patient::Patient;
use actors_store::keys::{self, Family};
use actors_store::{CommitError, CommitRequest, KeyRange, Mutation, RangeQuery, ReadError};
use actors_store::{Snapshot, Version};
use bytes::Bytes;
use schema_types::ids::{EntityId, EntityKind, TenantId};

/// Entities looked at with one snapshot: far fewer than fit its five seconds.
const BATCH_ENTITIES: usize = 64;
/// How often an entity that changes all the time is tried; its own commit writes the row.
const ATTEMPTS_MAX: usize = 5;

fn done_key() -> Bytes {
    keys::meta(&format!("{}-complete", *INDEX_NAME))
}

/// Says of a new store that no row is missing.
pub(crate) fn complete_mark() -> Mutation {
    Mutation::set(done_key(), Bytes::new())
}

/// Whether every entity with a journal has its live row, if it is to have one.
///
/// # Errors
/// [`ReadError`].
pub async fn is_complete(snapshot: &dyn Snapshot) -> Result<bool, ReadError> {
    Ok(snapshot.get(&done_key()).await?.is_some())
}

/// Makes the rows that are missing and notes that all are there. Returns how many it made. Safe to
/// run beside commands, more than once, and to be dropped: it begins again with what is missing.
///
/// # Errors
/// [`SubmitError`] when the store refuses or an entity does not load; queries go on saying that
/// they are not complete.
pub async fn fill(runtime: &Runtime) -> Result<u64, SubmitError> {
    let node = &runtime.inner;
    if is_complete(&*node.store.begin().await?).await? {
        return Ok(0);
    }
    let mut made = 0;
    let mut rest = keys::family_range(Family::Journal);
    while !node.is_ending() {
        let snapshot = node.store.begin().await?;
        let (entities, next) = next_entities(&*snapshot, rest).await?;
        for entity in &entities {
            made += u64::from(fill_one(runtime, entity).await?);
        }
        let Some(next) = next else {
            let done = vec![complete_mark()];
            node.store
                .commit(CommitRequest { mutations: done, ..CommitRequest::default() })
                .await?;
            return Ok(made);
        };
        rest = next;
        tokio::task::yield_now().await;
    }
    Err(SubmitError::ShuttingDown)
}

/// The entities of the first journals in a range that have no row, and the range behind them.
async fn next_entities(
    snapshot: &dyn Snapshot,
    mut rest: KeyRange,
) -> Result<(Vec<EntityId>, Option<KeyRange>), SubmitError> {
    let mut missing = Vec::new();
    for _ in 0..BATCH_ENTITIES {
        let page = snapshot.range(RangeQuery::forward(rest.clone(), 1)).await?;
        let Some((key, _)) = page.items.first() else { return Ok((missing, None)) };
        let damaged = |_| SubmitError::Damaged { place: "journal key".to_owned() };
        let (named, _) = keys::parse_sequenced(Family::Journal, key).map_err(damaged)?;
        rest.begin = keys::entity_range(Family::Journal, named.as_ref()).end;
        let Some(kind) = EntityKind::from_number(named.kind) else { continue };
        let entity = EntityId::new(TenantId::new(named.tenant), kind, &named.key);
        if snapshot.get(&row_key(&entity)).await?.is_none() {
            missing.push(entity);
        }
    }
    Ok((missing, Some(rest)))
}

/// Makes one row unless the entity has changed meanwhile: then its own commit has written it.
async fn fill_one(runtime: &Runtime, entity: &EntityId) -> Result<bool, SubmitError> {
    for _ in 0..ATTEMPTS_MAX {
        let snapshot = runtime.inner.store.begin().await?;
        if snapshot.get(&row_key(entity)).await?.is_some() {
            return Ok(false);
        }
        let made = match entity.kind() {
            EntityKind::Patient => row::<Patient>(&*snapshot, entity).await?,
            EntityKind::Device => row::<Device>(&*snapshot, entity).await?,
            EntityKind::Facility => row::<Facility>(&*snapshot, entity).await?,
        };
        let (Some(row), sequence) = made else { return Ok(false) };
        match runtime.inner.store.commit(request(entity, row, (sequence, &*snapshot))).await {
            Ok(_) => return Ok(true),
            Err(CommitError::Conflict | CommitError::TooOld) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

async fn row<E: Entity>(
    snapshot: &dyn Snapshot,
    entity: &EntityId,
) -> Result<(Option<Vec<u8>>, Version), SubmitError> {
    let loaded = load::load::<E>(snapshot, entity).await?;
    Ok((E::live_row(entity, &loaded.state), loaded.sequence))
}

/// Takes effect only while the journal ends where the row was made from (OWN-1: a commit of any
/// owner is in the journal too).
fn request(entity: &EntityId, row: Vec<u8>, made_at: (u64, &dyn Snapshot)) -> CommitRequest {
    let (sequence, snapshot) = made_at;
    CommitRequest {
        read_version: snapshot.version(),
        read_conflicts: vec![
            keys::journal_from(entity_ref(entity), sequence + 1),
            KeyRange::single(&row_key(entity)),
        ],
        mutations: vec![Mutation::set(row_key(entity), row)],
        ..CommitRequest::default()
    }
}
