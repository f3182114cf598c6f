//! The nodes of a demo with several: one `medulla store` and as many `medulla serve`, each a
//! process of its own, one of which is killed in the middle.

use crate::client::remote::Api;
use crate::failure::Failure;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long the cluster may take to be ready, seconds.
const READY_SECONDS_MAX: u64 = 60;
/// How often it is looked at, milliseconds.
const LOOK_MS: u64 = 50;
/// How long a process that was asked to end is waited for, seconds.
const END_SECONDS_MAX: u64 = 30;

/// A process, killed when it is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended before.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// One node.
struct NodeProcess {
    name: String,
    mllp: SocketAddr,
    http: SocketAddr,
    process: Option<Process>,
}

/// The processes of the demo. Nodes are ended before their store.
pub(crate) struct Processes {
    nodes: Vec<NodeProcess>,
    store: Process,
}

fn free_address() -> Result<SocketAddr, Failure> {
    let failed = |error: std::io::Error| Failure::failed(format!("no free port: {error}"));
    TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).map_err(failed)
}

fn spawn(data: &Path, name: &str, arguments: &[String]) -> Result<Process, Failure> {
    let failed = |error: std::io::Error| Failure::failed(format!("{name}: {error}"));
    let log = std::fs::File::create(data.join(format!("{name}.log"))).map_err(failed)?;
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command.args(arguments).stdin(Stdio::null());
    command.stdout(log.try_clone().map_err(failed)?).stderr(log);
    Ok(Process(command.spawn().map_err(failed)?))
}

impl Processes {
    /// Starts a store and `count` nodes in a data directory, and waits until every node is ready
    /// and owns shards.
    pub(crate) async fn start(data: &Path, count: u32) -> Result<Self, Failure> {
        std::fs::create_dir_all(data)
            .map_err(|error| Failure::failed(format!("{}: {error}", data.display())))?;
        let store = free_address()?;
        let folder = |name: &str| format!("--data={}", data.join(name).display());
        let arguments = ["store".to_owned(), folder("store"), format!("--listen={store}")];
        let mut processes = Self { nodes: Vec::new(), store: spawn(data, "store", &arguments)? };
        for number in 1..=count {
            let name = format!("n{number}");
            let (mllp, http) = (free_address()?, free_address()?);
            let member = match processes.nodes.first() {
                None => "--form".to_owned(),
                Some(first) => format!("--join=http://{}", first.http),
            };
            let arguments = [
                "serve".to_owned(),
                "--insecure-dev".to_owned(),
                folder(&name),
                format!("--name={name}"),
                format!("--store=tcp://{store}"),
                format!("--mllp={mllp}"),
                format!("--http={http}"),
                format!("--peer={}", free_address()?),
                format!("--raft={}", free_address()?),
                member,
            ];
            let process = Some(spawn(data, &name, &arguments)?);
            processes.nodes.push(NodeProcess { name, mllp, http, process });
        }
        processes.until_settled().await?;
        Ok(processes)
    }

    /// Where clients go: the first node, which is not the one that is killed.
    pub(crate) fn addresses(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.nodes.first().map(|node| (node.mllp, node.http))
    }

    /// The addresses for people.
    pub(crate) fn shown(&self) -> String {
        let nodes = self.nodes.iter();
        let shown =
            nodes.map(|node| format!("{} mllp={} http={}", node.name, node.mllp, node.http));
        shown.collect::<Vec<_>>().join(", ")
    }

    fn api(&self) -> Result<Api, Failure> {
        let first = self.nodes.first().ok_or_else(|| Failure::failed("no node"))?;
        Api::new(&format!("http://{}", first.http), None, "HSYSADMIN".to_owned())
    }

    async fn until_settled(&mut self) -> Result<(), Failure> {
        let api = self.api()?;
        for _ in 0..READY_SECONDS_MAX * 1_000 / LOOK_MS {
            if let Some(ended) = self.ended()? {
                return Err(Failure::failed(format!("node {ended} ended; its log says why")));
            }
            let nodes = api.list("/api/v1/nodes", &[], "nodes").await.unwrap_or_default();
            let up = nodes.iter().filter(|node| node["state"] == "up");
            let shards: Vec<u64> =
                up.map(|node| node["shards"].as_u64().unwrap_or_default()).collect();
            let share = shards.iter().sum::<u64>() / u64::try_from(self.nodes.len()).unwrap_or(1);
            let is_even = share > 0 && shards.iter().all(|shards| *shards >= share);
            if is_even && shards.len() == self.nodes.len() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
        }
        Err(Failure::failed(format!("the nodes were not ready within {READY_SECONDS_MAX} s")))
    }

    /// The name of a node that ended by itself.
    fn ended(&mut self) -> Result<Option<String>, Failure> {
        for node in &mut self.nodes {
            let Some(process) = &mut node.process else { continue };
            let status = process.0.try_wait();
            let status = status.map_err(|error| Failure::failed(error.to_string()))?;
            if status.is_some() {
                return Ok(Some(node.name.clone()));
            }
        }
        Ok(None)
    }

    /// kill -9 of the last node; gives its name and how many shards it owned.
    pub(crate) async fn kill_one(&mut self) -> Result<(String, u64), Failure> {
        let api = self.api()?;
        let Some(victim) = self.nodes.last_mut() else { return Err(Failure::failed("no node")) };
        let nodes = api.list("/api/v1/nodes", &[], "nodes").await?;
        let shown = nodes.iter().find(|node| node["node"] == victim.name[..]);
        let shards = shown.and_then(|node| node["shards"].as_u64()).unwrap_or(0);
        // Dropping it kills it.
        drop(victim.process.take());
        Ok((victim.name.clone(), shards))
    }

    /// Waits until no shard is on its way.
    pub(crate) async fn until_open(&self) -> Result<(), Failure> {
        let api = self.api()?;
        for _ in 0..READY_SECONDS_MAX * 1_000 / LOOK_MS {
            let nodes = api.list("/api/v1/nodes", &[], "nodes").await?;
            let shards = api.list("/api/v1/shards", &[], "shards").await?;
            let alive = nodes.iter().filter(|node| node["state"] == "up").count();
            let running = self.nodes.iter().filter(|node| node.process.is_some()).count();
            if alive == running && shards.iter().all(|shard| shard["state"] == "open") {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
        }
        Err(Failure::failed("shards did not open again: `medulla shard list` says why"))
    }

    /// SIGTERM to every node, one after the other, then to the store.
    pub(crate) async fn stop(mut self) {
        for node in &mut self.nodes {
            if let Some(process) = node.process.take() {
                end(process).await;
            }
        }
        end(self.store).await;
    }
}

async fn end(mut process: Process) {
    let pid = process.0.id().to_string();
    if Command::new("kill").args(["-TERM", &pid]).status().is_err() {
        // Without `kill` it is killed when it is dropped; nothing acknowledged is lost by that.
        return;
    }
    for _ in 0..END_SECONDS_MAX * 1_000 / LOOK_MS {
        if matches!(process.0.try_wait(), Ok(Some(_)) | Err(_)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
    }
}
