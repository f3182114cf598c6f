//! What a plan consists of: commands, each with what it is for, and the reasons why nothing else
//! moves, as data that an operator can read.

use consensus_control::{Command, Step};
use schema_types::cluster::NodeId;
use schema_types::ids::ShardId;
use thiserror::Error;

/// What a command of a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// A shard without an owner gets one.
    GiveOwner,
    /// A draining node loses a shard.
    Drain,
    /// A zone loses a shard because it holds too much of the whole.
    SpreadZones,
    /// A node loses a shard because it has more to do than others.
    Balance,
    /// A hot shard is halved.
    SplitHot,
    /// A cold shard goes to the owner of its neighbour, to be merged with it.
    Gather,
    /// Two cold neighbours become one.
    MergeCold,
}

impl Purpose {
    /// The stable text, for tables and labels.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::GiveOwner => "give-owner",
            Self::Drain => "drain",
            Self::SpreadZones => "spread-zones",
            Self::Balance => "balance",
            Self::SplitHot => "split-hot",
            Self::Gather => "gather",
            Self::MergeCold => "merge-cold",
        }
    }
}

/// Why a hot shard is not split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum NotSplit {
    /// Its range is too narrow: single keys are hot.
    #[error("its range is too narrow, single keys are hot")]
    TooNarrow,
    /// There are as many shards as there may be.
    #[error("there are as many shards as there may be")]
    ShardLimit,
    /// Not all nodes can.
    #[error("the feature is not active")]
    FeatureInactive,
}

/// Why something does not move, or what is being waited for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum Reason {
    /// The control plane has no quorum: nothing can be decided.
    #[error("the control plane has no quorum")]
    NoQuorum,
    /// The cluster has not been formed.
    #[error("the cluster has not been formed")]
    NotFormed,
    /// The rules contradict themselves.
    #[error("the rules of placement cannot be used")]
    RulesUnusable,
    /// No node may get shards.
    #[error("no node is up that may get shards; {shards} shards wait")]
    NoNodeUp {
        /// Shards that wait for one.
        shards: usize,
    },
    /// As many shards are on their way as may be.
    #[error("{moving} shards are on their way, {max} may be")]
    BudgetUsed {
        /// On their way, those of this plan among them.
        moving: usize,
        /// As many may be.
        max: usize,
    },
    /// As much load is set moving as one round may.
    #[error("this round moves {percent}% of the load, {max_percent}% is allowed")]
    ShareUsed {
        /// Set moving by this plan, in percent of the whole.
        percent: u64,
        /// As much may be.
        max_percent: u64,
    },
    /// The plan is full; the rest comes in the next round.
    #[error("the plan is full at {max} commands")]
    PlanFull {
        /// As many commands may be in a plan.
        max: usize,
    },
    /// A shard is on its way.
    #[error("shard {} is moving (step {})", shard.0, step.name())]
    ShardMoving {
        /// Which one.
        shard: ShardId,
        /// The step that is due.
        step: Step,
    },
    /// A node is losing its shards.
    #[error("node {node} is draining, {shards_left} shards are left")]
    NodeDraining {
        /// Which one.
        node: NodeId,
        /// Shards that it still owns after this plan.
        shards_left: usize,
    },
    /// A draining node keeps a shard because no other node has room.
    #[error("node {node} keeps shard {}: no other node has room for it", shard.0)]
    NoRoom {
        /// Who keeps it.
        node: NodeId,
        /// The first such shard.
        shard: ShardId,
    },
    /// A node got a shard beyond its room, because the shard had no owner.
    #[error("node {node} is filled past its room, because shards had no owner")]
    Overfull {
        /// Which one.
        node: NodeId,
    },
    /// A zone holds too much, and no shard of it can go elsewhere.
    #[error("zone {zone} holds {percent}% of the load and nothing can take it over")]
    ZoneFull {
        /// Which one.
        zone: String,
        /// Of the whole.
        percent: u64,
    },
    /// The busiest node has no shard with which another node would be enough better off.
    #[error("node {node} is busiest; the best move gains {gain_percent}%, {needed_percent}% count")]
    NoBetterTarget {
        /// The busiest node.
        node: NodeId,
        /// The best gain, in percent of the mean; 0 when there is no other node.
        gain_percent: u64,
        /// The least gain that counts.
        needed_percent: u64,
    },
    /// A hot shard is not split.
    #[error("shard {} is hot and not split: {why}", shard.0)]
    HotNotSplit {
        /// Which one.
        shard: ShardId,
        /// Why.
        why: NotSplit,
    },
}

impl Reason {
    /// The stable text of the reason.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoQuorum => "no-quorum",
            Self::NotFormed => "not-formed",
            Self::RulesUnusable => "rules-unusable",
            Self::NoNodeUp { .. } => "no-node-up",
            Self::BudgetUsed { .. } => "budget-used",
            Self::ShareUsed { .. } => "share-used",
            Self::PlanFull { .. } => "plan-full",
            Self::ShardMoving { .. } => "shard-moving",
            Self::NodeDraining { .. } => "node-draining",
            Self::NoRoom { .. } => "no-room",
            Self::Overfull { .. } => "overfull",
            Self::ZoneFull { .. } => "zone-full",
            Self::NoBetterTarget { .. } => "no-better-target",
            Self::HotNotSplit { .. } => "hot-not-split",
        }
    }
}

/// A command to propose, and what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// What to propose.
    pub command: Command,
    /// What it is for.
    pub purpose: Purpose,
}

/// What to propose in this round, in order, and why nothing else moves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// What to propose.
    pub commands: Vec<Planned>,
    /// Why nothing else moves, most general first.
    pub reasons: Vec<Reason>,
}
