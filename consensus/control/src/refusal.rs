//! Why a command changes nothing: refused, because it must not be done, or ignored, because it is
//! late or was done before. Each reason has a stable text for the command line.

use crate::feature::Feature;
use crate::shard::Step;
use crate::stored;
use schema_types::cluster::{Epoch, NodeId};
use schema_types::ids::ShardId;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a command is refused. The proposer has to do something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum Refusal {
    /// The cluster has not been formed.
    #[error("the cluster has not been formed")]
    NotFormed,
    /// The cluster was formed by somebody else.
    #[error("the cluster was formed already")]
    AlreadyFormed,
    /// The proposal cannot be read.
    #[error("the proposal cannot be read")]
    Malformed,
    /// The named part is longer than its limit, or empty where it must not be.
    #[error("{part} is empty or past its limit")]
    PartLimit {
        /// Which part.
        part: String,
    },
    /// There is no room for another of these.
    #[error("there are {max} {what} already")]
    TooMany {
        /// Of what.
        what: String,
        /// The limit.
        max: u64,
    },
    /// The feature is not active.
    #[error("{feature} is not active: not all nodes are known to have it")]
    FeatureInactive {
        /// Which one.
        feature: Feature,
    },
    /// Some nodes do not have the feature.
    #[error("{feature} is missing on {} or more nodes, among them {}", nodes.len(), list(nodes))]
    FeatureMissing {
        /// Which one.
        feature: Feature,
        /// The first few of them.
        #[serde(with = "stored")]
        nodes: Vec<NodeId>,
    },
    /// The node's software lacks a feature that is active.
    #[error("the software of the node is too old: {feature} is active")]
    SoftwareTooOld {
        /// Which one.
        feature: Feature,
    },
    /// There is no such node.
    #[error("there is no node {node}")]
    NodeUnknown {
        /// Which one.
        #[serde(with = "stored")]
        node: NodeId,
    },
    /// The node was removed; its id does not return.
    #[error("node {node} has left; it must join again with an empty disk")]
    NodeLeft {
        /// Which one.
        #[serde(with = "stored")]
        node: NodeId,
    },
    /// The name belongs to another node.
    #[error("the name belongs to node {node}; remove that one first")]
    NameTaken {
        /// Whose name it is.
        #[serde(with = "stored")]
        node: NodeId,
    },
    /// The node may not get shards: it is not up, or it is draining.
    #[error("node {node} may not get shards: it is not up, or it is draining")]
    NodeNotUp {
        /// Which one.
        #[serde(with = "stored")]
        node: NodeId,
    },
    /// The node still owns shards or has not let go of some.
    #[error("node {node} still has {shards} shards; drain it first")]
    NodeHasShards {
        /// Which one.
        #[serde(with = "stored")]
        node: NodeId,
        /// How many.
        shards: u64,
    },
    /// A newer run of the node's process is known.
    #[error("a newer run of node {node} is known")]
    IncarnationBehind {
        /// Which one.
        #[serde(with = "stored")]
        node: NodeId,
    },
    /// The lease has not been seen to stand still for long enough.
    #[error("the lease of node {node} is not over")]
    LeaseNotOver {
        /// Which one.
        #[serde(with = "stored")]
        node: NodeId,
    },
    /// The observer could not renew its own lease meanwhile, so the store may be what stands
    /// still.
    #[error("the observer renewed no lease of its own meanwhile")]
    ObserverStalled,
    /// There is no such shard.
    #[error("there is no shard {}", shard.0)]
    ShardUnknown {
        /// Which one.
        #[serde(with = "stored")]
        shard: ShardId,
    },
    /// The shard is in another epoch than the command assumes.
    #[error("shard {} is in {current}", shard.0)]
    EpochMoved {
        /// Which one.
        #[serde(with = "stored")]
        shard: ShardId,
        /// Its epoch.
        #[serde(with = "stored")]
        current: Epoch,
    },
    /// The shard is not open.
    #[error("shard {} is moving (step {})", shard.0, step.name())]
    ShardMoving {
        /// Which one.
        #[serde(with = "stored")]
        shard: ShardId,
        /// The step that is due.
        step: Step,
    },
    /// The shard is there already, or there is nothing to call off.
    #[error("shard {} is as the command wants it", shard.0)]
    NoChange {
        /// Which one.
        #[serde(with = "stored")]
        shard: ShardId,
    },
    /// The hand-off is past the step at which this can be done.
    #[error("shard {} is at step {}: too late", shard.0, step.name())]
    StepPassed {
        /// Which one.
        #[serde(with = "stored")]
        shard: ShardId,
        /// The step that is due.
        step: Step,
    },
    /// The hand-off is not yet at the step at which this can be done.
    #[error("shard {} is at step {}: too early", shard.0, step.name())]
    StepAhead {
        /// Which one.
        #[serde(with = "stored")]
        shard: ShardId,
        /// The step that is due.
        step: Step,
    },
    /// The point does not divide the range of the shard.
    #[error("the point does not divide the range of shard {}", shard.0)]
    SplitPoint {
        /// Which one.
        #[serde(with = "stored")]
        shard: ShardId,
    },
    /// The shards do not lie side by side in this order.
    #[error("the shards do not lie side by side in this order")]
    NotNeighbours,
    /// The shards have different owners; move one of them first.
    #[error("the shards have different owners; move one of them first")]
    OwnersDiffer,
    /// The epoch is higher than any that a healthy store could hold.
    #[error("the epoch is higher than any that a healthy store could hold")]
    EpochImplausible,
    /// The revision is not the one after the current.
    #[error("the current revision is {current}")]
    RevisionMoved {
        /// The current one; 0 when there is none.
        current: u64,
    },
    /// The content does not have the digest.
    #[error("the content does not have the digest")]
    DigestDiffers,
    /// A larger head of this shard's audit log is known.
    #[error("a head of size {size} is known: the log was cut or the head is old")]
    AuditHeadBehind {
        /// The size of the known head, in records.
        size: u64,
    },
    /// A head of the same size with another root is known.
    #[error("another head of size {size} is known: the log was forked")]
    AuditHeadForked {
        /// That size, in records.
        size: u64,
    },
}

