//! Why a node does not start, why it stopped, and what callers are told. No text holds patient
//! data; the control plane has none.

use std::path::PathBuf;

use node_env::{DiskError, SpawnError};
use schema_types::cluster::NodeId;
use schema_types::error_code::ErrorCode;
use serde::{Deserialize, Serialize};

use crate::config::Incarnation;

/// Why a node does not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// A value of the configuration makes no sense.
    #[error("configuration refused: {rule}")]
    Config {
        /// The rule that is broken.
        rule: &'static str,
    },
    /// Another process uses the directory.
    #[error("directory {path} is in use by another process", path = path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// The directory belongs to another cluster or node.
    #[error("directory belongs to {found}, not to {wanted}")]
    WrongDirectory {
        /// What the directory says.
        found: String,
        /// What was configured.
        wanted: String,
    },
    /// A file that is part of what this node promised to remember is damaged or missing. The
    /// node refuses to start: give it a new id and an empty directory.
    #[error("{file} is damaged at offset {offset}: {what}")]
    Damaged {
        /// Name of the file in the directory.
        file: String,
        /// Offset in bytes.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// The disk failed.
    #[error("disk failed: {0}")]
    Disk(DiskError),
    /// A thread or its runtime could not be started.
    #[error("thread could not be started: {reason}")]
    Thread {
        /// What the operating system said.
        reason: String,
    },
    /// The stored snapshot is not one of this version of the machine.
    #[error("stored snapshot cannot be read: {reason}")]
    Snapshot {
        /// What the machine said.
        reason: String,
    },
    /// The id belongs to another disk.
    #[error("{0}")]
    IdReused(IdReused),
    /// Raft stopped while it started.
    #[error("node stopped while it started: {0}")]
    Stopped(StopReason),
}

impl StartError {
    /// The stable code for operators.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Locked { .. } => ErrorCode::DataDirectoryInUse,
            Self::Damaged { .. } | Self::Snapshot { .. } => ErrorCode::DataDamaged,
            Self::Disk(DiskError::NoSpace { .. }) => ErrorCode::DiskFull,
            Self::Disk(DiskError::Permission { .. }) => ErrorCode::DataDirectoryReadOnly,
            Self::Config { .. } | Self::WrongDirectory { .. } | Self::IdReused(_) => {
                ErrorCode::BadRequest
            }
            Self::Disk(
                DiskError::NotFound { .. }
                | DiskError::AlreadyExists { .. }
                | DiskError::Locked { .. }
                | DiskError::Io { .. },
            )
            | Self::Thread { .. }
            | Self::Stopped(_) => ErrorCode::StoreStopped,
        }
    }
}

impl From<DiskError> for StartError {
    fn from(error: DiskError) -> Self {
        match error {
            DiskError::Locked { path } => Self::Locked { path },
            other @ (DiskError::NotFound { .. }
            | DiskError::AlreadyExists { .. }
            | DiskError::NoSpace { .. }
            | DiskError::Permission { .. }
            | DiskError::Io { .. }) => Self::Disk(other),
        }
    }
}

impl From<SpawnError> for StartError {
    fn from(error: SpawnError) -> Self {
        Self::Thread { reason: error.to_string() }
    }
}

/// A node id came back with another disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error(
    "node id {node} belongs to disk {known} in this cluster, and the node that uses it now has \
     disk {found}: what the old disk promised is lost, so the id must not come back; take a new id"
)]
pub struct IdReused {
    /// The id.
    pub node: u64,
    /// The incarnation that the cluster knows.
    pub known: Incarnation,
    /// The incarnation that was met.
    pub found: Incarnation,
}

