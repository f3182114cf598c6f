//! The row of a patient: what is in it, what is not, and how large it is.

use super::*;
use crate::Patient;
use crate::event::Event;
use actors_core::Entity;
use schema_types::Decimal;
use schema_types::clinical::{
    Code, Location, Movement, MovementKind, Observation, ObservationStatus, ObservationValue,
    Provenance,
};
use schema_types::ids::{AlertId, EncounterId, EntityKind, ObservationId, TenantId};
use schema_types::patient::{Alert, AlertCondition, AlertStatus, DemographicsPatch, FieldUpdate};
use schema_types::score::ScoreModel;
use schema_types::time::MICROS_PER_MINUTE;
use schema_wire::live::LiveRow;

fn patient() -> EntityId {
    EntityId::new(TenantId::new("t1"), EntityKind::Patient, "p1")
}

fn minute(minutes: i64) -> Timestamp {
    Timestamp::from_unix_seconds(1_795_435_200).plus_micros(minutes * MICROS_PER_MINUTE)
}

fn seconds(minutes: i64) -> Option<i64> {
    Some(1_795_435_200 + 60 * minutes)
}

fn observed(measure: Measure, value: &str, minutes: i64, future_dated: bool) -> Event {
    let observation = Observation {
        id: ObservationId::new(format!("{}-{minutes}", measure.label())),
        code: Code::default(),
        category: String::new(),
        value: ObservationValue::Absent(String::new()),
        measured: Some((measure, value.parse().unwrap())),
        effective_at: minute(minutes),
        status: ObservationStatus::Final,
        device: None,
        encounter: None,
        provenance: Provenance::default(),
        issues: Vec::new(),
    };
    let recorded_at = minute(minutes);
    let observation = Box::new(observation);
    Event::ObservationRecorded { observation, recorded_at, future_dated, as_resource: false }
}

fn moved(kind: MovementKind, class: EncounterClass, minutes: i64) -> Event {
    let location = Location {
        facility: "F1".to_owned(),
        ward: "WARD-3".to_owned(),
        room: "12".to_owned(),
        bed: "B".to_owned(),
    };
    let movement = Movement {
        kind,
        at: minute(minutes),
        message_id: format!("m{minutes}"),
        class,
        location: Some(location),
        prior_location: None,
        provenance: Provenance::default(),
    };
    Event::MovementRecorded { encounter: EncounterId::new("v1"), movement }
}

fn stated(birth_date: &str) -> Event {
    let patch = DemographicsPatch {
        birth_date: FieldUpdate::Set(birth_date.to_owned().into()),
        sex: FieldUpdate::Set(AdministrativeSex::Female),
        ..DemographicsPatch::default()
    };
    let registration = Registration::Registered;
    Event::DemographicsStated { registration, patch, stated_at: minute(0) }
}

fn raised(condition: AlertCondition, severity: Severity, minutes: i64) -> Event {
    let alert = Alert {
        id: AlertId::new(format!("a{minutes}")),
        condition,
        severity,
        status: AlertStatus::Active,
        observed_at: minute(minutes),
        raised_at: minute(minutes),
        changed_at: minute(minutes),
        escalations: 0,
        suppressed: 0,
        calm_results: 0,
        acknowledged_by: None,
        future_dated: false,
        trigger: Decimal::ONE,
        observation: None,
    };
    Event::AlertRaised { alert }
}

fn after(events: &[Event]) -> Option<Vec<u8>> {
    let mut state = State::default();
    for event in events {
        Patient::evolve(&mut state, event);
    }
    Patient::live_row(&patient(), &state)
}

#[test]
fn nobody_has_no_row() {
    assert_eq!(after(&[]), None);
}

