//! The census of a simulated hospital's ADT stream, every hour and ward, through the real gateway
//! and a real node (MEDULLA_CORPUS).

use crate::world::{World, caller, corpus};
use actors_facility::Facility;
use actors_facility::command::{Command, Read, Reply};
use flate2::read::GzDecoder;
use node_app::Node;
use node_ingest::hl7::{self, Disposition};
use schema_types::time::{MICROS_PER_HOUR, Timestamp};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

fn unpack(path: &Path) -> String {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

/// Occupied beds by hour (since the first) and ward.
fn truth(text: &str) -> BTreeMap<(usize, String), u32> {
    let mut hours = BTreeMap::new();
    let mut rows = BTreeMap::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let next = hours.len();
        let hour = *hours.entry(fields[0].to_owned()).or_insert(next);
        rows.insert((hour, fields[1].to_owned()), fields[3].parse().unwrap());
    }
    rows
}

async fn census(node: &Node, hours: usize) -> BTreeMap<(usize, String), u32> {
    // The stream begins on 2026-03-02T00:00:00Z.
    let from = Timestamp::from_unix_seconds(1_772_409_600);
    let span = i64::try_from(hours).unwrap() - 1;
    let question = Command::Read(Read::CensusSeries {
        from,
        to: from.plus_micros(span * MICROS_PER_HOUR),
        step_micros: MICROS_PER_HOUR,
    });
    let hospital = node.gateway().facility("OHG");
    let reply = node.gateway().ask::<Facility>(&caller(), hospital, question).await.unwrap();
    let Reply::CensusSeries(series) = reply else { panic!("unexpected reply") };
    let mut rows = BTreeMap::new();
    for (hour, census) in series.into_iter().enumerate() {
        for (ward, occupied) in census.occupied {
            rows.insert((hour, ward), occupied);
        }
    }
    rows
}

#[tokio::test]
async fn the_census_is_exact_for_every_hour_and_ward() {
    let Some(corpus) = corpus() else {
        println!("skipped: MEDULLA_CORPUS is not set");
        return;
    };
    let folder = corpus.join("adt-stream");
    let stream = unpack(&folder.join("adt-stream.hl7.gz"));
    let expected = truth(&unpack(&folder.join("true-occupancy.tsv.gz")));
    let hours = expected.keys().map(|(hour, _)| hour + 1).max().unwrap();
    let world = World::new(1);
    let node = world.start().await.unwrap();
    let received = hl7::receive_file(node.gateway(), &caller(), stream.as_bytes()).await;
    let count = |wanted: fn(&Disposition) -> bool| {
        received.iter().filter(|message| wanted(&message.disposition)).count()
    };
    let accepted = count(|disposition| *disposition == Disposition::Accepted);
    let repeated = count(|disposition| *disposition == Disposition::Duplicate);
    println!("{} messages: {accepted} accepted, {repeated} repeats", received.len());
    assert_eq!(accepted + repeated, received.len());
    let mut found = BTreeMap::new();
    for _ in 0..200 {
        found = census(&node, hours).await;
        if found == expected {
            break;
        }
        tokio::task::yield_now().await;
        tokio::time::timeout(std::time::Duration::from_millis(20), std::future::pending::<()>())
            .await
            .unwrap_err();
    }
    let wrong = expected.iter().filter(|(cell, beds)| found.get(*cell) != Some(*beds)).count();
    println!("{} cells, {wrong} wrong", expected.len());
    assert_eq!(wrong, 0);
}
