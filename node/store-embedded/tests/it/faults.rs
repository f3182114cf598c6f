//! Trouble with the disk while the store runs: failed syncs and writes stop it, a full disk
//! refuses commits until there is space again, locks and rights give clear errors.

use actors_store::{CommitError, CommitLane, CommitRequest, Store};
use futures::executor::block_on;
use node_env::fake::{FakeDisk, Fault};
use node_env::{Disk, DiskOperation};
use node_store_embedded::{EmbeddedStore, Execution, OpenError, Options};

use crate::world::{
    DIRECTORY, all, faked, get, open, open_inline, real, set, set_request, small, threads,
};

#[test]
fn a_failed_sync_or_write_stops_the_store_for_good() {
    for operation in [DiskOperation::SyncData, DiskOperation::Write] {
        for execution in [Execution::Inline, threads()] {
            let disk = FakeDisk::new(1);
            let store = open(&disk, execution).unwrap();
            set(&store, "a", "1").unwrap();
            disk.inject(operation, 0, Fault::Io);
            // The fault may hit the log or the checkpoint thread, so it can take a few commits.
            let failed = (0..1_000).find_map(|_| set(&store, "b", "1").err()).unwrap();
            let unknown = matches!(failed, CommitError::UnknownResult { .. });
            assert!(unknown || matches!(failed, CommitError::Stopped { .. }), "{failed}");
            let after = set(&store, "c", "1");
            assert!(matches!(after, Err(CommitError::Stopped { .. })), "{after:?}");
            assert!(block_on(store.begin()).is_err());
            assert!(store.stopped().is_some());
            drop(store);
            disk.cut_power();
            disk.restart();
            let store = open_inline(&disk);
            assert_eq!(get(&store, "a").as_deref(), Some("1"));
            assert_eq!(get(&store, "c"), None);
        }
    }
}

/// After a failed sync the system's cache may show what the disk never got, and a further sync
/// may succeed without doing anything.
#[test]
fn what_a_restart_finds_after_a_failed_sync_is_durable_again_ack_1() {
    for seed in 0..200 {
        let disk = FakeDisk::new(seed);
        let store = open_large(&disk);
        set(&store, "a", "1").unwrap();
        disk.inject(DiskOperation::SyncData, 0, Fault::Io);
        drop((0..50).find_map(|_| set(&store, "b", "1").err()).unwrap());
        disk.halt();
        drop(store);
        disk.restart_process();
        let store = open_large(&disk);
        let found = get(&store, "b");
        set(&store, "c", "1").unwrap();
        disk.cut_power();
        drop(store);
        disk.restart();
        let store = open_large(&disk);
        assert_eq!(get(&store, "a").as_deref(), Some("1"), "seed {seed}");
        assert_eq!(get(&store, "b"), found, "seed {seed}");
        assert_eq!(get(&store, "c").as_deref(), Some("1"), "seed {seed}");
    }
}

/// Nothing is written beside the log.
fn open_large(disk: &FakeDisk) -> EmbeddedStore {
    let options = Options { overlay_bytes: 1 << 20, ..small(DIRECTORY) };
    EmbeddedStore::open(faked(disk, Execution::Inline), &options).unwrap()
}

#[test]
fn a_full_disk_refuses_commits_and_serves_reads_until_there_is_space() {
    for execution in [Execution::Inline, threads()] {
        let disk = FakeDisk::new(2);
        let store = open(&disk, execution).unwrap();
        set(&store, "a", "1").unwrap();
        disk.set_capacity_bytes(Some(disk.used_bytes()));
        let mut taken = 0;
        let refused = loop {
            match set(&store, &format!("k{taken}"), "v") {
                Ok(_) => taken += 1,
                Err(error) => break error,
            }
            assert!(taken < 1_000, "the disk never gets full");
        };
        assert_eq!(refused, CommitError::NoSpace);
        assert_eq!(get(&store, "a").as_deref(), Some("1"));
        assert_eq!(store.stopped(), None);
        disk.set_capacity_bytes(None);
        set(&store, "after", "1").unwrap();
        drop(store);
        disk.cut_power();
        disk.restart();
        let store = open_inline(&disk);
        assert_eq!(get(&store, "after").as_deref(), Some("1"));
        assert_eq!(get(&store, &format!("k{}", taken - 1)).as_deref(), Some("v"));
        assert_eq!(get(&store, &format!("k{taken}")), None, "a refused commit left a trace");
    }
}

