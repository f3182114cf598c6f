//! Damage at rest: a flipped, cut, removed or exchanged part is noticed at opening or at the
//! read, never served, and an inspection names it and still reads the rest.

use std::path::{Path, PathBuf};

use actors_store::{KeyRange, RangeQuery, ReadError, Store};
use futures::executor::block_on;
use node_env::Disk;
use node_env::fake::FakeDisk;
use node_store_embedded::{EmbeddedStore, Execution, OpenError, Options, inspect};

use crate::world::{DIRECTORY, all, faked, files, open, open_inline, set, small};

const COUNT: usize = 40;

fn expected() -> Vec<(String, String)> {
    (0..COUNT).map(|number| (format!("key {number:03}"), format!("value {number}"))).collect()
}

/// Options under which nothing is checkpointed.
fn log_only() -> Options {
    Options { overlay_bytes: 1 << 30, ..small(DIRECTORY) }
}

/// A closed directory whose data is all in the log (in several segments).
fn logged() -> FakeDisk {
    let disk = FakeDisk::new(1);
    let store = EmbeddedStore::open(faked(&disk, Execution::Inline), &log_only()).unwrap();
    for (key, value) in expected() {
        set(&store, &key, &value).unwrap();
    }
    store.close();
    disk
}

/// A closed directory whose data is mostly in runs.
fn checkpointed() -> FakeDisk {
    let disk = FakeDisk::new(2);
    let store = open_inline(&disk);
    for (key, value) in expected() {
        set(&store, &key, &value).unwrap();
    }
    assert!(store.stats().checkpoints > 0 && store.stats().runs > 0);
    store.close();
    disk
}

/// Opens and reads everything; whether damage was noticed. What is served must be right.
fn notices_damage(disk: &FakeDisk) -> bool {
    let opened = EmbeddedStore::open(faked(disk, Execution::Inline), &log_only());
    let store = match opened {
        Ok(store) => store,
        Err(OpenError::Damaged(problem)) => {
            assert!(!problem.file.is_empty());
            return true;
        }
        Err(other) => panic!("{other}"),
    };
    let snapshot = block_on(store.begin()).unwrap();
    let mut noticed = false;
    for (key, value) in expected() {
        match block_on(snapshot.get(key.as_bytes())) {
            Ok(found) => assert_eq!(found.as_deref(), Some(value.as_bytes()), "{key}"),
            Err(ReadError::Corrupt { place }) => {
                assert!(!place.contains("key 0"), "no key in an error text");
                noticed = true;
            }
            Err(other) => panic!("{other}"),
        }
    }
    let whole = block_on(snapshot.range(RangeQuery::forward(KeyRange::prefix(b""), 1_000)));
    noticed | whole.is_err()
}

fn used_bytes(contents: &[u8]) -> usize {
    contents.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)
}

#[test]
fn every_flipped_byte_of_the_log_is_noticed_or_changes_nothing() {
    let disk = logged();
    let segments = files(&disk, "log-");
    assert!(segments.len() > 3, "{segments:?}");
    let (mut noticed, mut tried) = (0, 0);
    for path in &segments {
        let contents = disk.contents(path).unwrap();
        for offset in (0..used_bytes(&contents)).step_by(131) {
            let damaged = disk.fork(1);
            damaged.flip_bit(path, offset, u8::try_from(offset % 8).unwrap());
            tried += 1;
            noticed += usize::from(notices_damage(&damaged));
        }
    }
    assert!(noticed > 20 && tried > noticed, "{noticed} of {tried}");
}

#[test]
fn every_flipped_byte_of_a_run_is_noticed() {
    let disk = checkpointed();
    let runs = files(&disk, "run-");
    for path in &runs {
        for offset in (0..disk.contents(path).unwrap().len()).step_by(7) {
            let damaged = disk.fork(1);
            damaged.flip_bit(path, offset, u8::try_from(offset % 8).unwrap());
            assert!(notices_damage(&damaged), "{} {offset}", path.display());
        }
    }
}

