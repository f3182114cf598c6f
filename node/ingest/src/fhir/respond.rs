//! Results in HTTP: status, ETag, Last-Modified, Location, and what the client accepts.

use super::bundle::Processed;
use super::exchange::{Exchange, Prefer};
use super::index;
use super::read::{Shown, stored_version};
use super::write::Written;
use crate::http::ApiError;
use crate::http::app::App;
use crate::http::error::QUARANTINE_HEADER;
use crate::http::request::Asked;
use actors_patient::command::WriteOutcome;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use chrono::DateTime;
use schema_fhir::etag;
use schema_fhir::outcome::{IssueSeverity, message};
use schema_types::clinical::ResourceKey;
use schema_types::error_code::ErrorCode;
use schema_types::time::Timestamp;
use serde_json::Value;
use std::sync::Arc;

/// The media type of every body of the FHIR interface.
pub(crate) const FHIR_JSON: &str = "application/fhir+json";
/// The header of an answer to what was done before.
pub(crate) const DUPLICATE_HEADER: &str = "x-medulla-duplicate";
/// Quarantined items that one answer names.
const QUARANTINED_NAMED_MAX: usize = 20;

const JSON: [&str; 4] = [FHIR_JSON, "application/json", "text/json", "json"];

/// Whether a media type means JSON.
pub(crate) fn is_json(media_type: &str) -> bool {
    let plain = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    plain.is_empty() || JSON.contains(&plain.replace(' ', "+").as_str())
}

/// Refuses a client that accepts no JSON.
pub(crate) fn check_accept(asked: &Asked) -> Result<(), ApiError> {
    let Some(accept) = asked.header(header::ACCEPT) else { return Ok(()) };
    let wanted = |part: &str| {
        let plain = part.split(';').next().unwrap_or_default().trim();
        matches!(plain, "*/*" | "application/*" | "text/*") || is_json(plain)
    };
    if accept.split(',').any(wanted) {
        return Ok(());
    }
    let error = ApiError::new(ErrorCode::FhirMediaType, "only JSON can be given");
    Err(error.with_status(406))
}

/// Refuses every query parameter but `_format`.
pub(crate) fn only_format(asked: &Asked) -> Result<(), ApiError> {
    only_format_pairs(&asked.pairs)
}

/// The same for parameters on their own.
pub(crate) fn only_format_pairs(pairs: &[(String, String)]) -> Result<(), ApiError> {
    for (name, value) in pairs {
        if name != "_format" {
            let reason = "the parameter is not supported here";
            return Err(ApiError::new(ErrorCode::FhirSearchParameter, reason));
        }
        if !is_json(value) {
            let error = ApiError::new(ErrorCode::FhirMediaType, "only JSON can be given");
            return Err(error.with_status(406));
        }
    }
    Ok(())
}

/// The URL of the FHIR interface as the client knows it.
pub(crate) fn base_url(app: &Arc<App>, asked: &Asked) -> String {
    if let Some(url) = &app.status.fhir_base_url {
        return url.clone();
    }
    let plain = |host: &&str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".:-[]_".contains(&byte);
        !host.is_empty() && host.len() <= 255 && host.bytes().all(fits)
    };
    let host = asked.header(header::HOST).filter(plain).unwrap_or("localhost");
    format!("http://{host}/fhir")
}

/// A response with a JSON body.
pub(crate) fn json_response(status: u16, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    set(&mut response, header::CONTENT_TYPE, FHIR_JSON);
    response
}

fn empty_response(status: u16) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::NO_CONTENT);
    response
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn set_version(response: &mut Response, version: u64, updated_at: Timestamp) {
    set(response, header::ETAG, &etag::render(version));
    if let Some(time) = DateTime::from_timestamp_micros(updated_at.unix_micros()) {
        // RFC 9110 section 5.6.7.
        let text = time.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        set(response, header::LAST_MODIFIED, &text);
    }
}

fn set_duplicate(response: &mut Response) {
    set(response, HeaderName::from_static(DUPLICATE_HEADER), "true");
}

/// A resource that was read.
pub(crate) fn resource_response(status: u16, shown: &Shown) -> Response {
    let mut response = json_response(status, &shown.resource);
    set_version(&mut response, shown.version, shown.updated_at);
    response
}

/// The answer to a bundle.
pub(crate) fn bundle_response(processed: &Processed) -> Response {
    let mut response = json_response(200, &processed.bundle);
    if processed.duplicate {
        set_duplicate(&mut response);
    }
    if !processed.quarantined.is_empty() {
        let named = processed.quarantined.iter().take(QUARANTINED_NAMED_MAX);
        let named: Vec<String> = named.map(ToString::to_string).collect();
        let name = HeaderName::from_static(QUARANTINE_HEADER);
        set(&mut response, name, &named.join(","));
    }
    response
}

/// The answer to a single write.
pub(crate) async fn written(exchange: &Exchange, written: Written) -> Result<Response, ApiError> {
    let gateway = &exchange.gateway;
    let (stored, status) = match written {
        Written::Nothing => return Ok(empty_response(204)),
        Written::Found(key) => return found(exchange, key).await,
        Written::Stored(stored) => {
            let status = match stored.version.outcome {
                WriteOutcome::Created => 201,
                WriteOutcome::Deleted => 204,
                // A retry gets the answer of the first try.
                WriteOutcome::Unchanged if stored.repeated && stored.version.version == 1 => 201,
                WriteOutcome::Updated | WriteOutcome::Unchanged => 200,
            };
            (stored, status)
        }
    };
    let version = &stored.version;
    // A repeated deletion has nothing to show either.
    let was_deleted = exchange.raw.is_empty();
    let mut response = match exchange.prefer {
        _ if status == 204 || was_deleted => empty_response(204),
        Some(Prefer::Minimal) => empty_response(status),
        Some(Prefer::Outcome) => {
            let words = message("stored", "informational", IssueSeverity::Information);
            json_response(status, &words)
        }
        Some(Prefer::Representation) | None => {
            let number = Some(version.version);
            let shown = stored_version(gateway, &stored.owner, &version.key, number).await?;
            json_response(status, &shown.resource)
        }
    };
    set_version(&mut response, version.version, version.updated_at);
    if !was_deleted {
        let location = location(exchange, &version.key, version.version);
        set(&mut response, header::LOCATION, &location);
    }
    if stored.is_duplicate() {
        set_duplicate(&mut response);
    }
    Ok(response)
}

/// The answer when `If-None-Exist` found a resource.
async fn found(exchange: &Exchange, key: ResourceKey) -> Result<Response, ApiError> {
    let gateway = &exchange.gateway;
    let snapshot = gateway.runtime.snapshot().await?;
    let owner = index::owner(&*snapshot, &gateway.tenant, &key.resource_type, &key.id).await?;
    drop(snapshot);
    let mut response = empty_response(200);
    if let Some(owner) = owner
        && let Ok(shown) = stored_version(gateway, &owner.entity, &key, None).await
    {
        set_version(&mut response, shown.version, shown.updated_at);
        set(&mut response, header::LOCATION, &location(exchange, &key, shown.version));
    }
    set_duplicate(&mut response);
    Ok(response)
}

fn location(exchange: &Exchange, key: &ResourceKey, version: u64) -> String {
    let ResourceKey { resource_type, id } = key;
    format!("{}/{resource_type}/{id}/_history/{version}", exchange.base_url)
}
