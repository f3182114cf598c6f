//! A seeded hospital: the same seed gives the same people, the same day and the same messages,
//! moved to end at a given time. Pure: no clock, no files, no network; all data are invented here.

mod course;
mod facts;
mod faults;
pub(crate) mod fhir;
#[cfg(test)]
mod generator_test;
mod hl7;
mod hospital;
mod journey;
mod oracle;
mod people;
mod places;
mod random;

use chrono::DateTime;
use course::Course;
use facts::{Content, Fact};
use fhir::Call;
use hl7::Envelope;
pub(crate) use oracle::Oracle;
use people::Person;
pub(crate) use places::Ward;
use random::Random;
use schema_types::time::{MICROS_PER_SECOND, Timestamp};

/// The hospital, as it stands in messages.
pub(crate) const FACILITY: &str = "NORTHGATE";

/// What to generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) hours: u32,
    pub(crate) patients: u32,
    pub(crate) seed: u64,
}

/// One thing to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// When it is sent, seconds since the start.
    pub(crate) sent_at: i64,
    /// Messages of one line are sent in order, over one connection.
    pub(crate) line: usize,
    pub(crate) body: Body,
    pub(crate) expected: Expected,
    /// How many observations it adds.
    pub(crate) observations: u32,
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    /// Over MLLP.
    Hl7(Vec<u8>),
    /// Over HTTP.
    Http(Call),
}

/// What a sound node does with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    Taken,
    /// It came before.
    Repeated,
    /// It is broken.
    Quarantined,
}

/// The generated day.
#[derive(Debug)]
pub(crate) struct Generated {
    /// In the order of sending.
    pub(crate) messages: Vec<Message>,
    pub(crate) oracle: Oracle,
    /// Persons for whom a clinician chose the second oxygen scale.
    pub(crate) second_scale: Vec<String>,
    pub(crate) calendar: Calendar,
    pub(crate) span_seconds: i64,
}

/// Numbers of independent random streams.
mod stream {
    pub(super) const PEOPLE: u64 = 1 << 32;
    pub(super) const COURSES: u64 = 2 << 32;
    pub(super) const JOURNEYS: u64 = 3 << 32;
    pub(super) const FACTS: u64 = 4 << 32;
    pub(super) const FAULTS: u64 = 5 << 32;

    pub(super) fn of(index: usize) -> u64 {
        u64::try_from(index).unwrap_or(u64::MAX)
    }
}

/// From seconds of the generated day to the time of day outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Calendar {
    starts_at: Timestamp,
}

impl Calendar {
    /// The instant of a second of the day.
    pub(crate) const fn instant(&self, at: i64) -> Timestamp {
        self.starts_at.plus_micros(at * MICROS_PER_SECOND)
    }

    /// As HL7 writes it.
    pub(crate) fn hl7(&self, at: i64) -> String {
        self.format(at, "%Y%m%d%H%M%S+0000")
    }

    /// As FHIR writes it.
    pub(crate) fn fhir(&self, at: i64) -> String {
        self.format(at, "%Y-%m-%dT%H:%M:%SZ")
    }

    fn format(&self, at: i64, pattern: &str) -> String {
        let moment = DateTime::from_timestamp_micros(self.instant(at).unix_micros());
        moment.map(|moment| moment.format(pattern).to_string()).unwrap_or_default()
    }
}

/// Generates the day that ends at `ends_at`, to the second.
pub(crate) fn generate(plan: Plan, ends_at: Timestamp) -> Generated {
    let span = i64::from(plan.hours) * 3_600;
    let whole_seconds = ends_at.unix_micros().div_euclid(MICROS_PER_SECOND);
    let calendar = Calendar { starts_at: Timestamp::from_unix_seconds(whole_seconds - span) };
    let count = usize::try_from(plan.patients).unwrap_or(0);
    let random = |stream: u64, index: usize| Random::new(plan.seed, stream + stream::of(index));
    let people: Vec<Person> =
        (0..count).map(|index| Person::new(&mut random(stream::PEOPLE, index), index)).collect();
    let courses: Vec<Course> =
        (0..count).map(|index| Course::new(&mut random(stream::COURSES, index), span)).collect();
    let scripts: Vec<_> = courses
        .iter()
        .enumerate()
        .map(|(index, course)| journey::script(&mut random(stream::JOURNEYS, index), course, span))
        .collect();
    let day = hospital::play(&scripts, span);
    let facts = facts::facts(plan.seed, span, &calendar, (&people, &courses, &day));
    let messages = Sender { plan, span, calendar: &calendar, people: &people }.messages(facts);
    let is_chronic = |index: usize| courses[index].is_hypoxic && !day.presence[index].is_empty();
    let second_scale =
        (0..count).filter(|index| is_chronic(*index)).map(|index| people[index].key()).collect();
    Generated { messages, oracle: day.oracle, second_scale, calendar, span_seconds: span }
}

