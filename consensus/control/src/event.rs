//! What happened: each event carries the whole new record, so that folding it is one insertion,
//! and says in one word what changed, for logs and the console.

use crate::bytes::JoinKey;
use crate::feature::Feature;
use crate::node::Node;
use crate::refusal::{Ignored, Refusal};
use crate::registry::{AuditHead, Policy, Tenant};
use crate::shard::{Holding, Shard, Step};
use crate::state::Timeouts;
use crate::stored;
use schema_types::cluster::NodeId;
use schema_types::ids::{ShardId, TenantId};
use serde::{Deserialize, Serialize};

/// What changed about a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeChange {
    /// It got its id.
    Joined,
    /// Its process started.
    Started,
    /// Its process said that it ends.
    Stopped,
    /// Its lease was seen to be renewed.
    LeaseRenewed,
    /// Its lease is over.
    WentDown,
    /// Its lease was renewed after it was over.
    CameBack,
    /// It is to lose its shards.
    DrainBegun,
    /// It may have shards again.
    DrainEnded,
    /// It was removed.
    Left,
}

/// What changed about a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShardChange {
    /// It came to be, with the cluster or by a split.
    Created,
    /// It has another owner, or the same one in a new epoch.
    Given,
    /// It has no owner.
    Released,
    /// Its source is not waited for.
    SourceSkipped,
    /// A step is done.
    Stepped(Step),
    /// Its owner serves.
    Opened,
    /// The shard that it waited for is claimed.
    Freed,
    /// It is the lower half of what it was.
    Split,
    /// It took in its neighbour.
    Merged,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The cluster came to be.
    ClusterFormed {
        /// Names the request that formed it.
        join_key: JoinKey,
        /// Equal shards at the beginning.
        shards: u16,
        /// How long to wait for whom.
        timeouts: Timeouts,
    },
    /// It is waited for another time.
    TimeoutsSet(Timeouts),
    /// Commands of a feature may be asked for.
    FeatureActivated(Feature),
    /// A node's record is new.
    NodeChanged {
        /// Which node.
        #[serde(with = "stored")]
        node: NodeId,
        /// What changed.
        change: NodeChange,
        /// The record.
        record: Box<Node>,
    },
    /// A node that left is listed no longer.
    NodeForgotten {
        /// Which node.
        #[serde(with = "stored")]
        node: NodeId,
    },
    /// A shard's record is new.
    ShardChanged {
        /// Which shard.
        #[serde(with = "stored")]
        shard: ShardId,
        /// What changed.
        change: ShardChange,
        /// The record.
        record: Box<Shard>,
    },
    /// A shard is part of another from now on.
    ShardRetired {
        /// Which shard.
        #[serde(with = "stored")]
        shard: ShardId,
        /// The shard that holds its range.
        #[serde(with = "stored")]
        into: ShardId,
    },
    /// A tenant's record is new.
    TenantChanged {
        /// Which tenant.
        #[serde(with = "stored")]
        tenant: TenantId,
        /// The record.
        record: Tenant,
    },
    /// A policy's record is new.
    PolicyChanged {
        /// Which policy.
        name: String,
        /// The record.
        record: Policy,
    },
    /// A newer head of an audit log is known.
    AuditHeadAnchored {
        /// Whose log.
        #[serde(with = "stored")]
        shard: ShardId,
        /// The head.
        head: AuditHead,
    },
}

/// What a command gives to who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// Nothing but that it is done.
    Done,
    /// A node's id.
    Node(#[serde(with = "stored")] NodeId),
    /// A shard and its epoch.
    Shard(Holding),
}

/// What came of a proposal. The same on every node that applies the same log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It was done.
    Done {
        /// For who asked.
        answer: Answer,
        /// What happened, in order; empty when it was done before. For the node that applies:
        /// there may be as many as a node has shards, so they are not part of the encoded form.
        #[serde(skip)]
        events: Vec<Event>,
    },
    /// It is late or repeated, and nobody has to do anything about it.
    Ignored(Ignored),
    /// It must not be done.
    Refused(Refusal),
    /// The cluster uses a feature that this software does not have. Nothing was applied, and the
    /// process must stop before its state differs from the others'.
    MustStop {
        /// Which one.
        feature: Feature,
    },
}

impl Outcome {
    /// Whether the command took effect, now or before.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Ignored(Ignored::AlreadyDone))
    }

    /// What happened.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        match self {
            Self::Done { events, .. } => events,
            Self::Ignored(_) | Self::Refused(_) | Self::MustStop { .. } => &[],
        }
    }

    /// The stable text of the outcome or of its reason, for labels and the command line.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Done { .. } => "done",
            Self::Ignored(reason) => reason.code(),
            Self::Refused(refusal) => refusal.code(),
            Self::MustStop { .. } => "must-stop",
        }
    }
}
