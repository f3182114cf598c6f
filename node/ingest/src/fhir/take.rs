//! One write as it was sent, taken by the path that it names; refused content goes into quarantine.
//! Requests and replays from quarantine both come through here.

use super::exchange::{Exchange, Prefer};
use super::read::check_purpose;
use super::refuse::{self, Entrance};
use super::respond;
use super::{bundle, key, known_type, write};
use crate::gateway::Caller;
use crate::http::ApiError;
use crate::http::app::App;
use crate::http::metrics::Count;
use axum::response::Response;
use bytes::Bytes;
use schema_fhir::bundle::if_match_version;
use schema_types::error_code::ErrorCode;
use schema_types::ids::{MessageDigest, SourceId};
use std::sync::Arc;

/// A write as it was sent.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) media_type: Option<String>,
    pub(crate) if_match: Option<String>,
    pub(crate) if_none_exist: Option<String>,
    pub(crate) prefer: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) caller: Caller,
    pub(crate) raw: Bytes,
    /// Whether only the beginning of a body is here that was larger than the limit.
    pub(crate) is_cut: bool,
}

/// Takes a write.
///
/// # Errors
/// Why it was refused; with the quarantined item when it is kept.
pub(crate) async fn take(app: &Arc<App>, sent: Sent, base_url: &str) -> Result<Response, ApiError> {
    let exchange = exchange(app, &sent, base_url);
    let result = match precheck(&sent) {
        Ok(()) => dispatch(&exchange, &sent).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(response) => {
            if response.headers().contains_key(respond::DUPLICATE_HEADER) {
                app.metrics.count(Count::Duplicate);
            }
            Ok(response)
        }
        Err(error) => {
            let entrance = Entrance::new(&sent.method, &sent.target);
            let media_type = sent.media_type.as_deref().unwrap_or(respond::FHIR_JSON);
            let gateway = &app.gateway;
            let place = (&exchange.source, &entrance);
            let kept =
                refuse::keep(gateway, &sent.caller, place, (&sent.raw, media_type), error).await;
            if kept.quarantine.is_some() {
                app.metrics.count(Count::Quarantined);
            }
            Err(kept)
        }
    }
}

/// Takes a write from quarantine again. What is refused is not kept a second time.
///
/// # Errors
/// Why it was refused again; of a batch the first refused entry.
pub(crate) async fn replay(app: &Arc<App>, sent: Sent, base_url: &str) -> Result<(), ApiError> {
    let mut exchange = exchange(app, &sent, base_url);
    exchange.keeps_refused = false;
    precheck(&sent)?;
    dispatch(&exchange, &sent).await.map(|_| ())
}

fn exchange(app: &Arc<App>, sent: &Sent, base_url: &str) -> Exchange {
    let gateway = app.gateway.clone();
    let mut content = format!("{} {}\n", sent.method, sent.target).into_bytes();
    content.extend_from_slice(&sent.raw);
    let command = sent.key.clone().unwrap_or_else(|| gateway.fresh_id());
    Exchange {
        source: SourceId::new(format!("fhir:{}", sent.caller.principal)),
        caller: sent.caller.clone(),
        key: sent.key.clone(),
        command,
        content: MessageDigest::of(&content),
        message: MessageDigest::of(&sent.raw),
        raw: sent.raw.clone(),
        received_at: gateway.runtime.now(),
        base_url: base_url.to_owned(),
        prefer: sent.prefer.as_deref().and_then(prefer),
        limits: app.fhir_limits(),
        keeps_refused: true,
        gateway,
    }
}

fn prefer(header: &str) -> Option<Prefer> {
    let wanted = header.split([',', ';']).find_map(|part| part.trim().strip_prefix("return="))?;
    match wanted.trim() {
        "minimal" => Some(Prefer::Minimal),
        "representation" => Some(Prefer::Representation),
        "OperationOutcome" => Some(Prefer::Outcome),
        _ => None,
    }
}

/// What can be said before the body is looked at.
fn precheck(sent: &Sent) -> Result<(), ApiError> {
    if sent.is_cut {
        return Err(ApiError::new(ErrorCode::FhirTooLarge, "the body is larger than the limit"));
    }
    let media_type = sent.media_type.as_deref().filter(|_| sent.method != "DELETE");
    match media_type {
        Some(media_type) if !respond::is_json(media_type) => {
            Err(ApiError::new(ErrorCode::FhirMediaType, "only JSON is supported"))
        }
        Some(_) | None => Ok(()),
    }
}

async fn dispatch(exchange: &Exchange, sent: &Sent) -> Result<Response, ApiError> {
    let (path, query) = match sent.target.split_once('?') {
        Some((path, query)) => (path, query),
        None => (sent.target.as_str(), ""),
    };
    respond::only_format_pairs(&crate::http::request::pairs(query)?)?;
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let operation = format!("fhir-{} {}", sent.method.to_lowercase(), operand(&parts));
    let entity = exchange.gateway.directory(operand(&parts));
    check_purpose(&exchange.gateway, &exchange.caller, (entity, &operation)).await?;
    let if_match = match &sent.if_match {
        Some(tag) => Some(if_match_version(tag, "If-Match")?),
        None => None,
    };
    match (sent.method.as_str(), parts.as_slice()) {
        ("POST", ["fhir"]) => {
            let resource = write::parse(exchange).await?;
            let processed = Box::pin(bundle::process(exchange, resource)).await?;
            Ok(respond::bundle_response(&processed))
        }
        ("POST", ["fhir", name]) => {
            let condition = sent.if_none_exist.as_deref();
            let written = Box::pin(write::create(exchange, known_type(name)?, condition)).await?;
            respond::written(exchange, written).await
        }
        ("PUT", ["fhir", name, id]) => {
            let id = key(name, id)?.id;
            let target = (known_type(name)?, id.as_str());
            let written = Box::pin(write::update(exchange, target, if_match)).await?;
            respond::written(exchange, written).await
        }
        ("DELETE", ["fhir", name, id]) => {
            let written = Box::pin(write::delete(exchange, key(name, id)?, if_match)).await?;
            respond::written(exchange, written).await
        }
        _ => {
            let reason = "the interaction is not supported";
            Err(ApiError::new(ErrorCode::FhirInteraction, reason))
        }
    }
}

/// The type that a path names, for the audit log.
fn operand<'a>(parts: &[&'a str]) -> &'a str {
    let name = parts.get(1).copied().unwrap_or("Bundle");
    schema_fhir::tables::resource_type(name).unwrap_or("Bundle")
}
