//! What can be asked of the control plane. A command names what it assumes (an epoch, a revision,
//! an incarnation), so that a late or repeated one is told apart when it is applied.

use crate::bytes::{Blob, Digest32, JoinKey};
use crate::feature::Feature;
use crate::node::{Drain, NodeSpec};
use crate::registry::TenantStanding;
use crate::shard::{Holding, Step};
use crate::state::Timeouts;
use crate::stored;
use schema_types::cluster::{Epoch, NodeId};
use schema_types::ids::{ShardId, TenantId};
use schema_types::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A command and when it was proposed, by the proposer's clock. That time is shown to people; no
/// decision rests on it (TIME-1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// When it was proposed.
    pub at: Timestamp,
    /// What is asked.
    pub command: Command,
}

/// What forms a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Formation {
    /// Names this request.
    pub join_key: JoinKey,
    /// The first node; it gets id 1 and still has to start.
    pub first: NodeSpec,
    /// Equal shards to begin with.
    pub shards: u16,
    /// Above every epoch that the store may hold already; 0 for an empty store.
    #[serde(with = "stored")]
    pub epoch_floor: Epoch,
    /// How long to wait for whom.
    pub timeouts: Timeouts,
}

/// A start of a node's process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStart {
    /// Who.
    #[serde(with = "stored")]
    pub node: NodeId,
    /// The run of the process: above every earlier one. The lease row in the store holds it and
    /// is written by compare-and-set, so that an earlier run can renew no longer.
    pub incarnation: u64,
    /// The lease counter that this run wrote before it asked; above every earlier one.
    pub lease_counter: u64,
    /// What the node says about itself now.
    pub spec: NodeSpec,
}

/// What an observer saw of a node's lease row in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseObservation {
    /// Whose lease.
    #[serde(with = "stored")]
    pub node: NodeId,
    /// The run of the process in the row.
    pub incarnation: u64,
    /// The counter in the row; each renewal is a commit that raises it.
    pub counter: u64,
    /// Between the first and the last successful reading of this very counter, by the observer's
    /// monotonic clock, in milliseconds.
    pub unchanged_ms: u64,
    /// Renewals of the observer's own lease that the store took in that time.
    pub observer_renewals: u32,
}

/// A report that a step of a hand-off is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// Who did it.
    #[serde(with = "stored")]
    pub node: NodeId,
    /// For which shard.
    #[serde(with = "stored")]
    pub shard: ShardId,
    /// In which epoch of the plan: the one of the action that was due.
    #[serde(with = "stored")]
    pub epoch: Epoch,
    /// Which step.
    pub step: Step,
}

/// A tenant as it is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantChange {
    /// Which tenant.
    #[serde(with = "stored")]
    pub tenant: TenantId,
    /// One more than its current revision; 1 for a new tenant.
    pub revision: u64,
    /// Whether it is served.
    pub standing: TenantStanding,
    /// Settings that the control plane does not read.
    pub settings: Blob,
}

/// A policy as it is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyChange {
    /// Which policy.
    pub name: String,
    /// One more than its current version; 1 for a new policy.
    pub version: u64,
    /// SHA-256 of the content.
    pub digest: Digest32,
    /// The policy. An empty one withdraws it; its versions go on.
    pub content: Blob,
}

/// The newest signed head of a shard's audit log (AUD-2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHeadChange {
    /// Who anchors it.
    #[serde(with = "stored")]
    pub node: NodeId,
    /// Whose log, and the epoch in which the node owns it. For a shard that was merged into
    /// another the epoch is not looked at: any node that is up may anchor its last head.
    pub holding: Holding,
    /// Records in the log.
    pub size: u64,
    /// Root of the Merkle tree over them.
    pub root: Digest32,
    /// The signed head as the store holds it.
    pub signed: Blob,
}

