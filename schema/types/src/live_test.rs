//! The registry of columns: names and numbers are unique, words agree with the labels elsewhere.

use super::*;
use crate::clinical::EncounterClass;
use crate::score::Band;

const KINDS: [EntityKind; 3] = [EntityKind::Patient, EntityKind::Device, EntityKind::Facility];

#[test]
fn names_and_numbers_are_unique() {
    let mut numbers: Vec<u16> = Vec::new();
    for kind in KINDS {
        let mut names: Vec<&str> = Vec::new();
        for column in columns(kind) {
            names.push(column.name);
            names.extend(column.aliases);
            numbers.push(column.number);
        }
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "{kind:?}");
        let plain = |name: &&str| {
            name.chars().all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '_')
        };
        assert!(names.iter().all(plain), "{kind:?}");
    }
    let all = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), all);
}

#[test]
fn every_measure_and_score_has_its_columns() {
    for (index, measure) in Measure::ALL.iter().enumerate() {
        assert_eq!(usize::from(value_slot(*measure)), index, "slots follow Measure::ALL");
        let name = measure.label().replace('-', "_");
        let value = PATIENT.iter().find(|column| column.name == name).expect("a column");
        assert_eq!(value.number, 100 + measure.number());
        assert_eq!(value.place, Place::Decimal(value_slot(*measure)));
        assert_eq!(value.unit, measure.unit());
        let at = PATIENT.iter().find(|column| column.number == 200 + measure.number());
        assert_eq!(at.map(|column| column.place), Some(Place::Time(time_slot(*measure))));
    }
    for (index, model) in ScoreModel::ALL.iter().enumerate() {
        let name = model.label().replace('-', "_");
        let minimum = PATIENT.iter().find(|column| column.name == name).expect("a column");
        let slot = patient_slot::MINIMA + u8::try_from(index).unwrap();
        assert_eq!(minimum.place, Place::Decimal(slot), "slots follow ScoreModel::ALL");
    }
}

#[test]
fn words_follow_their_enumerations() {
    let labels = |holds: Holds| match holds {
        Holds::Word(words) => words.to_vec(),
        Holds::Text | Holds::Number | Holds::Time | Holds::Truth => Vec::new(),
    };
    let classes: Vec<&str> = EncounterClass::ALL.iter().map(|class| class.label()).collect();
    assert_eq!(labels(CLASSES), classes);
    let bands: Vec<&str> = (0..).map_while(Band::from_number).map(Band::label).collect();
    assert_eq!(labels(BANDS), bands);
}

#[test]
fn slots_do_not_overlap() {
    for kind in KINDS {
        let mut taken: Vec<(u8, u32)> = Vec::new();
        for column in columns(kind) {
            let (slot, bits) = match column.place {
                Place::Key => continue,
                Place::Decimal(slot)
                | Place::Count(slot)
                | Place::Time(slot)
                | Place::Text(slot)
                | Place::Age(slot) => (slot, u32::MAX),
                Place::Word { slot, shift, bits } => (slot, ((1 << bits) - 1) << shift),
                Place::Truth { slot, bit } => (slot, 1 << bit),
            };
            assert!(slot < SLOTS, "{}", column.name);
            let overlaps = taken.iter().any(|(other, mask)| *other == slot && mask & bits != 0);
            assert!(!overlaps, "{}", column.name);
            if let (Place::Word { bits, .. }, Holds::Word(words)) = (column.place, column.holds) {
                assert!(words.len() < 1 << bits, "{}", column.name);
            }
            taken.push((slot, bits));
        }
    }
}

#[test]
fn years_are_completed_years() {
    let date = |(year, month, day)| packed_date(year, month, day).unwrap();
    let cases = [
        ((2010, 3, 2), (2026, 3, 2), Some(16)),
        ((2010, 3, 3), (2026, 3, 2), Some(15)),
        ((1904, 2, 29), (2026, 3, 2), Some(122)),
        ((2026, 3, 2), (2026, 3, 2), Some(0)),
        ((2026, 3, 3), (2026, 3, 2), None),
        ((2027, 1, 1), (2026, 3, 2), None),
    ];
    for (birth, today, expected) in cases {
        assert_eq!(years_between(date(birth), date(today)), expected, "{birth:?}");
    }
    assert_eq!(packed_date(2026, 13, 1), None);
    assert_eq!(packed_date(10_000, 1, 1), None);
}