impl Refusal {
    /// The stable text of the reason.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFormed => "not-formed",
            Self::AlreadyFormed => "already-formed",
            Self::Malformed => "malformed",
            Self::PartLimit { .. } => "part-limit",
            Self::TooMany { .. } => "too-many",
            Self::FeatureInactive { .. } => "feature-inactive",
            Self::FeatureMissing { .. } => "feature-missing",
            Self::SoftwareTooOld { .. } => "software-too-old",
            Self::NodeUnknown { .. } => "node-unknown",
            Self::NodeLeft { .. } => "node-left",
            Self::NameTaken { .. } => "name-taken",
            Self::NodeNotUp { .. } => "node-not-up",
            Self::NodeHasShards { .. } => "node-has-shards",
            Self::IncarnationBehind { .. } => "incarnation-behind",
            Self::LeaseNotOver { .. } => "lease-not-over",
            Self::ObserverStalled => "observer-stalled",
            Self::ShardUnknown { .. } => "shard-unknown",
            Self::EpochMoved { .. } => "epoch-moved",
            Self::ShardMoving { .. } => "shard-moving",
            Self::NoChange { .. } => "no-change",
            Self::StepPassed { .. } => "step-passed",
            Self::StepAhead { .. } => "step-ahead",
            Self::SplitPoint { .. } => "split-point",
            Self::NotNeighbours => "not-neighbours",
            Self::OwnersDiffer => "owners-differ",
            Self::EpochImplausible => "epoch-implausible",
            Self::RevisionMoved { .. } => "revision-moved",
            Self::DigestDiffers => "digest-differs",
            Self::AuditHeadBehind { .. } => "audit-head-behind",
            Self::AuditHeadForked { .. } => "audit-head-forked",
        }
    }
}

fn list(nodes: &[NodeId]) -> String {
    nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Why a command is ignored. The proposer has nothing to do; a node looks at what is due now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum Ignored {
    /// It was done before.
    #[error("it was done before")]
    AlreadyDone,
    /// The report is about an earlier epoch, or about a shard that is not in the map any longer.
    #[error("it is about an earlier epoch")]
    EpochPassed,
    /// The report is about an epoch that was never given out.
    #[error("it is about an epoch that was never given out")]
    EpochUnknown,
    /// Earlier steps are still due.
    #[error("earlier steps are still due")]
    StepAhead,
    /// It is another node's turn.
    #[error("it is another node's turn")]
    NotItsTurn,
    /// The observation is older than what is known.
    #[error("the observation is older than what is known")]
    LeasePassed,
    /// The observation is about an earlier run of the process, or one that stopped.
    #[error("the observation is about another run of the process")]
    RunPassed,
}

impl Ignored {
    /// The stable text of the reason.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::AlreadyDone => "already-done",
            Self::EpochPassed => "epoch-passed",
            Self::EpochUnknown => "epoch-unknown",
            Self::StepAhead => "step-ahead",
            Self::NotItsTurn => "not-its-turn",
            Self::LeasePassed => "lease-passed",
            Self::RunPassed => "run-passed",
        }
    }
}
