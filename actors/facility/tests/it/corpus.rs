//! FAC-2 on the recorded ADT stream: every hour and ward equals the true occupancy, in order of
//! arrival and in any other order.

use crate::support::{Harness, patient};
use actors_facility::Command;
use actors_facility::command::{Read, Reply};
use flate2::read::GzDecoder;
use schema_types::clinical::{EncounterClass, Location, Movement, MovementKind, Provenance};
use schema_types::facility::{FacilityNotice, Stay};
use schema_types::ids::EncounterId;
use schema_types::time::{MICROS_PER_HOUR, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::PathBuf;

const OCCUPANCY_ROWS: usize = 1_011;

#[expect(clippy::disallowed_methods, reason = "tests find the corpus by environment")]
fn corpus() -> Option<PathBuf> {
    let folder = std::env::var("MEDULLA_CORPUS").ok()?;
    Some(PathBuf::from(folder).join("adt-stream"))
}

fn text(path: PathBuf) -> String {
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text
}

/// `YYYYMMDDHHMMSS`, UTC, by the civil calendar.
fn time(digits: &str) -> Timestamp {
    let number = |from: usize, to: usize| digits[from..to].parse::<i64>().unwrap();
    let (year, month, day) = (number(0, 4), number(4, 6), number(6, 8));
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    let seconds = number(8, 10) * 3_600 + number(10, 12) * 60 + number(12, 14);
    Timestamp::from_unix_seconds((days - 719_469) * 86_400 + seconds)
}

fn location(field: &str) -> Option<Location> {
    let mut parts = field.split('^').map(str::to_owned);
    let (ward, room, bed) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Location { facility: parts.next()?, ward, room, bed })
}

fn kind(trigger: &str) -> MovementKind {
    match trigger {
        "A01" => MovementKind::Admit,
        "A02" => MovementKind::Transfer,
        "A03" => MovementKind::Discharge,
        "A08" => MovementKind::Update,
        "A11" => MovementKind::CancelAdmit,
        "A13" => MovementKind::CancelDischarge,
        other => panic!("the stream has no {other}"),
    }
}

/// Patient, stay and movement of one message.
fn message(segments: &BTreeMap<&str, Vec<&str>>) -> (String, String, Movement) {
    let field = |segment: &str, index: usize| segments[segment].get(index).copied().unwrap_or("");
    let first = |text: &str| text.split('^').next().unwrap_or_default().to_owned();
    // MSH-1 is the separator itself, so the fields of MSH are one place to the left.
    let movement = Movement {
        kind: kind(field("EVN", 1)),
        at: time(field("EVN", 6)),
        message_id: field("MSH", 9).to_owned(),
        class: EncounterClass::Inpatient,
        location: location(field("PV1", 3)),
        prior_location: location(field("PV1", 6)),
        provenance: Provenance::default(),
    };
    assert_eq!(field("PV1", 2), "I");
    (first(field("PID", 3)), first(field("PV1", 19)), movement)
}

fn messages(stream: &str) -> Vec<(String, String, Movement)> {
    let mut all = Vec::new();
    for text in stream.split("MSH|").filter(|text| !text.trim().is_empty()) {
        let text = format!("MSH|{text}");
        let lines = text.split('\r').filter(|line| !line.trim().is_empty());
        let segments = lines.map(|line| {
            let fields: Vec<&str> = line.split('|').collect();
            (fields[0], fields)
        });
        all.push(message(&segments.collect()));
    }
    all
}

/// What patients tell when messages arrive in this order: each the whole stay, first copies only.
fn notices(messages: &[(String, String, Movement)]) -> Vec<Command> {
    let mut seen = BTreeSet::new();
    let mut stays: BTreeMap<(String, String), Stay> = BTreeMap::new();
    let mut notices = Vec::new();
    for (mrn, visit, movement) in messages {
        if !seen.insert(movement.message_id.clone()) {
            continue;
        }
        let stay = stays.entry((mrn.clone(), visit.clone())).or_insert_with(|| Stay {
            patient: patient(mrn),
            revision: 0,
            movements: Vec::new(),
        });
        stay.revision += 1;
        stay.movements.push(movement.clone());
        let encounter = EncounterId::new(visit.as_str());
        let stay = stay.clone();
        notices.push(Command::Notice(FacilityNotice::StayChanged { encounter, stay }));
    }
    notices
}

/// A fixed disorder: neighbours end far apart, and everything comes twice.
fn shuffled<T: Clone>(items: &[T], stride: usize) -> Vec<T> {
    let scattered = (0..stride).flat_map(|first| items.iter().skip(first).step_by(stride).rev());
    scattered.chain(items.iter().rev()).cloned().collect()
}

fn truth(table: &str) -> BTreeMap<(Timestamp, String), u32> {
    let rows = table.lines().skip(1).map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        let digits: String = fields[0].chars().filter(char::is_ascii_digit).collect();
        ((time(&digits), fields[1].to_owned()), fields[3].parse().unwrap())
    });
    rows.collect()
}

fn wrong_cells(harness: &mut Harness, truth: &BTreeMap<(Timestamp, String), u32>) -> usize {
    let (from, to) = (truth.keys().next().unwrap().0, truth.keys().next_back().unwrap().0);
    let read = Read::CensusSeries { from, to, step_micros: MICROS_PER_HOUR };
    let Reply::CensusSeries(series) = harness.run(Command::Read(read)).reply else {
        panic!("another reply")
    };
    let cells: BTreeMap<(Timestamp, String), u32> = series
        .into_iter()
        .flat_map(|census| {
            let at = census.at.unwrap();
            census.occupied.into_iter().map(move |(ward, count)| ((at, ward), count))
        })
        .collect();
    assert_eq!(cells.len(), truth.len());
    truth.iter().filter(|(cell, count)| cells.get(*cell) != Some(count)).count()
}

#[test]
fn fac_2_every_hour_and_ward_of_the_recorded_stream_is_exact() {
    let Some(folder) = corpus() else {
        eprintln!("skipped: MEDULLA_CORPUS is not set");
        return;
    };
    let arrival = messages(&text(folder.join("adt-stream.hl7.gz")));
    let truth = truth(&text(folder.join("true-occupancy.tsv.gz")));
    assert_eq!(truth.len(), OCCUPANCY_ROWS);
    let orders = [arrival.clone(), shuffled(&arrival, 7), shuffled(&arrival, 101)];
    for (index, order) in orders.iter().enumerate() {
        let told = notices(order);
        for notices in [told.clone(), shuffled(&told, 13)] {
            let mut harness = Harness::default();
            for notice in notices {
                harness.run(notice);
            }
            assert_eq!(wrong_cells(&mut harness, &truth), 0, "order {index}");
            harness.assert_replay();
        }
    }
}
