//! Invariants of FHIR R4 that need no FHIRPath engine, by type. The keys are those of the
//! specification (`obs-6`, `bdl-3`). Best-practice warnings are not enforced.

use crate::path::Path;
use crate::time::{interval, parse_date_time};
use crate::validate::Report;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

type Fields = Map<String, Value>;

/// Checks the invariants of one object of type `name`.
pub(crate) fn check(report: &mut Report, name: &str, map: &Fields, path: &Path<'_>) {
    match name {
        "Quantity" | "Age" | "Count" | "Distance" | "Duration" => {
            demand(report, path, "qty-3", implies(has(map, "code"), has(map, "system")));
        }
        "Extension" => {
            let valued = map.keys().any(|key| key.trim_start_matches('_').starts_with("value"));
            demand(report, path, "ext-1", valued != has(map, "extension"));
        }
        "Period" => demand(report, path, "per-1", period_in_order(map)),
        "Ratio" => {
            let both = has(map, "numerator") == has(map, "denominator");
            let any = has(map, "numerator") || has(map, "extension");
            demand(report, path, "rat-1", both && any);
        }
        "ContactPoint" => {
            demand(report, path, "cpt-2", implies(has(map, "value"), has(map, "system")));
        }
        "Attachment" => {
            demand(report, path, "att-1", implies(has(map, "data"), has(map, "contentType")));
        }
        "Observation" => observation(report, map, path),
        "Observation.component" => {
            demand(report, path, "obs-6", !(has(map, "dataAbsentReason") && valued(map)));
        }
        "Observation.referenceRange" => {
            let any = ["low", "high", "text"].iter().any(|key| has(map, key));
            demand(report, path, "obs-3", any);
        }
        "Patient.contact" => {
            let any = ["name", "telecom", "address", "organization"];
            demand(report, path, "pat-1", any.iter().any(|key| has(map, key)));
        }
        "Organization" => {
            demand(report, path, "org-1", has(map, "name") || has(map, "identifier"));
        }
        "Condition" => condition(report, map, path),
        "Bundle" => bundle(report, map, path),
        "Bundle.entry" => {
            let any = ["resource", "request", "response"];
            demand(report, path, "bdl-5", any.iter().any(|key| has(map, key)));
            let url = text(map, "fullUrl");
            demand(report, path, "bdl-8", !url.is_some_and(|url| url.contains("/_history/")));
        }
        _ => {}
    }
    contained(report, map, path);
}

const fn implies(condition: bool, consequence: bool) -> bool {
    !condition || consequence
}

fn demand(report: &mut Report, path: &Path<'_>, key: &str, holds: bool) {
    if !holds {
        let reason = RULES
            .iter()
            .find(|(known, _)| *known == key)
            .map_or_else(|| key.to_owned(), |(_, words)| format!("{key}: {words}"));
        report.add(path, "invariant", &reason);
    }
}

const RULES: &[(&str, &str)] = &[
    ("att-1", "data needs a contentType"),
    ("bdl-1", "total only in a searchset or history"),
    ("bdl-2", "entry.search only in a searchset"),
    ("bdl-3", "entry.request exactly in a batch, transaction or history"),
    ("bdl-4", "entry.response exactly in a response or history"),
    ("bdl-5", "an entry needs a resource, request or response"),
    ("bdl-7", "fullUrl and version must be unique"),
    ("bdl-8", "fullUrl must not name a version"),
    ("bdl-9", "a document needs an identifier with system and value"),
    ("bdl-10", "a document needs a timestamp"),
    ("bdl-11", "a document begins with a Composition"),
    ("bdl-12", "a message begins with a MessageHeader"),
    ("con-4", "abatement needs a clinicalStatus of inactive, resolved or remission"),
    ("con-5", "no clinicalStatus when entered in error"),
    ("cpt-2", "a value needs a system"),
    ("dom-2", "contained resources must not be nested"),
    ("dom-4", "contained resources have no version"),
    ("ext-1", "either a value or extensions"),
    ("obs-3", "a reference range needs low, high or text"),
    ("obs-6", "dataAbsentReason only without a value"),
    ("obs-7", "no value when a component has the same code"),
    ("org-1", "an organization needs a name or identifier"),
    ("pat-1", "a contact needs a name, telecom, address or organization"),
    ("per-1", "start must not be after end"),
    ("qty-3", "a unit code needs a system"),
    ("rat-1", "numerator and denominator must both be there"),
];

/// Whether the element is there, with a value or only with extensions.
fn has(map: &Fields, name: &str) -> bool {
    map.contains_key(name) || map.contains_key(&format!("_{name}"))
}

