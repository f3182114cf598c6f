//! How fast a cluster commits through the adapter: `fdb_rate CLUSTER_FILE [SECONDS]`. First alone,
//! then with 1,024 clients, each a closed loop in a lane of its own: a blind set; and begin, get,
//! set behind that read, which is the shape of a fenced commit. Last, batches of 256 rows, as the
//! node's committer makes them. The store that it makes is removed again.

#![expect(clippy::print_stdout, reason = "an example tells what it measured")]

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use actors_store::{CommitLane, CommitRequest, KeyRange, Mutation, Store};
use bytes::Bytes;
use hdrhistogram::Histogram;
use node_env::real::{RealClock, RealRng};
use node_env::{Clock, Rng};
use node_store_fdb::{Environment, FdbConfig, FdbStore, stop_network};

type Failure = Box<dyn Error + Send + Sync>;

const CLIENTS: u64 = 1_024;
const VALUE_BYTES: usize = 100;
const BATCH_ROWS: u64 = 256;

/// What a client does over and over.
#[derive(Debug, Clone, Copy)]
enum Work {
    Set,
    GetSet,
    Batch,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args_os().skip(1);
    let cluster_file = arguments.next().map(PathBuf::from);
    let seconds = match arguments.next() {
        None => 5,
        Some(seconds) => seconds.to_string_lossy().parse()?,
    };
    let clock = Arc::new(RealClock::new());
    let prefix = format!("rate-{:016x}", RealRng.next_u64());
    let config = FdbConfig { cluster_file, prefix, ..FdbConfig::default() };
    let environment = Environment { clock: clock.clone(), rng: Arc::new(RealRng) };
    let store = FdbStore::open(config, environment).await?;
    let mut lanes = 0;
    for (work, clients) in [
        (Work::Set, 1),
        (Work::GetSet, 1),
        (Work::Batch, 1),
        (Work::Set, CLIENTS),
        (Work::GetSet, CLIENTS),
        (Work::Batch, 4),
    ] {
        measure(&store, &clock, work, (lanes, clients), seconds).await?;
        lanes += clients;
    }
    println!("{:?}", store.stats());
    store.erase().await?;
    store.close().await;
    drop(store);
    stop_network();
    Ok(())
}

async fn measure(
    store: &Arc<FdbStore>,
    clock: &Arc<RealClock>,
    work: Work,
    (first_lane, clients): (u64, u64),
    seconds: u64,
) -> Result<(), Failure> {
    let begun_at = clock.monotonic_micros();
    let until = begun_at + seconds * 1_000_000;
    let tasks = (first_lane..first_lane + clients).map(|id| {
        let (store, clock) = (Arc::clone(store), Arc::clone(clock));
        tokio::spawn(async move {
            let mut micros = Histogram::<u64>::new(3)?;
            while clock.monotonic_micros() < until {
                let sent_at = clock.monotonic_micros();
                once(&store, work, id).await?;
                micros.record(clock.monotonic_micros() - sent_at)?;
            }
            Ok::<_, Failure>(micros)
        })
    });
    let mut all = Histogram::<u64>::new(3)?;
    for task in tasks.collect::<Vec<_>>() {
        all.add(task.await??)?;
    }
    let took = (clock.monotonic_micros() - begun_at) as f64 / 1e6;
    let at = |quantile| all.value_at_quantile(quantile) as f64 / 1e3;
    println!(
        "{work:?} with {clients} clients: {:.0}/s, p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
        all.len() as f64 / took,
        at(0.5),
        at(0.99),
        at(1.0),
    );
    Ok(())
}

async fn once(store: &FdbStore, work: Work, id: u64) -> Result<(), Failure> {
    let key = |row: u64| Bytes::from(format!("{id:08}/{row:08}"));
    let set = |row| Mutation::set(key(row), vec![b'v'; VALUE_BYTES]);
    let lane = Some(CommitLane { id, generation: 1 });
    let mut request = CommitRequest { lane, ..CommitRequest::default() };
    match work {
        Work::Set => request.mutations.push(set(0)),
        Work::GetSet | Work::Batch => {
            let snapshot = store.begin().await?;
            snapshot.get(&key(0)).await?;
            request.read_version = snapshot.version();
            request.read_conflicts.push(KeyRange::single(&key(0)));
            let rows = if matches!(work, Work::Batch) { BATCH_ROWS } else { 1 };
            request.mutations.extend((0..rows).map(set));
        }
    }
    store.commit(request).await?;
    Ok(())
}
