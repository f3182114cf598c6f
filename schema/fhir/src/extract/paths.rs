//! Where each R4 type keeps its patient, date, codes, categories, status, stay and device. The
//! table follows the Patient compartment; Group and Person, which name many, belong to nobody.

use crate::reference::Reference;
use crate::time::{Interval, interval, parse_date_time};
use schema_types::clinical::Code;
use schema_types::time::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::OnceLock;

const TABLE: &str = include_str!("../tables/facts.txt");

/// The paths of one type, each list in order of preference.
#[derive(Debug, Default)]
pub struct FactPaths {
    pub(super) patient: Vec<&'static str>,
    pub(super) date: Vec<&'static str>,
    pub(super) code: Vec<&'static str>,
    pub(super) category: Vec<&'static str>,
    pub(super) status: Vec<&'static str>,
    pub(super) encounter: Vec<&'static str>,
    pub(super) device: Vec<&'static str>,
}

impl FactPaths {
    /// The paths of a type; all empty for an unknown one.
    #[must_use]
    pub fn of(resource_type: &str) -> &'static Self {
        static TABLES: OnceLock<(BTreeMap<&'static str, FactPaths>, FactPaths)> = OnceLock::new();
        let (tables, none) = TABLES.get_or_init(|| (read(), Self::default()));
        tables.get(resource_type).unwrap_or(none)
    }

    /// Whether resources of the type can belong to a patient.
    #[must_use]
    pub fn has_patient(&self) -> bool {
        !self.patient.is_empty()
    }

    /// Whether the type's reference to the patient is named `subject`.
    #[must_use]
    pub fn has_subject(&self) -> bool {
        self.patient.contains(&"subject")
    }

    /// Whether the type has a clinical date.
    #[must_use]
    pub fn has_date(&self) -> bool {
        !self.date.is_empty()
    }

    /// Whether the type has codes.
    #[must_use]
    pub fn has_code(&self) -> bool {
        !self.code.is_empty()
    }

    /// Whether the type has categories.
    #[must_use]
    pub fn has_category(&self) -> bool {
        !self.category.is_empty()
    }

    /// Whether the type has a status.
    #[must_use]
    pub fn has_status(&self) -> bool {
        !self.status.is_empty()
    }
}

fn read() -> BTreeMap<&'static str, FactPaths> {
    let mut table = BTreeMap::new();
    for line in TABLE.lines() {
        let mut words = line.split(' ');
        let Some(name) = words.next() else { continue };
        let mut paths = FactPaths::default();
        for (key, list) in words.filter_map(|word| word.split_once('=')) {
            let list: Vec<&'static str> = list.split(',').collect();
            match key {
                "patient" => paths.patient = list,
                "date" => paths.date = list,
                "code" => paths.code = list,
                "category" => paths.category = list,
                "status" => paths.status = list,
                "encounter" => paths.encounter = list,
                "device" => paths.device = list,
                _ => {}
            }
        }
        table.insert(name, paths);
    }
    table
}

/// Every value at a dotted path, arrays opened.
pub(super) fn at<'a>(value: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut found = vec![value];
    for name in path.split('.') {
        found = found.into_iter().filter_map(|value| value.get(name)).flat_map(opened).collect();
    }
    found
}

fn opened(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value.as_array() {
        Some(items) => Box::new(items.iter()),
        None => Box::new(std::iter::once(value)),
    }
}

pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn patient(table: &FactPaths, value: &Value) -> Option<Reference> {
    reference(&table.patient, value, "Patient")
}

/// The first reference that is to `wanted`, else the first that does not say what it is to.
pub(super) fn reference(paths: &[&str], value: &Value, wanted: &str) -> Option<Reference> {
    let all: Vec<Reference> =
        paths.iter().flat_map(|path| at(value, path)).filter_map(Reference::from_value).collect();
    let open = |reference: &Reference| match reference {
        Reference::Urn(_) => true,
        Reference::Identifier { resource_type, .. } => resource_type.is_none(),
        Reference::Local { .. }
        | Reference::Absolute { .. }
        | Reference::Conditional { .. }
        | Reference::Contained(_)
        | Reference::Other(_) => false,
    };
    let exact = all.iter().find(|reference| reference.resource_type() == Some(wanted));
    exact.or_else(|| all.iter().find(|reference| open(reference))).cloned()
}

/// Codes of CodeableConcept, Coding or code elements. A concept without codings gives its text.
pub(super) fn codes(paths: &[&str], value: &Value) -> Vec<Code> {
    let mut found = Vec::new();
    for concept in paths.iter().flat_map(|path| at(value, path)) {
        for code in concept_codes(concept) {
            if !found.contains(&code) {
                found.push(code);
            }
        }
    }
    found
}

/// The codes of one CodeableConcept, Coding or code.
pub(super) fn concept_codes(concept: &Value) -> Vec<Code> {
    if let Some(code) = concept.as_str() {
        return vec![Code { code: code.to_owned(), ..Code::default() }];
    }
    let words = text(concept, "text");
    let coding = |coding: &Value| Code {
        system: text(coding, "system").to_owned(),
        code: text(coding, "code").to_owned(),
        display: [text(coding, "display"), words]
            .into_iter()
            .find(|words| !words.is_empty())
            .unwrap_or_default()
            .to_owned(),
    };
    let codings: Vec<Code> = match concept.get("coding").and_then(Value::as_array) {
        Some(codings) => codings.iter().map(coding).collect(),
        None => vec![coding(concept)],
    };
    codings.into_iter().filter(|code| !code.code.is_empty() || !code.display.is_empty()).collect()
}

/// What the first usable date covers.
pub(super) fn date(paths: &[&str], value: &Value) -> Option<Interval> {
    paths.iter().flat_map(|path| at(value, path)).find_map(covered)
}

/// A dateTime, Period or Timing as an interval.
pub(super) fn covered(value: &Value) -> Option<Interval> {
    if let Some(text) = value.as_str() {
        return parse_date_time(text).map(interval);
    }
    if let Some(bounds) = value.pointer("/repeat/boundsPeriod") {
        return covered(bounds);
    }
    if let Some(events) = value.get("event").and_then(Value::as_array) {
        let all: Vec<Interval> = events.iter().filter_map(covered).collect();
        let begin = all.iter().map(|one| one.begin).min()?;
        let end = all.iter().map(|one| one.end).max()?;
        return Some(Interval { begin, end });
    }
    let edge = |name: &str| parse_date_time(text(value, name)).map(interval);
    let (start, end) = (edge("start"), edge("end"));
    if start.is_none() && end.is_none() {
        return None;
    }
    Some(Interval {
        begin: start.map_or(Timestamp::MIN, |start| start.begin),
        end: end.map_or(Timestamp::MAX, |end| end.end),
    })
}

/// The status code; of a CodeableConcept its first code.
pub(super) fn status(table: &FactPaths, value: &Value) -> String {
    let first = table.status.iter().flat_map(|path| at(value, path)).next();
    let codes = first.map(concept_codes).unwrap_or_default();
    codes.into_iter().next().map(|code| code.code).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::resource_types;

    #[test]
    fn every_type_has_a_line() {
        let lines: Vec<&str> = TABLE.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(lines, resource_types().collect::<Vec<_>>());
        assert!(FactPaths::of("Observation").has_subject());
        assert!(!FactPaths::of("Organization").has_patient());
    }
}
