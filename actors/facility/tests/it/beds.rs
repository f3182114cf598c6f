//! FAC-3, FAC-4, FAC-5: the bed board.

use crate::support::{Harness, at, movement, patient, stay_changed};
use actors_facility::Command;
use actors_facility::command::{BedEntry, Occupancy, Occupant};
use schema_types::clinical::{Movement, MovementKind};
use schema_types::error_code::ErrorCode;
use schema_types::facility::{BedKey, BedStatus};
use schema_types::ids::EncounterId;

fn bed(name: &str) -> BedKey {
    BedKey { ward: "MED1".into(), room: "R1".into(), bed: name.into() }
}

fn set(name: &str, status: BedStatus, seconds: i64) -> Command {
    Command::SetBedStatus { bed: bed(name), status, at: at(seconds) }
}

fn occupant(name: &str, since: Option<i64>) -> Occupant {
    Occupant { patient: patient(name), encounter: EncounterId::new(name), since: since.map(at) }
}

fn entry(harness: &mut Harness, name: &str) -> BedEntry {
    harness.board().beds.remove(&bed(name)).unwrap()
}

fn admitted(seconds: i64, location: &str) -> Movement {
    movement(MovementKind::Admit, seconds, location)
}

#[test]
fn fac_3_the_newest_statement_holds_in_any_order() {
    let statements = [
        set("B1", BedStatus::Ready, 10),
        set("B1", BedStatus::Cleaning, 20),
        set("B1", BedStatus::Blocked, 30),
        set("B1", BedStatus::Ready, 30),
    ];
    for shift in 0..statements.len() {
        for is_reversed in [false, true] {
            let mut order = statements.clone();
            order.rotate_left(shift);
            if is_reversed {
                order.reverse();
            }
            let mut harness = Harness::default();
            for statement in order.iter().chain(&statements) {
                harness.run(statement.clone());
            }
            let occupancy = entry(&mut harness, "B1").occupancy;
            assert_eq!(occupancy, Occupancy::Free(BedStatus::Blocked), "{shift} {is_reversed}");
            assert!(!harness.changes(set("B1", BedStatus::Blocked, 30)), "a repeat");
            harness.assert_replay();
        }
    }
}

#[test]
fn fac_3_a_bed_has_a_name_of_bounded_length() {
    let mut harness = Harness::default();
    let nameless = harness.decide(set("", BedStatus::Ready, 1)).unwrap_err();
    assert_eq!(nameless.code, ErrorCode::BadRequest);
    let endless = harness.decide(set(&"b".repeat(500), BedStatus::Ready, 1)).unwrap_err();
    assert_eq!(endless.code, ErrorCode::EntityLimit, "LIM-1");
    assert_eq!(harness.journal, []);
}

#[test]
fn fac_4_two_patients_in_one_bed_are_a_conflict() {
    let mut harness = Harness::default();
    harness.run(set("B1", BedStatus::Ready, 1));
    harness.run(stay_changed("a", 1, vec![admitted(10, "MED1^R1^B1")]));
    let occupied = Occupancy::Occupied(occupant("a", Some(10)));
    assert_eq!(entry(&mut harness, "B1").occupancy, occupied);
    harness.run(stay_changed("b", 1, vec![admitted(20, "MED1^R1^B1")]));
    let both = vec![occupant("a", Some(10)), occupant("b", Some(20))];
    assert_eq!(entry(&mut harness, "B1").occupancy, Occupancy::Conflict(both));
    assert_eq!(harness.census(None).occupied.get("MED1"), Some(&2), "both are in the house");
    let left = vec![admitted(10, "MED1^R1^B1"), movement(MovementKind::Discharge, 15, "")];
    harness.run(stay_changed("a", 2, left));
    let occupied = Occupancy::Occupied(occupant("b", Some(20)));
    assert_eq!(entry(&mut harness, "B1").occupancy, occupied);
    harness.run(stay_changed("c", 1, vec![admitted(30, "MED1")]));
    let without = harness.board().without_bed;
    assert_eq!(without.get("MED1"), Some(&vec![occupant("c", Some(30))]), "nobody is left out");
    harness.assert_replay();
}

#[test]
fn fac_5_a_bed_is_dirty_after_its_patient_until_somebody_says_otherwise() {
    use MovementKind::{CancelAdmit, CancelTransfer, Discharge, ToOutpatient, Transfer};
    let ways = [
        (Discharge, "", BedStatus::Dirty),
        (Transfer, "ICU1^R1^B1", BedStatus::Dirty),
        (ToOutpatient, "", BedStatus::Dirty),
        (CancelAdmit, "", BedStatus::Ready),
    ];
    for (kind, location, expected) in ways {
        let mut harness = Harness::default();
        let mut leaves = movement(kind, 20, location);
        if kind == ToOutpatient {
            leaves.class = schema_types::clinical::EncounterClass::Outpatient;
        }
        harness.run(set("B1", BedStatus::Ready, 15));
        harness.run(stay_changed("a", 1, vec![admitted(10, "MED1^R1^B1"), leaves]));
        let occupancy = entry(&mut harness, "B1").occupancy;
        assert_eq!(occupancy, Occupancy::Free(expected), "{}", kind.label());
        harness.run(set("B1", BedStatus::Cleaning, 21));
        let occupancy = entry(&mut harness, "B1").occupancy;
        assert_eq!(occupancy, Occupancy::Free(BedStatus::Cleaning), "{}", kind.label());
    }
    let mut harness = Harness::default();
    let movements = vec![
        admitted(10, "MED1^R1^B2"),
        movement(Transfer, 20, "MED1^R1^B1"),
        movement(CancelTransfer, 30, ""),
    ];
    harness.run(stay_changed("a", 1, movements));
    assert_eq!(entry(&mut harness, "B1").occupancy, Occupancy::Free(BedStatus::Ready));
    let returned = entry(&mut harness, "B2").occupancy;
    assert_eq!(returned, Occupancy::Occupied(occupant("a", Some(30))));
}

#[test]
fn fac_5_a_planned_stay_reserves_a_ready_bed_only() {
    for (status, expected) in
        [(BedStatus::Ready, BedStatus::Reserved), (BedStatus::Dirty, BedStatus::Dirty)]
    {
        let mut harness = Harness::default();
        harness.run(set("B1", status, 1));
        let planned = movement(MovementKind::PreAdmit, 10, "MED1^R1^B1");
        harness.run(stay_changed("a", 1, vec![planned.clone()]));
        let reserved = BedEntry {
            occupancy: Occupancy::Free(expected),
            reserved_for: vec![occupant("a", None)],
        };
        assert_eq!(entry(&mut harness, "B1"), reserved);
        harness.run(stay_changed("a", 2, vec![planned, admitted(20, "MED1^R1^B2")]));
        let released = BedEntry { occupancy: Occupancy::Free(status), reserved_for: Vec::new() };
        assert_eq!(entry(&mut harness, "B1"), released);
    }
}
