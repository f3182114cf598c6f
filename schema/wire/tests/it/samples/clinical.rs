//! Sample observations, movements and resource descriptions.

use super::common::{at, code, decimal, device, digest, provenance};
use schema_types::clinical::{
    Code, EncounterClass, Location, Movement, MovementKind, Observation, ObservationStatus,
    ObservationValue, ResourceKey, ResourceMeta,
};
use schema_types::error_code::ErrorCode;
use schema_types::ids::{EncounterId, ObservationId};
use schema_types::measure::{LOINC_SYSTEM, Measure};
use schema_types::phi::Phi;
use schema_types::quantity::Quantity;

/// A heart rate as an ORU message brings it: the typical event of the hot path.
pub(crate) fn heart_rate() -> Observation {
    Observation {
        id: ObservationId::new("MSG00001-1-3"),
        code: code(LOINC_SYSTEM, "8867-4", "Heart rate"),
        category: "vital-signs".to_owned(),
        value: ObservationValue::Quantity(Quantity {
            value: decimal("92"),
            unit: "/min".to_owned(),
        }),
        measured: Some((Measure::HeartRate, decimal("92"))),
        effective_at: at(0),
        status: ObservationStatus::Final,
        device: None,
        encounter: Some(EncounterId::new("V0004711")),
        provenance: provenance("OBX-3"),
        issues: Vec::new(),
    }
}

/// A laboratory value with every optional part, by a device, doubtful.
pub(crate) fn creatinine() -> Observation {
    Observation {
        id: ObservationId::new("MSG00002-1-1"),
        code: code(LOINC_SYSTEM, "14682-9", "Creatinine"),
        category: "laboratory".to_owned(),
        value: ObservationValue::Quantity(Quantity {
            value: decimal("150.50"),
            unit: "umol/L".to_owned(),
        }),
        measured: Some((Measure::Creatinine, decimal("1.7024451909477372701555869873"))),
        effective_at: at(-3600),
        status: ObservationStatus::Corrected,
        device: Some(device("analyser-2")),
        encounter: Some(EncounterId::new("V0004711")),
        provenance: provenance("OBX-1"),
        issues: vec![ErrorCode::ClinicalFuture, ErrorCode::ClinicalUnit],
    }
}

fn bare(id: &str, status: ObservationStatus, value: ObservationValue) -> Observation {
    Observation {
        id: ObservationId::new(id),
        code: code("L", "X1", ""),
        category: String::new(),
        value,
        measured: None,
        effective_at: at(60),
        status,
        device: None,
        encounter: None,
        provenance: provenance("Observation.component[1]"),
        issues: Vec::new(),
    }
}

/// One observation for each other kind of value, with the other statuses.
pub(crate) fn observations_by_value() -> Vec<(&'static str, Observation)> {
    use ObservationStatus::{Final, Preliminary, Withdrawn};
    let text = ObservationValue::Text(Phi::new("clear, Gruß".to_owned()));
    let coded = ObservationValue::Coded(code("http://snomed.info/sct", "248234008", "Alert"));
    let sampled = ObservationValue::Sampled {
        origin: Quantity { value: decimal("-0.5"), unit: "mV".to_owned() },
        period_ms: decimal("2.0"),
        factor: decimal("0.00488"),
        data: "1 2 -3 E U".to_owned(),
    };
    let absent = ObservationValue::Absent("not-performed".to_owned());
    vec![
        ("coded", bare("o-coded", Preliminary, coded)),
        ("text", bare("o-text", Final, text)),
        ("sampled", bare("o-sampled", Withdrawn, sampled)),
        ("absent", bare("o-absent", Final, absent)),
    ]
}

/// A bed of the sample hospital.
pub(crate) fn location(bed: &str) -> Location {
    Location {
        facility: "NGH".to_owned(),
        ward: "4W".to_owned(),
        room: "412".to_owned(),
        bed: bed.to_owned(),
    }
}

/// One movement of each kind, an hour apart.
pub(crate) fn movements() -> Vec<Movement> {
    MovementKind::ALL
        .iter()
        .zip(EncounterClass::ALL.iter().cycle())
        .zip(0_i64..)
        .map(|((kind, class), hour)| Movement {
            kind: *kind,
            at: at(hour * 3600),
            message_id: format!("MSG{hour:05}"),
            class: *class,
            location: (hour % 2 == 0).then(|| location("A")),
            prior_location: (hour % 3 == 0).then(|| location("B")),
            provenance: provenance("PV1"),
        })
        .collect()
}

/// A stored condition.
pub(crate) fn condition_meta() -> ResourceMeta {
    ResourceMeta {
        key: ResourceKey { resource_type: "Condition".to_owned(), id: "c-17".to_owned() },
        version: 3,
        updated_at: at(10),
        deleted: false,
        digest: digest("a made-up condition"),
        date: Some(at(-86_400)),
        codes: vec![
            code("http://snomed.info/sct", "44054006", "Type 2 diabetes"),
            code("http://hl7.org/fhir/sid/icd-10", "E11.9", ""),
        ],
        categories: vec![code("", "problem-list-item", "")],
        status: "active".to_owned(),
    }
}

/// A deleted resource of which nothing else is known.
pub(crate) fn deleted_meta() -> ResourceMeta {
    ResourceMeta {
        key: ResourceKey { resource_type: "Procedure".to_owned(), id: "p-1".to_owned() },
        version: 2,
        updated_at: at(20),
        deleted: true,
        digest: digest(""),
        date: None,
        codes: Vec::<Code>::new(),
        categories: Vec::new(),
        status: String::new(),
    }
}
