//! What an operator may choose, and where a node lives.

use std::path::PathBuf;
use std::sync::Arc;

use node_env::{Disk, Rng, Spawner};
use schema_types::cluster::NodeId;

use crate::transport::Transport;

/// Times and sizes of the control plane.
///
/// The defaults let a new leader be elected in about 1.3 to 1.9 s: a follower waits for
/// `election_timeout_ms_max` (the leader's lease) plus its own draw between minimum and maximum,
/// and looks at its clock every 1.5 heartbeats. A leader may be silent for at least
/// `election_timeout_ms_max + election_timeout_ms_min`, so that a slow fsync deposes nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Time between two heartbeats, and the time that a follower has to answer one, in
    /// milliseconds. Default 150.
    pub heartbeat_ms: u64,
    /// Shortest election timeout, in milliseconds. Default 500.
    pub election_timeout_ms_min: u64,
    /// Longest election timeout and length of the leader's lease, in milliseconds. Default 800.
    pub election_timeout_ms_max: u64,
    /// Time after which a proposal or membership change answers, in milliseconds. Default 5,000.
    pub propose_timeout_ms: u64,
    /// Time after which a linearizable read gives up, in milliseconds. Default 3,000.
    pub read_timeout_ms: u64,
    /// Entries after which a snapshot is made. Default 4,096.
    pub snapshot_entries: u64,
    /// Bytes of log after which a snapshot is made. Default 32 MiB.
    pub snapshot_log_bytes: u64,
    /// Entries that stay in the log behind a snapshot, for followers that lag. Default 1,024.
    pub log_entries_kept: u64,
    /// Length of a log segment, in bytes. Default 4 MiB.
    pub segment_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            heartbeat_ms: 150,
            election_timeout_ms_min: 500,
            election_timeout_ms_max: 800,
            propose_timeout_ms: 5_000,
            read_timeout_ms: 3_000,
            snapshot_entries: 4_096,
            snapshot_log_bytes: 32 << 20,
            log_entries_kept: 1_024,
            segment_bytes: 4 << 20,
        }
    }
}

impl Config {
    /// What is wrong with these values, if anything.
    ///
    /// # Errors
    /// A sentence that names the value.
    pub fn check(&self) -> Result<(), &'static str> {
        let rules = [
            (self.heartbeat_ms >= 10, "heartbeat_ms is at least 10"),
            (
                self.election_timeout_ms_min >= self.heartbeat_ms * 3,
                "election_timeout_ms_min is at least three heartbeats",
            ),
            (
                self.election_timeout_ms_max > self.election_timeout_ms_min,
                "election_timeout_ms_max is greater than election_timeout_ms_min",
            ),
            (self.propose_timeout_ms > 0, "propose_timeout_ms is positive"),
            (self.read_timeout_ms > 0, "read_timeout_ms is positive"),
            (self.snapshot_entries > 0, "snapshot_entries is positive"),
            (self.snapshot_log_bytes > 0, "snapshot_log_bytes is positive"),
            (self.segment_bytes >= 4_096, "segment_bytes is at least 4096"),
        ];
        rules.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, rule)| Err(*rule))
    }
}

/// Which cluster this is: 16 random bytes drawn when the cluster is made. A node of another
/// cluster is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClusterId(pub [u8; 16]);

/// Which disk a node has: 16 random bytes drawn when its directory is made. A node id belongs
/// to one incarnation for ever, because a vote or an entry that was lost with a disk must not be
/// given twice.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Default,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Incarnation(pub [u8; 16]);

impl std::fmt::Display for Incarnation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// Where a node lives and what it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The cluster.
    pub cluster: ClusterId,
    /// Id of the node; never used before with another disk.
    pub node: NodeId,
    /// Address at which the other nodes reach this one; used when it makes a new cluster.
    pub address: String,
    /// Directory of its own.
    pub directory: PathBuf,
    /// Times and sizes.
    pub config: Config,
}

/// Where the work of a node is done.
#[derive(Clone)]
pub enum Execution {
    /// On threads of its own, one with a runtime for Raft and two for files, so that neither the
    /// data path nor a slow sync delays a heartbeat.
    Threads(Arc<dyn Spawner>),
    /// On the runtime of the caller, files included: for simulation and tests.
    Inline,
}

/// The world around a node.
#[derive(Clone)]
pub struct Environment {
    /// Files.
    pub disk: Arc<dyn Disk>,
    /// Randomness, for ids and for the spread of election timeouts.
    pub rng: Arc<dyn Rng>,
    /// Where the work is done.
    pub execution: Execution,
    /// Connections to the other nodes.
    pub transport: Arc<dyn Transport>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_hold_and_nonsense_is_named() {
        assert_eq!(Config::default().check(), Ok(()));
        let nonsense = [
            Config { heartbeat_ms: 0, ..Config::default() },
            Config { election_timeout_ms_min: 200, ..Config::default() },
            Config { election_timeout_ms_max: 500, ..Config::default() },
            Config { segment_bytes: 1, ..Config::default() },
        ];
        for config in nonsense {
            assert!(config.check().is_err(), "{config:?}");
        }
    }
}
