//! One page of a search as a searchset Bundle, with links to itself and its neighbours.

use serde_json::{Map, Value, json};

/// What a page holds.
#[derive(Debug, Clone)]
pub struct SearchPage<'a> {
    /// The base URL of the FHIR interface, without a slash at the end.
    pub base_url: &'a str,
    /// The FHIR type searched.
    pub resource_type: &'a str,
    /// The decoded name-value pairs of the request.
    pub pairs: &'a [(String, String)],
    /// How many resources match in all.
    pub total: u64,
    /// How many matches were passed over.
    pub offset: u64,
    /// Page size.
    pub count: u64,
    /// The resources of this page; empty when only the total is wanted.
    pub resources: Vec<Value>,
    /// Only the total is wanted: no links to other pages.
    pub count_only: bool,
}

/// Builds the Bundle.
#[must_use]
pub fn searchset_bundle(page: SearchPage<'_>) -> Value {
    let mut links = vec![link("self", &page, page.offset)];
    let next = page.offset.saturating_add(page.count);
    if !page.count_only && next < page.total {
        links.push(link("next", &page, next));
    }
    if !page.count_only && page.offset > 0 {
        links.push(link("previous", &page, page.offset.saturating_sub(page.count)));
    }
    let mut bundle = json!({
        "resourceType": "Bundle",
        "type": "searchset",
        "total": page.total,
        "link": links,
    });
    let base_url = page.base_url;
    let entries: Vec<Value> =
        page.resources.into_iter().map(|resource| entry(base_url, resource)).collect();
    if let Some(map) = bundle.as_object_mut().filter(|_| !entries.is_empty()) {
        map.insert("entry".to_owned(), Value::Array(entries));
    }
    bundle
}

fn entry(base_url: &str, resource: Value) -> Value {
    let part = |name: &str| resource.get(name).and_then(Value::as_str).unwrap_or_default();
    let full_url = format!("{base_url}/{}/{}", part("resourceType"), part("id"));
    let mut entry = Map::new();
    entry.insert("fullUrl".to_owned(), Value::from(full_url));
    entry.insert("resource".to_owned(), resource);
    entry.insert("search".to_owned(), json!({ "mode": "match" }));
    Value::Object(entry)
}

fn link(relation: &str, page: &SearchPage<'_>, offset: u64) -> Value {
    let mut query: Vec<String> = page
        .pairs
        .iter()
        .filter(|(name, _)| name != "_offset")
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    if offset > 0 {
        query.push(format!("_offset={offset}"));
    }
    let mut url = format!("{}/{}", page.base_url, page.resource_type);
    if !query.is_empty() {
        url = format!("{url}?{}", query.join("&"));
    }
    json!({ "relation": relation, "url": url })
}

/// Percent-encodes everything but unreserved characters and those that FHIR queries live on.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~:/|,".contains(&byte);
        if plain {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
