//! The store under a node: its own, or one that a process serves to several nodes.

use crate::assemble::Environment;
use crate::cluster::ClusterError;
use crate::config::{NodeConfig, StoreConfig};
use crate::error::NodeError;
use crate::offline::STORE_FOLDER;
use actors_store::Store;
use node_env::DirectoryLock;
use node_rpc::peer::{PeerId, PeerSecurity, PeerStartError};
use node_rpc::secured::{SecuredConfig, StoreConnector};
use node_store_embedded::{EmbeddedStore, Options, Stats};
use node_store_fdb::{FdbConfig, FdbStats, FdbStore};
use node_store_remote::{
    ClientConfig, ClientId, ClientIdentity, Connector, PlainConnector, RemoteStore,
    next_incarnation,
};
use schema_types::cluster::NodeId;
use std::path::PathBuf;
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
    Fdb {
        store: Arc<FdbStore>,
        /// One process at a time runs from the data directory.
        _lock: Box<dyn DirectoryLock>,
    },
}

/// As whom a node uses a store that is served.
pub(crate) struct Client<'a> {
    /// Never the name of a node with another disk.
    pub(crate) name: &'a str,
    /// The node's id in its cluster, for its certificate.
    pub(crate) node: Option<NodeId>,
}

impl OpenStore {
    /// Opens the store of a configuration.
    pub(crate) async fn open(
        environment: &Environment,
        config: &NodeConfig,
        client: Client<'_>,
    ) -> Result<Self, NodeError> {
        environment.disk.create_dir(&config.data)?;
        match &config.store {
            StoreConfig::Embedded => Ok(Self::Embedded(embedded(environment, config)?)),
            StoreConfig::Remote { address } => remote(environment, config, (address, client)).await,
            StoreConfig::Fdb { cluster_file, prefix } => {
                let wanted = FdbConfig {
                    cluster_file: cluster_file.clone(),
                    prefix: prefix.clone(),
                    ..FdbConfig::default()
                };
                let outside = node_store_fdb::Environment {
                    clock: Arc::clone(&environment.clock),
                    rng: Arc::clone(&environment.rng),
                };
                let (_folder, lock) = lock(environment, config)?;
                Ok(Self::Fdb { store: FdbStore::open(wanted, outside).await?, _lock: lock })
            }
        }
    }

    pub(crate) fn port(&self) -> Arc<dyn Store> {
        match self {
            Self::Embedded(store) => Arc::clone(store) as Arc<dyn Store>,
            Self::Remote { store, .. } => Arc::clone(store) as Arc<dyn Store>,
            Self::Fdb { store, .. } => Arc::clone(store) as Arc<dyn Store>,
        }
    }

    /// The counters of a store of its own.
    pub(crate) fn stats(&self) -> Option<Stats> {
        match self {
            Self::Embedded(store) => Some(store.stats()),
            Self::Remote { .. } | Self::Fdb { .. } => None,
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
            Self::Fdb { store, .. } => {
                let store = Arc::clone(store);
                Box::new(move || fdb_metrics(&store.stats()))
            }
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Embedded(store) => store.close(),
            Self::Fdb { store, .. } => store.close().await,
            // It closes when it is dropped.
            Self::Remote { .. } => {}
        }
    }
}

fn fdb_metrics(stats: &FdbStats) -> Vec<(&'static str, u64)> {
    vec![
        ("medulla_store_commits_total", stats.commits),
        ("medulla_store_conflicts_total", stats.conflicts),
        ("medulla_store_retries_total", stats.retries),
        ("medulla_store_read_versions_total", stats.read_versions),
        ("medulla_store_reads_total", stats.reads),
        ("medulla_store_unknown_total", stats.unknown),
        ("medulla_store_unknown_answered_total", stats.unknown_answered),
    ]
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

fn lock(
    environment: &Environment,
    config: &NodeConfig,
) -> Result<(PathBuf, Box<dyn DirectoryLock>), NodeError> {
    let folder = config.data.join(LOCK_FOLDER);
    environment.disk.create_dir(&folder)?;
    let lock = environment.disk.lock_dir(&folder)?;
    Ok((folder, lock))
}

async fn remote(
    environment: &Environment,
    config: &NodeConfig,
    (address, client): (&str, Client<'_>),
) -> Result<OpenStore, NodeError> {
    let (folder, lock) = lock(environment, config)?;
    let identity = ClientIdentity {
        client_id: ClientId::from_name(client.name),
        incarnation: next_incarnation(&*environment.disk, &folder)?,
    };
    let wanted = ClientConfig::new(identity, Arc::clone(&environment.rng));
    let store = RemoteStore::start(connector(environment, config, (address, client.node))?, wanted);
    store.wait_connected().await?;
    Ok(OpenStore::Remote { store, _lock: lock })
}

/// A node with certificates connects to a store with certificates.
fn connector(
    environment: &Environment,
    config: &NodeConfig,
    (address, node): (&str, Option<NodeId>),
) -> Result<Arc<dyn Connector>, NodeError> {
    let security = config.cluster.as_ref().map(|cluster| cluster.security.clone());
    let (Some(node), Some(security @ PeerSecurity::MutualTls(_))) = (node, security) else {
        let network = Arc::clone(&environment.network);
        return Ok(Arc::new(PlainConnector::new(network, address)));
    };
    let secured = SecuredConfig::new(security, environment.clock_and_network());
    let connector = StoreConnector::new(PeerId::from(node), address, secured);
    let failed = |error: PeerStartError| ClusterError::Peers { reason: error.to_string() };
    Ok(Arc::new(connector.map_err(failed)?))
}
