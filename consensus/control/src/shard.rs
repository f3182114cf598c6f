//! One shard's record and the changes that a hand-off makes to it, each a pure function from one
//! record to the next. Who may ask for a change is `decide`'s business.
//!
//! A shard is open, or it has a hand-off that says which step is due and whose turn it is:
//! fence and drain are the source's, claim, load and open the new owner's. Each new owner has an
//! epoch of its own, so a late report can be told from a current one.

use crate::stored;
use schema_types::cluster::{Epoch, HashRange, NodeId};
use schema_types::ids::ShardId;
use schema_types::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A step of a hand-off, in the order in which they are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Step {
    /// The source takes no new work for the shard; callers wait at the edge.
    Fence,
    /// The source ends the work that it has: commits are decided, answers are out, actors stopped.
    Drain,
    /// The new owner writes its epoch to `own/{shard}` by compare-and-set (OWN-1).
    Claim,
    /// The new owner reads what the shard needs before it can serve.
    Load,
    /// The new owner takes work.
    Open,
}

impl Step {
    /// Every step in order.
    pub const ALL: [Self; 5] = [Self::Fence, Self::Drain, Self::Claim, Self::Load, Self::Open];

    /// The lower-case name, for tables and labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fence => "fence",
            Self::Drain => "drain",
            Self::Claim => "claim",
            Self::Load => "load",
            Self::Open => "open",
        }
    }

    /// Whether the step is the source's turn.
    #[must_use]
    pub const fn is_source_side(self) -> bool {
        matches!(self, Self::Fence | Self::Drain)
    }
}

/// Why a shard is not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Why {
    /// The cluster was just formed.
    Formed,
    /// It moves to another node.
    Moved,
    /// The move was called off; it goes back to where it was.
    MoveCancelled,
    /// It is one half of a shard that was split.
    Split,
    /// It is two shards that were merged.
    Merged,
    /// The lease of its owner is over, or its owner stopped.
    OwnerDown,
    /// Its owner restarted and must claim it again.
    OwnerRestarted,
    /// It was taken from an owner that did not get on, or that gave it up.
    Released,
    /// The store knew a higher epoch than the plan.
    EpochRaised,
}

impl Why {
    /// The stable text, for tables and labels.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Formed => "cluster-formed",
            Self::Moved => "moved",
            Self::MoveCancelled => "move-cancelled",
            Self::Split => "split",
            Self::Merged => "merged",
            Self::OwnerDown => "owner-down",
            Self::OwnerRestarted => "owner-restarted",
            Self::Released => "released",
            Self::EpochRaised => "epoch-raised",
        }
    }
}

/// A shard in one epoch, as a node holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Holding {
    /// Which shard.
    #[serde(with = "stored")]
    pub shard: ShardId,
    /// In which epoch.
    #[serde(with = "stored")]
    pub epoch: Epoch,
}

/// Who has to let go, and of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The node that served.
    #[serde(with = "stored")]
    pub node: NodeId,
    /// What it served: one shard, or the two that are merged.
    pub closes: Vec<Holding>,
}

/// A shard on its way to being open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandOff {
    /// The step that is due.
    pub step: Step,
    /// Who fences and drains. There at those steps only; gone when the source died.
    pub source: Option<Source>,
    /// The shard that was merged into this one: the claim writes the new epoch to its owner row
    /// too, so that whoever owned it is refused from then on.
    #[serde(with = "stored")]
    pub retires: Option<ShardId>,
    /// The shard that this one was split from, until that one is claimed: only then is the old
    /// owner of this range refused by the store, and this one may be claimed.
    #[serde(with = "stored")]
    pub waits_for: Option<ShardId>,
    /// The shard that waits for this one to be claimed.
    #[serde(with = "stored")]
    pub frees: Option<ShardId>,
    /// The shard to which some of its hashes belonged before a split or a merge, until it is
    /// claimed: what is kept by shard and not by hash, such as timers, comes along.
    #[serde(with = "stored")]
    pub inherits: Option<ShardId>,
    /// The owner that it was last taken from, for the planner to avoid.
    #[serde(with = "stored")]
    pub taken_from: Option<NodeId>,
    /// Owners that were tried and did not open it.
    pub failures: u32,
    /// Why it is not open.
    pub why: Why,
    /// Since when it is not open, by the clock of who proposed that. For people, and to tell one
    /// wait from the next, never for a decision (TIME-1).
    #[serde(with = "stored")]
    pub since: Timestamp,
    /// Since when the step is due, by the clock of who proposed that.
    #[serde(with = "stored")]
    pub step_since: Timestamp,
}

/// A shard's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// The hashes in it.
    #[serde(with = "stored")]
    pub range: HashRange,
    /// The newest epoch that was given out.
    #[serde(with = "stored")]
    pub epoch: Epoch,
    /// Who has that epoch; nobody while no node could be found.
    #[serde(with = "stored")]
    pub owner: Option<NodeId>,
    /// What is still to be done before it is open; nothing when it is open.
    pub hand_off: Option<HandOff>,
}

