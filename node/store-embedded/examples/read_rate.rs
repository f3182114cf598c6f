//! Measures reads on the real disk: `read_rate DIRECTORY [ROWS] [OVERLAY_MB] [kill]`. Fills a new
//! store with rows of about 130 bytes, then reads absent and present keys, scans a quarter with
//! one and with two threads, closes, opens again and repeats. With a large overlay everything
//! stays in memory. With `kill` it ends as a killed process does; the next call then recovers.

#![expect(clippy::print_stdout, reason = "this program reports to its caller")]
#![expect(clippy::disallowed_methods, reason = "a measurement reads the real clock")]
#![expect(clippy::unwrap_used, reason = "a measurement ends at the first failure")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actors_store::{CommitRequest, KeyRange, Mutation, RangeQuery, Snapshot, Store};
use futures::FutureExt;
use node_env::Rng;
use node_env::fake::SeededRng;
use node_env::real::{RealClock, RealDisk, RealRng, ThreadSpawner};
use node_store_embedded::{EmbeddedStore, Environment, Execution, Options};

const ROWS_PER_COMMIT: u64 = 2_500;
const GETS: u64 = 100_000;
const RANGES: u64 = 20_000;

fn open(options: &Options) -> EmbeddedStore {
    let environment = Environment {
        disk: Arc::new(RealDisk),
        clock: Arc::new(RealClock::new()),
        rng: Arc::new(RealRng),
        execution: Execution::Threads(Arc::new(ThreadSpawner)),
    };
    let begun = Instant::now();
    let store = EmbeddedStore::open(environment, options).unwrap();
    println!("opened in {:?}: {:?}", begun.elapsed(), store.stats());
    store
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut options = Options::new(PathBuf::from(arguments.next().expect("a directory")));
    let rows = arguments.next().map_or(1_000_000, |text| text.parse().unwrap());
    if let Some(megabytes) = arguments.next() {
        options.overlay_bytes = megabytes.parse::<usize>().unwrap() << 20;
    }
    let store = open(&options);
    let snapshot = store.begin().now_or_never().unwrap().unwrap();
    if snapshot.get(key(rows - 1).as_bytes()).now_or_never().unwrap().unwrap().is_none() {
        let begun = Instant::now();
        fill(&store, rows);
        println!("filled in {:?}", begun.elapsed());
    }
    measure(&store, rows);
    if std::env::args().len() > 4 {
        println!("killed");
        std::process::abort();
    }
    store.close();
    println!("closed: {:?}", store.stats());
    drop(store);
    measure(&open(&options), rows);
}

fn key(number: u64) -> String {
    let hash = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!("x/{hash:016x}/patient/hospital/MRN-{number:08}/heart-rate")
}

fn fill(store: &EmbeddedStore, rows: u64) {
    let rng = SeededRng::new(1);
    for first in (0..rows).step_by(usize::try_from(ROWS_PER_COMMIT).unwrap()) {
        let mutations = (first..rows.min(first + ROWS_PER_COMMIT)).map(|number| {
            let mut value = vec![0; 64];
            rng.fill(&mut value);
            Mutation::set(key(number), value)
        });
        let request = CommitRequest { mutations: mutations.collect(), ..CommitRequest::default() };
        futures::executor::block_on(store.commit(request)).unwrap();
    }
}

/// CPU of this thread so far; exact to some milliseconds.
fn own_cpu() -> Duration {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(times.split_whitespace().next().unwrap().parse().unwrap())
}

fn measure(store: &EmbeddedStore, rows: u64) {
    let begin = || store.begin().now_or_never().unwrap().unwrap();
    let rng = SeededRng::new(2);
    for (what, present) in [("absent", false), ("present", true)] {
        let keys: Vec<String> = (0..GETS)
            .map(|_| rng.below(rows))
            .map(|number| if present { key(number) } else { key(number).replace("MRN", "NRM") })
            .collect();
        let snapshot = begin();
        let begun = own_cpu();
        let found = keys
            .iter()
            .filter(|key| snapshot.get(key.as_bytes()).now_or_never().unwrap().unwrap().is_some());
        assert_eq!(found.count(), if present { keys.len() } else { 0 });
        let each = (own_cpu() - begun) / u32::try_from(GETS).unwrap();
        println!("  get of a {what} key: {each:?} of CPU");
    }
    let snapshot = begin();
    let begun = own_cpu();
    let found: usize = (0..RANGES)
        .map(|_| key(rng.below(rows)))
        .map(|begin| RangeQuery::forward(KeyRange::new(begin, "y"), 10))
        .map(|query| snapshot.range(query).now_or_never().unwrap().unwrap().items.len())
        .sum();
    let each = (own_cpu() - begun) / u32::try_from(RANGES).unwrap();
    println!("  range of 10 rows: {each:?} of CPU, {found} rows");
    for threads in [1_u8, 2] {
        let snapshot = begin();
        let begun = Instant::now();
        let counted: u64 = std::thread::scope(|scope| {
            let parts: Vec<_> = (0..threads)
                .map(|part| {
                    scope.spawn({
                        let snapshot = &snapshot;
                        move || scan(snapshot.as_ref(), part, threads)
                    })
                })
                .collect();
            parts.into_iter().map(|part| part.join().unwrap()).sum()
        });
        assert!(counted > 0 && counted <= rows);
        let elapsed = begun.elapsed();
        let rate = u128::from(counted) * 1_000_000 / elapsed.as_micros().max(1);
        println!("  scan of {counted} rows by {threads} threads: {elapsed:?}, {rate} rows/s");
    }
}

/// Counts the rows of one of several equal parts of a quarter of the keys.
fn scan(snapshot: &dyn Snapshot, part: u8, parts: u8) -> u64 {
    let bound = |part: u8| format!("x/{:x}", u32::from(part) * 4 / u32::from(parts));
    let range = KeyRange::new(bound(part), bound(part + 1));
    let mut next = Some(RangeQuery::forward(range, 10_000));
    let mut count = 0;
    while let Some(query) = next {
        let page = snapshot.range(query.clone()).now_or_never().unwrap().unwrap();
        count += page.items.len() as u64;
        next = query.after(&page);
    }
    count
}
