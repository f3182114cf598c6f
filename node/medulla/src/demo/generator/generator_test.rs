//! The generator: the same seed is the same hospital, messages say what they should, and the
//! oracle agrees with the messages when these are read by our own decoder.

use super::*;
use schema_hl7::{DecodeContext, Message as Hl7Message, Payload, decode};
use schema_types::ids::{MessageDigest, TenantId};
use std::collections::{BTreeMap, BTreeSet};

const NOON: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

fn plan(hours: u32, patients: u32, seed: u64) -> Plan {
    Plan { hours, patients, seed }
}

fn hl7_of(generated: &Generated, expected: Expected) -> impl Iterator<Item = &[u8]> {
    generated.messages.iter().filter(move |one| one.expected == expected).filter_map(|message| {
        match &message.body {
            Body::Hl7(bytes) => Some(bytes.as_slice()),
            Body::Http(_) => None,
        }
    })
}

fn read(bytes: &[u8]) -> Result<schema_hl7::Incoming, schema_hl7::Hl7Error> {
    let context = DecodeContext {
        tenant: TenantId::new("default"),
        digest: MessageDigest::of(bytes),
        received_at: NOON,
        default_utc_offset_minutes: 0,
    };
    decode(&Hl7Message::parse(bytes)?, &context)
}

#[test]
fn a_seed_is_a_hospital() {
    let one = generate(plan(6, 30, 7), NOON);
    let same = generate(plan(6, 30, 7), NOON);
    let other = generate(plan(6, 30, 8), NOON);
    assert_eq!(one.messages, same.messages);
    assert_eq!(one.oracle, same.oracle);
    assert_ne!(one.messages, other.messages);
    let later = generate(plan(6, 30, 7), NOON.plus_micros(3_600_000_000));
    assert_eq!(one.oracle, later.oracle, "another end moves the day, nothing else");
    assert_eq!(one.messages.len(), later.messages.len());
    let times = |generated: &Generated| {
        generated.messages.iter().map(|one| (one.sent_at, one.line)).collect::<Vec<_>>()
    };
    assert_eq!(times(&one), times(&later));
}

#[test]
fn good_messages_are_taken_by_our_decoder_and_broken_ones_are_not() {
    let generated = generate(plan(24, 60, 1), NOON);
    let mut triggers = BTreeSet::new();
    for bytes in hl7_of(&generated, Expected::Taken) {
        let incoming = read(bytes).unwrap();
        triggers.insert(incoming.header.trigger.clone());
    }
    for wanted in ["A01", "A02", "A03", "A04", "A05", "A06", "A08", "A40", "R01"] {
        assert!(triggers.contains(wanted), "{wanted} is missing in {triggers:?}");
    }
    let mut codes = BTreeSet::new();
    let is_reused = |bytes: &[u8]| bytes.windows(9).any(|window| window == b"|T|2.5.1\r");
    for bytes in hl7_of(&generated, Expected::Quarantined).filter(|bytes| !is_reused(bytes)) {
        codes.insert(read(bytes).unwrap_err().code);
    }
    assert!(codes.len() >= 6, "several kinds of damage: {codes:?}");
    let first: BTreeSet<&[u8]> = hl7_of(&generated, Expected::Taken).collect();
    assert!(hl7_of(&generated, Expected::Repeated).all(|again| first.contains(again)));
}

