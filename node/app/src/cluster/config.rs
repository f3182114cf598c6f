//! What a node is told about its cluster.

use consensus_control::{Step, Timeouts};
use futures::future::BoxFuture;
use node_ingest::operations::{ClusterOperations, Operation};
use node_rpc::peer::PeerSecurity;
use schema_types::error_code::ErrorCode;
use serde_json::Value;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// How a node that belongs to no cluster yet comes into one. A node that does goes on there.
#[derive(Clone)]
pub enum Membership {
    /// It makes a new cluster of itself alone.
    Form,
    /// It asks a node that is in one.
    Join(Arc<dyn Join>),
}

impl fmt::Debug for Membership {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Form => "Form",
            Self::Join(_) => "Join(..)",
        })
    }
}

/// Why asking to join failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinError {
    /// What happened; no patient data.
    pub reason: String,
    /// Whether asking again may help.
    pub may_repeat: bool,
}

/// The way to a node of a cluster: `POST /api/v1/nodes` there.
pub trait Join: Send + Sync {
    /// Sends the request and gives the answer.
    fn ask(&self, request: Value) -> BoxFuture<'_, Result<Value, JoinError>>;
}

/// Asks a node of the same process: for tests and measurements with several nodes in one.
pub struct JoinWithin(pub Arc<dyn ClusterOperations>);

impl Join for JoinWithin {
    fn ask(&self, request: Value) -> BoxFuture<'_, Result<Value, JoinError>> {
        Box::pin(async move {
            let answer = self.0.operate(Operation::Join(request)).await;
            answer.map_err(|error| JoinError {
                // A refusal stands; everything else is a matter of time.
                may_repeat: error.code != ErrorCode::ClusterRefused,
                reason: error.message,
            })
        })
    }
}

/// Where a node is in a step of a hand-off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// It is its turn, and it has not begun.
    Begins,
    /// It has done the step and has not reported it yet.
    IsDone,
}

/// Is told of the steps of hand-offs, and may hold them up: tests and drills stop a node there.
pub trait Drill: Send + Sync {
    /// A node is at a step. The node goes on when the future ends.
    fn at(&self, step: Step, moment: Moment) -> BoxFuture<'_, ()>;
}

/// What a node is told about its cluster.
#[derive(Clone)]
pub struct ClusterConfig {
    /// How it comes into a cluster.
    pub membership: Membership,
    /// What may fail together with it: a rack, a room, a site. Default `default`.
    pub zone: String,
    /// Where other nodes reach its entities.
    pub peer: SocketAddr,
    /// Where other nodes reach its Raft log.
    pub raft: SocketAddr,
    /// How connections between nodes are protected.
    pub security: PeerSecurity,
    /// Voters of the control plane that the leader strives for: 1, 3 or 5. Default 3.
    pub voters_max: usize,
    /// How long to wait for whom, when the node forms the cluster.
    pub timeouts: Timeouts,
    /// Whether the leader moves, splits and merges shards for balance. Default yes.
    pub balances: bool,
    /// Milliseconds that a node which ends gives others to take its shards. Default 20 000.
    pub drain_ms: u64,
    /// Is told of the steps of hand-offs. Default nobody.
    pub drill: Option<Arc<dyn Drill>>,
}

impl fmt::Debug for ClusterConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { membership, zone, peer, raft, .. } = self;
        formatter
            .debug_struct("ClusterConfig")
            .field("membership", membership)
            .field("zone", zone)
            .field("peer", peer)
            .field("raft", raft)
            .finish_non_exhaustive()
    }
}

impl ClusterConfig {
    /// Defaults with the two addresses.
    #[must_use]
    pub fn new(membership: Membership, peer: SocketAddr, raft: SocketAddr) -> Self {
        Self {
            membership,
            zone: "default".to_owned(),
            peer,
            raft,
            security: PeerSecurity::InsecureDevelopment,
            voters_max: 3,
            timeouts: Timeouts::default(),
            balances: true,
            drain_ms: 20_000,
            drill: None,
        }
    }
}
