//! Every HL7 v2 file of the public corpus through the gateway: all of it is taken or kept, and
//! sending it again changes nothing.

use crate::mllp::world::{World, person};
use node_ingest::hl7::{Disposition, receive_file};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

#[expect(clippy::disallowed_methods, reason = "tests find the corpus by environment")]
fn corpus() -> Option<PathBuf> {
    let found = std::env::var("MEDULLA_CORPUS").ok().map(PathBuf::from);
    if found.is_none() {
        println!("skipped: MEDULLA_CORPUS is not set");
    }
    found
}

fn gunzip(path: &Path) -> Vec<u8> {
    let packed = std::fs::File::open(path).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    bytes
}

/// The bytes of every file below `folder`, in order of name, archives opened.
fn files(folder: &Path, found: &mut Vec<Vec<u8>>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.display().to_string();
        if path.is_dir() {
            files(&path, found);
        } else if name.ends_with(".tar.gz") {
            let bytes = gunzip(&path);
            let mut archive = tar::Archive::new(&bytes[..]);
            for entry in archive.entries().unwrap() {
                let mut bytes = Vec::new();
                entry.unwrap().read_to_end(&mut bytes).unwrap();
                found.push(bytes);
            }
        } else if name.ends_with(".hl7.gz") {
            found.push(gunzip(&path));
        } else if !name.ends_with(".tsv") && !name.ends_with(".gz") {
            found.push(std::fs::read(&path).unwrap());
        }
    }
    found.retain(|bytes| !bytes.is_empty());
}

/// How many messages ended in which way.
async fn send_all(world: &World, files: &[Vec<u8>]) -> BTreeMap<String, usize> {
    let mut table = BTreeMap::new();
    for bytes in files {
        for received in receive_file(&world.gateway, &person(), bytes).await {
            let row = match received.disposition {
                Disposition::Accepted => "accepted".to_owned(),
                Disposition::Duplicate => "duplicate".to_owned(),
                Disposition::Quarantined { code, .. } => format!("quarantined {code}"),
                Disposition::Refused { code } => format!("failed {code}"),
            };
            *table.entry(row).or_default() += 1;
        }
    }
    table
}

#[tokio::test]
async fn the_corpus_is_taken_or_kept() {
    let Some(corpus) = corpus() else { return };
    for folder in ["hl7v2", "adt-stream"] {
        let mut all = Vec::new();
        files(&corpus.join(folder), &mut all);
        let world = World::new().await;
        let first = send_all(&world, &all).await;
        println!("{folder}: {} files, {first:#?}", all.len());
        let mut reasons = BTreeMap::<String, usize>::new();
        for kept in world.quarantined().await {
            let place = kept.location.split('[').next().unwrap_or_default();
            let row = format!("{} {place}: {}", kept.code, kept.reason);
            *reasons.entry(row).or_default() += 1;
        }
        println!("distinct in quarantine: {reasons:#?}");
        assert!(first["accepted"] > 50, "{folder}");
        assert!(first.keys().all(|row| !row.starts_with("failed")), "{folder}: {first:?}");
        let second = send_all(&world, &all).await;
        assert_eq!(second.get("accepted"), None, "{folder}: everything is known by now");
        let quarantined = |table: &BTreeMap<String, usize>| -> usize {
            table.iter().filter(|(row, _)| row.starts_with("quarantined")).map(|(_, n)| n).sum()
        };
        assert_eq!(quarantined(&first), quarantined(&second), "{folder}");
        world.verify_audit().await;
    }
}