#[test]
fn the_newest_present_value_is_shown() {
    let bytes = after(&[
        stated("1980"),
        observed(Measure::HeartRate, "120", 3, false),
        observed(Measure::HeartRate, "80", 1, false),
        observed(Measure::HeartRate, "200", 900, true),
        observed(Measure::BodyTemperature, "38.2", 5, false),
    ])
    .unwrap();
    let row = LiveRow::open(&bytes).unwrap();
    assert_eq!(row.decimal(value_slot(Measure::HeartRate)), Some(120.0));
    assert_eq!(row.time_seconds(time_slot(Measure::HeartRate)), seconds(3));
    assert_eq!(row.decimal(value_slot(Measure::BodyTemperature)), Some(38.2));
    assert_eq!(row.decimal(value_slot(Measure::Lactate)), None);
    assert_eq!(row.time_seconds(slot::OBSERVED_AT), seconds(5));
    assert_eq!(row.count(slot::OBSERVATIONS), Some(4));
    assert_eq!(row.count(slot::BIRTH), packed_date(1980, 1, 1));
}

#[test]
fn stay_and_alerts_are_shown_while_open() {
    let mut events = vec![
        stated("1980-02-29"),
        moved(MovementKind::Admit, EncounterClass::Inpatient, 1),
        raised(AlertCondition::Score(ScoreModel::News2), Severity::Warning, 7),
        raised(AlertCondition::CriticalValue(Measure::Lactate), Severity::Critical, 9),
    ];
    let bytes = after(&events).unwrap();
    let row = LiveRow::open(&bytes).unwrap();
    let flags = row.count(slot::FLAGS).unwrap();
    assert_eq!(row.text(slot::UNIT), Some("WARD-3".as_bytes()));
    assert_eq!(row.text(slot::BED), Some("B".as_bytes()));
    assert_eq!(row.time_seconds(slot::ADMITTED_AT), seconds(1));
    assert_eq!(flags >> flag::CLASS & 0b111, u32::from(EncounterClass::Inpatient.number()) + 1);
    assert_eq!(flags >> flag::IN_HOSPITAL & 1, 1);
    assert_eq!(flags >> flag::SEVERITY & 0b11, 2);
    assert_eq!(row.count(slot::OPEN_ALERTS), Some(2));
    assert_eq!(row.time_seconds(slot::OLDEST_ALERT_AT), seconds(7));

    events.push(moved(MovementKind::Discharge, EncounterClass::Inpatient, 60));
    let bytes = after(&events).unwrap();
    let row = LiveRow::open(&bytes).unwrap();
    assert_eq!(row.text(slot::UNIT), None);
    assert_eq!(row.count(slot::FLAGS).unwrap() >> flag::IN_HOSPITAL & 1, 0);
}

#[test]
fn dates_are_as_early_as_they_can_be() {
    let cases = [
        ("2010-03-02", packed_date(2010, 3, 2)),
        ("2010-03", packed_date(2010, 3, 1)),
        ("2010", packed_date(2010, 1, 1)),
        ("unknown", None),
        ("2010-20-01", None),
        ("", None),
    ];
    for (text, expected) in cases {
        assert_eq!(date(text), expected, "{text}");
    }
}

#[test]
fn ten_vitals_fit_150_bytes() {
    let mut events = vec![
        stated("1950-02-01"),
        moved(MovementKind::Admit, EncounterClass::Inpatient, -5_000),
        raised(AlertCondition::Score(ScoreModel::News2), Severity::Critical, 9),
    ];
    let vitals = [
        (Measure::RespiratoryRate, "22"),
        (Measure::OxygenSaturation, "93.5"),
        (Measure::OxygenFlow, "2"),
        (Measure::SystolicPressure, "108"),
        (Measure::DiastolicPressure, "61"),
        (Measure::HeartRate, "117"),
        (Measure::BodyTemperature, "38.4"),
        (Measure::Consciousness, "0"),
        (Measure::GlasgowComaScale, "15"),
        (Measure::Lactate, "2.31"),
    ];
    for (minutes, (measure, value)) in (0..).zip(vitals) {
        events.push(observed(measure, value, minutes, false));
    }
    let bytes = after(&events).unwrap();
    assert!(bytes.len() <= 120, "{} bytes without scores", bytes.len());
    // A score takes two bytes for minimum, maximum and time each; the shock index takes four for
    // each number, and the bands of all take four.
    let scores = 4 * 6 + 10 + 4;
    assert!(bytes.len() + scores <= 160, "{} bytes", bytes.len() + scores);
}
