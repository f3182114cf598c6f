//! Checkpoints and merges under load: readers keep their snapshots, nothing is lost or comes
//! back, segments are reused, and the fsync count shows the group commit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use actors_store::{CommitRequest, KeyRange, Mutation, Store};
use futures::executor::block_on;
use node_env::Rng;
use node_env::fake::{FakeDisk, SeededRng};
use node_store_embedded::{EmbeddedStore, Execution, Options};

use crate::world::{
    DIRECTORY, all, faked, files, get, open, open_inline, read, set, set_request, small, threads,
};

#[test]
fn data_is_the_same_after_many_checkpoints_merges_and_openings() {
    let disk = FakeDisk::new(1);
    let rng = SeededRng::new(1);
    let mut model: BTreeMap<String, String> = BTreeMap::new();
    let (mut checkpoints, mut compactions) = (0, 0);
    for life in 0..6 {
        let store = open_inline(&disk);
        for step in 0..150 {
            let key = format!("key {:03}", rng.below(200));
            let mutation = match rng.below(8) {
                0 => {
                    model.remove(&key);
                    Mutation::clear(key)
                }
                1 => {
                    let end = format!("{key}~");
                    model.retain(|name, _| *name < key || *name >= end);
                    Mutation::ClearRange { range: KeyRange::new(key, end) }
                }
                _more => {
                    let value = format!("{life} {step} {}", rng.next_u64());
                    model.insert(key.clone(), value.clone());
                    Mutation::set(key, value)
                }
            };
            let request = CommitRequest { mutations: vec![mutation], ..Default::default() };
            block_on(store.commit(request)).unwrap();
        }
        let expected: Vec<_> = model.clone().into_iter().collect();
        assert_eq!(all(block_on(store.begin()).unwrap().as_ref()), expected, "life {life}");
        for (key, value) in expected.iter().step_by(9) {
            assert_eq!(get(&store, key).as_ref(), Some(value));
        }
        checkpoints += store.stats().checkpoints;
        compactions += store.stats().compactions;
    }
    assert!(checkpoints > 30 && compactions > 5, "{checkpoints} {compactions}");
    assert!(files(&disk, "run-").len() < 12, "merged runs are removed");
    assert!(files(&disk, "log-").len() < 24, "segments are taken back");
}

#[test]
fn readers_keep_their_snapshot_while_checkpoints_run() {
    let disk = FakeDisk::new(2);
    let store = Arc::new(open(&disk, threads()).unwrap());
    let done = AtomicBool::new(false);
    // Every commit writes the same number to both ends of the key space.
    let write = |number: u64| {
        let value = format!("{number:06}");
        block_on(store.commit(set_request(&[
            ("first".to_owned(), value.clone()),
            (format!("middle {:02}", number % 50), value.clone()),
            ("zlast".to_owned(), value),
        ])))
        .unwrap();
    };
    write(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = String::new();
                while !done.load(Ordering::Acquire) {
                    let snapshot = block_on(store.begin()).unwrap();
                    let before = all(snapshot.as_ref());
                    assert_eq!(before[0].1, before[before.len() - 1].1, "one moment");
                    assert!(before[0].1 >= last, "moments go on");
                    last.clone_from(&before[0].1);
                    assert_eq!(all(snapshot.as_ref()), before, "a snapshot does not move");
                }
            });
        }
        for number in 1..1_500 {
            write(number);
        }
        done.store(true, Ordering::Release);
    });
    store.close();
    assert!(store.stats().checkpoints > 10, "{:?}", store.stats());
    drop(store);
    let store = open_inline(&disk);
    assert_eq!(get(&store, "zlast").as_deref(), Some("001499"));
}

