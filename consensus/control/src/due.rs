//! What is to be done now, read from the state alone, so that a node that restarted, and a leader
//! that was just elected, find their work again: actions of nodes, and shards that are not open.

use crate::command::{Command, StepReport};
use crate::shard::{HandOff, Holding, Shard, Step, Why};
use crate::state::ControlState;
use schema_types::cluster::{Epoch, HashRange, NodeId};
use schema_types::ids::ShardId;
use schema_types::time::Timestamp;

/// One step of one hand-off, for the node whose turn it is. Safe to do again.
///
/// - `Fence`, `Drain`: for each of `closes`, take no new work, then end the work that there is.
/// - `Claim`: in one transaction write `(epoch, node)` to `own/{shard}`, and to `own/{retires}`
///   when there is one, if each row holds a lower epoch or none; a row that holds exactly that is
///   done already. A row with a higher epoch, or with this one and another node, is answered by
///   [`Command::RaiseEpoch`].
/// - `Load`: read what the shard needs before it can serve.
/// - `Open`: serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// What to do.
    pub step: Step,
    /// For which shard.
    pub shard: ShardId,
    /// The epoch of the plan; the report names it.
    pub epoch: Epoch,
    /// The hashes of the shard.
    pub range: HashRange,
    /// What to let go of, in the epochs in which the node holds it; for `Fence` and `Drain`.
    pub closes: Vec<Holding>,
    /// The shard that was merged into this one; for `Claim`.
    pub retires: Option<ShardId>,
    /// The shard to which some of the hashes belonged before; for `Claim`.
    pub inherits: Option<ShardId>,
}

impl Action {
    /// The report that it is done.
    #[must_use]
    pub fn done_by(&self, node: NodeId) -> Command {
        let Self { shard, epoch, step, .. } = *self;
        Command::ReportStep(StepReport { node, shard, epoch, step })
    }
}

/// What a shard that is not open waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitsFor {
    /// A node to do a step.
    Node {
        /// Who.
        node: NodeId,
        /// What.
        step: Step,
    },
    /// The planner to give it to a node.
    Owner,
    /// Another shard to be claimed.
    Shard(ShardId),
}

/// A shard that is not open, for the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paused {
    /// Which shard, in which epoch.
    pub holding: Holding,
    /// Why it is not open.
    pub why: Why,
    /// What it waits for.
    pub waits_for: WaitsFor,
    /// Since when it is not open.
    pub since: Timestamp,
    /// Since when it waits for that.
    pub step_since: Timestamp,
    /// Owners that were tried and did not open it.
    pub failures: u32,
}

fn waits_for(record: &Shard, hand_off: &HandOff) -> WaitsFor {
    let step = hand_off.step;
    match (record.turn(), hand_off.waits_for) {
        (None, _) => WaitsFor::Owner,
        (Some(_), Some(shard)) => WaitsFor::Shard(shard),
        (Some(node), None) => WaitsFor::Node { node, step },
    }
}

impl ControlState {
    /// What `node` should be doing now. Looks at the shards only at which it is its turn.
    #[must_use]
    pub fn due_actions(&self, node: NodeId) -> Vec<Action> {
        let due = self.shards.turns_of(node).filter_map(|shard| {
            let record = self.shards.get(shard)?;
            let hand_off = record.hand_off.as_ref()?;
            if hand_off.waits_for.is_some() {
                return None;
            }
            let closes = hand_off.source.as_ref().map(|source| source.closes.clone());
            Some(Action {
                step: hand_off.step,
                shard,
                epoch: record.epoch,
                range: record.range,
                closes: closes.unwrap_or_default(),
                retires: hand_off.retires.filter(|_| hand_off.step == Step::Claim),
                inherits: hand_off.inherits.filter(|_| hand_off.step == Step::Claim),
            })
        });
        due.collect()
    }

    /// Whether a node that holds a shard in an epoch may go on doing so: it owns it, or it is to
    /// let go of it and has not been asked to yet or is at it. When not, it drops the shard and
    /// sends callers on; the store refuses its commits from the next claim on anyway (OWN-1).
    #[must_use]
    pub fn may_hold(&self, node: NodeId, holding: Holding) -> bool {
        let is_owner = self
            .shards
            .get(holding.shard)
            .is_some_and(|record| record.owner == Some(node) && record.epoch == holding.epoch);
        is_owner
            || self.shards.sources_of(node).any(|shard| {
                let source = self.shards.get(shard).and_then(Shard::source);
                source.is_some_and(|source| source.closes.contains(&holding))
            })
    }

    /// Every shard that is not open, with the reason.
    pub fn paused(&self) -> impl Iterator<Item = Paused> {
        self.shards.not_open().iter().filter_map(|shard| {
            let record = self.shards.get(*shard)?;
            let hand_off = record.hand_off.as_ref()?;
            Some(Paused {
                holding: Holding { shard: *shard, epoch: record.epoch },
                why: hand_off.why,
                waits_for: waits_for(record, hand_off),
                since: hand_off.since,
                step_since: hand_off.step_since,
                failures: hand_off.failures,
            })
        })
    }
}