/// Turns facts into messages, with everything that goes wrong on the way.
struct Sender<'a> {
    plan: Plan,
    span: i64,
    calendar: &'a Calendar,
    people: &'a [Person],
}

impl Sender<'_> {
    fn messages(&self, mut facts: Vec<Fact>) -> Vec<Message> {
        facts.sort_by_key(|fact| (fact.at, fact.person));
        let mut messages = Vec::with_capacity(facts.len() * 21 / 20);
        for (number, fact) in facts.iter().enumerate() {
            let mut random = Random::new(self.plan.seed, stream::FAULTS + stream::of(number));
            self.send(&mut random, fact, number, &mut messages);
        }
        // Stable: what is sent in the same second keeps its order.
        messages.sort_by_key(|message| message.sent_at);
        messages
    }

    fn send(&self, random: &mut Random, fact: &Fact, number: usize, messages: &mut Vec<Message>) {
        let delay = if fact.is_setup { 0 } else { faults::delay(random) };
        let sent_at = (fact.at + delay).min(self.span - 1);
        let line = self.people[fact.person].line;
        let control_id = format!("NG{number:08}");
        let body = self.render(fact, sent_at, &control_id);
        let message = |sent_at, body, expected, observations| Message {
            sent_at,
            line,
            body,
            expected,
            observations,
        };
        let can_break = match &body {
            Body::Hl7(_) => true,
            Body::Http(call) => call.path == fhir::OBSERVATIONS,
        };
        if can_break && random.chance(faults::BROKEN_PER_THOUSAND) {
            let broken = self.broken(random, &body, &format!("NX{number:08}"));
            messages.push(message(sent_at, broken, Expected::Quarantined, 0));
        }
        let again_at = (sent_at + random.between(1, 1_800)).min(self.span - 1);
        if let (Body::Hl7(bytes), true) = (&body, random.chance(faults::REUSED_PER_THOUSAND)) {
            let reused = Body::Hl7(faults::reused_control_id(bytes));
            messages.push(message(sent_at, body, Expected::Taken, fact.observations));
            messages.push(message(again_at, reused, Expected::Quarantined, 0));
        } else if random.chance(faults::REPEATED_PER_THOUSAND) {
            messages.push(message(sent_at, body.clone(), Expected::Taken, fact.observations));
            messages.push(message(again_at, body, Expected::Repeated, 0));
        } else {
            messages.push(message(sent_at, body, Expected::Taken, fact.observations));
        }
    }

    fn render(&self, fact: &Fact, sent_at: i64, control_id: &str) -> Body {
        let envelope = Envelope { control_id, sent_at, calendar: self.calendar };
        let known = &self.people[fact.person];
        let mistaken = fact.is_duplicate.then(|| known.duplicate());
        let person = mistaken.as_ref().unwrap_or(known);
        match &fact.content {
            Content::Move(moved) if moved.trigger == "A40" => {
                Body::Hl7(hl7::merge(envelope, known, moved.at))
            }
            Content::Move(moved) => Body::Hl7(hl7::movement(envelope, person, moved)),
            Content::Vitals(results, vitals) => {
                Body::Hl7(hl7::vitals(envelope, person, results, vitals))
            }
            Content::Laboratory(results, analyses) => {
                Body::Hl7(hl7::laboratory(envelope, person, results, analyses))
            }
            Content::Call(call) => Body::Http(call.clone()),
        }
    }

    fn broken(&self, random: &mut Random, good: &Body, control_id: &str) -> Body {
        let future = self.calendar.hl7(self.span + 2 * 366 * 24 * 3_600);
        match good {
            Body::Hl7(bytes) => {
                Body::Hl7(faults::broken_message(random, bytes, control_id, &future))
            }
            Body::Http(call) => Body::Http(faults::broken_call(random, call)),
        }
    }
}
