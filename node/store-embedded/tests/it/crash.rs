//! Power cuts (ACK-1, ONCE-1): at every operation and with many committers, every acknowledged
//! commit is there after recovery, no commit is there in part, and versions go on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::thread;

use actors_store::{CommitError, CommitLane, CommitRequest, Committed, Store};
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

/// Sends commits of three lanes, some always under way, until the power goes; gives per lane
/// how many were acknowledged.
fn pipelined(disk: &FakeDisk, seed: u64, life: u64) -> Vec<usize> {
    const UNDER_WAY: usize = 9;
    let Ok(store) = open(disk, threads()) else { return vec![0; 3] };
    disk.cut_power_after(5 + SeededRng::new(seed + life).below(60));
    let mut acknowledged = vec![0; 3];
    let mut failed = [false; 3];
    let mut answered = |lane: usize, result: Result<Committed, CommitError>| {
        failed[lane] |= result.is_err();
        assert!(!(failed[lane] && result.is_ok()), "a commit behind a failure is acknowledged");
        acknowledged[lane] += usize::from(result.is_ok());
    };
    let mut under_way = VecDeque::new();
    for step in 0..120 {
        let (id, number) = (step % 3, step / 3);
        let lane = Some(CommitLane { id, generation: life });
        let pair = (format!("{id}/{life}/{number:03}"), "v".repeat(700));
        let request = CommitRequest { lane, ..set_request(&[pair]) };
        under_way.push_back((usize::try_from(id).unwrap(), store.commit(request)));
        if under_way.len() > UNDER_WAY {
            let (lane, commit) = under_way.pop_front().unwrap();
            answered(lane, block_on(commit));
        }
    }
    under_way.into_iter().for_each(|(lane, commit)| answered(lane, block_on(commit)));
    acknowledged
}

#[test]
fn what_takes_effect_of_a_lane_is_a_prefix_when_the_power_goes() {
    let (mut total, mut partly) = (0, 0);
    for seed in 0..40 {
        let disk = FakeDisk::new(seed);
        disk.set_garbage(seed % 2 == 0);
        for life in 0..3 {
            let acknowledged = pipelined(&disk, seed, life);
            disk.cut_power();
            disk.restart();
            let store = open(&disk, Execution::Inline).unwrap();
            let found = all(block_on(store.begin()).unwrap().as_ref());
            for (lane, acknowledged) in acknowledged.into_iter().enumerate() {
                let prefix = format!("{lane}/{life}/");
                let of_lane = found.iter().filter_map(|(key, _)| key.strip_prefix(&prefix));
                let numbers: Vec<usize> = of_lane.map(|number| number.parse().unwrap()).collect();
                let expected: Vec<usize> = (0..numbers.len()).collect();
                assert_eq!(numbers, expected, "seed {seed} life {life} lane {lane}");
                assert!(numbers.len() >= acknowledged, "seed {seed} life {life} lane {lane}");
                total += acknowledged;
                partly += usize::from(acknowledged > 0 && acknowledged < 40);
            }
        }
    }
    assert!(total > 500 && partly > 20, "{total} acknowledged, {partly} cut in the middle");
}