/// Everything that can be asked. A new command, or a new field that changes what an old one does,
/// belongs to a new [`Feature`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Forms the cluster: once.
    FormCluster(Formation),
    /// Changes how long to wait for whom.
    SetTimeouts(Timeouts),
    /// Activates a feature that all nodes have.
    ActivateFeature(Feature),
    /// Gives a new node its id.
    JoinNode {
        /// Names this request.
        join_key: JoinKey,
        /// What the node says about itself.
        spec: NodeSpec,
    },
    /// A node's process started. What it owned it claims again in new epochs.
    StartNode(NodeStart),
    /// A node's process is about to end.
    StopNode {
        /// Who.
        #[serde(with = "stored")]
        node: NodeId,
        /// Which run of it.
        incarnation: u64,
    },
    /// An observer tells what it saw of a node's lease.
    ObserveLease(LeaseObservation),
    /// A node is to lose all its shards.
    DrainNode {
        /// Who.
        #[serde(with = "stored")]
        node: NodeId,
        /// What for.
        drain: Drain,
    },
    /// A node may have shards again.
    ResumeNode {
        /// Who.
        #[serde(with = "stored")]
        node: NodeId,
    },
    /// A node leaves for ever: one without shards, or one that is down.
    RemoveNode {
        /// Who.
        #[serde(with = "stored")]
        node: NodeId,
    },
    /// A shard gets an owner in a new epoch, whether it is open, moving or has none.
    MoveShard {
        /// Which shard, in which epoch it is assumed to be.
        holding: Holding,
        /// The new owner.
        #[serde(with = "stored")]
        to: NodeId,
    },
    /// A shard that its source has not let go of goes back there.
    CancelMove(Holding),
    /// A shard's source is not waited for any longer; the claim fences it (OWN-1).
    SkipSource(Holding),
    /// A shard is taken from an owner that does not get on, or given up by it.
    ReleaseShard(Holding),
    /// A step is done.
    ReportStep(StepReport),
    /// A claim found a higher epoch in the store than it was to write.
    RaiseEpoch {
        /// Who claims.
        #[serde(with = "stored")]
        node: NodeId,
        /// Which shard, in which epoch of the plan.
        holding: Holding,
        /// The epoch that the store holds.
        #[serde(with = "stored")]
        stored: Epoch,
    },
    /// An open shard becomes two.
    SplitShard {
        /// Which shard, in which epoch it is assumed to be.
        holding: Holding,
        /// The first hash of the upper one, which gets a new id.
        at: u64,
    },
    /// Two open neighbours of one owner become one, which keeps the id of the lower.
    MergeShards {
        /// The one with the smaller hashes.
        lower: Holding,
        /// The one that follows it.
        upper: Holding,
    },
    /// Adds or changes a tenant.
    PutTenant(TenantChange),
    /// Adds, changes or withdraws a policy.
    PutPolicy(PolicyChange),
    /// Anchors the newest signed head of a shard's audit log.
    AnchorAuditHead(AuditHeadChange),
}

impl Command {
    /// The feature that must be active before anybody may ask for this.
    #[must_use]
    pub const fn feature(&self) -> Feature {
        match self {
            Self::SplitShard { .. } | Self::MergeShards { .. } => Feature::SPLIT_AND_MERGE,
            Self::FormCluster(_)
            | Self::SetTimeouts(_)
            | Self::ActivateFeature(_)
            | Self::JoinNode { .. }
            | Self::StartNode(_)
            | Self::StopNode { .. }
            | Self::ObserveLease(_)
            | Self::DrainNode { .. }
            | Self::ResumeNode { .. }
            | Self::RemoveNode { .. }
            | Self::MoveShard { .. }
            | Self::CancelMove(_)
            | Self::SkipSource(_)
            | Self::ReleaseShard(_)
            | Self::ReportStep(_)
            | Self::RaiseEpoch { .. }
            | Self::PutTenant(_)
            | Self::PutPolicy(_)
            | Self::AnchorAuditHead(_) => Feature::BASE,
        }
    }

    /// The stable name, for logs and labels.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::FormCluster(_) => "form-cluster",
            Self::SetTimeouts(_) => "set-timeouts",
            Self::ActivateFeature(_) => "activate-feature",
            Self::JoinNode { .. } => "join-node",
            Self::StartNode(_) => "start-node",
            Self::StopNode { .. } => "stop-node",
            Self::ObserveLease(_) => "observe-lease",
            Self::DrainNode { .. } => "drain-node",
            Self::ResumeNode { .. } => "resume-node",
            Self::RemoveNode { .. } => "remove-node",
            Self::MoveShard { .. } => "move-shard",
            Self::CancelMove(_) => "cancel-move",
            Self::SkipSource(_) => "skip-source",
            Self::ReleaseShard(_) => "release-shard",
            Self::ReportStep(_) => "report-step",
            Self::RaiseEpoch { .. } => "raise-epoch",
            Self::SplitShard { .. } => "split-shard",
            Self::MergeShards { .. } => "merge-shards",
            Self::PutTenant(_) => "put-tenant",
            Self::PutPolicy(_) => "put-policy",
            Self::AnchorAuditHead(_) => "anchor-audit-head",
        }
    }
}
