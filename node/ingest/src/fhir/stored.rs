//! Stored resources as JSON to show: what came as FHIR is given back as sent with its version;
//! facts of other interfaces are rendered.

use actors_runtime::SubmitError;
use schema_fhir::Resource;
use schema_fhir::render::{Version, render_observation};
use schema_types::ids::{EntityId, EntityKind};
use schema_wire::journal::{StoredBody, StoredResource};
use serde_json::{Value, json};

/// The body of a resource that came as FHIR; `None` for any other and for a deletion.
pub(crate) fn json(stored: &StoredResource) -> Option<Value> {
    match &stored.body {
        StoredBody::Json(body) => serde_json::from_slice(body.expose()).ok(),
        StoredBody::Observation(_) | StoredBody::Deleted => None,
    }
}

/// The resource as a client sees it; `None` for a deletion.
///
/// # Errors
/// [`SubmitError::Damaged`] when the stored body is not a resource.
pub(crate) fn shown(
    stored: &StoredResource,
    owner: &EntityId,
) -> Result<Option<Value>, SubmitError> {
    let meta = &stored.meta;
    match &stored.body {
        StoredBody::Deleted => Ok(None),
        StoredBody::Observation(observation) => {
            let version = Version { number: meta.version, updated_at: meta.updated_at };
            let mut shown = render_observation(observation, owner.key(), version);
            if owner.kind() == EntityKind::Device
                && let Some(map) = shown.as_object_mut()
            {
                let device = json!({ "reference": format!("Device/{}", owner.key()) });
                map.insert("subject".to_owned(), device);
            }
            Ok(Some(shown))
        }
        StoredBody::Json(_) => {
            let damaged = || SubmitError::Damaged { place: "resource body".to_owned() };
            let body = json(stored).ok_or_else(damaged)?;
            let mut resource = Resource::from_value(body).map_err(|_| damaged())?;
            resource.set_version(meta.version, meta.updated_at);
            Ok(Some(resource.into_value()))
        }
    }
}
