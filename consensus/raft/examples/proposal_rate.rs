//! Measures the control plane on three nodes in one process, over loopback and real files:
//! proposals per second with 1, 64 and 256 clients, entries and syncs per proposal, and the time
//! without a leader when the leader ends. Run it with `--release`; it prints, no node runs it.
#![expect(clippy::print_stdout, reason = "a measuring program reports on standard output")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use consensus_raft::{
    ClusterId, Config, ControlPlane, Environment, Execution, Machine, Options, PlainTransport,
    RestoreError, Role,
};
use node_env::real::{RealDisk, RealRng, TcpNetwork, ThreadSpawner};
use schema_types::cluster::NodeId;

const CLIENT_COUNTS: [usize; 3] = [1, 64, 256];
const SECONDS_PER_STEP: u64 = 4;
const FAILOVERS: usize = 5;
/// Bytes of a command besides its number.
const COMMAND_BYTES: usize = 64;

/// Counts commands.
#[derive(Default)]
struct Counter(u64);

impl Machine for Counter {
    type Command = Vec<u8>;
    type Outcome = u64;

    fn apply(&mut self, _index: u64, _command: Vec<u8>) -> u64 {
        self.0 += 1;
        self.0
    }

    fn snapshot(&self) -> Vec<u8> {
        self.0.to_le_bytes().to_vec()
    }

    fn restore(bytes: &[u8]) -> Result<Self, RestoreError> {
        let bytes = bytes.try_into().map_err(|_| RestoreError { reason: "length".to_owned() })?;
        Ok(Self(u64::from_le_bytes(bytes)))
    }
}

type Plane = ControlPlane<Counter>;
type Failure = Box<dyn std::error::Error>;

async fn start(directory: &Path, id: NodeId, address: &str) -> Result<(Plane, String), Failure> {
    let transport = PlainTransport::bind(Arc::new(TcpNetwork), address).await?;
    let address = transport.local_address()?.to_string();
    let environment = Environment {
        disk: Arc::new(RealDisk),
        rng: Arc::new(RealRng),
        execution: Execution::Threads(Arc::new(ThreadSpawner)),
        transport: Arc::new(transport),
    };
    let options = Options {
        cluster: ClusterId([1; 16]),
        node: id,
        address: address.clone(),
        directory: directory.join(id.to_string()),
        config: Config::default(),
    };
    Ok((ControlPlane::start(environment, options, Counter::default()).await?, address))
}

struct Cluster {
    planes: BTreeMap<NodeId, Plane>,
    addresses: BTreeMap<NodeId, String>,
}

impl Cluster {
    async fn three(directory: &Path) -> Result<Self, Failure> {
        let (mut planes, mut addresses) = (BTreeMap::new(), BTreeMap::new());
        for id in [1, 2, 3].map(NodeId) {
            let (plane, address) = start(directory, id, "127.0.0.1:0").await?;
            planes.insert(id, plane);
            addresses.insert(id, address);
        }
        let first = &planes[&NodeId(1)];
        first.initialize().await?;
        for (&id, address) in addresses.iter().skip(1) {
            first.add_learner(id, address).await?;
        }
        first.set_voters(addresses.keys().copied()).await?;
        Ok(Self { planes, addresses })
    }

    async fn leader(&self) -> Result<NodeId, Failure> {
        let mut steps = tokio::time::interval(Duration::from_millis(10));
        loop {
            steps.tick().await;
            for (&id, plane) in &self.planes {
                if plane.status().await?.role == Role::Leader {
                    return Ok(id);
                }
            }
        }
    }
}

/// Proposes from so many clients at once for a while; answers the latencies in microseconds.
async fn load(plane: &Plane, clients: usize) -> Result<Vec<u128>, Failure> {
    let until = now() + Duration::from_secs(SECONDS_PER_STEP);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..clients {
        let plane = plane.clone();
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            while now() < until {
                let begun = now();
                if plane.propose(&vec![7; COMMAND_BYTES]).await.is_ok() {
                    latencies.push(begun.elapsed().as_micros());
                }
            }
            latencies
        });
    }
    let mut all: Vec<u128> = tasks.join_all().await.concat();
    all.sort_unstable();
    Ok(all)
}

#[expect(clippy::disallowed_methods, reason = "an example measures the real clock")]
fn now() -> Instant {
    Instant::now()
}

fn ratio(count: usize, entries: u64) -> f64 {
    count as f64 / entries.max(1) as f64
}

async fn measure_rate(cluster: &Cluster) -> Result<(), Failure> {
    for from_leader in [true, false] {
        let leader = cluster.leader().await?;
        let plane = cluster
            .planes
            .iter()
            .find(|(id, _)| (**id == leader) == from_leader)
            .map(|(_, plane)| plane)
            .ok_or("no node")?;
        println!("proposals on {}", if from_leader { "the leader" } else { "a follower" });
        for clients in CLIENT_COUNTS {
            let before = cluster.planes[&leader].status().await?;
            let latencies = load(plane, clients).await?;
            let after = cluster.planes[&leader].status().await?;
            let entries = after.last_log_index.unwrap_or(0) - before.last_log_index.unwrap_or(0);
            let count = latencies.len().max(1);
            let at = |percent: usize| latencies.get(count * percent / 100).copied().unwrap_or(0);
            println!(
                "  {clients:>3} clients: {:>7} proposals/s, p50 {:>6} us, p99 {:>6} us, \
                 {:.1} proposals per entry, term {} -> {}",
                count as u64 / SECONDS_PER_STEP,
                at(50),
                at(99),
                ratio(count, entries),
                before.term,
                after.term,
            );
        }
    }
    Ok(())
}

async fn measure_failover(cluster: &mut Cluster, directory: &Path) -> Result<(), Failure> {
    let mut times = Vec::new();
    for _ in 0..FAILOVERS {
        let leader = cluster.leader().await?;
        let survivor = cluster.planes.keys().copied().find(|id| *id != leader);
        let survivor = cluster.planes[&survivor.ok_or("no survivor")?].clone();
        let old = cluster.planes.remove(&leader).ok_or("no leader")?;
        old.shutdown().await;
        let begun = now();
        while survivor.propose(&vec![1; COMMAND_BYTES]).await.is_err() {}
        times.push(begun.elapsed().as_millis());
        let (plane, _) = start(directory, leader, &cluster.addresses[&leader]).await?;
        plane.read_linearizable(|_| ()).await?;
        cluster.planes.insert(leader, plane);
    }
    times.sort_unstable();
    println!("from the end of the leader to the next committed proposal, ms: {times:?}");
    Ok(())
}

async fn measure_reads(cluster: &Cluster) -> Result<(), Failure> {
    let leader = cluster.leader().await?;
    let (begun, mut count) = (now(), 0_u64);
    while begun.elapsed() < Duration::from_secs(2) {
        cluster.planes[&leader].read_linearizable(|counter| counter.0).await?;
        count += 1;
    }
    println!("linearizable reads on the leader, one at a time: {} per s", count / 2);
    Ok(())
}

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let directory = tempfile::tempdir()?;
    runtime.block_on(async {
        let mut cluster = Cluster::three(directory.path()).await?;
        measure_rate(&cluster).await?;
        measure_reads(&cluster).await?;
        measure_failover(&mut cluster, directory.path()).await
    })
}
