//! Several nodes in this process over one served store: `remote`, what a call costs that goes
//! through another node, and `rebalance`, how long shards take to spread when nodes come and go.

use crate::error::BenchError;
use crate::load::{self, Pace};
use crate::local::{Crowd, Observer, Reader};
use crate::node::Folder;
use crate::plan::{Plan, World};
use crate::prepare;
use crate::process::Process;
use crate::report::{Report, as_float, ratio, rounded};
use actors_store::Store;
use node_app::cluster::{ClusterConfig, JoinWithin, Membership};
use node_app::{Node, NodeConfig, StoreConfig, assemble};
use node_ingest::gateway::Gateway;
use node_ingest::operations::{ClusterOperations, Operation};
use node_store_embedded::{EmbeddedStore, Options};
use node_store_remote::{RemoteServer, ServedStore, ServerConfig};
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long the nodes may take to spread their shards, seconds.
const SETTLE_SECONDS_MAX: u64 = 60;
/// How often they are looked at, milliseconds.
const LOOK_MS: u64 = 20;
/// Callers at once, one figure for each.
const OUTSTANDING: [usize; 2] = [1, 64];
/// Nodes, step by step.
const SIZES: [usize; 5] = [1, 3, 5, 3, 1];

/// The nodes and their store.
struct Nodes {
    nodes: Vec<Node>,
    made: usize,
    server: RemoteServer,
    folder: Folder,
}

fn free_address() -> Result<SocketAddr, BenchError> {
    let found = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    found.map_err(|error| BenchError::outside("free port", error))
}

async fn serve(world: &World, data: &Path) -> Result<RemoteServer, BenchError> {
    let outside = |error: &dyn std::fmt::Display| BenchError::outside("served store", error);
    let environment = node_store_embedded::Environment {
        disk: Arc::clone(&world.environment.disk),
        clock: Arc::clone(&world.environment.clock),
        rng: Arc::clone(&world.environment.rng),
        execution: world.environment.execution.clone(),
    };
    world.environment.disk.create_dir(data).map_err(|error| outside(&error))?;
    let store = EmbeddedStore::open(environment, &Options::new(data.join("store")));
    let store = store.map_err(|error| outside(&error))?;
    let served = ServedStore::new(Arc::new(store) as Arc<dyn Store>);
    let listening = RemoteServer::listen(
        served,
        (&*world.environment.network, "127.0.0.1:0"),
        ServerConfig::default(),
    );
    listening.await.map_err(|error| outside(&error))
}

impl Nodes {
    async fn start(world: &World, plan: &Plan, count: usize) -> Result<Self, BenchError> {
        let folder = Folder::named_or_temporary(plan.data.as_ref())?;
        let server = serve(world, &folder.data()).await?;
        let mut nodes = Self { nodes: Vec::new(), made: 0, server, folder };
        for _ in 0..count {
            nodes.add(world).await?;
        }
        Ok(nodes)
    }

    async fn add(&mut self, world: &World) -> Result<(), BenchError> {
        self.made += 1;
        let name = format!("n{}", self.made);
        let store = self.server.local_address();
        let store = store.ok_or_else(|| BenchError::outside("served store", "no address"))?;
        let membership = match self.nodes.first().and_then(Node::operations) {
            None => Membership::Form,
            Some(first) => Membership::Join(Arc::new(JoinWithin(first))),
        };
        let mut config = NodeConfig::new(self.folder.data().join(&name));
        config.store = StoreConfig::Remote { address: store.to_string() };
        config.cluster = Some(ClusterConfig::new(membership, free_address()?, free_address()?));
        config.runtime.node = name;
        self.nodes.push(Box::pin(assemble(world.environment.clone(), config)).await?);
        Ok(())
    }

    /// Ends the node that came last, as an operator does for good.
    async fn remove(&mut self) -> Result<(), BenchError> {
        if let Some(last) = self.nodes.pop() {
            last.stop().await;
        }
        Ok(())
    }

    fn operations(&self) -> Result<Arc<dyn ClusterOperations>, BenchError> {
        let first = self.nodes.first().and_then(Node::operations);
        first.ok_or_else(|| BenchError::outside("cluster", "no node"))
    }

    /// Waits until the shards of the nodes that are up are as `is_so` wants them.
    async fn until(&self, is_so: impl Fn(&[u64]) -> bool) -> Result<(), BenchError> {
        let operations = self.operations()?;
        for _ in 0..SETTLE_SECONDS_MAX * 1_000 / LOOK_MS {
            let nodes = operations.nodes();
            let up = nodes.iter().filter(|node| node["state"] == "up");
            let counts: Vec<u64> =
                up.map(|node| node["shards"].as_u64().unwrap_or_default()).collect();
            let shards = operations.shards();
            let is_open = shards.iter().all(|shard| shard["state"] == "open");
            if is_open && !shards.is_empty() && is_so(&counts) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
        }
        Err(BenchError::outside("cluster", "the shards did not spread in time"))
    }

