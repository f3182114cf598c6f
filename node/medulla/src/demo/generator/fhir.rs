//! Facts as FHIR requests: people, devices and what devices measured.

use super::Calendar;
use super::course::Vitals;
use super::people::Person;
use serde_json::{Value, json};

/// Where single observations are sent.
pub(crate) const OBSERVATIONS: &str = "/fhir/Observation";
const LOINC: &str = "http://loinc.org";
const UCUM: &str = "http://unitsofmeasure.org";

/// A request to the node's HTTP interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// `PUT` or `POST`.
    pub(crate) method: &'static str,
    pub(crate) path: String,
    /// The command's name: a repeat of it has no second effect.
    pub(crate) key: String,
    pub(crate) body: Vec<u8>,
}

impl Call {
    fn new(method: &'static str, path: String, key: String, body: &Value) -> Self {
        Self { method, path, key, body: body.to_string().into_bytes() }
    }

    fn put(resource: &Value, key: &str) -> Self {
        let part = |name: &str| resource.get(name).and_then(Value::as_str).unwrap_or_default();
        let path = format!("/fhir/{}/{}", part("resourceType"), part("id"));
        Self::new("PUT", path, key.to_owned(), resource)
    }
}

/// The pulse oximeter of a person's bed.
pub(crate) fn device_id(person: &Person) -> String {
    format!("NG-OX-{}", person.record)
}

/// What is known of the person, and one condition, in one transaction.
pub(crate) fn record(person: &Person, key: &str, since: &str) -> Call {
    let id = person.key();
    let gender = if person.sex == "F" { "female" } else { "male" };
    let patient = json!({
        "resourceType": "Patient", "id": id, "active": true,
        "identifier": [{
            "type": {"coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"
            }]},
            "system": super::FACILITY, "value": person.record
        }],
        "name": [{"use": "official", "family": person.family, "given": [person.given]}],
        "gender": gender, "birthDate": person.birth_date()
    });
    let condition = json!({
        "resourceType": "Condition", "id": format!("{}-c1", person.record),
        "clinicalStatus": {"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"
        }]},
        "code": {"coding": [{
            "system": "http://snomed.info/sct", "code": "38341003",
            "display": "Hypertensive disorder"
        }]},
        "subject": {"reference": format!("Patient/{id}")}, "onsetDateTime": since
    });
    let entry = |resource: Value| {
        let part = |name: &str| resource.get(name).and_then(Value::as_str).unwrap_or_default();
        let url = format!("{}/{}", part("resourceType"), part("id"));
        json!({"request": {"method": "PUT", "url": url}, "resource": resource})
    };
    let bundle = json!({
        "resourceType": "Bundle", "type": "transaction",
        "entry": [entry(patient), entry(condition)]
    });
    Call::new("POST", "/fhir".to_owned(), key.to_owned(), &bundle)
}

/// A visit to the outpatients, some time ago.
pub(crate) fn outpatient_visit(person: &Person, key: &str, [from, to]: [&str; 2]) -> Call {
    let visit = json!({
        "resourceType": "Encounter", "id": format!("{}-amb", person.record), "status": "finished",
        "class": {
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"
        },
        "subject": {"reference": format!("Patient/{}", person.key())},
        "period": {"start": from, "end": to}
    });
    Call::put(&visit, key)
}

/// The oximeter itself.
pub(crate) fn device(person: &Person, key: &str) -> Call {
    let id = device_id(person);
    let device = json!({
        "resourceType": "Device", "id": id, "status": "active",
        "identifier": [{"system": "urn:northgate:devices", "value": id}],
        "type": {"coding": [{
            "system": "http://snomed.info/sct", "code": "448703006", "display": "Pulse oximeter"
        }]}
    });
    Call::put(&device, key)
}

/// Since when the oximeter is on the person.
pub(crate) fn device_join(person: &Person, key: &str, since: &str) -> Call {
    let path = format!("/api/v1/devices/{}/associate", device_id(person));
    let body = json!({ "patient": person.key(), "at": since });
    Call::new("POST", path, key.to_owned(), &body)
}

