//! The configuration of a node, composed of its components' own.

use crate::cluster::ClusterConfig;
use actors_runtime::RuntimeConfig;
use node_env::trace::Tracer;
use node_ingest::limits::IngestLimits;
use node_rpc::RpcLimits;
use node_store_embedded::limits::SEGMENT_BYTES_DEFAULT;
use std::path::PathBuf;

/// Where a node's data are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreConfig {
    /// In the data directory, for this node alone.
    Embedded,
    /// At a process that serves its store to several nodes (`medulla store`).
    Remote {
        /// `host:port`.
        address: String,
    },
    /// In a FoundationDB cluster.
    Fdb {
        /// Its cluster file; `None`: the client's own.
        cluster_file: Option<PathBuf>,
        /// The store's name there.
        prefix: String,
    },
}

/// What a node is told when it starts.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Data directory; created when missing.
    pub data: PathBuf,
    /// Where its data are. Default in the data directory.
    pub store: StoreConfig,
    /// The cluster that the node is in; `None`: it is alone with its store.
    pub cluster: Option<ClusterConfig>,
    /// Whose data this node takes in. Default `default`.
    pub tenant: String,
    /// Address for HL7 v2 over MLLP; port 0 takes a free one; `None`: no listener.
    pub mllp: Option<String>,
    /// Address for HTTP (FHIR, API, health, metrics); port 0 takes a free one; `None`: none.
    pub http: Option<String>,
    /// Address for Cap'n Proto RPC; port 0 takes a free one; `None`: none. Its callers are believed
    /// (development credentials) until authentication comes.
    pub rpc: Option<String>,
    /// Threads that serve RPC; 0: half the machine's cores, at least one.
    pub rpc_threads: usize,
    /// The RPC server's limits.
    pub rpc_limits: RpcLimits,
    /// Bytes of a segment of the store's log. Default 16 MiB.
    pub segment_bytes: u64,
    /// The actors' settings; `runtime.node` is the node's name for people.
    pub runtime: RuntimeConfig,
    /// The gateways' limits.
    pub ingest: IngestLimits,
    /// Seconds between audit heads written to the anchor file beside the store. Default 2.
    pub anchor_interval_seconds: u64,
    /// Milliseconds that work in flight is given when the node stops. Default 10 000.
    pub grace_ms: u64,
    /// Traces requests; whoever made it sends the spans on. Default off.
    pub tracer: Tracer,
}

impl NodeConfig {
    /// Defaults with a data directory and no listeners.
    #[must_use]
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            store: StoreConfig::Embedded,
            cluster: None,
            tenant: "default".to_owned(),
            mllp: None,
            http: None,
            rpc: None,
            rpc_threads: 0,
            rpc_limits: RpcLimits::default(),
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            runtime: RuntimeConfig::default(),
            ingest: IngestLimits::default(),
            anchor_interval_seconds: 2,
            grace_ms: 10_000,
            tracer: Tracer::off(),
        }
    }
}
