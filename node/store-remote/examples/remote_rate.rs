//! How many commits a second pass through the protocol over loopback TCP, before the reference
//! model in memory: `remote_rate COMMITS IN_FLIGHT VALUE_BYTES`. Alone, with one in flight, it is
//! the round trip. Gets and begins are measured with the same number in flight.

#![expect(clippy::print_stdout, reason = "an example tells what it measured")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use actors_store::{CommitRequest, MemoryStore, Mutation, Store};
use futures::stream::{self, StreamExt};
use node_env::Clock;
use node_env::real::{RealClock, RealRng, TcpNetwork};
use node_store_remote::{
    ClientConfig, ClientIdentity, RemoteServer, RemoteStore, ServedStore, ServerConfig,
};

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let mut numbers = std::env::args().skip(1).map(|number| number.parse::<usize>());
    let mut next = |default| numbers.next().unwrap_or(Ok(default));
    let (operations, in_flight, value_bytes) = (next(200_000)?, next(64)?, next(1_024)?);
    let clock = Arc::new(RealClock::new());
    let served = ServedStore::new(Arc::new(MemoryStore::new(clock.clone())));
    let server =
        RemoteServer::listen(served, (&TcpNetwork, "127.0.0.1:0"), ServerConfig::default()).await?;
    let address = server.local_address().map(|address| address.to_string()).unwrap_or_default();
    let identity = ClientIdentity::ephemeral(&RealRng);
    let config = ClientConfig::new(identity, Arc::new(RealRng));
    let store = RemoteStore::connect((Arc::new(TcpNetwork), &address), config).await?;

    let commit = |number: usize| {
        let key = format!("{:05}", number % 50_000);
        let mutations = vec![Mutation::set(key, vec![b'v'; value_bytes])];
        let store = Arc::clone(&store);
        async move {
            store.commit(CommitRequest { mutations, ..CommitRequest::default() }).await?;
            Ok::<(), Failure>(())
        }
    };
    let begin = |_| {
        let store = Arc::clone(&store);
        async move { store.begin().await.map(drop).map_err(Failure::from) }
    };
    let get = |number: usize| {
        let store = Arc::clone(&store);
        async move {
            let key = format!("{:05}", number % 50_000);
            store.begin().await?.get(key.as_bytes()).await?;
            Ok::<(), Failure>(())
        }
    };
    for round in 0..3 {
        measure("commit", clock.as_ref(), operations, in_flight, commit).await?;
        measure("begin", clock.as_ref(), operations, in_flight, begin).await?;
        measure("begin and get", clock.as_ref(), operations, in_flight, get).await?;
        println!("round {round}: {:?}", server.stats());
    }
    Ok(())
}

async fn measure<F: Future<Output = Result<(), Failure>>>(
    what: &str,
    clock: &RealClock,
    operations: usize,
    in_flight: usize,
    operation: impl Fn(usize) -> F,
) -> Result<(), Failure> {
    let begun_at = clock.monotonic_micros();
    let mut running = stream::iter((0..operations).map(operation)).buffer_unordered(in_flight);
    while let Some(result) = running.next().await {
        result?;
    }
    let took = Duration::from_micros(clock.monotonic_micros() - begun_at);
    let per_second = operations as f64 / took.as_secs_f64();
    println!("{what}: {operations} with {in_flight} in flight in {took:?}, {per_second:.0}/s");
    Ok(())
}
