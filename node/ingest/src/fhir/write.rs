//! Create, update and delete of one resource.

use super::conditional;
use super::exchange::Exchange;
use super::index;
use super::plan::{Wanted, content_digest, plan, plan_delete, without_version};
use super::read::accessed;
use super::store::{Stored, store};
use crate::http::ApiError;
use crate::http::limits::PARSE_INLINE_BYTES_MAX;
use actors_patient::command::WriteMode;
use actors_runtime::SubmitError;
use schema_fhir::{FhirError, Resource};
use schema_types::audit::{AuditAction, AuditOutcome};
use schema_types::clinical::ResourceKey;
use schema_types::error_code::ErrorCode;

/// What became of a single write.
pub(crate) enum Written {
    /// Stored, or the same content again.
    Stored(Stored),
    /// `If-None-Exist` found it: nothing was stored.
    Found(ResourceKey),
    /// There was nothing to delete.
    Nothing,
}

/// Parses the body; a long one outside the tasks that answer requests.
pub(crate) async fn parse(exchange: &Exchange) -> Result<Resource, ApiError> {
    let (raw, limits) = (exchange.raw.clone(), exchange.limits);
    let parse = move || Resource::parse(&raw, &limits);
    let parsed = if exchange.raw.len() <= PARSE_INLINE_BYTES_MAX {
        parse()
    } else {
        let parsed = exchange.gateway.offload.run(parse).await;
        parsed.map_err(|_| SubmitError::OutcomeUnknown)?
    };
    Ok(parsed?)
}

/// The resource in the body, checked and of the type that the path names.
async fn checked(exchange: &Exchange, resource_type: &str) -> Result<Resource, ApiError> {
    let resource = parse(exchange).await?;
    if resource.resource_type() != resource_type {
        let reason = "resourceType is not that of the URL";
        return Err(FhirError::new(ErrorCode::FhirStructure, "resourceType", reason)
            .with_status(400)
            .into());
    }
    let problems = resource.validate();
    if problems.is_empty() { Ok(without_version(resource)) } else { Err(problems.into()) }
}

/// Creates a resource under an id of our own.
pub(crate) async fn create(
    exchange: &Exchange,
    resource_type: &'static str,
    if_none_exist: Option<&str>,
) -> Result<Written, ApiError> {
    let mut resource = checked(exchange, resource_type).await?;
    let digest = content_digest(&resource);
    let gateway = &exchange.gateway;
    let snapshot = gateway.runtime.snapshot().await?;
    if let Some(query) = if_none_exist {
        let mut found = conditional::matches(gateway, &*snapshot, resource_type, query).await?;
        let only = found.pop();
        if let (Some(id), true) = (only, found.is_empty()) {
            let tenant = &gateway.tenant;
            let owner = index::owner(&*snapshot, tenant, resource_type, &id).await?;
            let directory = || gateway.directory(resource_type);
            let entity = owner.map_or_else(directory, |owner| owner.entity);
            let operation = format!("fhir-create {resource_type}");
            accessed(gateway, &exchange.caller, (entity, &operation)).await?;
            let resource_type = resource_type.to_owned();
            return Ok(Written::Found(ResourceKey { resource_type, id }));
        }
        if !found.is_empty() {
            let reason = "the condition finds more than one resource";
            let problem = FhirError::new(ErrorCode::FhirVersionConflict, "", reason);
            return Err(problem.with_issue_type("multiple-matches").into());
        }
    }
    resource.set_id(&exchange.new_id(resource_type, 0));
    let wanted = Wanted {
        index: 0,
        mode: WriteMode::Create,
        if_match: None,
        resource: &resource,
        digest,
        prefix: "",
    };
    let planned = plan(exchange, &*snapshot, wanted).await?;
    drop(snapshot);
    exchange.archive_ahead().await?;
    let operation = format!("fhir-create {resource_type}");
    one(store(exchange, &operation, vec![planned], "").await?)
}

fn one(stored: Vec<Stored>) -> Result<Written, ApiError> {
    match stored.into_iter().next() {
        Some(stored) => Ok(Written::Stored(stored)),
        None => Err(SubmitError::OutcomeUnknown.into()),
    }
}

/// Creates or replaces a resource under the id in the URL.
pub(crate) async fn update(
    exchange: &Exchange,
    (resource_type, id): (&'static str, &str),
    if_match: Option<u64>,
) -> Result<Written, ApiError> {
    let mut resource = checked(exchange, resource_type).await?;
    if resource.id() != Some(id) {
        let reason = "the id in the resource is missing or not that of the URL";
        let path = format!("{resource_type}.id");
        return Err(FhirError::new(ErrorCode::FhirStructure, &path, reason)
            .with_status(400)
            .into());
    }
    resource.set_id(id);
    let snapshot = exchange.gateway.runtime.snapshot().await?;
    let wanted = Wanted {
        index: 0,
        mode: WriteMode::Update,
        if_match,
        digest: content_digest(&resource),
        resource: &resource,
        prefix: "",
    };
    let planned = plan(exchange, &*snapshot, wanted).await?;
    drop(snapshot);
    exchange.archive_ahead().await?;
    let operation = format!("fhir-update {resource_type}");
    one(store(exchange, &operation, vec![planned], "").await?)
}

/// Deletes a resource; deleting what is not there succeeds.
pub(crate) async fn delete(
    exchange: &Exchange,
    key: ResourceKey,
    if_match: Option<u64>,
) -> Result<Written, ApiError> {
    let gateway = &exchange.gateway;
    let operation = format!("fhir-delete {}", key.resource_type);
    let directory = gateway.directory(&key.resource_type);
    let snapshot = gateway.runtime.snapshot().await?;
    let planned = plan_delete(exchange, &*snapshot, (0, key), if_match).await?;
    drop(snapshot);
    let Some(planned) = planned else {
        let what = (AuditAction::Delete, operation.as_str(), AuditOutcome::Done);
        let draft = gateway.draft(&exchange.caller, &exchange.origin(""), directory, what);
        gateway.runtime.record(draft, Vec::new()).await?;
        return Ok(Written::Nothing);
    };
    one(store(exchange, &operation, vec![planned], "").await?)
}