    async fn stop(mut self) -> Result<(), BenchError> {
        while !self.nodes.is_empty() {
            self.remove().await?;
        }
        self.server.shut_down().await;
        Ok(())
    }
}

/// Calls at the owner against the same calls through another node, for 1 and 64 callers.
///
/// # Errors
/// [`BenchError`].
pub async fn remote(world: &World, plan: &Plan) -> Result<Report, BenchError> {
    let nodes = Nodes::start(world, plan, 2).await?;
    nodes.until(|counts| counts.len() == 2).await?;
    // The first node has no shards from here on: all that it is asked goes to the second.
    let drain = Operation::Drain { node: "n1".to_owned(), is_for_good: true };
    let operations = nodes.operations()?;
    let drained = operations.operate(drain).await;
    drained.map_err(|error| BenchError::outside("drain", error.message))?;
    nodes.until(|counts| counts.len() == 1).await?;
    let [through, owner] = &nodes.nodes[..] else {
        return Err(BenchError::outside("cluster", "not two nodes"));
    };
    prepare::patients(owner.gateway(), plan.patients).await?;
    let mut report = Report::new("remote");
    report.set("nodes", 2);
    report.set("patients", plan.patients);
    let mut operations_total = 0;
    for outstanding in OUTSTANDING {
        for what in ["observe", "read"] {
            for (way, node) in [("local", owner), ("remote", through)] {
                let (figures, operations) =
                    measure(world, plan, (what, outstanding), node.gateway()).await;
                operations_total += operations;
                report.set(&format!("{what}_{outstanding}_{way}"), figures);
            }
        }
    }
    report.set("operations", operations_total);
    nodes.stop().await?;
    Ok(report)
}

async fn measure(
    world: &World,
    plan: &Plan,
    (what, outstanding): (&str, usize),
    gateway: &Gateway,
) -> (Value, u64) {
    let crowd = Crowd {
        callers: outstanding,
        patients: plan.patients,
        batch: 1,
        run: world.environment.rng.next_u64() >> 40,
    };
    let (clock, span) = (&world.environment.clock, plan.span());
    let cpu = || Process::Own.cpu_micros();
    let (observed, micros, samples) = if what == "observe" {
        let callers = Observer::crowd(gateway, &crowd);
        let loaded = load::run(callers, clock, Pace::Closed, span, cpu).await;
        (loaded.observed, loaded.micros, loaded.samples)
    } else {
        let callers = Reader::crowd(gateway, &crowd);
        let loaded = load::run(callers, clock, Pace::Closed, span, cpu).await;
        (loaded.observed, loaded.micros, loaded.samples)
    };
    let operations = observed.calls();
    let figures = json!({
        "ops_per_second": rounded(as_float(operations) / (as_float(micros) / 1e6)),
        "p50_us": observed.quantile(0.5),
        "p99_us": observed.quantile(0.99),
        "errors": observed.failures(),
        "cpu_us_per_op": ratio(samples.1.saturating_sub(samples.0), operations),
    });
    (figures, operations)
}

/// From one node to three, to five and back: how long until every node has its share.
///
/// # Errors
/// [`BenchError`].
pub async fn rebalance(world: &World, plan: &Plan) -> Result<Report, BenchError> {
    let clock = &world.environment.clock;
    let mut nodes = Nodes::start(world, plan, 1).await?;
    let mut steps = Vec::new();
    let mut size = 1;
    for wanted in SIZES {
        let begun = clock.monotonic_micros();
        while nodes.nodes.len() < wanted {
            nodes.add(world).await?;
        }
        while nodes.nodes.len() > wanted {
            nodes.remove().await?;
        }
        nodes.until(|counts| counts.len() == wanted && is_even(counts)).await?;
        let took = clock.monotonic_micros().saturating_sub(begun);
        steps.push(json!({
            "from": size,
            "to": wanted,
            "seconds": rounded(as_float(took) / 1e6),
        }));
        size = wanted;
    }
    let mut report = Report::new("rebalance");
    report.set("operations", steps.len());
    report.set("steps", steps);
    nodes.stop().await?;
    Ok(report)
}

/// No node has two shards more than another.
fn is_even(counts: &[u64]) -> bool {
    let most = counts.iter().max().copied().unwrap_or(0);
    most.saturating_sub(counts.iter().min().copied().unwrap_or(0)) <= 1
}
