//! What every path of the API does with its caller: purpose, audit of what no entity judges, and
//! commands with or without a name of the caller's choice.

use crate::fhir::read::refused;
use crate::gateway::{Gateway, Origin};
use crate::http::ApiError;
use crate::http::app::App;
use crate::http::request::{Asked, receive_small};
use actors_runtime::{Attachments, HostedEntity, Outcome, SubmitError, Urgency};
use axum::body::Body;
use bytes::Bytes;
use schema_types::audit::{AuditAction, AuditOutcome};
use schema_types::error_code::ErrorCode;
use schema_types::ids::{CommandId, EntityId, MessageDigest, SourceId};
use serde_json::Value;
use std::sync::Arc;

/// The purpose of use must be one for which data may be read; a refusal is audited at `entity`.
pub(crate) async fn check_purpose(
    app: &App,
    asked: &Asked,
    entity: EntityId,
    operation: &str,
) -> Result<(), ApiError> {
    crate::fhir::read::check_purpose(&app.gateway, &asked.caller, (entity, operation)).await
}

/// Records a refusal that no entity judged.
pub(crate) async fn audit_refusal(
    app: &App,
    asked: &Asked,
    (entity, operation): (EntityId, &str),
    error: ApiError,
) -> ApiError {
    refused(&app.gateway, &asked.caller, (entity, operation), error).await
}

/// Records an access that no entity judges, before its result is shown (AUD-1).
pub(crate) async fn audit(
    app: &App,
    asked: &Asked,
    entity: EntityId,
    operation: &str,
) -> Result<(), ApiError> {
    let gateway = &app.gateway;
    let origin = Origin {
        source: SourceId::new("api"),
        command_id: CommandId::new(gateway.fresh_id()),
        content: MessageDigest::default(),
        message: None,
    };
    let what = (AuditAction::Read, operation, AuditOutcome::Done);
    let draft = gateway.draft(&asked.caller, &origin, entity, what);
    Ok(gateway.runtime.record(draft, Vec::new()).await?)
}

/// Checks the purpose and records the access.
pub(crate) async fn admit(
    app: &App,
    asked: &Asked,
    entity: EntityId,
    operation: &str,
) -> Result<(), ApiError> {
    check_purpose(app, asked, entity.clone(), operation).await?;
    audit(app, asked, entity, operation).await
}

/// The body of a write with the origin that it gives to its command.
pub(crate) struct Posted {
    pub(crate) body: Value,
    pub(crate) raw: Bytes,
    pub(crate) origin: Origin,
    /// Whether the command is remembered (ONCE-1).
    pub(crate) once: bool,
    /// Who is refused first when the node is full (LIM-1).
    pub(crate) urgency: Urgency,
}

/// Reads a JSON body; an empty one is an empty object.
pub(crate) async fn posted(app: &Arc<App>, asked: &Asked, body: Body) -> Result<Posted, ApiError> {
    let received = receive_small(app, &asked.headers, body).await?;
    let raw = received.bytes.clone();
    let body = if raw.is_empty() {
        Value::Object(serde_json::Map::new())
    } else {
        serde_json::from_slice(&raw).map_err(|_| ApiError::bad_request("the body is not JSON"))?
    };
    let path = asked.uri.path();
    let mut content = format!("{} {path}\n", asked.method).into_bytes();
    content.extend_from_slice(&raw);
    let command = asked.key.clone().unwrap_or_else(|| app.gateway.fresh_id());
    let origin = Origin {
        source: SourceId::new(format!("api:{}", asked.caller.principal)),
        command_id: CommandId::new(command),
        content: MessageDigest::of(&content),
        message: None,
    };
    Ok(Posted { body, raw, origin, once: asked.key.is_some(), urgency: Urgency::Routine })
}

impl Posted {
    /// A text in the body.
    pub(crate) fn text(&self, name: &str) -> Result<&str, ApiError> {
        self.body
            .get(name)
            .and_then(Value::as_str)
            .ok_or_else(|| ApiError::bad_request(format!("the body must have the text {name}")))
    }

    /// A text in the body that may be left out.
    pub(crate) fn optional_text(&self, name: &str) -> &str {
        self.body.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// A whole number in the body.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.body.get(name).and_then(Value::as_u64)
    }
}

/// Sends a command to an entity; `None` when it was done before (ONCE-1).
pub(crate) async fn command<E: HostedEntity>(
    gateway: &Gateway,
    asked: &Asked,
    posted: &Posted,
    entity: EntityId,
    command: E::Command,
) -> Result<Option<E::Reply>, ApiError> {
    let envelope = gateway.envelope(&asked.caller, &posted.origin, entity, command);
    let archive = posted.origin.message.is_some().then(|| posted.raw.clone());
    let Posted { once, urgency, .. } = *posted;
    let attachments = Attachments { once, archive, urgency, ..Attachments::default() };
    match gateway.runtime.submit::<E>(envelope, attachments).await? {
        Outcome::Done { reply, .. } => Ok(Some(reply)),
        Outcome::Repeated { .. } => Ok(None),
    }
}

/// An entity answered something else than it was asked.
pub(crate) fn unexpected<T>() -> Result<T, ApiError> {
    Err(SubmitError::OutcomeUnknown.into())
}

/// The token of a listing: where to go on.
pub(crate) fn page_token(asked: &Asked) -> Result<Option<Bytes>, ApiError> {
    let Some(token) = asked.parameter("after") else { return Ok(None) };
    match super::json::from_hex(token) {
        Some(key) => Ok(Some(Bytes::from(key))),
        None => Err(ApiError::new(ErrorCode::BadRequest, "after is not a token of a listing")),
    }
}
