//! From what happened to what is reported: rounds of vital signs, laboratory results, readings of
//! devices and records, each with its time. How they reach the node is not decided here.

use super::course::{Analysis, Course, Vitals};
use super::fhir::{self, Call};
use super::hl7::{self, Results};
use super::hospital::{Day, Move, Presence};
use super::people::Person;
use super::places::Ward;
use super::random::Random;
use super::{Calendar, stream};

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
/// How often an oximeter reports, seconds.
const READING_SECONDS: i64 = 3 * MINUTE;

/// One thing to report.
#[derive(Debug, Clone)]
pub(crate) struct Fact {
    /// When it happened, seconds since the start.
    pub(crate) at: i64,
    pub(crate) person: usize,
    /// It is about the record that the person got by mistake.
    pub(crate) is_duplicate: bool,
    /// It prepares others and comes in time.
    pub(crate) is_setup: bool,
    pub(crate) observations: u32,
    pub(crate) content: Content,
}

/// What is reported.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Move(Move),
    Vitals(Results<'static>, Vitals),
    Laboratory(Results<'static>, Vec<Analysis>),
    Call(Call),
}

/// Everything that is to be reported, in no particular order.
pub(crate) fn facts(
    seed: u64,
    span: i64,
    calendar: &Calendar,
    (people, courses, day): (&[Person], &[Course], &Day),
) -> Vec<Fact> {
    let mut reporter =
        Reporter { span, calendar, random: Random::new(seed, stream::FACTS), facts: Vec::new() };
    for moved in &day.moves {
        reporter.moved(moved, &courses[moved.person]);
    }
    let mut has_silent = false;
    for (index, person) in people.iter().enumerate() {
        reporter.random = Random::new(seed, stream::FACTS + 1 + stream::of(index));
        let presence = intervals(&day.presence[index], span);
        let patient = Patient { index, person, course: &courses[index], presence: &presence };
        reporter.rounds(&patient);
        reporter.laboratory(&patient);
        let has_device = patient.has_device(&mut reporter.random);
        reporter.record(&patient, has_device);
        if has_device {
            has_silent |= reporter.device(&patient, has_silent);
        }
    }
    reporter.facts
}

/// From, to, where.
type Interval = (i64, i64, Ward);

struct Patient<'a> {
    index: usize,
    person: &'a Person,
    course: &'a Course,
    presence: &'a [Interval],
}

impl Patient<'_> {
    fn has_device(&self, random: &mut Random) -> bool {
        let is_ill = self.course.decline.is_some();
        let is_in_intensive_care =
            self.presence.iter().any(|(_, _, ward)| *ward == Ward::Intensive);
        let is_chosen = random.chance(120);
        !self.presence.is_empty() && (is_ill || is_in_intensive_care || is_chosen)
    }

    fn place_at(&self, at: i64) -> Option<Ward> {
        let found = self.presence.iter().find(|(from, to, _)| (*from..*to).contains(&at));
        found.map(|(_, _, ward)| *ward)
    }
}

/// The times in a bed.
fn intervals(presence: &Presence, span: i64) -> Vec<Interval> {
    let ends = presence.iter().skip(1).map(|(at, _)| *at).chain([span]);
    let intervals = presence.iter().zip(ends);
    intervals.filter_map(|((from, ward), to)| ward.map(|ward| (*from, to, ward))).collect()
}

struct Reporter<'a> {
    span: i64,
    calendar: &'a Calendar,
    random: Random,
    facts: Vec<Fact>,
}