fn text<'a>(map: &'a Fields, name: &str) -> Option<&'a str> {
    map.get(name).and_then(Value::as_str)
}

fn items<'a>(map: &'a Fields, name: &str) -> &'a [Value] {
    map.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn valued(map: &Fields) -> bool {
    map.keys().any(|key| key.trim_start_matches('_').starts_with("value"))
}

fn period_in_order(map: &Fields) -> bool {
    let begin = text(map, "start").and_then(parse_date_time);
    let end = text(map, "end").and_then(parse_date_time);
    match (begin, end) {
        // Stated with different precision, the later edge of the end counts.
        (Some(begin), Some(end)) => begin.at < interval(end).end,
        (None, _) | (_, None) => true,
    }
}

fn codings(concept: Option<&Value>) -> BTreeSet<(&str, &str)> {
    let list = concept.and_then(|concept| concept.get("coding")).and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(|coding| {
            let system = coding.get("system").and_then(Value::as_str).unwrap_or_default();
            Some((system, coding.get("code")?.as_str()?))
        })
        .collect()
}

fn observation(report: &mut Report, map: &Fields, path: &Path<'_>) {
    let valued = valued(map);
    demand(report, path, "obs-6", !(has(map, "dataAbsentReason") && valued));
    if valued {
        let own = codings(map.get("code"));
        let repeated = items(map, "component").iter().any(|component| {
            let parts = codings(component.get("code"));
            !parts.is_empty() && parts.intersection(&own).next().is_some()
        });
        demand(report, path, "obs-7", !repeated);
    }
}

fn condition(report: &mut Report, map: &Fields, path: &Path<'_>) {
    let clinical: Vec<&str> =
        codings(map.get("clinicalStatus")).into_iter().map(|(_, code)| code).collect();
    let in_error =
        codings(map.get("verificationStatus")).iter().any(|(_, code)| *code == "entered-in-error");
    demand(report, path, "con-5", !(in_error && has(map, "clinicalStatus")));
    let abated = map.keys().any(|key| key.trim_start_matches('_').starts_with("abatement"));
    let over = clinical.iter().any(|code| matches!(*code, "inactive" | "resolved" | "remission"));
    // Only a contradiction is refused: an absent status leaves the abatement believable.
    demand(report, path, "con-4", !(abated && !clinical.is_empty() && !over));
}

fn bundle(report: &mut Report, map: &Fields, path: &Path<'_>) {
    let kind = text(map, "type").unwrap_or_default();
    let entries = items(map, "entry");
    let listed = matches!(kind, "searchset" | "history");
    demand(report, path, "bdl-1", !has(map, "total") || listed);
    let wants_request = matches!(kind, "batch" | "transaction" | "history");
    let wants_response = matches!(kind, "batch-response" | "transaction-response" | "history");
    let list = path.child("entry");
    let mut urls = BTreeSet::new();
    for (index, entry) in entries.iter().enumerate() {
        let place = list.item(index);
        let present = |name: &str| entry.get(name).is_some();
        demand(report, &place, "bdl-2", !present("search") || kind == "searchset");
        demand(report, &place, "bdl-3", present("request") == wants_request);
        demand(report, &place, "bdl-4", present("response") == wants_response);
        if let Some(url) = entry.get("fullUrl").and_then(Value::as_str) {
            let version = entry.pointer("/resource/meta/versionId").and_then(Value::as_str);
            // A history repeats fullUrl; deletions in it carry no version to tell them apart.
            demand(report, &place, "bdl-7", kind == "history" || urls.insert((url, version)));
        }
    }
    let first = entries.first().and_then(|entry| entry.pointer("/resource/resourceType"));
    let first = first.and_then(Value::as_str);
    if kind == "document" {
        let part = |name: &str| map.get("identifier").and_then(|id| id.get(name)).is_some();
        demand(report, path, "bdl-9", part("system") && part("value"));
        demand(report, path, "bdl-10", has(map, "timestamp"));
        demand(report, path, "bdl-11", first == Some("Composition"));
    }
    demand(report, path, "bdl-12", kind != "message" || first == Some("MessageHeader"));
}

fn contained(report: &mut Report, map: &Fields, path: &Path<'_>) {
    let list = path.child("contained");
    for (index, inner) in items(map, "contained").iter().enumerate() {
        let place = list.item(index);
        demand(report, &place, "dom-2", inner.get("contained").is_none());
        let versioned = ["/meta/versionId", "/meta/lastUpdated"];
        let versioned = versioned.iter().any(|pointer| inner.pointer(pointer).is_some());
        demand(report, &place, "dom-4", !versioned);
    }
}
