//! Several nodes as processes over one `medulla store`.

use crate::http;
use crate::process::{NodeProcess, free_address, now, pause};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const READY_SECONDS_MAX: u64 = 60;

/// The store's process and the nodes, named `n1`, `n2` and so on.
pub(crate) struct Cluster {
    store: Child,
    pub(crate) nodes: Vec<NodeProcess>,
    _folder: tempfile::TempDir,
}

impl Cluster {
    /// Starts a cluster and waits until every node is ready and has shards.
    pub(crate) fn start(binary: PathBuf, count: usize) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let address = free_address()?;
        let store = start_store(&binary, folder.path(), address)?;
        let mut cluster = Self { store, nodes: Vec::new(), _folder: folder };
        for number in 1..=count {
            let node = cluster.node(binary.clone(), number, address)?;
            cluster.nodes.push(node);
        }
        for node in &mut cluster.nodes {
            node.start()?;
        }
        cluster.settle()?;
        Ok(cluster)
    }

    fn node(&self, binary: PathBuf, number: usize, store: SocketAddr) -> Result<NodeProcess> {
        let data = self._folder.path().join(format!("n{number}"));
        let mut options = vec![
            format!("--store=tcp://{store}"),
            format!("--name=n{number}"),
            format!("--peer={}", free_address()?),
            format!("--raft={}", free_address()?),
        ];
        options.push(match self.nodes.first() {
            None => "--form".to_owned(),
            Some(first) => format!("--join=http://{}", first.http),
        });
        Ok(NodeProcess::new(binary, &data, Vec::new())?.with_options(options))
    }

    /// Waits until every node is ready and owns its share, and no shard is on its way: a fault of a
    /// node that owns next to nothing would show nothing.
    pub(crate) fn settle(&mut self) -> Result<()> {
        for node in &mut self.nodes {
            node.wait_ready()?;
        }
        self.until("the shards were not spread over the nodes", |cluster| {
            let nodes = cluster.list("nodes")?;
            let up = nodes.iter().filter(|node| node["state"] == "up");
            let owned: Vec<u64> = up.filter_map(|node| node["shards"].as_u64()).collect();
            let even = owned.iter().sum::<u64>() / owned.len().max(1) as u64;
            let is_even = owned.iter().all(|shards| shards * 2 >= even);
            let is_open = |shard: &Value| shard["state"] == "open";
            Ok(owned.len() == cluster.nodes.len()
                && is_even
                && cluster.list("shards")?.iter().all(is_open))
        })
    }

    /// Waits until something is so.
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&Self) -> Result<bool>) -> Result<()> {
        let begin = now();
        while begin.elapsed() < Duration::from_secs(READY_SECONDS_MAX) {
            if is_so(self).unwrap_or(false) {
                return Ok(());
            }
            pause(Duration::from_millis(50));
        }
        bail!("{what} within {READY_SECONDS_MAX} s")
    }

    /// The first node that answers.
    fn ask(&self, path: &str) -> Result<Value> {
        for node in &self.nodes {
            if let Ok(response) = http::get(node.http, path)
                && response.status == 200
            {
                return response.json();
            }
        }
        bail!("no node answers {path}")
    }

    /// `nodes` or `shards`.
    pub(crate) fn list(&self, what: &str) -> Result<Vec<Value>> {
        let body = self.ask(&format!("/api/v1/{what}"))?;
        body[what].as_array().cloned().with_context(|| format!("no list of {what}"))
    }

    /// Asks a node for a change of the cluster.
    pub(crate) fn change(&self, at: usize, path: &str, body: &Value) -> Result<Value> {
        let body = body.to_string();
        let path = format!("/api/v1/{path}");
        let response = http::request(self.nodes[at].http, "POST", &path, &[], Some(&body))?;
        let answer = response.json()?;
        ensure!(response.status == 200, "{path}: {answer}");
        Ok(answer)
    }

    /// Gives a shard to a node.
    pub(crate) fn move_shard(&self, at: usize, shard: u64, to: &str) -> Result<()> {
        self.change(at, &format!("shards/{shard}/move"), &json!({ "to": to })).map(|_| ())
    }

    /// Where MLLP clients go.
    pub(crate) fn mllp(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.mllp).collect()
    }

    /// Whether the audit logs of all shards verify, by a node (AUD-2).
    pub(crate) fn audit_ok(&self) -> Result<bool> {
        let url = format!("http://{}", self.nodes[0].http);
        let verdict = self.nodes[0].ask(&["audit", "verify", "--to", &url, "--json"])?;
        Ok(verdict["ok"] == true)
    }
}

fn start_store(binary: &Path, folder: &Path, address: SocketAddr) -> Result<Child> {
    let log = OpenOptions::new().create(true).append(true).open(folder.join("store.log"))?;
    let mut command = Command::new(binary);
    command.arg("store").arg("--data").arg(folder.join("store"));
    command.arg("--listen").arg(address.to_string());
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.spawn().context("the store could not be started")
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            if node.kill().is_err() {
                eprintln!("a node process could not be ended");
            }
        }
        if self.store.kill().and_then(|()| self.store.wait().map(|_| ())).is_err() {
            eprintln!("the store process could not be ended");
        }
    }
}
