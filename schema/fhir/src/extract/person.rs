//! A Patient resource as statements about the person. A resource states the whole: what it leaves
//! out is kept, since FHIR has no explicit deletion of an element.

use super::paths::text;
use super::{PatientLink, PatientLinkRole};
use crate::reference::Reference;
use crate::time::{parse_date, parse_date_time};
use schema_types::patient::{
    AdministrativeSex, DemographicsPatch, FieldUpdate, Identifier, PersonName,
};
use schema_types::phi::Phi;
use schema_types::time::Timestamp;
use serde_json::Value;

pub(super) fn demographics(patient: &Value) -> DemographicsPatch {
    let birth_date = text(patient, "birthDate");
    DemographicsPatch {
        identifiers: identifiers(patient),
        name: set(preferred(patient, "name", NAME_USES).and_then(person_name).map(Phi::new)),
        birth_date: set(parse_date(birth_date).map(|_| Phi::new(birth_date.to_owned()))),
        sex: set(sex(text(patient, "gender"))),
        address: set(preferred(patient, "address", ADDRESS_USES).and_then(address).map(Phi::new)),
        phone: set(phone(patient).map(Phi::new)),
        deceased_at: deceased(patient),
    }
}

const NAME_USES: &[&str] = &["official", "usual", "", "temp", "maiden", "nickname", "anonymous"];
const ADDRESS_USES: &[&str] = &["home", "", "temp", "work", "billing"];
const PHONE_USES: &[&str] = &["home", "mobile", "", "temp", "work"];

fn set<T>(value: Option<T>) -> FieldUpdate<T> {
    value.map_or(FieldUpdate::Keep, FieldUpdate::Set)
}

/// A death without a date cannot be told in words yet; an explicit `false` takes one back.
fn deceased(patient: &Value) -> FieldUpdate<Timestamp> {
    if patient.get("deceasedBoolean").and_then(Value::as_bool) == Some(false) {
        return FieldUpdate::Clear;
    }
    set(parse_date_time(text(patient, "deceasedDateTime")).map(|stated| stated.at))
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The entry whose `use` comes first in `uses`; entries that are `old` are passed over.
fn preferred<'a>(patient: &'a Value, name: &str, uses: &[&str]) -> Option<&'a Value> {
    let entries = list(patient, name);
    uses.iter().find_map(|wanted| entries.iter().find(|entry| text(entry, "use") == *wanted))
}

pub(super) fn identifiers(patient: &Value) -> Vec<Identifier> {
    let mut found: Vec<Identifier> = list(patient, "identifier")
        .iter()
        .filter(|identifier| !text(identifier, "value").is_empty())
        .map(|identifier| Identifier {
            system: text(identifier, "system").to_owned(),
            value: Phi::new(text(identifier, "value").to_owned()),
            type_code: identifier
                .pointer("/type/coding/0/code")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

fn person_name(name: &Value) -> Option<PersonName> {
    let given: Vec<String> =
        list(name, "given").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let family = text(name, "family").to_owned();
    if !family.is_empty() || !given.is_empty() {
        return Some(PersonName { family, given });
    }
    let whole = text(name, "text");
    (!whole.is_empty()).then(|| PersonName { family: whole.to_owned(), given: Vec::new() })
}

fn sex(code: &str) -> Option<AdministrativeSex> {
    match code {
        "female" => Some(AdministrativeSex::Female),
        "male" => Some(AdministrativeSex::Male),
        "other" => Some(AdministrativeSex::Other),
        "unknown" => Some(AdministrativeSex::Unknown),
        _ => None,
    }
}

fn address(address: &Value) -> Option<String> {
    let lines = list(address, "line").iter().filter_map(Value::as_str);
    let parts: Vec<&str> = lines
        .chain(["city", "district", "state", "postalCode", "country"].map(|n| text(address, n)))
        .filter(|part| !part.is_empty())
        .collect();
    let joined = if parts.is_empty() { text(address, "text").to_owned() } else { parts.join(", ") };
    (!joined.is_empty()).then_some(joined)
}

fn phone(patient: &Value) -> Option<String> {
    let entries = list(patient, "telecom");
    let fits = |entry: &Value, wanted: &str| {
        matches!(text(entry, "system"), "phone" | "sms")
            && text(entry, "use") == wanted
            && !text(entry, "value").is_empty()
    };
    PHONE_USES
        .iter()
        .find_map(|wanted| entries.iter().find(|entry| fits(entry, wanted)))
        .map(|entry| text(entry, "value").to_owned())
}

pub(super) fn links(patient: &Value) -> Vec<PatientLink> {
    list(patient, "link")
        .iter()
        .filter_map(|link| {
            let role = match text(link, "type") {
                "replaced-by" => PatientLinkRole::ReplacedBy,
                "replaces" => PatientLinkRole::Replaces,
                _ => return None,
            };
            Some(PatientLink { role, other: Reference::from_value(link.get("other")?)? })
        })
        .collect()
}