#[test]
fn what_goes_wrong_is_in_proportion_and_within_the_day() {
    let generated = generate(plan(24, 200, 42), NOON);
    let total = generated.messages.len();
    assert!(total > 10_000, "{total}");
    let share = |expected| {
        generated.messages.iter().filter(|one| one.expected == expected).count() * 1_000 / total
    };
    assert!((5..=14).contains(&share(Expected::Quarantined)), "{}", share(Expected::Quarantined));
    assert!((10..=20).contains(&share(Expected::Repeated)), "{}", share(Expected::Repeated));
    let in_order = generated.messages.is_sorted_by_key(|one| one.sent_at);
    assert!(in_order && generated.messages.iter().all(|one| one.sent_at < 24 * 3_600));
    let keys: BTreeSet<&str> = generated
        .messages
        .iter()
        .filter(|one| one.expected == Expected::Taken)
        .filter_map(|one| match &one.body {
            Body::Http(call) => Some(call.key.as_str()),
            Body::Hl7(_) => None,
        })
        .collect();
    let calls = generated
        .messages
        .iter()
        .filter(|one| one.expected == Expected::Taken && matches!(one.body, Body::Http(_)));
    assert_eq!(keys.len(), calls.count(), "every request has its own key");
}

/// When a stay was somewhere: time, trigger, class, ward.
type Statement = (Timestamp, String, String, String);

/// What the messages say of every stay.
fn statements(generated: &Generated) -> BTreeMap<String, Vec<Statement>> {
    let mut stays: BTreeMap<String, Vec<Statement>> = BTreeMap::new();
    for bytes in hl7_of(generated, Expected::Taken) {
        let is_adt = bytes.windows(5).take(80).any(|window| window == b"|ADT^");
        let Some(incoming) = is_adt.then(|| read(bytes).unwrap()) else { continue };
        let trigger = incoming.header.trigger.clone();
        let Payload::Adt(adt) = incoming.payload else { continue };
        let Some((encounter, movement)) = adt.movement else { continue };
        let ward = movement.location.map(|location| location.ward).unwrap_or_default();
        let stay = stays.entry(encounter.as_str().to_owned()).or_default();
        stay.push((movement.at, trigger, movement.class.label().to_owned(), ward));
    }
    stays.values_mut().for_each(|stay| stay.sort());
    stays
}

/// The census by a reading of the messages that shares nothing with the oracle: the last statement
/// of every stay up to the instant.
fn census_of(stays: &BTreeMap<String, Vec<Statement>>, until: Timestamp) -> BTreeMap<String, u64> {
    let mut census = BTreeMap::new();
    for stay in stays.values() {
        let last = stay.iter().rev().find(|(at, _, _, _)| *at <= until);
        let Some((_, trigger, class, ward)) = last else { continue };
        if class == "inpatient" && !matches!(trigger.as_str(), "A03" | "A11") {
            *census.entry(ward.clone()).or_insert(0) += 1;
        }
    }
    census
}

#[test]
fn the_oracle_agrees_with_what_the_messages_say() {
    for seed in [1, 2] {
        let generated = generate(plan(24, 100, seed), NOON);
        let stays = statements(&generated);
        let mut total = 0;
        for hour in 1..=24 {
            let truth = generated.oracle.census(hour * 3_600);
            total += truth.values().sum::<u64>();
            let said = census_of(&stays, generated.calendar.instant(hour * 3_600));
            assert_eq!(truth, said, "{seed} {hour}");
        }
        assert!(total > 500, "the wards fill: {total}");
    }
}

#[test]
fn a_bed_holds_one_patient() {
    let generated = generate(plan(24, 150, 5), NOON);
    let beds: usize = Ward::ALL.iter().map(|ward| ward.beds(150)).sum();
    for hour in 1..=24 {
        let census = generated.oracle.census(hour * 3_600);
        for ward in Ward::ALL {
            let taken = census.get(ward.code()).copied().unwrap_or(0);
            assert!(taken <= stream::of(ward.beds(150)), "{ward:?}");
        }
        assert!(census.values().sum::<u64>() <= stream::of(beds));
    }
}

#[test]
fn a_short_day_of_few_people_works() {
    let generated = generate(plan(1, 40, 42), NOON);
    assert!(generated.messages.len() > 150, "{}", generated.messages.len());
    let tiny = generate(plan(1, 1, 0), NOON);
    assert!(tiny.messages.len() < 200);
}
