//! Structural rules of FHIR R4 by table: elements, cardinality, primitive formats, required codes,
//! choices, primitive extensions. Not here: terminology beyond required code sets, profiles,
//! slicing, and the elements of types outside the table, which are kept whole.

use crate::error::FhirError;
use crate::invariants;
use crate::limits::ISSUES_MAX;
use crate::path::Path;
use crate::tables::{Element, Kind, Tables, TypeDefinition, resource_type};
use schema_types::error_code::ErrorCode;
use serde_json::{Map, Value};

/// Collects problems up to the limit.
pub(crate) struct Report {
    tables: &'static Tables,
    problems: Vec<FhirError>,
}

impl Report {
    pub(crate) fn add(&mut self, path: &Path<'_>, issue_type: &'static str, reason: &str) {
        if self.problems.len() < ISSUES_MAX {
            self.problems.push(FhirError::structure(&path.to_string(), issue_type, reason));
        }
    }

    fn is_full(&self) -> bool {
        self.problems.len() >= ISSUES_MAX
    }
}

/// Every structural problem of a resource of a known type.
pub(crate) fn resource(known: &'static str, value: &Value) -> Vec<FhirError> {
    let mut report = Report { tables: Tables::get(), problems: Vec::new() };
    whole(&mut report, known, value, &Path::root(known));
    report.problems
}

/// Every structural problem of a resource within a Bundle.
pub(crate) fn nested_resource(value: &Value, path: &Path<'_>) -> Vec<FhirError> {
    let mut report = Report { tables: Tables::get(), problems: Vec::new() };
    nested(&mut report, value, path);
    report.problems
}

/// Every structural problem of an object of a known type that is not a resource.
pub(crate) fn part(type_name: &str, value: &Value, path: &Path<'_>) -> Vec<FhirError> {
    let mut report = Report { tables: Tables::get(), problems: Vec::new() };
    match (report.tables.index(type_name), value.as_object()) {
        (Some(index), Some(map)) => object(&mut report, index, map, path),
        (_, _) => report.add(path, "structure", "not a JSON object"),
    }
    report.problems
}

fn whole(report: &mut Report, known: &'static str, value: &Value, path: &Path<'_>) {
    let Some(map) = value.as_object() else {
        report.add(path, "structure", "not a JSON object");
        return;
    };
    match report.tables.index(known) {
        Some(index) => object(report, index, map, path),
        None => loose_resource(report, map, path),
    }
}

fn nested(report: &mut Report, value: &Value, path: &Path<'_>) {
    let name = value.get("resourceType").and_then(Value::as_str);
    match (name, name.and_then(resource_type)) {
        (_, Some(known)) => whole(report, known, value, path),
        (None, None) => report.add(path, "required", "resourceType is missing"),
        (Some(_), None) => {
            let reason = "resourceType is not a type of FHIR R4";
            if report.problems.len() < ISSUES_MAX {
                let error = FhirError::new(ErrorCode::FhirResourceType, &path.to_string(), reason);
                report.problems.push(error.with_status(422));
            }
        }
    }
}

fn object(report: &mut Report, index: usize, map: &Map<String, Value>, path: &Path<'_>) {
    let definition = &report.tables.types[index];
    if map.is_empty() {
        report.add(path, "structure", "empty object");
        return;
    }
    let is_resource = definition.elements.contains_key("implicitRules");
    let mut seen: Vec<Option<&str>> = vec![None; definition.groups.len()];
    for (name, value) in map {
        if report.is_full() {
            return;
        }
        if name == "resourceType" && is_resource {
            continue;
        }
        let place = path.child(name);
        let plain = name.strip_prefix('_').unwrap_or(name);
        let Some(element) = definition.elements.get(plain) else {
            report.add(&place, "structure", "unknown element");
            continue;
        };
        match seen[element.group] {
            Some(other) if other != plain => {
                report.add(&place, "structure", "more than one variant of a choice");
            }
            Some(_) | None => seen[element.group] = Some(plain),
        }
        if plain.len() < name.len() {
            let companion = Companion { element, value, plain: map.get(plain) };
            primitive_extension(report, &companion, &place);
        } else {
            property(report, element, value, &place, map.get(&format!("_{name}")));
        }
    }
    for (group, seen) in definition.groups.iter().zip(&seen) {
        if group.required && seen.is_none() {
            report.add(&path.child(group.name), "required", "required element is missing");
        }
    }
    invariants::check(report, definition.name, map, path);
}

