//! What a log says again after it was closed, and what recovery makes of each kind of damage.

use std::path::Path;
use std::sync::Arc;

use node_env::fake::FakeDisk;
use node_env::{Disk, DiskOperation, OpenMode};

use super::*;
use crate::codec::Blob;
use crate::limits::{BLOCK_ALIGNMENT_BYTES, LOG_CACHE_BYTES_MAX};
use crate::records::Payload;

const LOG_ID: u64 = 11;

fn directory() -> &'static Path {
    Path::new("/raft")
}

fn new_disk(seed: u64) -> FakeDisk {
    let disk = FakeDisk::new(seed);
    disk.create_dir(directory()).unwrap();
    create(&shared(&disk), directory(), LOG_ID).unwrap();
    disk.sync_dir(directory()).unwrap();
    disk
}

fn shared(disk: &FakeDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

fn open(disk: &FakeDisk) -> Result<Log, StartError> {
    Log::open(&shared(disk), directory(), LOG_ID, 4 * BLOCK_ALIGNMENT_BYTES as u64)
}

fn position(term: u64, index: u64) -> Position {
    Position { term, leader: 1, index }
}

fn record(term: u64, index: u64, bytes: usize) -> EntryRecord {
    let fill = u8::try_from(index % 251).unwrap();
    let payload = Payload::Commands(Blob(vec![fill; bytes]));
    EntryRecord { position: position(term, index), payload }
}

fn contents(log: &Log) -> Vec<EntryRecord> {
    log.find(0, u64::MAX, usize::MAX).iter().map(|found| found.read().unwrap()).collect()
}

/// A log with five blocks of one entry each, over two segments.
fn five(seed: u64) -> FakeDisk {
    let disk = new_disk(seed);
    let mut log = open(&disk).unwrap();
    for index in 0..5 {
        log.append(&[record(1, index, 100)]).unwrap();
    }
    disk
}

fn is_damage(result: Result<Log, StartError>) -> bool {
    matches!(result.err(), Some(StartError::Damaged { .. }))
}

#[test]
fn entries_truncations_and_purges_come_back() {
    let disk = five(1);
    let mut log = open(&disk).unwrap();
    log.truncate(3).unwrap();
    log.append(&[record(2, 3, 9_000), record(2, 4, 10), record(2, 5, 10)]).unwrap();
    log.purge(position(1, 1)).unwrap();
    log.note_committed(Some(position(2, 4))).unwrap();
    let expected = vec![record(1, 2, 100), record(2, 3, 9_000), record(2, 4, 10), record(2, 5, 10)];
    assert_eq!(contents(&log), expected);
    drop(log);
    let log = open(&disk).unwrap();
    assert_eq!(contents(&log), expected);
    assert_eq!((log.purged(), log.last()), (Some(position(1, 1)), Some(position(2, 5))));
    assert_eq!(log.committed(), Some(position(2, 4)));
}

#[test]
fn a_snapshot_beyond_the_end_leaves_an_empty_log_that_goes_on_behind_it() {
    let disk = five(1);
    let mut log = open(&disk).unwrap();
    log.purge(position(4, 40)).unwrap();
    assert_eq!(log.last(), Some(position(4, 40)));
    let before = disk.operations();
    assert!(log.append(&[record(4, 42, 1)]).is_err(), "no hole");
    assert!(log.truncate(40).is_err(), "nothing that was purged");
    assert_eq!(disk.operations(), before);
    drop(log);
    let mut log = open(&disk).unwrap_or_else(|error| panic!("{error}"));
    log.append(&[record(4, 41, 1)]).unwrap();
    assert_eq!(contents(&log), [record(4, 41, 1)]);
}

#[test]
fn purged_segments_are_removed_and_the_disk_stays_bounded() {
    let disk = new_disk(1);
    let mut log = open(&disk).unwrap();
    for index in 0..200 {
        log.append(&[record(1, index, 3_000)]).unwrap();
        if index >= 10 {
            log.purge(position(1, index - 10)).unwrap();
        }
    }
    assert!(disk.used_bytes() < 40 * BLOCK_ALIGNMENT_BYTES, "{}", disk.used_bytes());
    drop(log);
    assert_eq!(contents(&open(&disk).unwrap()).len(), 10);
}

#[test]
fn entries_that_left_the_memory_are_read_from_the_file_and_checked() {
    let disk = new_disk(1);
    let mut log = open(&disk).unwrap();
    let large = LOG_CACHE_BYTES_MAX / 4;
    for index in 0..8 {
        log.append(&[record(1, index, large)]).unwrap();
    }
    let found = log.find(0, 1, usize::MAX);
    assert!(matches!(found[0], Found::Stored { .. }));
    assert_eq!(found[0].read(), Ok(record(1, 0, large)));
    assert!(matches!(log.find(7, 8, usize::MAX)[0], Found::Bytes(_)));
    let Found::Stored { slot, .. } = &found[0] else { panic!("stored") };
    let offset = usize::try_from(slot.offset).unwrap() + large / 2;
    disk.flip_bit(&directory().join(file_name(slot.segment)), offset, 1);
    assert!(found[0].read().unwrap_err().contains("checksum"));
}

#[test]
fn a_read_is_bounded_in_bytes_but_never_empty() {
    let disk = five(1);
    let log = open(&disk).unwrap();
    assert_eq!(log.find(1, 5, 1).len(), 1);
    assert_eq!(log.find(1, 5, 250).len(), 2);
    assert_eq!(log.find(3, 3, 250).len(), 0);
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_the_log_goes_on() {
    let whole = five(1);
    let name = directory().join(file_name(1));
    let bytes = whole.contents(&name).unwrap();
    let last = bytes.len() - BLOCK_ALIGNMENT_BYTES;
    let block_end = bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    for at in last..bytes.len() {
        let disk = whole.fork(2);
        disk.open(&name, OpenMode::ReadWrite).unwrap().truncate(at as u64).unwrap();
        let mut log = open(&disk).unwrap_or_else(|error| panic!("torn at {at}: {error}"));
        let kept = if at < block_end { 4 } else { 5 };
        assert_eq!(contents(&log).len(), kept, "torn at {at}");
        if at < block_end && at % 61 == 0 {
            log.append(&[record(2, 4, 7)]).unwrap();
            assert_eq!(contents(&open(&disk).unwrap())[4], record(2, 4, 7), "torn at {at}");
        }
    }
}

#[test]
fn a_flipped_bit_before_the_last_block_is_refused_wherever_it_is() {
    let whole = five(1);
    let blocks = [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1)];
    for (segment, block) in blocks {
        let name = directory().join(file_name(segment));
        for byte in [0, 5, 9, 17, 25, 33, 37, 41, 49] {
            let disk = whole.fork(2);
            disk.flip_bit(&name, block * BLOCK_ALIGNMENT_BYTES + byte, 3);
            assert!(is_damage(open(&disk)), "segment {segment} block {block} byte {byte}");
        }
    }
}

#[test]
fn a_flipped_bit_in_the_last_block_is_refused_once_it_was_noted() {
    let disk = five(1);
    let offset = BLOCK_ALIGNMENT_BYTES * 2 + 60;
    let unnoted = disk.fork(2);
    unnoted.flip_bit(&directory().join(file_name(1)), offset, 3);
    assert_eq!(contents(&open(&unnoted).unwrap()).len(), 4, "like a torn tail");
    open(&disk).unwrap().note_committed(Some(position(1, 4))).unwrap();
    disk.flip_bit(&directory().join(file_name(1)), offset, 3);
    assert!(is_damage(open(&disk)));
}

#[test]
fn lost_segments_are_refused() {
    for segment in [0, 1] {
        let disk = five(1);
        open(&disk).unwrap().note_committed(Some(position(1, 4))).unwrap();
        disk.remove(&directory().join(file_name(segment))).unwrap();
        assert!(is_damage(open(&disk)), "segment {segment}");
    }
    let disk = five(1);
    let mut log = open(&disk).unwrap();
    for index in 5..20 {
        log.append(&[record(1, index, 100)]).unwrap();
    }
    disk.remove(&directory().join(file_name(1))).unwrap();
    assert!(is_damage(open(&disk)), "a hole in the middle");
}

#[test]
fn a_log_of_another_directory_is_refused() {
    let disk = five(1);
    let found = Log::open(&shared(&disk), directory(), LOG_ID + 1, 1 << 20);
    assert!(is_damage(found));
}

#[test]
fn after_a_failed_sync_nothing_is_written_any_more() {
    let disk = five(1);
    let mut log = open(&disk).unwrap();
    disk.inject(DiskOperation::SyncData, 0, node_env::fake::Fault::Io);
    assert!(log.append(&[record(1, 5, 10)]).is_err());
    let operations = disk.operations();
    assert!(log.append(&[record(1, 5, 10)]).is_err());
    assert!(log.truncate(2).is_err());
    assert_eq!(disk.operations(), operations, "no second try");
}

/// After a failed sync the system's cache may show what the disk never got, and a further sync
/// may succeed without doing anything.
#[test]
fn what_a_restart_finds_after_a_failed_sync_is_durable_again() {
    for seed in 0..100 {
        let disk = five(seed);
        let mut log = open(&disk).unwrap();
        disk.inject(DiskOperation::SyncData, 0, node_env::fake::Fault::Io);
        log.append(&[record(1, 5, 100)]).unwrap_err();
        disk.halt();
        drop(log);
        disk.restart_process();
        let mut log = open(&disk).unwrap();
        let next = log.last().unwrap().index + 1;
        log.append(&[record(2, next, 100)]).unwrap();
        let all = contents(&log);
        disk.cut_power();
        drop(log);
        disk.restart();
        assert_eq!(contents(&open(&disk).unwrap()), all, "seed {seed}");
    }
}
