//! The store under a node: its own, or one that a process serves to several nodes.

use crate::assemble::Environment;
use crate::config::{NodeConfig, StoreConfig};
use crate::error::NodeError;
use crate::offline::STORE_FOLDER;
use actors_store::Store;
use node_env::DirectoryLock;
use node_store_embedded::{EmbeddedStore, Options, Stats};
use node_store_remote::{ClientConfig, ClientId, ClientIdentity, RemoteStore, next_incarnation};
use std::sync::Arc;

/// The folder of a data directory whose lock a node holds that has no store of its own.
const LOCK_FOLDER: &str = "client";

/// A store as a node holds it.
pub(crate) enum OpenStore {
    Embedded(Arc<EmbeddedStore>),
    Remote {
        store: Arc<RemoteStore>,
        /// One process at a time is this client.
        _lock: Box<dyn DirectoryLock>,
    },
}

impl OpenStore {
    /// Opens the store of a configuration. `client` names the node to a served store; it must
    /// never be the name of a node with another disk.
    pub(crate) async fn open(
        environment: &Environment,
        config: &NodeConfig,
        client: &str,
    ) -> Result<Self, NodeError> {
        environment.disk.create_dir(&config.data)?;
        match &config.store {
            StoreConfig::Embedded => Ok(Self::Embedded(embedded(environment, config)?)),
            StoreConfig::Remote { address } => remote(environment, config, (address, client)).await,
        }
    }

    pub(crate) fn port(&self) -> Arc<dyn Store> {
        match self {
            Self::Embedded(store) => Arc::clone(store) as Arc<dyn Store>,
            Self::Remote { store, .. } => Arc::clone(store) as Arc<dyn Store>,
        }
    }

    /// The counters of a store of its own.
    pub(crate) fn stats(&self) -> Option<Stats> {
        match self {
            Self::Embedded(store) => Some(store.stats()),
            Self::Remote { .. } => None,
        }
    }

    /// Gives metrics, also when the node is gone.
    pub(crate) fn metrics(&self) -> Box<dyn Fn() -> Vec<(&'static str, u64)> + Send + Sync> {
        match self {
            Self::Embedded(store) => {
                let store = Arc::clone(store);
                Box::new(move || embedded_metrics(store.stats()))
            }
            Self::Remote { store, .. } => {
                let store = Arc::clone(store);
                Box::new(move || {
                    vec![
                        ("medulla_store_remote_connected", u64::from(store.is_connected())),
                        ("medulla_store_remote_connections_total", store.connections()),
                    ]
                })
            }
        }
    }

    pub(crate) fn close(&self) {
        if let Self::Embedded(store) = self {
            store.close();
        }
    }
}

fn embedded_metrics(stats: Stats) -> Vec<(&'static str, u64)> {
    vec![
        ("medulla_store_commits_total", stats.commits),
        ("medulla_store_conflicts_total", stats.conflicts),
        ("medulla_store_batches_total", stats.batches),
        ("medulla_store_log_syncs_total", stats.log_syncs),
        ("medulla_store_log_bytes_total", stats.log_bytes),
        ("medulla_store_checkpoints_total", stats.checkpoints),
        ("medulla_store_compactions_total", stats.compactions),
        ("medulla_store_run_bytes", stats.run_bytes),
        ("medulla_store_overlay_bytes", stats.overlay_bytes),
    ]
}

fn embedded(
    environment: &Environment,
    config: &NodeConfig,
) -> Result<Arc<EmbeddedStore>, NodeError> {
    let outside = node_store_embedded::Environment {
        disk: Arc::clone(&environment.disk),
        clock: Arc::clone(&environment.clock),
        rng: Arc::clone(&environment.rng),
        execution: environment.execution.clone(),
    };
    let mut options = Options::new(config.data.join(STORE_FOLDER));
    options.segment_bytes = config.segment_bytes;
    Ok(Arc::new(EmbeddedStore::open(outside, &options)?))
}

async fn remote(
    environment: &Environment,
    config: &NodeConfig,
    (address, client): (&str, &str),
) -> Result<OpenStore, NodeError> {
    let folder = config.data.join(LOCK_FOLDER);
    environment.disk.create_dir(&folder)?;
    let lock = environment.disk.lock_dir(&folder)?;
    let identity = ClientIdentity {
        client_id: ClientId::from_name(client),
        incarnation: next_incarnation(&*environment.disk, &folder)?,
    };
    let wanted = ClientConfig::new(identity, Arc::clone(&environment.rng));
    let store = RemoteStore::connect(address, wanted).await?;
    Ok(OpenStore::Remote { store, _lock: lock })
}
