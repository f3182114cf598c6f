//! One node of the cluster as the control plane knows it.

use crate::bytes::{JoinKey, PublicKey};
use crate::feature::Feature;
use crate::limits::{ADDRESS_BYTES_MAX, FEATURES_MAX, NAME_BYTES_MAX};
use crate::stored;
use schema_types::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a node says about itself when it joins and each time it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSpec {
    /// The operator's name for it, unique among nodes that have not left.
    pub name: String,
    /// Where clients reach its RPC, `host:port`.
    pub rpc_address: String,
    /// Where other nodes reach its entities, `host:port`.
    pub internal_address: String,
    /// Where other nodes reach its Raft log, `host:port`.
    pub raft_address: String,
    /// Where its HTTP listeners are, `host:port`.
    pub http_address: String,
    /// What may fail together: a rack, a room, a site.
    pub zone: String,
    /// The version of its software, for people.
    pub version: String,
    /// What its software can do.
    pub features: BTreeSet<Feature>,
    /// The public key under which it signs audit heads: who takes over its shards goes by it
    /// (AUD-2).
    pub audit_key: PublicKey,
}

impl NodeSpec {
    /// Whether each part is within its limit and none that must be there is empty.
    pub(crate) fn is_within_limits(&self) -> bool {
        let names = [&self.name, &self.zone, &self.version];
        let addresses =
            [&self.rpc_address, &self.internal_address, &self.raft_address, &self.http_address];
        !self.name.is_empty()
            && names.iter().all(|name| name.len() <= NAME_BYTES_MAX)
            && addresses.iter().all(|address| address.len() <= ADDRESS_BYTES_MAX)
            && self.features.len() <= FEATURES_MAX
    }
}

/// Why a node is being drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Drain {
    /// It is to restart: its next start ends the drain.
    ForRestart,
    /// It is to leave: only an operator ends the drain.
    ForGood,
}

/// How a node lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Life {
    /// It has an id and has not started yet.
    Joining,
    /// It renews its lease.
    Up,
    /// Its lease is over. A renewal or a start brings it back.
    Down,
    /// It said that it stops. Only a start brings it back.
    Stopped,
    /// It was removed, for ever.
    Left,
}

/// The state of a node in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum NodeState {
    /// Has an id, has not started.
    Joining,
    /// Lives and may own shards.
    Up,
    /// Lives and is to lose all its shards.
    Draining,
    /// Its lease is over, or it stopped.
    Down,
    /// Removed.
    Left,
}

impl NodeState {
    /// The lower-case name, for tables and labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Up => "up",
            Self::Draining => "draining",
            Self::Down => "down",
            Self::Left => "left",
        }
    }
}

/// A node's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Names the request that made it.
    pub join_key: JoinKey,
    /// What it last said about itself.
    pub spec: NodeSpec,
    /// Which run of its process is known; 0 before the first. Grows with each start.
    pub incarnation: u64,
    /// How it lives.
    pub life: Life,
    /// Whether and why it is being drained.
    pub drain: Option<Drain>,
    /// The newest lease counter that anybody saw in the store; only grows.
    pub lease_counter: u64,
    /// When that was told, by the clock of who told it. For people, never for safety (TIME-1).
    #[serde(with = "stored")]
    pub lease_at: Timestamp,
    /// Since when its state is what it is, by the clock of who told it.
    #[serde(with = "stored")]
    pub since: Timestamp,
}

impl Node {
    /// The state in one word.
    #[must_use]
    pub fn state(&self) -> NodeState {
        match self.life {
            Life::Joining => NodeState::Joining,
            Life::Up if self.drain.is_some() => NodeState::Draining,
            Life::Up => NodeState::Up,
            Life::Down | Life::Stopped => NodeState::Down,
            Life::Left => NodeState::Left,
        }
    }

    /// Whether it lives, draining or not.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.life == Life::Up
    }

    /// Whether shards may be given to it.
    #[must_use]
    pub fn may_get_shards(&self) -> bool {
        self.state() == NodeState::Up
    }
}