/// Why a node stopped. It does not come back by itself; the process has to end and start again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StopReason {
    /// It was asked to.
    #[error("shut down")]
    Requested,
    /// The disk failed. What is durable is unknown until the files are read again.
    #[error("disk failed: {reason}")]
    Disk {
        /// What failed.
        reason: String,
    },
    /// A committed command or snapshot that this version cannot read.
    #[error("entry {index} cannot be applied by this version: {what}")]
    Unreadable {
        /// Index of the entry or snapshot.
        index: u64,
        /// What is wrong.
        what: String,
    },
    /// Its id belongs to another disk.
    #[error(transparent)]
    IdReused(IdReused),
    /// Raft itself ended.
    #[error("raft ended: {reason}")]
    Raft {
        /// What it said.
        reason: String,
    },
}

/// Why a proposal has no outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// No leader was found in time. The command was not proposed.
    #[error("no leader takes the command")]
    NotLeader {
        /// Who may be the leader.
        hint: Option<NodeId>,
    },
    /// The leader has not heard from a majority for a while. The command was not proposed.
    #[error("the leader does not reach a majority")]
    NoQuorum,
    /// The command was proposed, and nothing is known about it: it may still be committed.
    #[error("outcome unknown: {reason}")]
    OutcomeUnknown {
        /// Why.
        reason: &'static str,
    },
    /// Too much is waiting. The command was not proposed.
    #[error("overloaded, retry after {retry_after_ms} ms")]
    Overloaded {
        /// When to try again, in milliseconds.
        retry_after_ms: u64,
    },
    /// The command is larger than the limit.
    #[error("command has {bytes} bytes, at most {bytes_max}")]
    TooLarge {
        /// Its encoded length.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The leader runs a version that cannot read the command, or it cannot be encoded.
    #[error("the leader's version does not know this command")]
    NotUnderstood,
    /// The node has stopped.
    #[error("node stopped: {reason}")]
    Stopped {
        /// Why.
        reason: StopReason,
    },
}

/// Why a linearizable read was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No leader confirmed its leadership in time.
    #[error("no leader could confirm that it leads")]
    NotConfirmed,
    /// Too much is waiting.
    #[error("overloaded, retry after {retry_after_ms} ms")]
    Overloaded {
        /// When to try again, in milliseconds.
        retry_after_ms: u64,
    },
    /// The node has stopped.
    #[error("node stopped: {reason}")]
    Stopped {
        /// Why.
        reason: StopReason,
    },
}

/// Why a change of the membership was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum MembershipError {
    /// No leader was found in time; nothing was changed.
    #[error("no leader takes the change")]
    NotLeader,
    /// The node is a member of a cluster already, or has a log.
    #[error("node has been initialized before")]
    AlreadyInitialized,
    /// The node to add did not answer.
    #[error("node cannot be reached: {reason}")]
    Unreachable {
        /// What the connection said.
        reason: String,
    },
    /// The id belonged to another disk before.
    #[error(transparent)]
    IdReused(#[from] IdReused),
    /// The node is not a member.
    #[error("node {node} is not a member")]
    NotAMember {
        /// The node.
        node: u64,
    },
    /// A cluster has 1, 3 or 5 voters.
    #[error("{voters} voters are not possible: 1, 3 or 5 are")]
    VoterCount {
        /// How many there would be.
        voters: usize,
    },
    /// A voter has to be replaced, not removed.
    #[error("node {node} is a voter: choose other voters first")]
    IsVoter {
        /// The node.
        node: u64,
    },
    /// The learner lags too far behind to vote.
    #[error("node {node} lags {entries} entries behind, at most 64 to become a voter")]
    Lags {
        /// The node.
        node: u64,
        /// How many entries.
        entries: u64,
    },
    /// The cluster has as many members, or remembers as many ids, as it may.
    #[error("the cluster has too many members")]
    TooMany,
    /// Another change is under way.
    #[error("another change of the membership is under way")]
    InProgress,
    /// The change was begun and may still happen.
    #[error("outcome unknown")]
    OutcomeUnknown,
    /// Too much is waiting.
    #[error("overloaded")]
    Overloaded,
    /// The node has stopped.
    #[error("node stopped: {reason}")]
    Stopped {
        /// Why.
        reason: String,
    },
}
