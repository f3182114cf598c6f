//! The configuration file of `medulla serve`: TOML, unknown keys refused, every key with a default.

use super::cluster::{self, ClusterSection};
use super::telemetry::TelemetrySection;
use crate::failure::Failure;
use node_app::{NodeConfig, StoreConfig};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The whole file. Options on the command line stand above it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ServeConfig {
    /// Data directory; created when missing.
    pub(crate) data: PathBuf,
    /// Where the data are: `embedded` in the data directory, `tcp://host:port`, `fdb` or
    /// `fdb:/path/of/cluster.file`.
    pub(crate) store: String,
    /// Whose data this node takes in.
    pub(crate) tenant: String,
    /// Address for HL7 v2 over MLLP.
    pub(crate) mllp: String,
    /// Address for HTTP.
    pub(crate) http: String,
    /// Address for Cap'n Proto RPC; empty: no RPC.
    pub(crate) rpc: String,
    /// Threads that serve RPC; 0: half the machine's cores.
    pub(crate) rpc_threads: usize,
    /// Plain text without authentication, on loopback addresses only.
    pub(crate) insecure_dev: bool,
    /// Seconds between audit heads written to the anchor file beside the store.
    pub(crate) anchor_interval_seconds: u64,
    /// Milliseconds that work in flight is given when the node stops.
    pub(crate) grace_ms: u64,
    /// The cluster that the node is in, if it is in one.
    pub(crate) cluster: ClusterSection,
    /// Traces of requests.
    pub(crate) telemetry: TelemetrySection,
    /// The actors' settings.
    pub(crate) runtime: RuntimeSection,
    /// The gateways' limits.
    pub(crate) ingest: IngestSection,
}

/// `[runtime]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RuntimeSection {
    /// The node's name.
    pub(crate) node: String,
    /// Equal ranges of the hash space; fixed when a data directory is created.
    shards: u16,
    /// Entities kept in memory.
    resident_entities_max: u64,
    /// Idle time after which an entity is put to sleep, seconds.
    idle_seconds_max: u64,
    /// Commands in flight on the node.
    in_flight_max: usize,
    /// Commands in flight per entity.
    entity_in_flight_max: u32,
    /// Events between snapshots of an entity.
    snapshot_interval_events: u32,
    /// Time that a caller waits for a durable result, milliseconds.
    deadline_ms: u64,
    /// How often due timers are looked for, milliseconds.
    timer_interval_ms: u64,
}

/// `[ingest]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct IngestSection {
    /// Bytes of one HL7 v2 message.
    message_bytes_max: usize,
    /// Bytes of one HTTP request body.
    body_bytes_max: usize,
    /// MLLP connections at once.
    mllp_connections_max: usize,
    /// Idle time of an MLLP connection, seconds.
    mllp_idle_seconds_max: u64,
    /// Minutes east of UTC that HL7 times without an offset are in.
    default_offset_minutes: i16,
}

impl Default for ServeConfig {
    fn default() -> Self {
        let node = NodeConfig::new("./medulla-data");
        Self {
            data: node.data,
            store: "embedded".to_owned(),
            tenant: node.tenant,
            mllp: "127.0.0.1:2575".to_owned(),
            http: "127.0.0.1:8080".to_owned(),
            rpc: String::new(),
            rpc_threads: node.rpc_threads,
            insecure_dev: false,
            anchor_interval_seconds: node.anchor_interval_seconds,
            grace_ms: node.grace_ms,
            cluster: ClusterSection::default(),
            telemetry: TelemetrySection::default(),
            runtime: RuntimeSection::default(),
            ingest: IngestSection::default(),
        }
    }
}

impl Default for RuntimeSection {
    fn default() -> Self {
        let runtime = NodeConfig::new("").runtime;
        Self {
            node: runtime.node,
            shards: runtime.shards,
            resident_entities_max: runtime.resident_entities_max,
            idle_seconds_max: runtime.idle_seconds_max,
            in_flight_max: runtime.in_flight_max,
            entity_in_flight_max: runtime.entity_in_flight_max,
            snapshot_interval_events: runtime.snapshot_interval_events,
            deadline_ms: runtime.deadline_ms,
            timer_interval_ms: runtime.timer_interval_ms,
        }
    }
}

