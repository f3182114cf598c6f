//! The hospital as it truly was: every person's script played against the beds, minute by minute.
//! Out of it come the movements to be reported, and the truth that the node is compared with.

use super::journey::Stage;
use super::oracle::Oracle;
use super::places::{Beds, Place, Ward};
use std::collections::BTreeMap;

/// Movements of one stay are at least this far apart, seconds.
const GAP_SECONDS: i64 = 60;
/// How long somebody waits for a bed before asking again, seconds.
const WAIT_SECONDS: i64 = 20 * 60;

/// A movement to be reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Move {
    /// Seconds since the start.
    pub(crate) at: i64,
    pub(crate) person: usize,
    /// The HL7 trigger event.
    pub(crate) trigger: &'static str,
    /// PV1-2.
    pub(crate) class: &'static str,
    /// PV1-3.
    pub(crate) location: String,
    /// PV1-6.
    pub(crate) prior: String,
    /// Whether this is about the record that the person got by mistake.
    pub(crate) is_duplicate: bool,
}

/// Where a person was from some time on; `None`: not in a bed.
pub(crate) type Presence = Vec<(i64, Option<Ward>)>;

/// What happened.
#[derive(Debug)]
pub(crate) struct Day {
    pub(crate) moves: Vec<Move>,
    /// By person.
    pub(crate) presence: Vec<Presence>,
    pub(crate) oracle: Oracle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    None,
    Planned,
    Emergency,
    Inpatient,
    Outpatient,
}

impl Class {
    const fn code(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Planned => "P",
            Self::Emergency => "E",
            Self::Inpatient => "I",
            Self::Outpatient => "O",
        }
    }
}

#[derive(Debug, Clone)]
struct Stay {
    class: Class,
    place: Option<Place>,
    /// The bed that was left last.
    left: Option<Place>,
    is_in: bool,
    last: &'static str,
    last_at: i64,
    has_duplicate: bool,
}

const NOBODY: Stay = Stay {
    class: Class::None,
    place: None,
    left: None,
    is_in: false,
    last: "",
    last_at: i64::MIN / 2,
    has_duplicate: false,
};

/// Stages to come, in the order of their times and, at the same time, of their planning.
#[derive(Default)]
struct Queue {
    due: BTreeMap<(i64, usize), (usize, Stage)>,
    planned: usize,
}

impl Queue {
    fn plan(&mut self, at: i64, person: usize, stage: Stage) {
        self.planned += 1;
        self.due.insert((at, self.planned), (person, stage));
    }
}

/// Plays the scripts, one per person, up to `span` seconds.
pub(crate) fn play(scripts: &[Vec<(i64, Stage)>], span: i64) -> Day {
    let mut hospital = Hospital {
        beds: Beds::new(scripts.len()),
        stays: vec![NOBODY; scripts.len()],
        day: Day {
            moves: Vec::new(),
            presence: vec![Vec::new(); scripts.len()],
            oracle: Oracle::default(),
        },
    };
    let mut queue = Queue::default();
    for (person, script) in scripts.iter().enumerate() {
        script.iter().for_each(|(at, stage)| queue.plan(*at, person, *stage));
    }
    while let Some(((at, _), (person, stage))) = queue.due.pop_first() {
        let earliest = hospital.stays[person].last_at + GAP_SECONDS;
        if at.max(earliest) >= span {
            continue;
        }
        if at < earliest {
            queue.plan(earliest, person, stage);
        } else if hospital.perform(at, person, stage) == Outcome::NoBed {
            queue.plan(at + WAIT_SECONDS, person, stage);
        }
    }
    hospital.day
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Happened,
    /// It made no sense any more.
    Dropped,
    NoBed,
}

struct Hospital {
    beds: Beds,
    stays: Vec<Stay>,
    day: Day,
}

impl Hospital {
    fn perform(&mut self, at: i64, person: usize, stage: Stage) -> Outcome {
        let before = self.stays[person].clone();
        let is_inpatient = before.is_in && before.class == Class::Inpatient;
        let may_come = matches!(before.last, "" | "A05");
        match stage {
            Stage::PreAdmit(ward) if before.last.is_empty() => self.plan(at, person, ward),
            Stage::Register if may_come => self.register(at, person),
            Stage::Admit(ward) if may_come => self.admit(at, person, ward),
            Stage::ToInpatient(ward) if before.is_in && before.class == Class::Emergency => {
                self.keep(at, person, ward)
            }
            Stage::Transfer(ward) if is_inpatient => self.transfer(at, person, ward),
            Stage::CancelTransfer if is_inpatient && before.last == "A02" => {
                self.go_back(at, person, "A12")
            }
            Stage::CancelDischarge if !before.is_in && before.last == "A03" => {
                self.go_back(at, person, "A13")
            }
            Stage::Update if before.is_in => self.report(at, person, "A08", before.place),
            Stage::ToOutpatient if is_inpatient => self.release(at, person, "A07"),
            Stage::Discharge if before.is_in => self.release(at, person, "A03"),
            Stage::CancelAdmit if before.last == "A01" => self.release(at, person, "A11"),
            Stage::RegisterDuplicate if before.is_in => self.duplicate(at, person),
            Stage::Merge if before.has_duplicate => self.merge(at, person),
            Stage::PreAdmit(_)
            | Stage::Register
            | Stage::Admit(_)
            | Stage::ToInpatient(_)
            | Stage::Transfer(_)
            | Stage::CancelTransfer
            | Stage::CancelDischarge
            | Stage::Update
            | Stage::ToOutpatient
            | Stage::Discharge
            | Stage::CancelAdmit
            | Stage::RegisterDuplicate
            | Stage::Merge => Outcome::Dropped,
        }
    }

