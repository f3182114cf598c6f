//! The lint: a plan is tried on a copy of the state before anybody proposes it, and one that would
//! break an invariant is refused as a whole, whoever made it.

use consensus_control::{Command, ControlState, Outcome, Proposal, Refusal};
use schema_types::cluster::NodeId;
use schema_types::ids::ShardId;
use schema_types::time::Timestamp;
use std::collections::BTreeSet;
use thiserror::Error;

/// What is wrong with a plan.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// It names a node that is not in the cluster.
    #[error("command {place} names node {node}, which is not in the cluster")]
    UnknownNode {
        /// Which command, counted from 0.
        place: usize,
        /// Which node.
        node: NodeId,
    },
    /// It gives a shard to a node that may not get any.
    #[error("command {place} gives a shard to node {node}, which may not get any")]
    OwnerNotUp {
        /// Which command, counted from 0.
        place: usize,
        /// Which node.
        node: NodeId,
    },
    /// It touches a shard twice.
    #[error("command {place} touches shard {} again", shard.0)]
    TouchedTwice {
        /// Which command, counted from 0.
        place: usize,
        /// Which shard.
        shard: ShardId,
    },
    /// It holds a command that is no planner's business.
    #[error("command {place} ({name}) is not for a planner to propose")]
    NotForPlanner {
        /// Which command, counted from 0.
        place: usize,
        /// Its name.
        name: &'static str,
    },
    /// The control plane would refuse a command.
    #[error("command {place} would be refused: {refusal}")]
    Refused {
        /// Which command, counted from 0.
        place: usize,
        /// Why.
        refusal: Refusal,
    },
    /// The control plane would ignore a command.
    #[error("command {place} would do nothing")]
    NoEffect {
        /// Which command, counted from 0.
        place: usize,
    },
    /// The state afterwards is not whole: ranges uncovered or overlapping, or an owner that is
    /// not up.
    #[error("the plan breaks the state: {reason}")]
    Broken {
        /// What is wrong.
        reason: String,
    },
}

/// Tries a plan on a copy of the state.
///
/// # Errors
/// Everything that is wrong with it.
pub fn lint<'a>(
    state: &ControlState,
    commands: impl IntoIterator<Item = &'a Command>,
) -> Result<(), Vec<Fault>> {
    let mut trial = Trial { state: state.clone(), touched: BTreeSet::new() };
    let mut faults = Vec::new();
    for (place, command) in commands.into_iter().enumerate() {
        if let Err(fault) = trial.step(place, command) {
            faults.push(fault);
        }
    }
    if let Err(reason) = trial.state.validate() {
        faults.push(Fault::Broken { reason });
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

struct Trial {
    state: ControlState,
    touched: BTreeSet<ShardId>,
}

impl Trial {
    fn step(&mut self, place: usize, command: &Command) -> Result<(), Fault> {
        for shard in shards_of(place, command)? {
            if !self.touched.insert(shard) {
                return Err(Fault::TouchedTwice { place, shard });
            }
        }
        if let Command::MoveShard { to, .. } = command {
            let node = *to;
            match self.state.nodes().get(&node) {
                None => return Err(Fault::UnknownNode { place, node }),
                Some(record) if !record.may_get_shards() => {
                    return Err(Fault::OwnerNotUp { place, node });
                }
                Some(_) => {}
            }
        }
        let proposal = Proposal { at: Timestamp::default(), command: command.clone() };
        match self.state.apply(&proposal) {
            Outcome::Done { .. } => Ok(()),
            Outcome::Refused(refusal) => Err(Fault::Refused { place, refusal }),
            Outcome::Ignored(_) | Outcome::MustStop { .. } => Err(Fault::NoEffect { place }),
        }
    }
}

/// The shards that a command of a planner touches.
fn shards_of(place: usize, command: &Command) -> Result<Vec<ShardId>, Fault> {
    if let Command::MoveShard { holding, .. } | Command::SplitShard { holding, .. } = command {
        return Ok(vec![holding.shard]);
    }
    if let Command::MergeShards { lower, upper } = command {
        return Ok(vec![lower.shard, upper.shard]);
    }
    Err(Fault::NotForPlanner { place, name: command.name() })
}