fn property(
    report: &mut Report,
    element: &Element,
    value: &Value,
    path: &Path<'_>,
    companion: Option<&Value>,
) {
    let Some(items) = value.as_array() else {
        if element.many {
            report.add(path, "structure", "not a JSON array");
        } else {
            single(report, element, value, path);
        }
        return;
    };
    if !element.many {
        report.add(path, "structure", "JSON array for an element that occurs once");
        return;
    }
    if items.is_empty() {
        report.add(path, "structure", "empty array");
    }
    for (index, item) in items.iter().enumerate() {
        let place = path.item(index);
        let extended = companion.and_then(|list| list.get(index)).is_some_and(Value::is_object);
        let is_primitive = matches!(element.kind, Kind::Primitive(_));
        if !(item.is_null() && is_primitive && extended) {
            single(report, element, item, &place);
        }
    }
}

fn single(report: &mut Report, element: &Element, value: &Value, path: &Path<'_>) {
    if value.is_null() {
        report.add(path, "structure", "null");
        return;
    }
    match element.kind {
        Kind::Primitive(primitive) => {
            if let Some(problem) = primitive.problem(value) {
                report.add(path, "value", problem);
            } else if let (Some(set), Some(code)) = (element.codes, value.as_str())
                && !report.tables.has_code(set, code)
            {
                report.add(path, "code-invalid", &format!("code is not in {set}"));
            }
        }
        Kind::Complex(index) => match value.as_object() {
            Some(map) => object(report, index, map, path),
            None => report.add(path, "structure", "not a JSON object"),
        },
        Kind::Resource => nested(report, value, path),
    }
}

struct Companion<'a> {
    element: &'a Element,
    value: &'a Value,
    plain: Option<&'a Value>,
}

/// `_birthDate` and the like: id and extensions of a primitive.
fn primitive_extension(report: &mut Report, companion: &Companion<'_>, path: &Path<'_>) {
    if !matches!(companion.element.kind, Kind::Primitive(_)) {
        report.add(path, "structure", "unknown element");
        return;
    }
    if !companion.element.many {
        extension_holder(report, companion.value, path);
        return;
    }
    let Some(items) = companion.value.as_array() else {
        report.add(path, "structure", "not a JSON array");
        return;
    };
    let plain_length = companion.plain.and_then(Value::as_array).map(Vec::len);
    if items.is_empty() || plain_length.is_some_and(|length| length != items.len()) {
        report.add(path, "structure", "does not match the array it extends");
    }
    for (index, item) in items.iter().enumerate() {
        if !item.is_null() {
            extension_holder(report, item, &path.item(index));
        }
    }
}

fn extension_holder(report: &mut Report, value: &Value, path: &Path<'_>) {
    let Some(map) = value.as_object().filter(|map| !map.is_empty()) else {
        report.add(path, "structure", "not an object with id or extension");
        return;
    };
    for (name, value) in map {
        let place = path.child(name);
        match name.as_str() {
            "id" if value.as_str().is_some_and(|id| !id.is_empty()) => {}
            "extension" => typed_list(report, "Extension", value, &place),
            _ => report.add(&place, "structure", "unknown element"),
        }
    }
}

fn typed_list(report: &mut Report, type_name: &str, value: &Value, path: &Path<'_>) {
    let Some(index) = report.tables.index(type_name) else { return };
    let element = Element { kind: Kind::Complex(index), many: true, group: 0, codes: None };
    property(report, &element, value, path, None);
}

/// Base rules for resource types outside the table.
fn loose_resource(report: &mut Report, map: &Map<String, Value>, path: &Path<'_>) {
    let tables = report.tables;
    let base = tables.index("Patient").map(|index| &tables.types[index]);
    for (name, value) in map {
        let place = path.child(name);
        let known = base.and_then(|base: &TypeDefinition| base.elements.get(name));
        match (name.as_str(), known) {
            ("resourceType", _) => {}
            (
                "id" | "meta" | "implicitRules" | "language" | "text" | "contained" | "extension"
                | "modifierExtension",
                Some(element),
            ) => property(report, element, value, &place, None),
            _ => loose(report, name, value, &place),
        }
    }
}

/// No empty object, array or string, no null outside arrays of primitives, sound extensions.
fn loose(report: &mut Report, name: &str, value: &Value, path: &Path<'_>) {
    if report.is_full() {
        return;
    }
    match value {
        Value::Null => report.add(path, "structure", "null"),
        Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => {
            if text.is_empty() {
                report.add(path, "value", "empty string");
            }
        }
        Value::Array(items) => {
            if items.is_empty() {
                report.add(path, "structure", "empty array");
            }
            if name == "extension" || name == "modifierExtension" {
                typed_list(report, "Extension", value, path);
                return;
            }
            for (index, item) in items.iter().enumerate() {
                if !item.is_null() {
                    loose(report, name, item, &path.item(index));
                }
            }
        }
        Value::Object(map) => {
            if map.is_empty() {
                report.add(path, "structure", "empty object");
            }
            // Parameters.parameter.resource is the only such place outside the table.
            if name == "resource" && map.contains_key("resourceType") {
                nested(report, value, path);
                return;
            }
            for (inner, value) in map {
                loose(report, inner, value, &path.child(inner));
            }
        }
    }
}
