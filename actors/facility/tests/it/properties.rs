//! FAC-2 against an independent oracle: a generator plays the lives of stays and knows at every
//! second who is where; the facility only gets their movements, in random order with repeats.

use crate::support::{Harness, at, movement, stay_changed};
use actors_facility::Command;
use actors_facility::command::Occupancy;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, proptest};
use schema_types::clinical::{EncounterClass, Movement, MovementKind};
use schema_types::facility::{BedKey, BedStatus};
use std::collections::BTreeMap;

const WARDS: [&str; 3] = ["MED1", "SURG1", "ICU1"];
const END_SECONDS: i64 = 400;

/// One life: where the patient truly is, and what the hospital says.
struct Life {
    now: i64,
    /// Bed of an inpatient; `None` for everybody else.
    place: Option<String>,
    /// Where a transfer that can be cancelled came from.
    before: Option<String>,
    phase: Phase,
    said: Vec<Movement>,
    /// From this second on the patient is there.
    truth: Vec<(i64, Option<String>)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    Away,
    Outpatient,
    Inpatient,
    Discharged,
    Cancelled,
}

impl Life {
    fn say(&mut self, kind: MovementKind, location: &str, class: EncounterClass) {
        let mut said = movement(kind, self.now, location);
        said.class = class;
        self.said.push(said);
        self.truth.push((self.now, self.place.clone()));
    }

    /// Picks what can happen next by `choice`, and lets it happen.
    fn step(&mut self, choice: u8, bed: &str) {
        use EncounterClass::{Emergency, Inpatient, Outpatient, Unknown};
        let inpatient = if choice.is_multiple_of(2) { Inpatient } else { Unknown };
        match (self.phase, choice % 6) {
            (Phase::Away, 0) => self.say(MovementKind::PreAdmit, bed, Unknown),
            (Phase::Away, 1) => {
                self.phase = Phase::Outpatient;
                self.say(MovementKind::Register, "ED", Emergency);
            }
            (Phase::Away, _) => self.enter(MovementKind::Admit, bed, inpatient),
            (Phase::Outpatient, 0) => self.leave(MovementKind::Discharge, Phase::Discharged),
            (Phase::Outpatient, _) => self.enter(MovementKind::ToInpatient, bed, Inpatient),
            (Phase::Inpatient, 0) => self.leave(MovementKind::Discharge, Phase::Discharged),
            (Phase::Inpatient, 1) => match self.before.take() {
                Some(before) => {
                    self.place = Some(before);
                    self.say(MovementKind::CancelTransfer, "", Unknown);
                }
                None => self.leave(MovementKind::CancelAdmit, Phase::Cancelled),
            },
            (Phase::Inpatient, 2) => {
                self.before = self.place.replace(bed.to_owned());
                self.say(MovementKind::Transfer, bed, inpatient);
            }
            (Phase::Inpatient, 3) => {
                self.phase = Phase::Outpatient;
                (self.place, self.before) = (None, None);
                self.say(MovementKind::ToOutpatient, "ED", Outpatient);
            }
            (Phase::Inpatient, _) => {
                let here = self.place.clone().unwrap_or_default();
                self.say(MovementKind::Update, &here, inpatient);
            }
            (Phase::Discharged, 0 | 1) => {
                let last = self.said.iter().rev().find_map(|said| said.location.clone());
                let was_inpatient = last.is_some_and(|location| location.ward != "ED");
                if was_inpatient && let Some(place) = self.last_place() {
                    self.phase = Phase::Inpatient;
                    self.place = Some(place);
                    self.say(MovementKind::CancelDischarge, "", Unknown);
                }
            }
            (Phase::Discharged | Phase::Cancelled, _) => {}
        }
    }

    fn last_place(&self) -> Option<String> {
        self.truth.iter().rev().find_map(|(_, place)| place.clone())
    }

    fn enter(&mut self, kind: MovementKind, bed: &str, class: EncounterClass) {
        self.phase = Phase::Inpatient;
        self.place = Some(bed.to_owned());
        self.say(kind, bed, class);
    }

    fn leave(&mut self, kind: MovementKind, phase: Phase) {
        self.phase = phase;
        (self.place, self.before) = (None, None);
        self.say(kind, "", EncounterClass::Unknown);
    }

    fn place_at(&self, seconds: i64) -> Option<&str> {
        let last = self.truth.iter().rev().find(|(from, _)| *from <= seconds);
        last.and_then(|(_, place)| place.as_deref())
    }
}

fn life() -> impl Strategy<Value = Life> {
    let steps = vec((any::<u8>(), 0_usize..3, 0_u8..6, 1_i64..60), 0..10);
    (0_i64..80, steps).prop_map(|(begin, steps)| {
        let (said, truth, phase) = (Vec::new(), Vec::new(), Phase::Away);
        let mut life = Life { now: begin, place: None, before: None, phase, said, truth };
        for (choice, ward, number, pause) in steps {
            let ward = WARDS.get(ward).unwrap_or(&"MED1");
            life.step(choice, &format!("{ward}^R1^B{number}"));
            life.now += pause;
        }
        life
    })
}

