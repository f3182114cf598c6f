//! Measures durable commits per second on the real disk: `commit_rate DIRECTORY [SECONDS]`.
//! Each commit writes three keys with about 400 bytes together, as one event does, and reads a
//! fence key; 1, 64 and 1024 commits are in flight.

#![expect(clippy::print_stdout, reason = "this program reports to its caller")]
#![expect(clippy::disallowed_methods, reason = "a measurement reads the real clock")]
#![expect(clippy::unwrap_used, reason = "a measurement ends at the first failure")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actors_store::{CommitRequest, KeyRange, Mutation, Store};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use node_env::Rng;
use node_env::fake::SeededRng;
use node_env::real::{RealClock, RealDisk, RealRng, ThreadSpawner};
use node_store_embedded::{EmbeddedStore, Environment, Execution, Options};

const ENTITIES: u64 = 20_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().expect("a directory"));
    let seconds = arguments.next().map_or(5, |text| text.parse().unwrap());
    let environment = Environment {
        disk: Arc::new(RealDisk),
        clock: Arc::new(RealClock::new()),
        rng: Arc::new(RealRng),
        execution: Execution::Threads(Arc::new(ThreadSpawner)),
    };
    let store = EmbeddedStore::open(environment, &Options::new(directory)).unwrap();
    let rng = SeededRng::new(1);
    for in_flight in [1, 64, 1024] {
        measure(&store, &rng, in_flight, Duration::from_secs(seconds));
    }
    let begun = Instant::now();
    store.close();
    println!("closed in {:?}: {:?}", begun.elapsed(), store.stats());
}

fn measure(store: &EmbeddedStore, rng: &SeededRng, in_flight: usize, duration: Duration) {
    let before = store.stats();
    let begun = Instant::now();
    let mut latencies: Vec<Duration> = Vec::new();
    let commit = || {
        let sent = Instant::now();
        let snapshot = store.begin().now_or_never().unwrap().unwrap();
        let commit = store.commit(request(rng, snapshot.version()));
        async move {
            commit.await.unwrap();
            sent.elapsed()
        }
    };
    futures::executor::block_on(async {
        let mut waiting: FuturesUnordered<_> = (0..in_flight).map(|_| commit()).collect();
        while let Some(latency) = waiting.next().await {
            latencies.push(latency);
            if begun.elapsed() < duration {
                waiting.push(commit());
            }
        }
    });
    let elapsed = begun.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let after = store.stats();
    let count = u32::try_from(latencies.len()).unwrap();
    let syncs = u32::try_from(after.log_syncs - before.log_syncs).unwrap();
    println!(
        "{in_flight:5} in flight: {:8.0} commits/s, p50 {:?}, p99 {:?}, {:.4} syncs per commit, \
         {} checkpoints",
        f64::from(count) / elapsed,
        latencies[latencies.len() / 2],
        latencies[latencies.len() * 99 / 100],
        f64::from(syncs) / f64::from(count),
        after.checkpoints - before.checkpoints,
    );
}

fn request(rng: &SeededRng, read_version: u64) -> CommitRequest {
    let entity = rng.below(ENTITIES);
    let hash = SeededRng::new(entity).next_u64();
    let key = |family: &str| format!("{family}/{hash:016x}/patient-{entity}/{}", rng.next_u64());
    let value = |length: usize| {
        let mut value = vec![0; length];
        rng.fill(&mut value);
        value
    };
    CommitRequest {
        read_version,
        read_conflicts: vec![KeyRange::single(b"own/7")],
        write_conflicts: Vec::new(),
        mutations: vec![
            Mutation::set(key("j"), value(140)),
            Mutation::set(key("a"), value(120)),
            Mutation::set(format!("s/{hash:016x}/patient-{entity}"), value(64)),
        ],
    }
}
