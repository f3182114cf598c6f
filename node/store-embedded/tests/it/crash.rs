//! Power cuts (ACK-1, ONCE-1): at every operation and with many committers, every acknowledged
//! commit is there after recovery, no commit is there in part, and versions go on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread;

use actors_store::{CommitError, Store};
use futures::executor::block_on;
use node_env::Rng;
use node_env::fake::{FakeDisk, SeededRng};
use node_store_embedded::{EmbeddedStore, Execution};

use crate::world::{all, get, open, set, set_request, threads};

/// Commit number `number` of a worker: three keys that must appear together.
fn pairs(worker: u64, number: u64) -> Vec<(String, String)> {
    ["a", "m", "z"]
        .map(|part| (format!("{part}/{worker}/{number:05}"), format!("{worker}-{number}")))
        .to_vec()
}

/// Checks a recovered store: all acknowledged commits whole, all others whole or absent.
fn check_recovered(store: &EmbeddedStore, acknowledged: &[(u64, u64)], what: &str) {
    let snapshot = block_on(store.begin()).unwrap();
    let mut seen: BTreeMap<(u64, u64), usize> = BTreeMap::new();
    for (key, value) in all(snapshot.as_ref()) {
        let parts: Vec<&str> = key.split('/').collect();
        let commit: (u64, u64) = (parts[1].parse().unwrap(), parts[2].parse().unwrap());
        assert_eq!(value, format!("{}-{}", commit.0, commit.1), "{what}");
        *seen.entry(commit).or_default() += 1;
    }
    for commit in acknowledged {
        assert_eq!(seen.get(commit), Some(&3), "{what}: acknowledged {commit:?} is lost");
    }
    for (commit, parts) in &seen {
        assert_eq!(*parts, 3, "{what}: {commit:?} is there in part");
    }
}

/// Commits one after the other until the power goes; gives what was acknowledged.
fn commit_until_the_cut(disk: &FakeDisk, first: u64, last_version: &mut u64) -> Vec<(u64, u64)> {
    let mut acknowledged = Vec::new();
    let Ok(store) = open(disk, Execution::Inline) else { return acknowledged };
    for number in first..first + 40 {
        match block_on(store.commit(set_request(&pairs(0, number)))) {
            Ok(committed) => {
                assert!(committed.version > *last_version, "versions go on");
                *last_version = committed.version;
                acknowledged.push((0, number));
            }
            Err(CommitError::UnknownResult { .. } | CommitError::Stopped { .. }) => break,
            Err(other) => panic!("{other}"),
        }
    }
    acknowledged
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_goes_at_any_operation() {
    for cut in 1..280 {
        let disk = FakeDisk::new(cut);
        disk.set_garbage(cut % 2 == 0);
        let mut acknowledged = Vec::new();
        let mut last_version = 0;
        for life in 0..3 {
            disk.cut_power_after(if life == 0 { cut } else { 1 + cut % 83 });
            let first = life * 1_000;
            let more = commit_until_the_cut(&disk, first, &mut last_version);
            acknowledged.extend(more);
            disk.restart();
            let what = format!("seed {cut} life {life}");
            let store =
                open(&disk, Execution::Inline).unwrap_or_else(|error| panic!("{what}: {error}"));
            check_recovered(&store, &acknowledged, &what);
        }
    }
}

fn many_committers(disk: &FakeDisk, seed: u64, life: u64) -> Vec<(u64, u64)> {
    let acknowledged = Mutex::new(Vec::new());
    let Ok(store) = open(disk, threads()) else { return Vec::new() };
    let store = Arc::new(store);
    disk.cut_power_after(20 + SeededRng::new(seed + life).below(400));
    thread::scope(|scope| {
        for worker in 0..4 {
            let (store, acknowledged) = (Arc::clone(&store), &acknowledged);
            scope.spawn(move || {
                for number in life * 1_000..life * 1_000 + 150 {
                    let request = set_request(&pairs(worker, number));
                    match block_on(store.commit(request)) {
                        Ok(_) => acknowledged.lock().unwrap().push((worker, number)),
                        Err(_) => break,
                    }
                }
            });
        }
    });
    acknowledged.into_inner().unwrap()
}

#[test]
fn nothing_acknowledged_is_lost_with_many_committers_and_checkpoints() {
    let seeds = SeededRng::new(77);
    let mut total = 0;
    for seed in 0..60 {
        let disk = FakeDisk::new(seeds.next_u64());
        disk.set_garbage(seed % 2 == 0);
        let mut acknowledged = Vec::new();
        for life in 0..3 {
            acknowledged.extend(many_committers(&disk, seed, life));
            disk.cut_power();
            disk.restart();
            let what = format!("seed {seed} life {life}");
            let store = open(&disk, threads()).unwrap_or_else(|error| panic!("{what}: {error}"));
            check_recovered(&store, &acknowledged, &what);
        }
        total += acknowledged.len();
    }
    assert!(total > 5_000, "{total} commits were acknowledged");
}

#[test]
fn a_killed_process_loses_nothing_acknowledged() {
    let disk = FakeDisk::new(5);
    for life in 0..20 {
        let store = open(&disk, threads()).unwrap();
        for number in 0..10 {
            set(&store, &format!("k/{life}/{number}"), "v").unwrap();
        }
        // A killed process leaves its files as they are, without an end mark.
        let copy = disk.fork(life);
        let recovered = open(&copy, Execution::Inline).unwrap();
        for number in 0..10 {
            assert_eq!(get(&recovered, &format!("k/{life}/{number}")).as_deref(), Some("v"));
        }
    }
}