impl std::fmt::Debug for Life {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let said = self.said.iter().map(|one| (one.at, one.kind.label(), &one.location));
        formatter.debug_list().entries(said).finish()
    }
}

/// What the patient tells: after each arriving movement the whole stay, one revision higher.
fn notices(name: &str, arrivals: &[Movement]) -> Vec<Command> {
    let counts = 1..=arrivals.len();
    counts.map(|count| stay_changed(name, count as u64, arrivals[..count].to_vec())).collect()
}

/// All notices of all lives, each life's movements in their own random order, everything shuffled
/// and some of it repeated.
fn hospital() -> impl Strategy<Value = (Vec<Life>, Vec<Command>)> {
    vec(life(), 0..8)
        .prop_flat_map(|lives| {
            let arrivals: Vec<_> =
                lives.iter().map(|life| Just(life.said.clone()).prop_shuffle()).collect();
            (Just(()), arrivals).prop_map(move |((), arrivals)| {
                let all: Vec<Command> = arrivals
                    .iter()
                    .enumerate()
                    .flat_map(|(index, arrivals)| notices(&format!("p{index}"), arrivals))
                    .collect();
                let copies = lives.iter().map(Life::copy).collect::<Vec<_>>();
                (copies, all)
            })
        })
        .prop_flat_map(|(lives, all)| {
            let repeated = all.iter().cloned().step_by(3).chain(all.iter().cloned()).collect();
            let order = Just::<Vec<Command>>(repeated).prop_shuffle();
            order.prop_map(move |order| (lives.iter().map(Life::copy).collect(), order))
        })
}

impl Life {
    fn copy(&self) -> Self {
        let (place, before) = (self.place.clone(), self.before.clone());
        let (said, truth) = (self.said.clone(), self.truth.clone());
        Self { now: self.now, place, before, phase: self.phase, said, truth }
    }
}

fn true_census(lives: &[Life], seconds: i64) -> BTreeMap<String, u32> {
    let mut census = BTreeMap::new();
    for place in lives.iter().filter_map(|life| life.place_at(seconds)) {
        let ward = place.split('^').next().unwrap_or_default();
        *census.entry(ward.to_owned()).or_default() += 1;
    }
    census
}

fn without_empty(occupied: BTreeMap<String, u32>) -> BTreeMap<String, u32> {
    occupied.into_iter().filter(|(_, count)| *count > 0).collect()
}

proptest! {
    /// FAC-1, FAC-2, FAC-4 and DET-1.
    #[test]
    fn fac_2_census_is_the_truth_in_any_order((lives, order) in hospital()) {
        let mut harness = Harness::default();
        harness.run(Command::SetBedStatus {
            bed: BedKey { ward: "MED1".into(), room: "R1".into(), bed: "B0".into() },
            status: BedStatus::Ready,
            at: at(0),
        });
        for command in order {
            harness.run(command);
        }
        for census in harness.series(0, END_SECONDS, 7) {
            let seconds = census.at.unwrap().unix_micros() / 1_000_000;
            let single = harness.census(census.at);
            prop_assert_eq!(&single, &census, "series and single instant at {}", seconds);
            let expected = true_census(&lives, seconds);
            prop_assert_eq!(without_empty(census.occupied), expected, "at {}", seconds);
        }
        let mut beds: BTreeMap<String, usize> = BTreeMap::new();
        for place in lives.iter().filter_map(|life| life.place_at(i64::MAX)) {
            *beds.entry(place.to_owned()).or_default() += 1;
        }
        let board = harness.board();
        for (bed, entry) in &board.beds {
            let name = format!("{}^{}^{}", bed.ward, bed.room, bed.bed);
            let shown = match &entry.occupancy {
                Occupancy::Free(_) => 0,
                Occupancy::Occupied(_) => 1,
                Occupancy::Conflict(occupants) => occupants.len(),
            };
            prop_assert_eq!(shown, beds.remove(&name).unwrap_or(0), "{}", name);
        }
        prop_assert_eq!(beds.len(), 0, "every occupied bed is on the board");
        harness.assert_replay();
    }

    /// FAC-1: the same notices in another order, and again, leave the same state.
    #[test]
    fn fac_1_order_and_repeats_do_not_matter((_, order) in hospital(), shift in any::<usize>()) {
        let (mut one, mut other) = (Harness::default(), Harness::default());
        for command in &order {
            one.run(command.clone());
        }
        let start = shift % order.len().max(1);
        let twice: Vec<&Command> = order.iter().cycle().skip(start).take(order.len() * 2).collect();
        for command in twice.into_iter().rev() {
            other.run(command.clone());
        }
        prop_assert_eq!(&one.state, &other.state);
        one.assert_replay();
    }
}
