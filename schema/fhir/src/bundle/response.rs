//! The Bundle that answers a transaction, batch or collection, one entry per entry in its order.

use super::BundleKind;
use crate::etag;
use crate::time::render_instant;
use schema_types::time::Timestamp;
use serde_json::{Map, Value, json};

/// The answer to one entry.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EntryResponse {
    /// HTTP status.
    pub status: u16,
    /// `Type/id/_history/version` of what was stored.
    pub location: Option<String>,
    /// The version that was stored or read.
    pub version: Option<u64>,
    /// When that version was stored.
    pub updated_at: Option<Timestamp>,
    /// What was read, or found.
    pub resource: Option<Value>,
    /// Why it was refused.
    pub outcome: Option<Value>,
}

/// Builds the answer. A collection is answered like a batch.
#[must_use]
pub fn response_bundle(kind: BundleKind, responses: Vec<EntryResponse>) -> Value {
    let type_code = match kind {
        BundleKind::Transaction => "transaction-response",
        BundleKind::Batch | BundleKind::Collection => "batch-response",
    };
    let entries: Vec<Value> = responses.into_iter().map(entry).collect();
    let mut bundle = json!({ "resourceType": "Bundle", "type": type_code });
    // FHIR has no empty arrays.
    if let Some(map) = bundle.as_object_mut().filter(|_| !entries.is_empty()) {
        map.insert("entry".to_owned(), Value::Array(entries));
    }
    bundle
}

fn entry(response: EntryResponse) -> Value {
    let mut result = Map::new();
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            result.insert(name.to_owned(), value);
        }
    };
    add("status", Some(Value::from(status_line(response.status))));
    add("location", response.location.map(Value::from));
    add("etag", response.version.map(|version| Value::from(etag::render(version))));
    add("lastModified", response.updated_at.map(|at| Value::from(render_instant(at))));
    add("outcome", response.outcome);
    let mut entry = Map::new();
    if let Some(resource) = response.resource {
        entry.insert("resource".to_owned(), resource);
    }
    entry.insert("response".to_owned(), Value::Object(result));
    Value::Object(entry)
}

fn status_line(status: u16) -> String {
    let words = match status {
        200 => " OK",
        201 => " Created",
        204 => " No Content",
        304 => " Not Modified",
        400 => " Bad Request",
        403 => " Forbidden",
        404 => " Not Found",
        405 => " Method Not Allowed",
        409 => " Conflict",
        410 => " Gone",
        412 => " Precondition Failed",
        413 => " Content Too Large",
        422 => " Unprocessable Content",
        500 => " Internal Server Error",
        503 => " Service Unavailable",
        _ => "",
    };
    format!("{status}{words}")
}
