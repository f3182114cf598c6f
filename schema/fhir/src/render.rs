//! Facts that came by HL7 v2 or from devices, shown as FHIR resources. What was stored as FHIR is
//! never rendered from facts: it is given back as sent.

use crate::primitive::is_id;
use crate::search::gender_code;
use crate::time::render_instant;
use schema_types::Decimal;
use schema_types::clinical::{
    Code, EncounterClass, Location, Observation, ObservationStatus, ObservationValue,
};
use schema_types::ids::MessageDigest;
use schema_types::patient::{Demographics, Encounter, EncounterStatus, PersonName};
use schema_types::quantity::Quantity;
use schema_types::time::Timestamp;
use serde_json::{Map, Value, json};
use std::str::FromStr;

const UCUM: &str = "http://unitsofmeasure.org";
const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const ABSENT_REASON: &str = "http://terminology.hl7.org/CodeSystem/data-absent-reason";
const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
const IDENTIFIER_TYPE: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";

/// The version of a rendered resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// `meta.versionId`.
    pub number: u64,
    /// `meta.lastUpdated`.
    pub updated_at: Timestamp,
}

/// The FHIR id under which a name from elsewhere is shown: itself if it has the form of an id, else
/// a digest of it.
#[must_use]
pub fn resource_id(name: &str) -> String {
    if is_id(name) {
        return name.to_owned();
    }
    format!("x-{}", &MessageDigest::of(name.as_bytes()).to_hex()[..40])
}

struct Builder(Map<String, Value>);

impl Builder {
    fn new(resource_type: &str, id: &str, version: Version) -> Self {
        let mut map = Map::new();
        map.insert("resourceType".to_owned(), Value::from(resource_type));
        map.insert("id".to_owned(), Value::from(resource_id(id)));
        let meta = json!({
            "versionId": version.number.to_string(),
            "lastUpdated": render_instant(version.updated_at),
        });
        map.insert("meta".to_owned(), meta);
        Self(map)
    }

    fn add(&mut self, name: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value);
        }
    }
}

/// An observation as a FHIR Observation.
#[must_use]
pub fn render_observation(observation: &Observation, patient_key: &str, version: Version) -> Value {
    let mut built = Builder::new("Observation", observation.id.as_str(), version);
    let status = match observation.status {
        ObservationStatus::Preliminary => "preliminary",
        ObservationStatus::Final => "final",
        ObservationStatus::Corrected => "corrected",
        ObservationStatus::Withdrawn => "entered-in-error",
    };
    built.add("status", Some(Value::from(status)));
    built.add(
        "category",
        (!observation.category.is_empty())
            .then(|| json!([{ "coding": [{ "system": CATEGORY, "code": observation.category }] }])),
    );
    built.add("code", Some(concept(&observation.code)));
    built.add("subject", Some(reference("Patient", patient_key)));
    let stay = observation.encounter.as_ref();
    built.add("encounter", stay.map(|stay| reference("Encounter", &resource_id(stay.as_str()))));
    let at = render_instant(observation.effective_at);
    built.add("effectiveDateTime", Some(Value::from(at)));
    built.add("issued", Some(Value::from(render_instant(version.updated_at))));
    let (name, value) = observation_value(&observation.value);
    built.add(name, Some(value));
    let device = observation.device.as_ref();
    built.add("device", device.map(|device| reference("Device", device.key())));
    Value::Object(built.0)
}

fn observation_value(value: &ObservationValue) -> (&'static str, Value) {
    match value {
        ObservationValue::Quantity(amount) => ("valueQuantity", quantity(amount)),
        ObservationValue::Coded(code) => ("valueCodeableConcept", concept(code)),
        ObservationValue::Text(text) if text.expose().is_empty() => {
            ("dataAbsentReason", absent("unknown"))
        }
        ObservationValue::Text(text) => ("valueString", Value::from(text.expose().as_str())),
        ObservationValue::Sampled { origin, period_ms, factor, data } => {
            let mut sampled = json!({
                "origin": quantity(origin),
                "period": number(*period_ms),
                "factor": number(*factor),
                "dimensions": 1,
            });
            if let Some(map) = sampled.as_object_mut().filter(|_| !data.is_empty()) {
                map.insert("data".to_owned(), Value::from(data.as_str()));
            }
            ("valueSampledData", sampled)
        }
        ObservationValue::Absent(reason) => ("dataAbsentReason", absent(reason)),
    }
}