impl Reporter<'_> {
    fn add(&mut self, patient: &Patient<'_>, at: i64, observations: u32, content: Content) {
        if at < self.span {
            let person = patient.index;
            let (is_duplicate, is_setup) = (false, false);
            self.facts.push(Fact { at, person, is_duplicate, is_setup, observations, content });
        }
    }

    fn add_setup(&mut self, patient: &Patient<'_>, at: i64, call: Call) {
        self.add(patient, at, 0, Content::Call(call));
        if let Some(fact) = self.facts.last_mut() {
            fact.is_setup = true;
        }
    }

    fn moved(&mut self, moved: &Move, course: &Course) {
        let Move { at, person, is_duplicate, trigger, .. } = *moved;
        let content = Content::Move(moved.clone());
        let (is_setup, observations) = (false, 0);
        self.facts.push(Fact { at, person, is_duplicate, is_setup, observations, content });
        let taken_at = at + 4 * MINUTE;
        if is_duplicate && trigger == "A04" && taken_at < self.span {
            // Somebody charts on the wrong record; the merge brings it home.
            let vitals = course.vitals(&mut self.random, taken_at);
            let content = Content::Vitals(ward_results(taken_at, Ward::Emergency), vitals);
            let observations = hl7::VITALS_COUNT;
            self.facts.push(Fact {
                at: taken_at,
                person,
                is_duplicate,
                is_setup,
                observations,
                content,
            });
        }
    }

    /// Rounds of vital signs: the worse, the more often.
    fn rounds(&mut self, patient: &Patient<'_>) {
        for (from, to, ward) in patient.presence {
            let mut at = from + self.random.between(3 * MINUTE, 12 * MINUTE);
            while at < *to {
                let vitals = patient.course.vitals(&mut self.random, at);
                let content = Content::Vitals(ward_results(at, *ward), vitals);
                self.add(patient, at, hl7::VITALS_COUNT, content);
                let acuity = patient.course.acuity(at);
                let minutes = match ward {
                    Ward::Intensive => 15,
                    Ward::Emergency => 20,
                    Ward::MedicalOne | Ward::MedicalTwo | Ward::Surgical if acuity > 0.5 => 20,
                    Ward::MedicalOne | Ward::MedicalTwo | Ward::Surgical if acuity > 0.3 => 30,
                    Ward::MedicalOne | Ward::MedicalTwo | Ward::Surgical => 60,
                };
                at += minutes * MINUTE + self.random.between(-2 * MINUTE, 2 * MINUTE);
            }
        }
    }

    fn laboratory(&mut self, patient: &Patient<'_>) {
        let Some((first, _, _)) = patient.presence.first() else { return };
        let mut number = 0;
        let mut results = |taken_at: i64, status, ward| {
            number += 1;
            let filler = format!("L{}{number:03}^{}", patient.person.record, hl7::LABORATORY);
            Results { taken_at, filler, status, ward }
        };
        if patient.course.has_kidney_injury || self.random.chance(200) {
            // A result of two days ago, sent now: the baseline.
            let earlier = results(first - 48 * HOUR, "F", "");
            let analyses = vec![patient.course.earlier_creatinine()];
            let content = Content::Laboratory(earlier, analyses);
            self.add(patient, first + 5 * MINUTE, 1, content);
        }
        let is_watched = patient.course.has_kidney_injury || patient.course.decline.is_some();
        let hours = if is_watched { 4 } else { 9 };
        let mut at = first + self.random.between(20 * MINUTE, 70 * MINUTE);
        while let Some(ward) = patient.place_at(at) {
            let analyses = patient.course.analyses(&mut self.random, at);
            let count = u32::try_from(analyses.len()).unwrap_or(0);
            let taken = results(at, "F", ward.code());
            let reported_at = at + self.random.between(25 * MINUTE, 60 * MINUTE);
            if self.random.chance(60) {
                let preliminary = Results { status: "P", ..taken.clone() };
                let content = Content::Laboratory(preliminary, analyses.clone());
                self.add(patient, reported_at - 10 * MINUTE, count, content);
            }
            self.add(patient, reported_at, count, Content::Laboratory(taken, analyses));
            at += hours * HOUR + self.random.between(-20 * MINUTE, 20 * MINUTE);
        }
    }

    /// Some people have a record elsewhere, which arrives by FHIR; whoever is to be measured by a
    /// device has to be known before.
    fn record(&mut self, patient: &Patient<'_>, has_device: bool) {
        let Some((first, _, _)) = patient.presence.first() else { return };
        let is_chosen = self.random.chance(250);
        if !is_chosen && !has_device {
            return;
        }
        let key = |what: &str| format!("demo-{}-{what}", patient.person.record);
        let since = self.calendar.fhir(first - 400 * 24 * HOUR);
        let call = fhir::record(patient.person, &key("record"), &since);
        if has_device {
            self.add_setup(patient, *first, call);
        } else {
            self.add(patient, first + 6 * MINUTE, 0, Content::Call(call));
        }
        if is_chosen && self.random.chance(400) {
            let visit = [200, 199].map(|ago| self.calendar.fhir(first - ago * 24 * HOUR));
            let times = [visit[0].as_str(), visit[1].as_str()];
            let call = fhir::outpatient_visit(patient.person, &key("visit"), times);
            self.add(patient, first + 7 * MINUTE, 0, Content::Call(call));
        }
    }

    /// An oximeter that is on the person while in a bed. Returns whether it fell silent.
    fn device(&mut self, patient: &Patient<'_>, has_silent: bool) -> bool {
        let (Some((from, _, _)), Some((_, to, _))) =
            (patient.presence.first(), patient.presence.last())
        else {
            return false;
        };
        let (from, to) = (*from, *to);
        let key = |what: &str| format!("demo-{}-{what}", fhir::device_id(patient.person));
        let since = self.calendar.fhir(from);
        self.add_setup(patient, from, fhir::device(patient.person, &key("device")));
        let joined = fhir::device_join(patient.person, &key("join"), &since);
        self.add_setup(patient, from, joined);
        let feed = match self.random.below(10) {
            0..6 => Feed::Single,
            6..8 => Feed::Batch,
            _ => Feed::Numbered,
        };
        let falls_silent = !has_silent && feed == Feed::Single && to == self.span;
        let end = if falls_silent { from + (to - from) * 6 / 10 } else { to };
        self.readings(patient, feed, (from + READING_SECONDS, end));
        if to < self.span {
            let until = self.calendar.fhir(to);
            let parted = fhir::device_part(patient.person, &key("part"), &until);
            self.add_setup(patient, to, parted);
        }
        if falls_silent {
            let call = fhir::device_interval(patient.person, &key("interval"), 1);
            self.add_setup(patient, end, call);
        }
        falls_silent
    }

    fn readings(&mut self, patient: &Patient<'_>, feed: Feed, (from, to): (i64, i64)) {
        let per_message = feed.readings();
        let mut waiting = Vec::new();
        let (mut at, mut sequence) = (from, 0);
        while at < to {
            if let Some(ward) = patient.place_at(at) {
                let vitals = patient.course.vitals(&mut self.random, at);
                waiting.push(fhir::reading(patient.person, &self.calendar.fhir(at), &vitals));
                // A numbered feed is stored and forwarded; a live wave would tell a wrong clock.
                let is_hour = at % HOUR < READING_SECONDS;
                if ward == Ward::Intensive && is_hour && feed != Feed::Numbered {
                    let key = format!("demo-{}-wave-{at}", fhir::device_id(patient.person));
                    let wave = fhir::wave(patient.person, &key, self.calendar, at);
                    self.add(patient, at, 1, Content::Call(wave));
                }
            }
            if waiting.len() >= per_message {
                sequence += 1;
                self.send(patient, feed, (at, sequence), &std::mem::take(&mut waiting));
            }
            at += READING_SECONDS;
        }
    }

    fn send(
        &mut self,
        patient: &Patient<'_>,
        feed: Feed,
        (at, sequence): (i64, u64),
        readings: &[serde_json::Value],
    ) {
        let key = format!("demo-{}-{sequence}", fhir::device_id(patient.person));
        let person = patient.person;
        let count = u32::try_from(readings.len()).unwrap_or(0) * fhir::READING_COUNT;
        let call = match (feed, readings) {
            // Lost on the way, for good: a gap in the numbers.
            (Feed::Numbered, _) if sequence % 17 == 3 => return,
            (Feed::Numbered, _) => {
                fhir::samples(person, readings, &key, (sequence, &self.calendar.fhir(at)))
            }
            (Feed::Single, [reading]) => fhir::observation(reading, &key),
            (Feed::Single | Feed::Batch, _) => fhir::batch(readings, &key),
        };
        // A batch that was out of reach comes late and fills the gap that it left.
        let delay = if feed == Feed::Numbered && sequence % 17 == 6 { 25 * MINUTE } else { 0 };
        self.add(patient, at + delay, count, Content::Call(call));
        // What the device was missing before its first batch nobody can know.
        let is_first = feed == Feed::Numbered && sequence == 1;
        if let Some(fact) = self.facts.last_mut().filter(|_| is_first) {
            fact.is_setup = true;
        }
    }
}

/// How an oximeter sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Feed {
    /// Every reading by itself.
    Single,
    /// Half an hour of readings in a batch bundle.
    Batch,
    /// Numbered batches to the device's own feed.
    Numbered,
}

impl Feed {
    const fn readings(self) -> usize {
        match self {
            Self::Single => 1,
            Self::Batch => 6,
            Self::Numbered => 3,
        }
    }
}

fn ward_results(taken_at: i64, ward: Ward) -> Results<'static> {
    Results { taken_at, filler: String::new(), status: "F", ward: ward.code() }
}
