//! Measures durable commits on the real disk: `commit_rate DIRECTORY [SECONDS] [ROWS] [IN_FLIGHT]`.
//! Rows are what events leave behind: journal, dedupe, index and state rows of random entities,
//! audit leaves in order. Without IN_FLIGHT, 1, 64 and 1024 requests are in flight. CPU is given
//! by thread; the caller's own share is the median time of a call of `commit`. First comes the
//! floor: appends of 4 kB to a preallocated file, each synced.

#![expect(clippy::print_stdout, reason = "this program reports to its caller")]
#![expect(clippy::disallowed_methods, reason = "a measurement reads the real clock")]
#![expect(clippy::unwrap_used, reason = "a measurement ends at the first failure")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actors_store::{CommitRequest, KeyRange, Mutation, Store};
use bytes::Bytes;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use node_env::fake::SeededRng;
use node_env::real::{RealClock, RealDisk, RealRng, ThreadSpawner};
use node_env::{Disk, OpenMode, Rng};
use node_store_embedded::{EmbeddedStore, Environment, Execution, Options};

const ENTITIES: u64 = 20_000;
const SHARDS: u64 = 16;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().expect("a directory"));
    let seconds = arguments.next().map_or(5, |text| text.parse().unwrap());
    let rows = arguments.next().map_or(3, |text| text.parse().unwrap());
    let in_flight = arguments.next().map(|text| text.parse().unwrap());
    RealDisk.create_dir(&directory).unwrap();
    println!("floor: {:?} for a synced append of 4 kB", floor(&directory));
    let environment = Environment {
        disk: Arc::new(RealDisk),
        clock: Arc::new(RealClock::new()),
        rng: Arc::new(RealRng),
        execution: Execution::Threads(Arc::new(ThreadSpawner)),
    };
    let store = EmbeddedStore::open(environment, &Options::new(directory)).unwrap();
    let load = Load { rng: SeededRng::new(1), leaf: Cell::new(0), rows };
    for in_flight in in_flight.map_or(vec![1, 64, 1024], |one| vec![one]) {
        measure(&store, &load, in_flight, Duration::from_secs(seconds));
    }
    let begun = Instant::now();
    store.close();
    println!("closed in {:?}: {:?}", begun.elapsed(), store.stats());
}

/// CPU of each thread of this process so far, in nanoseconds, by name.
fn cpu_by_thread() -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for thread in std::fs::read_dir("/proc/self/task").unwrap() {
        let path = thread.unwrap().path();
        let name = std::fs::read_to_string(path.join("comm")).unwrap().trim().to_owned();
        let times = std::fs::read_to_string(path.join("schedstat")).unwrap();
        let nanos: u64 = times.split_whitespace().next().unwrap().parse().unwrap();
        *all.entry(name).or_default() += nanos;
    }
    all
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Median time of a synced append to a file of written zeros.
fn floor(directory: &Path) -> Duration {
    let path = directory.join("floor");
    let file = RealDisk.open(&path, OpenMode::CreateOrOpen).unwrap();
    file.allocate(4 << 20).unwrap();
    file.sync_data().unwrap();
    let append = |block: u64| {
        let begun = Instant::now();
        file.write_at(block * 4096, &[1; 4096]).unwrap();
        file.sync_data().unwrap();
        begun.elapsed()
    };
    let mut times: Vec<Duration> = (0..1_000).map(append).collect();
    RealDisk.remove(&path).unwrap();
    median(&mut times)
}

fn measure(store: &EmbeddedStore, load: &Load, in_flight: usize, duration: Duration) {
    let (before, cpu_before) = (store.stats(), cpu_by_thread());
    let begun = Instant::now();
    let mut latencies: Vec<Duration> = Vec::new();
    let calls: RefCell<Vec<Duration>> = RefCell::default();
    let commit = || {
        let snapshot = store.begin().now_or_never().unwrap().unwrap();
        let request = load.request(snapshot.version());
        let sent = Instant::now();
        let commit = store.commit(request);
        calls.borrow_mut().push(sent.elapsed());
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
    let half = median(&mut latencies);
    let (after, cpu) = (store.stats(), cpu_by_thread());
    let count = u32::try_from(latencies.len()).unwrap();
    let rows = f64::from(count) * f64::from(u32::try_from(load.rows).unwrap());
    let syncs = u32::try_from(after.log_syncs - before.log_syncs).unwrap();
    println!(
        "{in_flight:5} in flight, {} rows each: {:8.0} commits/s, {:9.0} rows/s, p50 {:?}, \
         p99 {:?}, {:.4} syncs per commit, {} checkpoints, {} merges",
        load.rows,
        f64::from(count) / elapsed,
        rows / elapsed,
        half,
        latencies[latencies.len() * 99 / 100],
        f64::from(syncs) / f64::from(count),
        after.checkpoints - before.checkpoints,
        after.compactions - before.compactions,
    );
    let call = median(&mut calls.borrow_mut());
    let mut total = call.as_secs_f64() * 1e6 * f64::from(count);
    print!("      us CPU per row: caller {:.3}", total / rows);
    for (name, nanos) in cpu.iter().filter(|(name, _)| name.starts_with("store")) {
        let spent = nanos - cpu_before.get(name).copied().unwrap_or(0);
        let micros = Duration::from_nanos(spent).as_secs_f64() * 1e6;
        total += micros;
        print!(", {name} {:.3}", micros / rows);
    }
    println!(", total {:.3}; per commit {:.1}", total / rows, total / f64::from(count));
}

/// What is committed.
struct Load {
    rng: SeededRng,
    /// Audit leaves so far.
    leaf: Cell<u64>,
    rows: usize,
}

impl Load {
    fn request(&self, read_version: u64) -> CommitRequest {
        let conflicts = (0..self.rows.div_ceil(100) as u64)
            .map(|shard| KeyRange::single(format!("own/{shard:04}").as_bytes()));
        CommitRequest {
            read_version,
            read_conflicts: conflicts.collect(),
            mutations: (0..self.rows).map(|row| self.mutation(row)).collect(),
            ..CommitRequest::default()
        }
    }

    fn mutation(&self, row: usize) -> Mutation {
        let entity = self.rng.below(ENTITIES);
        let hash = SeededRng::new(entity).next_u64();
        let of = format!("{hash:016x}/patient/hospital/MRN-{entity:08}");
        let random = self.rng.next_u64();
        match row % 5 {
            0 => Mutation::set(format!("j/{of}/{random:016x}"), self.value(250)),
            1 => {
                let leaf = self.leaf.replace(self.leaf.get() + 1);
                let (shard, index) = (leaf % SHARDS, leaf / SHARDS);
                Mutation::set(format!("a/{shard:04}/{index:016x}"), self.value(180))
            }
            2 => Mutation::set(format!("s/{of}"), self.value(64)),
            3 => Mutation::set(format!("d/{of}/{random:016x}"), self.value(16)),
            _index => Mutation::set(format!("i/{of}/{random:016x}"), Bytes::new()),
        }
    }

    fn value(&self, length: usize) -> Vec<u8> {
        let mut value = vec![0; length];
        self.rng.fill(&mut value);
        value
    }
}
