//! Questions: they change nothing, need a purpose of use and are audited (AUD-1).

use super::nothing;
use crate::Device;
use crate::command::{Read, Reply};
use crate::state::State;
use actors_core::{AuditNote, Context, Decision, Rejection, purpose, resource};
use schema_types::audit::AuditAction;
use schema_types::clinical::ResourceKey;
use schema_types::error_code::ErrorCode;

pub(super) fn decide_read(
    state: &State,
    context: &Context<'_>,
    read: Read,
) -> Result<Decision<Device>, Rejection> {
    let audit = AuditNote::new(AuditAction::Read, operation(&read));
    if let Err(refused) = purpose::check(context.purpose) {
        let code = purpose::PurposeRefused::CODE;
        return Err(Rejection::denied(code, refused.to_string(), audit));
    }
    if context.sequence == 0 {
        return Err(Rejection::wrong(ErrorCode::DeviceUnknown, "there is no such device", audit));
    }
    let reply = answer(state, read)
        .map_err(|code| Rejection::wrong(code, "there is no such resource", audit.clone()))?;
    Ok(nothing(reply, audit))
}

fn operation(read: &Read) -> String {
    match read {
        Read::State => "device-state".to_owned(),
        Read::Resource(key) => format!("fhir-read {}", key.resource_type),
        Read::ResourceVersion(key, _) => format!("fhir-vread {}", key.resource_type),
        Read::Resources { types } => format!("fhir-search {}", types.join(",")),
    }
}

fn answer(state: &State, read: Read) -> Result<Reply, ErrorCode> {
    match read {
        Read::State => Ok(Reply::State(Box::new(state.clone()))),
        Read::Resource(key) => find(state, key, None),
        Read::ResourceVersion(key, version) => find(state, key, Some(version)),
        Read::Resources { types } => {
            Ok(Reply::Resources(resource::of_types(&state.resources, &types)))
        }
    }
}

fn find(state: &State, key: ResourceKey, version: Option<u64>) -> Result<Reply, ErrorCode> {
    let current = match resource::find(&state.resources, &key, version) {
        Ok(meta) => Some(Box::new(meta.clone())),
        // Observations of nobody are not in the live state; the store knows them.
        Err(ErrorCode::FhirNotFound) if is_left_to_the_store(state, &key) => None,
        Err(code) => return Err(code),
    };
    Ok(Reply::Resource { key, version, current })
}

fn is_left_to_the_store(state: &State, key: &ResourceKey) -> bool {
    key.resource_type == "Observation" && !state.resources.contains_key(key)
}
