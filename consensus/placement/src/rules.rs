//! What the planner goes by: figures of load, and rules that an operator may set.

use crate::limits::{HOT_TO_COLD_MIN, LOAD_MAX, WEIGHT_DEFAULT, WEIGHT_MAX};
use schema_types::cluster::NodeId;
use schema_types::ids::ShardId;
use std::collections::BTreeMap;
use thiserror::Error;

/// The load of a shard. Who measures smooths it (a mean over a minute or more): the planner
/// remembers nothing between rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShardFigure {
    /// Work per time, in a unit that is the same for all shards, for example commands per second.
    pub load: u64,
    /// The hash that halves the load, when it is known.
    pub split_at: Option<u64>,
}

/// What a node can bear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeFigure {
    /// Its share of the work compared to other nodes, at least 1; 100 for an ordinary node.
    pub weight: u32,
    /// The most work per time that it was seen to bear, in the unit of the loads.
    pub capacity: Option<u64>,
}

impl Default for NodeFigure {
    fn default() -> Self {
        Self { weight: WEIGHT_DEFAULT, capacity: None }
    }
}

/// The figures of one round. What is missing counts as idle, or as an ordinary node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Figures {
    /// By shard.
    pub shards: BTreeMap<ShardId, ShardFigure>,
    /// By node.
    pub nodes: BTreeMap<NodeId, NodeFigure>,
}

impl Figures {
    pub(crate) fn load(&self, shard: ShardId) -> u64 {
        self.shards.get(&shard).map_or(0, |figure| figure.load.min(LOAD_MAX))
    }

    pub(crate) fn weight(&self, node: NodeId) -> u64 {
        let weight = self.nodes.get(&node).map_or(WEIGHT_DEFAULT, |figure| figure.weight);
        u64::from(weight.clamp(1, WEIGHT_MAX))
    }
}

/// The rules of placement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Shards on their way at once, at most; shards without an owner are given one all the same.
    pub moves_at_once_max: usize,
    /// Part of the whole load that a round may set moving to balance it, in percent. One shard
    /// may always move.
    pub moved_share_percent_max: u64,
    /// By how much a node must be better off than the one that it takes a shard from, with that
    /// shard, in percent of the mean: what keeps shards from going back and forth.
    pub gain_percent_min: u64,
    /// Part of the whole load in one zone, at most, in percent; more where there are too few
    /// zones for it.
    pub zone_percent_max: u64,
    /// How far a node may be filled for the sake of drains, zones and balance, in percent of its
    /// capacity.
    pub fill_percent_max: u64,
    /// How far above the mean a node may get for the sake of zones, in percent of the mean.
    pub strain_percent_max: u64,
    /// What a shard costs beside its load, in the unit of the loads; at least 1.
    pub shard_cost: u64,
    /// The load from which on a shard is split.
    pub hot_load_min: u64,
    /// The load up to which two neighbours together are merged.
    pub cold_load_max: u64,
    /// A shard of fewer hashes is not split.
    pub split_hashes_min: u128,
    /// Shards are not merged below this number; nothing stands for the number at the beginning.
    pub shards_min: Option<usize>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            moves_at_once_max: 16,
            moved_share_percent_max: 10,
            gain_percent_min: 10,
            zone_percent_max: 60,
            fill_percent_max: 90,
            strain_percent_max: 150,
            shard_cost: 10,
            hot_load_min: 5_000,
            cold_load_max: 50,
            split_hashes_min: 1 << 44,
            shards_min: None,
        }
    }
}

/// Why rules cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RulesError {
    /// Something would never move.
    #[error("nothing could ever move: a limit or a cost is 0")]
    Zero,
    /// What is merged would be split again.
    #[error("the load of a hot shard must be at least {HOT_TO_COLD_MIN} times that of cold ones")]
    HotNearCold,
}

impl Rules {
    /// Checks that the rules lead somewhere.
    ///
    /// # Errors
    /// A limit is 0, or hot and cold are too close to each other.
    pub fn check(&self) -> Result<(), RulesError> {
        let at_least_one = [self.gain_percent_min, self.shard_cost, self.hot_load_min];
        if self.moves_at_once_max == 0 || at_least_one.contains(&0) {
            return Err(RulesError::Zero);
        }
        if self.hot_load_min < self.cold_load_max.saturating_mul(HOT_TO_COLD_MIN) {
            return Err(RulesError::HotNearCold);
        }
        Ok(())
    }
}
