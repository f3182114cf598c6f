//! A node of this process on a folder of its own, which is gone afterwards.

use crate::counters::Counters;
use crate::disk::UnsyncedDisk;
use crate::error::BenchError;
use crate::plan::{Durability, Plan, World};
use actors_runtime::RuntimeConfig;
use node_app::{Node, NodeConfig, assemble};
use node_ingest::gateway::Gateway;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder for one run: temporary unless the plan names one.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Folder {
    /// A temporary folder.
    ///
    /// # Errors
    /// [`BenchError::Outside`].
    pub fn temporary() -> Result<Self, BenchError> {
        let folder = tempfile::Builder::new().prefix("medulla-bench-").tempdir();
        let folder = folder.map_err(|error| BenchError::outside("temporary folder", error))?;
        Ok(Self { path: folder.path().to_path_buf(), _temporary: Some(folder) })
    }

    /// The folder that is named, else a temporary one.
    ///
    /// # Errors
    /// [`BenchError::Outside`].
    pub fn named_or_temporary(named: Option<&PathBuf>) -> Result<Self, BenchError> {
        match named {
            Some(path) => Ok(Self { path: path.clone(), _temporary: None }),
            None => Self::temporary(),
        }
    }

    /// Where the node keeps its data in it.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        match self._temporary {
            Some(_) => self.path.join("data"),
            None => self.path.clone(),
        }
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A node of this process.
pub struct OwnNode {
    node: Node,
    /// Removed when this is dropped.
    _folder: Folder,
}

impl OwnNode {
    /// Starts a node that can keep all patients of the plan awake; with listeners unless the plan
    /// is in-process.
    ///
    /// # Errors
    /// [`BenchError`].
    pub async fn start(world: &World, plan: &Plan) -> Result<Self, BenchError> {
        let usual = RuntimeConfig::default().resident_entities_max;
        Self::start_with(world, plan, plan.patients.saturating_mul(2).max(usual)).await
    }

    /// Starts a node that keeps as many patients awake as one does by default.
    ///
    /// # Errors
    /// [`BenchError`].
    pub async fn start_usual(world: &World, plan: &Plan) -> Result<Self, BenchError> {
        Self::start_with(world, plan, RuntimeConfig::default().resident_entities_max).await
    }

    async fn start_with(
        world: &World,
        plan: &Plan,
        resident_entities_max: u64,
    ) -> Result<Self, BenchError> {
        let folder = Folder::named_or_temporary(plan.data.as_ref())?;
        let mut environment = world.environment.clone();
        if plan.durability == Durability::None {
            environment.disk = Arc::new(UnsyncedDisk(environment.disk));
        }
        let mut config = NodeConfig::new(folder.data());
        config.runtime.resident_entities_max = resident_entities_max;
        config.store = plan.store.clone();
        if plan.fsync_per_event {
            config.runtime.batch_units_max = 1;
        }
        if !plan.in_process {
            let free = || Some("127.0.0.1:0".to_owned());
            (config.mllp, config.http, config.rpc) = (free(), free(), free());
        }
        Ok(Self { node: assemble(environment, config).await?, _folder: folder })
    }

    /// The door for callers in this process.
    #[must_use]
    pub const fn gateway(&self) -> &Gateway {
        self.node.gateway()
    }

    /// The node.
    #[must_use]
    pub const fn node(&self) -> &Node {
        &self.node
    }

    /// Keeps another folder until the node is gone.
    #[must_use]
    pub fn keeping(mut self, folder: Folder) -> Self {
        self._folder = folder;
        self
    }

    /// Where the node listens for a protocol.
    #[must_use]
    pub fn address(&self, protocol: &str) -> Option<String> {
        let address = match protocol {
            "mllp" => self.node.mllp_address(),
            "http" => self.node.http_address(),
            "rpc" => self.node.rpc_address(),
            _ => None,
        };
        address.map(|address| address.to_string())
    }

    /// What was counted up to now.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters::of(&self.node)
    }

    /// Stops the node and removes its temporary folder.
    pub async fn stop(self) {
        if !self.node.stop().await {
            tracing::warn!("work in flight was not finished in time");
        }
    }
}
