//! Keys and ranges of live rows, and when a row is written.

use super::*;
use actors_device::{Device, State};
use actors_facility::Facility;
use actors_patient::Patient;
use schema_types::patient::{PatientState, Registration};
use schema_types::time::Timestamp;

fn tenant() -> TenantId {
    TenantId::new("t1")
}

#[test]
fn ranges_split_the_rows_of_one_kind() {
    for parts in [1, 2, 3, 16] {
        let ranges = ranges(&tenant(), EntityKind::Patient, parts);
        assert_eq!(ranges.len(), parts);
        assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].begin));
        let keys = RowKeys::new(&tenant(), EntityKind::Patient);
        for number in 0..500 {
            let patient = EntityId::new(tenant(), EntityKind::Patient, &format!("p{number}"));
            let key = row_key(&patient);
            assert_eq!(ranges.iter().filter(|range| range.contains(&key)).count(), 1);
            assert_eq!(keys.entity_key(&key).as_deref(), Ok(patient.key()));
            assert_eq!(keys.key_bytes(&key), Some(patient.key().as_bytes()));
            let device = row_key(&EntityId::new(tenant(), EntityKind::Device, patient.key()));
            let other = TenantId::new("t11");
            let elsewhere = row_key(&EntityId::new(other, EntityKind::Patient, patient.key()));
            assert!(!ranges.iter().any(|range| range.contains(&device)));
            assert!(!ranges.iter().any(|range| range.contains(&elsewhere)));
        }
    }
    assert_eq!(ranges(&tenant(), EntityKind::Patient, 0).len(), 1);
}

#[test]
fn a_row_is_written_when_it_changes() {
    let device = EntityId::new(tenant(), EntityKind::Device, "d1");
    let mut last = LastRow::default();
    let mut state = State { last_received_at: Some(Timestamp::MIN), ..State::default() };
    let first = changed_row::<Device>(&device, &state, &mut last);
    assert!(matches!(first, Some(Mutation::Set { ref key, .. }) if *key == row_key(&device)));
    assert_eq!(changed_row::<Device>(&device, &state, &mut last), None);
    state.battery_percent = Some(3);
    assert!(changed_row::<Device>(&device, &state, &mut last).is_some());
    last = LastRow::Unknown;
    assert!(changed_row::<Device>(&device, &state, &mut last).is_some(), "after a failed commit");
}

#[test]
fn a_row_goes_when_the_entity_is_known_no_more() {
    let patient = EntityId::new(tenant(), EntityKind::Patient, "p1");
    let registration = Registration::Registered;
    let known = PatientState { registration, ..PatientState::default() };
    let mut last = LastRow::default();
    assert!(changed_row::<Patient>(&patient, &known, &mut last).is_some());
    let gone = changed_row::<Patient>(&patient, &PatientState::default(), &mut last);
    assert_eq!(gone, Some(Mutation::clear(row_key(&patient))));
    assert_eq!(changed_row::<Patient>(&patient, &PatientState::default(), &mut last), None);
}

#[test]
fn facilities_keep_no_row() {
    let facility = EntityId::new(tenant(), EntityKind::Facility, "F1");
    let state = actors_facility::State::default();
    assert_eq!(Facility::live_row(&facility, &state), None);
}