#[test]
fn a_record_that_was_wiped_is_named_with_segment_offset_and_version() {
    let disk = logged();
    let path = files(&disk, "log-").remove(0);
    for record in 1..6 {
        let damaged = disk.fork(1);
        damaged.damage(&path, 4096 * (record + 1), &[0; 4096]);
        let Err(OpenError::Damaged(problem)) = open(&damaged, Execution::Inline) else {
            panic!("record {record} is missed")
        };
        assert_eq!(Some(problem.file.as_str()), path.file_name().unwrap().to_str());
        assert_eq!(problem.offset, 4096 * (record as u64 + 1));
        assert_eq!(problem.version, record as u64 - 1);
    }
}

#[test]
fn exchanged_and_repeated_records_are_noticed() {
    let disk = logged();
    let path = files(&disk, "log-").remove(0);
    let contents = disk.contents(&path).unwrap();
    let (first, second) = (&contents[8192..12_288], &contents[12_288..16_384]);
    let exchanged = disk.fork(1);
    exchanged.damage(&path, 8192, second);
    exchanged.damage(&path, 12_288, first);
    assert!(notices_damage(&exchanged));
    let repeated = disk.fork(1);
    repeated.damage(&path, 12_288, first);
    assert!(notices_damage(&repeated));
}

#[test]
fn missing_and_cut_files_are_noticed() {
    let disk = logged();
    let checkpointed = checkpointed();
    let mut victims: Vec<(&FakeDisk, PathBuf)> = Vec::new();
    victims.extend(files(&disk, "log-").into_iter().map(|path| (&disk, path)));
    victims.extend(files(&checkpointed, "run-").into_iter().map(|path| (&checkpointed, path)));
    victims.extend(files(&disk, "MANIFEST").into_iter().map(|path| (&disk, path)));
    for (disk, path) in victims {
        let missing = disk.fork(1);
        missing.remove(&path).unwrap();
        assert!(notices_damage(&missing), "{}", path.display());
        let cut = disk.fork(1);
        let file = cut.open(&path, node_env::OpenMode::ReadWrite).unwrap();
        file.truncate(file.length().unwrap() / 2).unwrap();
        assert!(notices_damage(&cut), "{}", path.display());
    }
}

#[test]
fn a_torn_tail_that_was_never_acknowledged_is_no_damage() {
    let disk = logged();
    let last = files(&disk, "log-")
        .into_iter()
        .rfind(|path| used_bytes(&disk.contents(path).unwrap()) > 4096);
    let last = last.unwrap();
    let end = used_bytes(&disk.contents(&last).unwrap());
    disk.damage(&last, end - 1, &[0]);
    let store = EmbeddedStore::open(faked(&disk, Execution::Inline), &log_only()).unwrap();
    assert_eq!(all(block_on(store.begin()).unwrap().as_ref()), expected());
}

#[test]
fn an_inspection_of_a_sound_directory_finds_nothing_and_reads_everything() {
    for disk in [logged(), checkpointed()] {
        let found = inspect(&disk, Path::new(DIRECTORY)).unwrap();
        assert_eq!(found.problems, vec![]);
        assert_eq!(all(found.reader.as_ref()), expected());
        assert_eq!(found.reader.version(), found.version);
        assert!(found.bytes > 0);
    }
}

#[test]
fn an_inspection_names_the_damage_and_reads_the_rest() {
    let disk = logged();
    let path = files(&disk, "log-").remove(1);
    disk.flip_bit(&path, 4096 + 70, 2);
    assert!(open(&disk, Execution::Inline).is_err());
    let found = inspect(&disk, Path::new(DIRECTORY)).unwrap();
    assert_eq!(found.problems.len(), 1, "{:?}", found.problems);
    assert_eq!(all(found.reader.as_ref()).len(), COUNT - 1);

    let disk = checkpointed();
    let path = files(&disk, "run-").remove(0);
    disk.flip_bit(&path, 9, 2);
    let found = inspect(&disk, Path::new(DIRECTORY)).unwrap();
    assert_eq!(found.problems.len(), 1, "{:?}", found.problems);
    assert_eq!(Some(found.problems[0].file.as_str()), path.file_name().unwrap().to_str());
    let rest = all(found.reader.as_ref());
    assert!(!rest.is_empty() && rest.len() < COUNT, "{}", rest.len());
    assert!(rest.iter().all(|pair| expected().contains(pair)));
}