#[test]
fn commits_that_wait_share_a_sync() {
    let disk = FakeDisk::new(3);
    let store = open(&disk, threads()).unwrap();
    let commits: Vec<_> = (0..2_000)
        .map(|number| store.commit(set_request(&[(format!("k{number}"), "v".to_owned())])))
        .collect();
    for commit in commits {
        block_on(commit).unwrap();
    }
    let stats = store.stats();
    assert_eq!(stats.commits, 2_000);
    assert!(stats.log_syncs < 1_000, "{stats:?}");
    assert!(stats.batches <= stats.log_syncs + 2, "{stats:?}");
}

#[test]
fn an_inline_store_is_the_same_each_time() {
    let run = || {
        let disk = FakeDisk::new(4);
        let store = open(&disk, Execution::Inline).unwrap();
        for number in 0..200 {
            let pair = (format!("k{}", number % 37), format!("v{number}"));
            block_on(store.commit(set_request(&[pair]))).unwrap();
        }
        store.close();
        let names = files(&disk, "");
        let contents = names.iter().map(|path| disk.contents(path).unwrap());
        (names.clone(), contents.collect::<Vec<_>>(), disk.operations())
    };
    assert!(run() == run(), "two runs differ");
}

/// Batches so large that their records stay in memory as they are, overwriting each other.
#[test]
fn large_batches_are_the_same_after_merges_checkpoints_and_openings() {
    const ROWS: u64 = 400;
    let disk = FakeDisk::new(5);
    let rng = SeededRng::new(5);
    let options = Options { segment_bytes: 1 << 20, overlay_bytes: 600 << 10, ..small(DIRECTORY) };
    let mut model: BTreeMap<String, String> = BTreeMap::new();
    for (life, execution) in [threads(), Execution::Inline, threads()].into_iter().enumerate() {
        let store = EmbeddedStore::open(faked(&disk, execution), &options).unwrap();
        let mut held = Vec::new();
        for step in 0..24 {
            let value = |number: u64| format!("{life} {step} {number} {}", "v".repeat(100));
            let pairs: Vec<_> = (0..ROWS)
                .map(|number| (format!("a key of some length {:05}", rng.below(3_000)), number))
                .map(|(key, number)| (key, value(number)))
                .collect();
            model.extend(pairs.iter().cloned());
            block_on(store.commit(set_request(&pairs))).unwrap();
            if step % 6 == 5 {
                let expected: Vec<_> = model.clone().into_iter().collect();
                held.push((block_on(store.begin()).unwrap(), expected));
            }
        }
        for (snapshot, expected) in held {
            assert!(all(snapshot.as_ref()) == expected, "life {life}");
            for (key, value) in expected.iter().step_by(97) {
                assert_eq!(read(snapshot.as_ref(), key).as_ref(), Some(value));
            }
        }
        store.close();
        let stats = store.stats();
        assert!(stats.checkpoints > 0 && stats.overlay_bytes < 3 << 20, "{stats:?}");
    }
}

#[test]
fn what_recovery_found_is_written_to_the_index_and_read_from_the_log_only_once() {
    let disk = FakeDisk::new(6);
    let options = Options { overlay_bytes: 64 << 10, ..small(DIRECTORY) };
    let open = || EmbeddedStore::open(faked(&disk, Execution::Inline), &options).unwrap();
    let store = open();
    for number in 0..40 {
        set(&store, &format!("key {number:02}"), &"v".repeat(500)).unwrap();
    }
    assert_eq!(store.stats().checkpoints, 0);
    let expected = all(block_on(store.begin()).unwrap().as_ref());
    drop(store);
    let store = open();
    assert!(store.stats().recovered_records >= 40);
    assert_eq!(all(block_on(store.begin()).unwrap().as_ref()), expected);
    set(&store, "key 00", &expected[0].1).unwrap();
    let stats = store.stats();
    assert!(stats.checkpoints == 1 && stats.overlay_bytes < 4 << 10, "{stats:?}");
    assert_eq!(all(block_on(store.begin()).unwrap().as_ref()), expected);
    drop(store);
    let store = open();
    assert!(store.stats().recovered_records < 5, "{:?}", store.stats());
    assert_eq!(all(block_on(store.begin()).unwrap().as_ref()), expected);
}