    fn plan(&mut self, at: i64, person: usize, ward: Ward) -> Outcome {
        self.stays[person].class = Class::Planned;
        let location = format!("{}^^^{}", ward.code(), super::FACILITY);
        self.push(at, person, "A05", [location, String::new()]);
        Outcome::Happened
    }

    fn register(&mut self, at: i64, person: usize) -> Outcome {
        let Some(place) = self.beds.take_in(Ward::Emergency, at) else { return Outcome::NoBed };
        self.stays[person].class = Class::Emergency;
        self.arrive(at, person, place);
        self.report(at, person, "A04", None)
    }

    fn admit(&mut self, at: i64, person: usize, ward: Ward) -> Outcome {
        let Some(place) = self.beds.take(ward, at) else { return Outcome::NoBed };
        self.stays[person].class = Class::Inpatient;
        self.arrive(at, person, place);
        self.report(at, person, "A01", None)
    }

    /// Becomes an inpatient: in the ward, or waiting where the person is.
    fn keep(&mut self, at: i64, person: usize, ward: Ward) -> Outcome {
        let before = self.stays[person].place;
        let is_waiting = ward == Ward::Emergency;
        let found = if is_waiting { None } else { self.beds.take(ward, at) };
        self.stays[person].class = Class::Inpatient;
        match found.or(before) {
            Some(place) => self.arrive(at, person, place),
            None => return Outcome::NoBed,
        }
        self.report(at, person, "A06", before)
    }

    fn transfer(&mut self, at: i64, person: usize, ward: Ward) -> Outcome {
        let before = self.stays[person].place;
        if before.is_some_and(|place| place.ward == ward) {
            return Outcome::Dropped;
        }
        let Some(place) = self.beds.take_in(ward, at) else { return Outcome::Dropped };
        self.arrive(at, person, place);
        self.report(at, person, "A02", before)
    }

    /// Back into the bed that was left last.
    fn go_back(&mut self, at: i64, person: usize, trigger: &'static str) -> Outcome {
        let before = self.stays[person].place;
        let Some(place) = self.stays[person].left else { return Outcome::Dropped };
        if self.stays[person].class != Class::Inpatient {
            return Outcome::Dropped;
        }
        self.beds.take_back(place);
        self.arrive(at, person, place);
        self.report(at, person, trigger, before)
    }

    /// Leaves the bed: goes home, becomes an outpatient, or never was admitted.
    fn release(&mut self, at: i64, person: usize, trigger: &'static str) -> Outcome {
        let before = self.stays[person].place;
        if let Some(place) = before {
            self.beds.leave(place, at);
        }
        let stay = &mut self.stays[person];
        (stay.left, stay.place) = (before, None);
        stay.is_in = trigger == "A07";
        if trigger == "A07" {
            stay.class = Class::Outpatient;
        }
        self.note(at, person);
        let outpatients = format!("OPD^^^{}", super::FACILITY);
        let place = before.map_or_else(|| outpatients.clone(), Place::location);
        let locations =
            if trigger == "A07" { [outpatients, place] } else { [place, String::new()] };
        self.push(at, person, trigger, locations);
        Outcome::Happened
    }

    fn duplicate(&mut self, at: i64, person: usize) -> Outcome {
        self.stays[person].has_duplicate = true;
        let location = format!("{}^^^{}", Ward::Emergency.code(), super::FACILITY);
        self.side(at, person, "A04", location)
    }

    fn merge(&mut self, at: i64, person: usize) -> Outcome {
        self.stays[person].has_duplicate = false;
        self.side(at, person, "A40", String::new())
    }

    /// A message that is about the duplicate record and moves nobody.
    fn side(&mut self, at: i64, person: usize, trigger: &'static str, to: String) -> Outcome {
        self.stays[person].last_at = at;
        self.day.moves.push(Move {
            at,
            person,
            trigger,
            class: Class::Emergency.code(),
            location: to,
            prior: String::new(),
            is_duplicate: true,
        });
        Outcome::Happened
    }

    /// The ward in whose census the person counts: an inpatient in a bed.
    fn counted(&self, person: usize) -> Option<Ward> {
        let stay = &self.stays[person];
        let is_counted = stay.is_in && stay.class == Class::Inpatient;
        stay.place.filter(|_| is_counted).map(|place| place.ward)
    }

    fn arrive(&mut self, at: i64, person: usize, place: Place) {
        let left = self.stays[person].place.filter(|left| *left != place);
        if let Some(left) = left {
            self.beds.leave(left, at);
        }
        let stay = &mut self.stays[person];
        (stay.left, stay.place, stay.is_in) = (left, Some(place), true);
        self.note(at, person);
    }

    fn note(&mut self, at: i64, person: usize) {
        let counted = self.counted(person);
        if counted != self.day.oracle.where_is(person) {
            self.day.oracle.note(at, person, counted);
        }
        let ward = self.stays[person].place.map(|place| place.ward);
        self.day.presence[person].push((at, ward));
    }

    fn report(
        &mut self,
        at: i64,
        person: usize,
        trigger: &'static str,
        before: Option<Place>,
    ) -> Outcome {
        let now = self.stays[person].place;
        let prior = before.filter(|before| now != Some(*before));
        let prior = prior.map(Place::location).unwrap_or_default();
        self.push(at, person, trigger, [now.map(Place::location).unwrap_or_default(), prior]);
        Outcome::Happened
    }

    fn push(
        &mut self,
        at: i64,
        person: usize,
        trigger: &'static str,
        [location, prior]: [String; 2],
    ) {
        let stay = &mut self.stays[person];
        stay.last_at = at;
        if trigger != "A08" {
            stay.last = trigger;
        }
        let class = stay.class.code();
        let is_duplicate = false;
        self.day.moves.push(Move { at, person, trigger, class, location, prior, is_duplicate });
    }
}