impl Default for IngestSection {
    fn default() -> Self {
        let ingest = NodeConfig::new("").ingest;
        Self {
            message_bytes_max: ingest.message_bytes_max,
            body_bytes_max: ingest.body_bytes_max,
            mllp_connections_max: ingest.mllp_connections_max,
            mllp_idle_seconds_max: ingest.mllp_idle_seconds_max,
            default_offset_minutes: ingest.default_offset_minutes,
        }
    }
}

impl ServeConfig {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Failure::Usage`] when it cannot be read, is not TOML or has an unknown key.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let wrong = |what: String| Failure::usage(format!("{}: {what}", path.display()));
        let text =
            std::fs::read_to_string(path).map_err(|error| wrong(error.kind().to_string()))?;
        Self::parse(&text).map_err(wrong)
    }

    fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    /// The file that says the same.
    pub(crate) fn render(&self) -> Result<String, Failure> {
        toml::to_string(self).map_err(|error| Failure::failed(error.to_string()))
    }

    /// What the node is told.
    ///
    /// # Errors
    /// [`Failure::Usage`] when values contradict each other.
    pub(crate) fn node(self) -> Result<NodeConfig, Failure> {
        let mut config = NodeConfig::new(self.data);
        config.store = cluster::store(&self.store)?;
        config.cluster = self.cluster.config()?;
        let trusted_audit_keys = self.cluster.audit_keys()?;
        if config.cluster.is_some() && config.store == StoreConfig::Embedded {
            let message = "nodes of a cluster share a store: --store tcp://host:port";
            return Err(Failure::usage(message));
        }
        config.tenant = self.tenant;
        config.mllp = Some(self.mllp);
        config.http = Some(self.http);
        config.rpc = (!self.rpc.is_empty()).then_some(self.rpc);
        config.rpc_threads = self.rpc_threads;
        config.anchor_interval_seconds = self.anchor_interval_seconds;
        config.grace_ms = self.grace_ms;
        let runtime = &mut config.runtime;
        runtime.node = self.runtime.node;
        runtime.shards = self.runtime.shards;
        runtime.trusted_audit_keys = trusted_audit_keys;
        runtime.resident_entities_max = self.runtime.resident_entities_max;
        runtime.idle_seconds_max = self.runtime.idle_seconds_max;
        runtime.in_flight_max = self.runtime.in_flight_max;
        runtime.entity_in_flight_max = self.runtime.entity_in_flight_max;
        runtime.snapshot_interval_events = self.runtime.snapshot_interval_events;
        runtime.deadline_ms = self.runtime.deadline_ms;
        runtime.timer_interval_ms = self.runtime.timer_interval_ms;
        let ingest = &mut config.ingest;
        ingest.message_bytes_max = self.ingest.message_bytes_max;
        ingest.body_bytes_max = self.ingest.body_bytes_max;
        ingest.mllp_connections_max = self.ingest.mllp_connections_max;
        ingest.mllp_idle_seconds_max = self.ingest.mllp_idle_seconds_max;
        ingest.default_offset_minutes = self.ingest.default_offset_minutes;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dumped_is_read_again() {
        let config = ServeConfig::default();
        let text = config.render().unwrap();
        assert_eq!(ServeConfig::parse(&text).unwrap(), config);
        assert_eq!(ServeConfig::parse("").unwrap(), config, "every key has a default");
    }

    #[test]
    fn unknown_keys_are_refused_and_known_ones_reach_the_node() {
        for text in ["colour = 1", "[runtime]\nshard = 1", "http = 1", "["] {
            assert!(ServeConfig::parse(text).is_err(), "{text}");
        }
        let addresses = "http = \"127.0.0.1:1\"\nrpc = \"127.0.0.1:2\"\n";
        let text = format!("{addresses}[runtime]\nshards = 4\n[ingest]\nbody_bytes_max = 9");
        let node = ServeConfig::parse(&text).unwrap().node().unwrap();
        assert_eq!(node.http.as_deref(), Some("127.0.0.1:1"));
        assert_eq!(node.rpc.as_deref(), Some("127.0.0.1:2"));
        assert_eq!(ServeConfig::default().node().unwrap().rpc, None, "RPC is asked for");
        assert_eq!((node.runtime.shards, node.ingest.body_bytes_max), (4, 9));
    }
}