fn absent(reason: &str) -> Value {
    let code = if reason.is_empty() { "unknown" } else { reason };
    json!({ "coding": [{ "system": ABSENT_REASON, "code": code }] })
}

/// A decimal with exactly its digits.
fn number(value: Decimal) -> Value {
    serde_json::Number::from_str(&value.to_string()).map_or(Value::Null, Value::Number)
}

fn quantity(amount: &Quantity) -> Value {
    let mut map = Map::new();
    map.insert("value".to_owned(), number(amount.value));
    let unit = amount.unit.trim();
    if !unit.is_empty() {
        map.insert("unit".to_owned(), Value::from(unit));
        // A code has no white space; such a unit stays a text for people.
        if !unit.contains(char::is_whitespace) {
            map.insert("system".to_owned(), Value::from(UCUM));
            map.insert("code".to_owned(), Value::from(unit));
        }
    }
    Value::Object(map)
}

fn concept(code: &Code) -> Value {
    let mut coding = Map::new();
    if !code.system.trim().is_empty() {
        coding.insert("system".to_owned(), Value::from(system_uri(&code.system)));
    }
    let plain = code.code.split_whitespace().collect::<Vec<_>>().join(" ");
    if !plain.is_empty() {
        coding.insert("code".to_owned(), Value::from(plain));
    }
    if !code.display.is_empty() {
        coding.insert("display".to_owned(), Value::from(code.display.as_str()));
    }
    if coding.is_empty() {
        return json!({ "text": "unknown" });
    }
    json!({ "coding": [coding] })
}

/// The URI of a code system that HL7 v2 names by table 0396; others get a URN of their own.
fn system_uri(system: &str) -> String {
    let known = match system {
        "LN" | "LOINC" => schema_types::measure::LOINC_SYSTEM,
        "MDC" => schema_types::measure::MDC_SYSTEM,
        "MEDULLA" => schema_types::measure::MEDULLA_SYSTEM,
        "SCT" | "SNM" | "SNOMED" => "http://snomed.info/sct",
        "I10" | "ICD10" => "http://hl7.org/fhir/sid/icd-10",
        "I10C" | "ICD10CM" => "http://hl7.org/fhir/sid/icd-10-cm",
        "I9C" => "http://hl7.org/fhir/sid/icd-9-cm",
        "CVX" => "http://hl7.org/fhir/sid/cvx",
        "UCUM" => UCUM,
        "RXNORM" => "http://www.nlm.nih.gov/research/umls/rxnorm",
        _ => "",
    };
    let plain = system.split_whitespace().collect::<Vec<_>>().join("-");
    match known {
        "" if plain.contains(':') => plain,
        "" => format!("urn:medulla:code-system:{plain}"),
        known => known.to_owned(),
    }
}

fn reference(resource_type: &str, id: &str) -> Value {
    json!({ "reference": format!("{resource_type}/{id}") })
}

