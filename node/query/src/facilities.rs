//! Rows of facilities, made when they are asked for: a bed board folds every stay, too much for
//! the path of each movement, and there are few facilities. Nobody is woken.

use crate::error::QueryError;
use crate::limits::FACILITIES_MAX;
use actors_facility::Facility;
use actors_runtime::{load, query};
use actors_store::Snapshot;
use schema_types::ids::{EntityId, EntityKind, TenantId};

/// The known facilities of a tenant.
pub(crate) async fn known(
    snapshot: &dyn Snapshot,
    tenant: &TenantId,
) -> Result<Vec<EntityId>, QueryError> {
    let mut facilities = Vec::new();
    let mut after = None;
    loop {
        let page =
            query::known(snapshot, tenant, EntityKind::Facility, after, FACILITIES_MAX).await?;
        facilities.extend(page.entities);
        if facilities.len() > FACILITIES_MAX {
            return Err(QueryError::Limit { what: "facilities", max: FACILITIES_MAX });
        }
        after = page.next;
        if after.is_none() {
            return Ok(facilities);
        }
    }
}

/// The row of one facility.
pub(crate) async fn row(
    snapshot: &dyn Snapshot,
    facility: &EntityId,
) -> Result<Vec<u8>, QueryError> {
    let loaded = load::load::<Facility>(snapshot, facility).await?;
    Ok(actors_facility::live::row(facility, &loaded.state))
}
