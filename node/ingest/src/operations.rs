//! What an operator can ask of a cluster. The assembly of the node answers; without a cluster
//! nobody does.

use crate::http::ApiError;
use actors_audit::SignedTreeHead;
use futures::future::BoxFuture;
use schema_types::time::Timestamp;
use serde_json::Value;

/// What an operator asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// A new node asks for its id; the body says who it is.
    Join(Value),
    /// A node is to lose its shards.
    Drain {
        /// Its id or name.
        node: String,
        /// Until an operator ends it; otherwise until the node's next start.
        is_for_good: bool,
    },
    /// A drain ends.
    Resume {
        /// Its id or name.
        node: String,
    },
    /// A node without shards, or one that is down, leaves for ever.
    Leave {
        /// Its id or name.
        node: String,
    },
    /// A shard goes to another node.
    Move {
        /// Which shard.
        shard: u16,
        /// The node's id or name.
        to: String,
    },
    /// A shard becomes two.
    Split {
        /// Which shard.
        shard: u16,
        /// The first hash of the upper half; the middle when nothing is said.
        at: Option<u64>,
    },
    /// Two neighbours become one.
    Merge {
        /// The one with the smaller hashes.
        lower: u16,
        /// Its neighbour.
        upper: u16,
    },
}

/// A time as the API shows it.
#[must_use]
pub fn time(at: Timestamp) -> Value {
    crate::api::json::time(at)
}

/// A cluster as its operators see it. Nothing here is about patients.
pub trait ClusterOperations: Send + Sync {
    /// Every node, as the control plane knows it.
    fn nodes(&self) -> Vec<Value>;

    /// Every shard of the plan, with what it waits for when it is not open.
    fn shards(&self) -> Vec<Value>;

    /// The audit heads that the cluster remembers (AUD-2).
    fn audit_anchors(&self) -> Vec<SignedTreeHead>;

    /// The control plane itself: leader, voters, and why the planner moves nothing.
    fn control(&self) -> BoxFuture<'_, Value>;

    /// Does what is asked for; answers when it is decided.
    fn operate(&self, operation: Operation) -> BoxFuture<'_, Result<Value, ApiError>>;
}