/// A person as a FHIR Patient.
#[must_use]
pub fn render_patient(key: &str, person: &Demographics, version: Version) -> Value {
    let mut built = Builder::new("Patient", key, version);
    let identifiers: Vec<Value> = person
        .identifiers
        .iter()
        .filter(|identifier| !identifier.value.expose().is_empty())
        .map(|identifier| {
            let mut map = Map::new();
            if !identifier.type_code.trim().is_empty() {
                let code = identifier.type_code.trim();
                let coding = json!({ "coding": [{ "system": IDENTIFIER_TYPE, "code": code }] });
                map.insert("type".to_owned(), coding);
            }
            if !identifier.system.trim().is_empty() {
                let system = authority_uri(&identifier.system);
                map.insert("system".to_owned(), Value::from(system));
            }
            map.insert("value".to_owned(), Value::from(identifier.value.expose().as_str()));
            Value::Object(map)
        })
        .collect();
    built.add("identifier", (!identifiers.is_empty()).then_some(Value::Array(identifiers)));
    let name = person.name.value.as_ref().and_then(|name| person_name(name.expose()));
    built.add("name", name.map(|name| json!([name])));
    let text = |value: &str| (!value.is_empty()).then(|| value.to_owned());
    let phone = person.phone.value.as_ref().and_then(|phone| text(phone.expose()));
    built.add("telecom", phone.map(|phone| json!([{ "system": "phone", "value": phone }])));
    built.add("gender", person.sex.value.map(|sex| Value::from(gender_code(sex))));
    let born = person.birth_date.value.as_ref().and_then(|born| text(born.expose()));
    let born = born.filter(|born| crate::time::parse_date(born).is_some());
    built.add("birthDate", born.map(Value::from));
    let died = person.deceased_at.value;
    built.add("deceasedDateTime", died.map(|at| Value::from(render_instant(at))));
    let address = person.address.value.as_ref().and_then(|address| text(address.expose()));
    built.add("address", address.map(|address| json!([{ "text": address }])));
    Value::Object(built.0)
}

fn authority_uri(authority: &str) -> String {
    let plain = authority.split_whitespace().collect::<Vec<_>>().join("-");
    if plain.contains(':') { plain } else { format!("urn:medulla:authority:{plain}") }
}

fn person_name(name: &PersonName) -> Option<Value> {
    let mut map = Map::new();
    if !name.family.is_empty() {
        map.insert("family".to_owned(), Value::from(name.family.as_str()));
    }
    let given: Vec<&str> =
        name.given.iter().map(String::as_str).filter(|given| !given.is_empty()).collect();
    if !given.is_empty() {
        map.insert("given".to_owned(), json!(given));
    }
    (!map.is_empty()).then_some(Value::Object(map))
}

/// A stay as a FHIR Encounter.
#[must_use]
pub fn render_encounter(
    patient_key: &str,
    id: &str,
    encounter: &Encounter,
    version: Version,
) -> Value {
    let mut built = Builder::new("Encounter", id, version);
    let status = match encounter.status {
        EncounterStatus::Planned => "planned",
        EncounterStatus::Open => "in-progress",
        EncounterStatus::Discharged => "finished",
        EncounterStatus::Cancelled => "cancelled",
    };
    built.add("status", Some(Value::from(status)));
    built.add("class", Some(class_coding(encounter.class)));
    built.add("subject", Some(reference("Patient", patient_key)));
    let mut period = Map::new();
    if let Some(at) = encounter.started_at {
        period.insert("start".to_owned(), Value::from(render_instant(at)));
    }
    // A cancelled or corrected stay can end before it began; FHIR cannot say so.
    let end = encounter.ended_at.filter(|end| encounter.started_at.is_none_or(|at| at <= *end));
    if let Some(at) = end {
        period.insert("end".to_owned(), Value::from(render_instant(at)));
    }
    built.add("period", (!period.is_empty()).then_some(Value::Object(period)));
    let place = encounter.location.as_ref().map(place_name).filter(|place| !place.is_empty());
    built.add("location", place.map(|place| json!([{ "location": { "display": place } }])));
    Value::Object(built.0)
}

fn place_name(location: &Location) -> String {
    let parts = [&location.facility, &location.ward, &location.room, &location.bed];
    let parts: Vec<&str> =
        parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    parts.join(" / ")
}

fn class_coding(class: EncounterClass) -> Value {
    let code = match class {
        EncounterClass::Inpatient => "IMP",
        EncounterClass::Outpatient => "AMB",
        EncounterClass::Emergency => "EMER",
        EncounterClass::PreAdmission => "PRENC",
        EncounterClass::Virtual => "VR",
        EncounterClass::Unknown => return json!({ "display": "unknown" }),
    };
    json!({ "system": ACT_CODE, "code": code })
}