/// Since when it is not any more.
pub(crate) fn device_part(person: &Person, key: &str, since: &str) -> Call {
    let path = format!("/api/v1/devices/{}/dissociate", device_id(person));
    Call::new("POST", path, key.to_owned(), &json!({ "at": since }))
}

/// The operator expects the oximeter to report this often.
pub(crate) fn device_interval(person: &Person, key: &str, seconds: u32) -> Call {
    let path = format!("/api/v1/devices/{}/interval", device_id(person));
    Call::new("POST", path, key.to_owned(), &json!({ "seconds": seconds }))
}

fn quantity(value: f64, unit: &str, code: &str) -> Value {
    let text = format!("{value:.0}");
    let number: Value = serde_json::from_str(&text).unwrap_or_default();
    json!({"value": number, "unit": unit, "system": UCUM, "code": code})
}

fn loinc(code: &str, display: &str) -> Value {
    json!({"coding": [{"system": LOINC, "code": code, "display": display}]})
}

fn category() -> Value {
    json!([{"coding": [{
        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
        "code": "vital-signs"
    }]}])
}

/// A reading of the oximeter: saturation, with the pulse as a component; two observations.
pub(crate) fn reading(person: &Person, at: &str, vitals: &Vitals) -> Value {
    json!({
        "resourceType": "Observation", "status": "final", "category": category(),
        "code": loinc("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry"),
        "subject": {"reference": format!("Patient/{}", person.key())},
        "device": {"reference": format!("Device/{}", device_id(person))},
        "effectiveDateTime": at,
        "valueQuantity": quantity(vitals.saturation, "%", "%"),
        "component": [{
            "code": loinc("8867-4", "Heart rate"),
            "valueQuantity": quantity(vitals.heart_rate, "/min", "/min")
        }]
    })
}

/// How many observations [`reading`] holds.
pub(crate) const READING_COUNT: u32 = 2;

/// One reading as a request.
pub(crate) fn observation(reading: &Value, key: &str) -> Call {
    Call::new("POST", OBSERVATIONS.to_owned(), key.to_owned(), reading)
}

/// Several readings at once, as a device sends them that was out of reach.
pub(crate) fn batch(readings: &[Value], key: &str) -> Call {
    let request = json!({"method": "POST", "url": "Observation"});
    let entry = |reading: &Value| json!({"request": request, "resource": reading});
    let entries: Vec<Value> = readings.iter().map(entry).collect();
    let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": entries});
    Call::new("POST", "/fhir".to_owned(), key.to_owned(), &bundle)
}

/// Readings through the device's own numbered feed; the device actor knows whom it measures.
pub(crate) fn samples(
    person: &Person,
    readings: &[Value],
    key: &str,
    (sequence, at): (u64, &str),
) -> Call {
    let without_subject = |reading: &Value| {
        let mut reading = reading.clone();
        if let Some(map) = reading.as_object_mut() {
            map.shift_remove("subject");
            map.shift_remove("device");
        }
        reading
    };
    let observations: Vec<Value> = readings.iter().map(without_subject).collect();
    let body = json!({
        "sequence": sequence, "device_time": at, "battery_percent": 100 - sequence % 60,
        "stored_and_forwarded": true, "observations": observations
    });
    let path = format!("/api/v1/devices/{}/samples", device_id(person));
    Call::new("POST", path, key.to_owned(), &body)
}

/// A stretch of the pulse wave.
pub(crate) fn wave(person: &Person, key: &str, calendar: &Calendar, at: i64) -> Call {
    let samples: Vec<String> =
        (0..50).map(|step| ((step * 7 + at % 11) % 40).to_string()).collect();
    let wave = json!({
        "resourceType": "Observation", "status": "final", "category": category(),
        "code": {"coding": [{
            "system": "urn:iso:std:iso:11073:10101", "code": "150452", "display": "Pulse wave"
        }]},
        "subject": {"reference": format!("Patient/{}", person.key())},
        "device": {"reference": format!("Device/{}", device_id(person))},
        "effectiveDateTime": calendar.fhir(at),
        "valueSampledData": {
            "origin": {"value": 0, "system": UCUM, "code": "{count}"}, "period": 20,
            "dimensions": 1, "data": samples.join(" ")
        }
    });
    observation(&wave, key)
}