#[test]
fn a_second_store_on_the_same_directory_is_refused() {
    let disk = FakeDisk::new(3);
    let first = open_inline(&disk);
    assert!(matches!(open(&disk, Execution::Inline), Err(OpenError::Locked { .. })));
    drop(first);
    assert!(open(&disk, Execution::Inline).is_ok());
    let directory = tempfile::tempdir().unwrap();
    let first = EmbeddedStore::open(real(), &small(directory.path())).unwrap();
    let second = EmbeddedStore::open(real(), &small(directory.path()));
    assert!(matches!(second, Err(OpenError::Locked { .. })));
    drop(first);
    assert!(EmbeddedStore::open(real(), &small(directory.path())).is_ok());
}

#[test]
fn a_read_only_or_full_disk_at_the_start_is_a_clear_error() {
    let disk = FakeDisk::new(4);
    drop(open_inline(&disk));
    disk.set_read_only(true);
    assert!(matches!(open(&disk, Execution::Inline), Err(OpenError::ReadOnly { .. })));
    let disk = FakeDisk::new(4);
    disk.create_dir(std::path::Path::new(DIRECTORY)).unwrap();
    disk.set_capacity_bytes(Some(100));
    assert!(matches!(open(&disk, Execution::Inline), Err(OpenError::NoSpace { .. })));
    disk.set_capacity_bytes(None);
    let store = open_inline(&disk);
    assert!(set(&store, "a", "1").is_ok());
}

#[test]
fn a_closed_store_takes_no_commits_and_keeps_those_it_took() {
    let disk = FakeDisk::new(6);
    let store = open(&disk, threads()).unwrap();
    let waiting: Vec<_> = (0..100)
        .map(|number| {
            let pair = (format!("k{number}"), "v".to_owned());
            store.commit(set_request(&[pair]))
        })
        .collect();
    store.close();
    store.close();
    for commit in waiting {
        block_on(commit).unwrap();
    }
    assert!(matches!(set(&store, "late", "1"), Err(CommitError::Stopped { .. })));
    drop(store);
    let store = open_inline(&disk);
    assert_eq!(get(&store, "k99").as_deref(), Some("v"));
    assert_eq!(get(&store, "late"), None);
}

#[test]
fn what_takes_effect_of_a_lane_is_a_prefix_even_when_the_disk_is_full() {
    for execution in [Execution::Inline, threads()] {
        let disk = FakeDisk::new(7);
        let options = Options { overlay_bytes: 1 << 20, ..small(DIRECTORY) };
        let store = EmbeddedStore::open(faked(&disk, execution), &options).unwrap();
        let send = |generation: u64, number: u64| {
            let pair = (format!("lane {generation} {number:04}"), "v".repeat(2_000));
            let lane = Some(CommitLane { id: 1, generation });
            store.commit(CommitRequest { lane, ..set_request(&[pair]) })
        };
        disk.set_capacity_bytes(Some(disk.used_bytes()));
        let sent: Vec<_> = (0..400).map(|number| send(1, number)).collect();
        let results: Vec<_> = sent.into_iter().map(block_on).collect();
        let taken = results.iter().take_while(|result| result.is_ok()).count();
        assert!(taken < results.len(), "the disk never gets full");
        assert_eq!(results[taken], Err(CommitError::NoSpace));
        for later in &results[taken + 1..] {
            assert_eq!(*later, Err(CommitError::Abandoned));
        }
        disk.set_capacity_bytes(None);
        assert_eq!(block_on(send(1, 9_000)), Err(CommitError::Abandoned));
        block_on(send(2, 0)).unwrap();
        let snapshot = block_on(store.begin()).unwrap();
        let expected = (0..taken).map(|number| format!("lane 1 {number:04}"));
        let expected: Vec<_> = expected.chain(["lane 2 0000".to_owned()]).collect();
        let found = all(snapshot.as_ref()).into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        assert_eq!(found, expected);
    }
}
