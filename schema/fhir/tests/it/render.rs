//! Facts from other sources shown as FHIR: always sound, and read back the same.

use crate::context;
use schema_fhir::extract::EncounterLifecycle;
use schema_fhir::render::{
    Version, render_encounter, render_observation, render_patient, resource_id,
};
use schema_fhir::{Facts, Resource, extract};
use schema_types::Decimal;
use schema_types::clinical::{
    Code, EncounterClass, Location, Observation, ObservationStatus, ObservationValue, Provenance,
};
use schema_types::ids::{EncounterId, ObservationId};
use schema_types::measure::Measure;
use schema_types::patient::{
    AdministrativeSex, Demographics, Encounter, EncounterStatus, FieldUpdate, Identifier,
    PersonName, Stated,
};
use schema_types::quantity::Quantity;
use schema_types::time::Timestamp;

const VERSION: Version = Version { number: 2, updated_at: Timestamp::from_unix_micros(1_500_000) };

fn read_back(value: serde_json::Value) -> Facts {
    let resource = Resource::from_value(value).unwrap();
    assert_eq!(resource.validate(), Vec::new());
    assert_eq!(resource.version_id(), Some("2"));
    extract(&resource, &context())
}

fn observation(value: ObservationValue) -> Observation {
    Observation {
        id: ObservationId::new("MSG1/OBX-1"),
        code: Code { system: "LN".to_owned(), code: "8867-4".to_owned(), display: String::new() },
        category: "vital-signs".to_owned(),
        value,
        measured: None,
        effective_at: Timestamp::from_unix_seconds(100),
        status: ObservationStatus::Corrected,
        device: None,
        encounter: Some(EncounterId::new("V 1")),
        provenance: Provenance::default(),
        issues: Vec::new(),
    }
}

#[test]
fn observations_of_every_kind() {
    let quantity =
        |value: &str, unit: &str| Quantity { value: value.parse().unwrap(), unit: unit.to_owned() };
    let values = [
        ObservationValue::Quantity(quantity("72.00", "/min")),
        ObservationValue::Quantity(quantity("72", "")),
        ObservationValue::Coded(Code { code: "A".to_owned(), ..Code::default() }),
        ObservationValue::Text("positive".to_owned().into()),
        ObservationValue::Sampled {
            origin: quantity("0", "mV"),
            period_ms: Decimal::TEN,
            factor: Decimal::ONE,
            data: "1 2 3".to_owned(),
        },
        ObservationValue::Absent("unknown".to_owned()),
    ];
    for value in values {
        let rendered = render_observation(&observation(value.clone()), "p1", VERSION);
        let facts = read_back(rendered);
        let one = &facts.observations[0];
        assert_eq!(one.value, value);
        assert_eq!(one.status, ObservationStatus::Corrected);
        assert_eq!(one.effective_at, Timestamp::from_unix_seconds(100));
        assert_eq!(one.code.system, "http://loinc.org");
        assert_eq!(facts.patient_reference.as_ref().and_then(|r| r.id()), Some("p1"));
    }
    let shown = render_observation(
        &observation(ObservationValue::Quantity(quantity("72.00", "/min"))),
        "p1",
        VERSION,
    );
    assert_eq!(shown["valueQuantity"]["value"].to_string(), "72.00");
    assert_eq!(
        read_back(shown).observations[0].measured,
        Some((Measure::HeartRate, "72".parse().unwrap()))
    );
    let odd = Quantity { value: Decimal::ONE, unit: "beats per minute".to_owned() };
    read_back(render_observation(&observation(ObservationValue::Quantity(odd)), "p1", VERSION));
    let empty = ObservationValue::Text(String::new().into());
    read_back(render_observation(&observation(empty), "p1", VERSION));
    let mut bare = observation(ObservationValue::Absent(String::new()));
    bare.code = Code::default();
    bare.category = String::new();
    read_back(render_observation(&bare, "p1", VERSION));
}

fn stated<T>(value: T) -> Stated<T> {
    Stated { value: Some(value), stated_at: Timestamp::from_unix_seconds(0) }
}

#[test]
fn people() {
    let person = Demographics {
        identifiers: vec![Identifier {
            system: "HOSP A".to_owned(),
            value: "123".to_owned().into(),
            type_code: "MR".to_owned(),
        }],
        name: stated(PersonName { family: "Doe".to_owned(), given: vec!["J".to_owned()] }.into()),
        birth_date: stated("1980-02-03".to_owned().into()),
        sex: stated(AdministrativeSex::Other),
        address: stated("1 Road, Town".to_owned().into()),
        phone: stated("555".to_owned().into()),
        deceased_at: stated(Timestamp::from_unix_seconds(5)),
    };
    let patch = read_back(render_patient("p1", &person, VERSION)).demographics.unwrap();
    assert_eq!(patch.identifiers[0].system, "urn:medulla:authority:HOSP-A");
    assert_eq!(patch.name, FieldUpdate::Set(person.name.value.unwrap()));
    assert_eq!(patch.birth_date, FieldUpdate::Set(person.birth_date.value.unwrap()));
    assert_eq!(patch.sex, FieldUpdate::Set(AdministrativeSex::Other));
    assert_eq!(patch.address, FieldUpdate::Set(person.address.value.unwrap()));
    assert_eq!(patch.phone, FieldUpdate::Set(person.phone.value.unwrap()));
    assert_eq!(patch.deceased_at, FieldUpdate::Set(person.deceased_at.value.unwrap()));
    let nobody = read_back(render_patient("p1", &Demographics::default(), VERSION));
    assert_eq!(nobody.demographics, Some(Default::default()));
}

#[test]
fn stays() {
    let statuses = [
        (EncounterStatus::Planned, EncounterLifecycle::Planned),
        (EncounterStatus::Open, EncounterLifecycle::Open),
        (EncounterStatus::Discharged, EncounterLifecycle::Finished),
        (EncounterStatus::Cancelled, EncounterLifecycle::Cancelled),
    ];
    for (status, lifecycle) in statuses {
        for class in EncounterClass::ALL {
            let stay = Encounter {
                movements: Vec::new(),
                status,
                class: *class,
                location: Some(Location { ward: "W1".to_owned(), ..Location::default() }),
                started_at: Some(Timestamp::from_unix_seconds(10)),
                ended_at: Some(Timestamp::from_unix_seconds(20)),
            };
            let found = read_back(render_encounter("p1", "V^1", &stay, VERSION)).encounter.unwrap();
            assert_eq!((found.lifecycle, found.class), (lifecycle, *class));
            assert_eq!((found.started_at, found.ended_at), (stay.started_at, stay.ended_at));
            assert_eq!(found.locations[0].display, "W1");
            assert_eq!(found.id, Some(resource_id("V^1")));
        }
    }
}

#[test]
fn ids_are_kept_or_digested() {
    assert_eq!(resource_id("abc.1-2"), "abc.1-2");
    let digested = resource_id("V^1");
    assert!(digested.starts_with("x-") && digested.len() == 42);
    assert_ne!(digested, resource_id("V^2"));
}
