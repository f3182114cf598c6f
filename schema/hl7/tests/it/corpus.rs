//! Every file of the public corpus: nothing panics, nothing vanishes, good messages are taken.

use crate::fixture::read;
use schema_hl7::batch::{self, BatchItem};
use schema_hl7::typed::is_supported;
use schema_hl7::{Header, fuzz_entry};
use schema_types::error_code::ErrorCode;
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

/// Name and bytes of every file below `folder`, archives opened.
fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.display().to_string();
        if path.is_dir() {
            files(&path, found);
        } else if name.ends_with(".tar.gz") {
            let packed = std::fs::File::open(&path).unwrap();
            let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed));
            for entry in archive.entries().unwrap() {
                let mut entry = entry.unwrap();
                let inner = entry.path().unwrap().display().to_string();
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).unwrap();
                if !bytes.is_empty() {
                    found.push((format!("{name}/{inner}"), bytes));
                }
            }
        } else if !name.ends_with(".tsv") {
            found.push((name, std::fs::read(&path).unwrap()));
        }
    }
}

/// What became of one item: `accepted`, `warning` or a code.
fn outcome(item: &BatchItem) -> String {
    match item {
        BatchItem::Warning(error) => format!("warning {}", error.code),
        BatchItem::Refused { error, .. } => format!("not a message, {}", error.code),
        BatchItem::Message { bytes, .. } => match read(bytes.expose()) {
            Ok(_) => "accepted".to_owned(),
            Err(error) => error.code.to_string(),
        },
    }
}

/// Why a message of a supported type may be refused at all: what it lacks or gets wrong.
const CONTENT_ERRORS: [ErrorCode; 8] = [
    ErrorCode::Hl7Version,
    ErrorCode::Hl7SegmentMissing,
    ErrorCode::Hl7FieldMissing,
    ErrorCode::Hl7DataType,
    ErrorCode::Hl7Segment,
    ErrorCode::Hl7Encoding,
    ErrorCode::Hl7UnsupportedEvent,
    ErrorCode::ClinicalFuture,
];

fn check_message(name: &str, bytes: &[u8]) {
    let Err(error) = read(bytes) else { return };
    assert!(CONTENT_ERRORS.contains(&error.code), "{name}: {error}");
    let header = Header::salvage(bytes).unwrap();
    let supported = is_supported(&header.message_type, &header.trigger);
    let unsupported = error.code == ErrorCode::Hl7UnsupportedEvent;
    let has_type = !header.message_type.is_empty() && !header.trigger.is_empty();
    assert_eq!(unsupported, !supported && has_type, "{name}: {error}");
}

#[test]
fn every_file_of_the_corpus_is_accounted_for() {
    let Some(corpus) = corpus() else { return };
    let folder = corpus.join("hl7v2");
    let mut all = Vec::new();
    files(&folder, &mut all);
    assert!(all.len() >= 300, "the corpus is not whole: {} files", all.len());
    let mut table: BTreeMap<String, usize> = BTreeMap::new();
    let mut whole_files = 0;
    for (name, bytes) in &all {
        fuzz_entry(bytes);
        let items = batch::split(bytes);
        assert!(!items.is_empty(), "{name}");
        for item in &items {
            if let BatchItem::Message { bytes, .. } = item {
                check_message(name, bytes.expose());
            }
            let place = Path::new(name).strip_prefix(&folder).unwrap();
            let source: PathBuf = place.components().take(2).collect();
            let row = format!("{:32} {}", source.display(), outcome(item));
            *table.entry(row).or_default() += 1;
        }
        whole_files += usize::from(items.iter().all(|item| outcome(item) == "accepted"));
    }
    println!("{} files, {whole_files} of them taken whole", all.len());
    for (row, count) in &table {
        println!("{row:64} {count}");
    }
}

/// The stream from which the census is folded must be taken to the last message.
#[test]
fn the_adt_stream_is_taken_whole() {
    let Some(corpus) = corpus() else { return };
    let packed = std::fs::File::open(corpus.join("adt-stream/adt-stream.hl7.gz")).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    let items = batch::split(&bytes);
    assert!(items.len() > 400, "{} messages", items.len());
    assert!(items.iter().all(|item| outcome(item) == "accepted"));
}