impl HandOff {
    pub(crate) fn begin(step: Step, why: Why, at: Timestamp) -> Self {
        Self {
            step,
            source: None,
            retires: None,
            waits_for: None,
            frees: None,
            inherits: None,
            taken_from: None,
            failures: 0,
            why,
            since: at,
            step_since: at,
        }
    }
}

impl Shard {
    /// A shard that nobody owns yet.
    pub(crate) fn unowned(range: HashRange, epoch: Epoch, at: Timestamp) -> Self {
        let hand_off = Some(HandOff::begin(Step::Claim, Why::Formed, at));
        Self { range, epoch, owner: None, hand_off }
    }

    /// Whether its owner serves.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.hand_off.is_none()
    }

    /// The node whose turn it is.
    #[must_use]
    pub fn turn(&self) -> Option<NodeId> {
        let hand_off = self.hand_off.as_ref()?;
        match &hand_off.source {
            Some(source) => Some(source.node),
            None => self.owner,
        }
    }

    /// The node that still serves, or lets go of, what came before.
    #[must_use]
    pub fn source(&self) -> Option<&Source> {
        self.hand_off.as_ref()?.source.as_ref()
    }

    /// Its hand-off, or one that begins with the fence of its owner.
    fn moving(&self, shard: ShardId, why: Why, at: Timestamp) -> HandOff {
        if let Some(hand_off) = &self.hand_off {
            return HandOff { why, step_since: at, ..hand_off.clone() };
        }
        let mut hand_off = HandOff::begin(Step::Fence, why, at);
        let closes = vec![Holding { shard, epoch: self.epoch }];
        hand_off.source = self.owner.map(|node| Source { node, closes });
        if hand_off.source.is_none() {
            hand_off.step = Step::Claim;
        }
        hand_off
    }

    /// The shard with a new owner in a new epoch. A source that has not let go yet still does.
    pub(crate) fn given_to(&self, node: NodeId, shard: ShardId, why: Why, at: Timestamp) -> Self {
        let mut hand_off = self.moving(shard, why, at);
        hand_off.step = hand_off.step.min(Step::Claim);
        let keeps = node_env::planted!("handoff-gives-same-epoch");
        let (epoch, owner) = (if keeps { self.epoch } else { self.epoch.next() }, Some(node));
        Self { range: self.range, epoch, owner, hand_off: Some(hand_off) }
    }

    /// The shard without an owner. Only for one whose source has let go or is gone.
    pub(crate) fn released(&self, why: Why, at: Timestamp) -> Self {
        let begun = HandOff::begin(Step::Claim, why, at);
        let mut hand_off = self.hand_off.clone().unwrap_or(begun);
        if self.owner.is_some() {
            hand_off.taken_from = self.owner;
            hand_off.failures = hand_off.failures.saturating_add(1);
        }
        let hand_off = HandOff { step: Step::Claim, source: None, why, step_since: at, ..hand_off };
        Self { range: self.range, epoch: self.epoch, owner: None, hand_off: Some(hand_off) }
    }

    /// The shard when its source is not waited for any longer: the claim fences it.
    pub(crate) fn without_source(&self, at: Timestamp) -> Self {
        let mut shard = self.clone();
        if let Some(hand_off) = &mut shard.hand_off
            && hand_off.step.is_source_side()
        {
            hand_off.source = None;
            hand_off.step = Step::Claim;
            hand_off.step_since = at;
        }
        shard
    }

    /// The shard after the step that was due.
    pub(crate) fn stepped(&self, at: Timestamp) -> Self {
        let mut shard = self.clone();
        let Some(hand_off) = &mut shard.hand_off else { return shard };
        hand_off.step_since = at;
        match hand_off.step {
            Step::Fence if !node_env::planted!("handoff-skips-drain") => {
                hand_off.step = Step::Drain;
            }
            Step::Fence | Step::Drain => {
                hand_off.step = Step::Claim;
                hand_off.source = None;
            }
            Step::Claim => {
                hand_off.step = Step::Load;
                hand_off.retires = None;
                hand_off.frees = None;
                hand_off.inherits = None;
            }
            Step::Load => hand_off.step = Step::Open,
            Step::Open => shard.hand_off = None,
        }
        shard
    }

    /// The shard when the one that it was split from is claimed.
    pub(crate) fn freed(&self, at: Timestamp) -> Self {
        let mut shard = self.clone();
        if let Some(hand_off) = &mut shard.hand_off {
            hand_off.waits_for = None;
            hand_off.step_since = at;
        }
        shard
    }

    /// What is wrong with the record by itself, if anything.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let Some(hand_off) = &self.hand_off else {
            return self.owner.is_none().then_some("open without an owner");
        };
        let before_claim = hand_off.step <= Step::Claim;
        let binds = [hand_off.retires, hand_off.waits_for, hand_off.frees, hand_off.inherits];
        if hand_off.source.is_some() != hand_off.step.is_source_side() {
            return Some("a source belongs to fence and drain, and only to them");
        }
        if self.owner.is_none() && hand_off.step != Step::Claim {
            return Some("a step is due and nobody owns the shard");
        }
        if !before_claim && binds.iter().any(Option::is_some) {
            return Some("claimed, and still tied to another shard");
        }
        None
    }
}
