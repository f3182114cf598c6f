//! FAC-1 and FAC-2: which stays count, and where.

use crate::support::{Harness, at, movement, patient, stay_changed};
use actors_facility::Command;
use schema_types::clinical::{EncounterClass, Movement, MovementKind};
use schema_types::error_code::ErrorCode;
use schema_types::facility::{FacilityNotice, Stay};
use schema_types::ids::{EncounterId, EntityId, EntityKind, TenantId};

#[test]
fn fac_1_only_a_higher_revision_replaces() {
    let admit = movement(MovementKind::Admit, 10, "MED1^R1^B1");
    let discharge = movement(MovementKind::Discharge, 20, "");
    let mut harness = Harness::default();
    let closed = stay_changed("a", 2, vec![discharge, admit.clone()]);
    assert!(harness.changes(closed.clone()));
    assert!(!harness.changes(closed), "a repeat");
    assert!(!harness.changes(stay_changed("a", 1, vec![admit.clone()])), "an older one");
    assert_eq!(harness.census(None).occupied.get("MED1"), Some(&0));
    assert!(harness.changes(stay_changed("a", 3, vec![admit])));
    assert_eq!(harness.census(None).occupied.get("MED1"), Some(&1));
    harness.assert_replay();
}

#[test]
fn fac_1_a_stay_belongs_to_a_patient_of_the_tenant() {
    let mut harness = Harness::default();
    let stranger = EntityId::new(TenantId::new("t2"), EntityKind::Patient, "a");
    let no_patient = EntityId::new(TenantId::new("t1"), EntityKind::Device, "a");
    for patient in [stranger, no_patient] {
        let stay = Stay { patient, revision: 1, movements: Vec::new() };
        let encounter = EncounterId::new("a");
        let notice = Command::Notice(FacilityNotice::StayChanged { encounter, stay });
        assert_eq!(harness.decide(notice).unwrap_err().code, ErrorCode::BadRequest);
    }
    assert_ne!(patient("a"), patient("b"));
}

fn of_class(mut movement: Movement, class: EncounterClass) -> Movement {
    movement.class = class;
    movement
}

#[test]
fn fac_2_only_inpatients_in_a_ward_of_this_facility_count() {
    use EncounterClass::{Emergency, Inpatient, Outpatient, Unknown};
    use MovementKind::{Admit, PreAdmit, Register, ToInpatient, ToOutpatient, Transfer};
    let one = |kind, class, location| vec![of_class(movement(kind, 10, location), class)];
    let mut elsewhere = one(Admit, Inpatient, "MED1^R1^B1");
    elsewhere.iter_mut().flat_map(|m| &mut m.location).for_each(|l| l.facility = "OTHER".into());
    let mut unnamed = one(Admit, Inpatient, "MED1^R1^B1");
    unnamed.iter_mut().flat_map(|m| &mut m.location).for_each(|l| l.facility.clear());
    let then = |first: Vec<Movement>, kind, class, location| {
        let mut movements = first;
        movements.push(of_class(movement(kind, 20, location), class));
        movements
    };
    let cases = [
        (one(Admit, Unknown, "MED1^R1^B1"), 1, "admitted, class not stated"),
        (one(Register, Emergency, "MED1^R1^B1"), 0, "emergency"),
        (one(Register, Inpatient, "MED1^R1^B1"), 1, "registered as inpatient"),
        (one(PreAdmit, Inpatient, "MED1^R1^B1"), 0, "planned"),
        (one(Admit, Inpatient, ""), 0, "nobody knows where"),
        (elsewhere, 0, "another facility"),
        (unnamed, 1, "no facility named"),
        (then(one(Register, Outpatient, "ED"), ToInpatient, Inpatient, "MED1^R1^B1"), 1, "A06"),
        (then(one(Admit, Inpatient, "MED1"), ToOutpatient, Outpatient, "MED1"), 0, "A07"),
        (then(one(Admit, Inpatient, "MED1"), Transfer, Inpatient, "ICU1^R1^B1"), 0, "moved"),
    ];
    for (movements, expected, name) in cases {
        let mut harness = Harness::default();
        harness.run(stay_changed("a", 1, movements));
        let count = harness.census(None).occupied.get("MED1").copied().unwrap_or_default();
        assert_eq!(count, expected, "{name}");
    }
}

#[test]
fn fac_2_the_past_is_what_is_known_of_it_now() {
    let mut harness = Harness::default();
    let movements = vec![
        movement(MovementKind::Discharge, 40, ""),
        movement(MovementKind::Transfer, 30, "ICU1^R1^B1"),
        movement(MovementKind::Admit, 10, "MED1^R1^B1"),
    ];
    harness.run(stay_changed("a", 1, movements));
    for (instant, med, icu) in [(9, 0, 0), (10, 1, 0), (29, 1, 0), (30, 0, 1), (40, 0, 0)] {
        let occupied = harness.census(Some(at(instant))).occupied;
        assert_eq!(occupied.get("MED1"), Some(&med), "at {instant}");
        assert_eq!(occupied.get("ICU1"), Some(&icu), "at {instant}");
    }
}
