//! The planner's working picture: what each node and zone will have once everything that is on
//! its way, and everything planned so far, has arrived. So decisions do not pile up on one node.

use crate::limits::{PLAN_COMMANDS_MAX, REASONS_MAX, ZONE_SLACK_PERCENT};
use crate::reason::{Plan, Planned, Purpose, Reason};
use crate::rules::{Figures, Rules};
use consensus_control::{Command, ControlState, Holding, NodeState};
use schema_types::cluster::NodeId;
use schema_types::ids::ShardId;
use std::collections::{BTreeMap, BTreeSet};

/// Relative loads are in this many parts, so that whole numbers are exact enough.
const SCALE: u128 = 1_000_000;

/// A node that is up or draining.
#[derive(Debug, Clone)]
pub(crate) struct NodeView {
    pub(crate) zone: String,
    pub(crate) may_get: bool,
    weight: u64,
    /// What it may be filled to, by the rules.
    room: Option<u64>,
    pub(crate) cost: u64,
    /// Its open shards that the plan has not touched, by cost.
    pub(crate) movable: BTreeSet<(u64, ShardId)>,
    /// Shards that it owns, open or not.
    pub(crate) shards: usize,
}

impl NodeView {
    /// The cost for its weight, with `more` on top.
    pub(crate) fn relative(&self, more: u64) -> u128 {
        u128::from(self.cost.saturating_add(more)) * SCALE / u128::from(self.weight)
    }

    pub(crate) fn has_room(&self, more: u64) -> bool {
        self.room.is_none_or(|room| self.cost.saturating_add(more) <= room)
    }

    /// The cost that, taken from here and given to `other`, makes the two equal for their weight.
    pub(crate) fn even_part(&self, other: &Self) -> u64 {
        let (ours, theirs) = (u128::from(self.cost), u128::from(other.cost));
        let (weight, other_weight) = (u128::from(self.weight), u128::from(other.weight));
        let ahead = (ours * other_weight).saturating_sub(theirs * weight);
        u64::try_from(ahead / (weight + other_weight)).unwrap_or(u64::MAX)
    }
}

pub(crate) struct Picture<'a> {
    pub(crate) state: &'a ControlState,
    pub(crate) figures: &'a Figures,
    pub(crate) rules: &'a Rules,
    pub(crate) nodes: BTreeMap<NodeId, NodeView>,
    /// The cost of each zone that has a node that may get shards.
    pub(crate) zones: BTreeMap<String, u64>,
    /// The cost of all shards.
    pub(crate) total: u64,
    moving: usize,
    moved_cost: u64,
    pub(crate) plan: Plan,
}

impl<'a> Picture<'a> {
    pub(crate) fn new(state: &'a ControlState, figures: &'a Figures, rules: &'a Rules) -> Self {
        let mut picture = Self {
            state,
            figures,
            rules,
            nodes: BTreeMap::new(),
            zones: BTreeMap::new(),
            total: 0,
            moving: 0,
            moved_cost: 0,
            plan: Plan::default(),
        };
        picture.see_nodes();
        picture.see_shards();
        picture
    }

    fn see_nodes(&mut self) {
        for (id, node) in self.state.nodes().iter().filter(|(_, node)| node.is_alive()) {
            let capacity = self.figures.nodes.get(id).and_then(|figure| figure.capacity);
            let fill = |capacity: u64| percent_of(capacity, self.rules.fill_percent_max);
            let view = NodeView {
                zone: node.spec.zone.clone(),
                may_get: node.state() == NodeState::Up,
                weight: self.figures.weight(*id),
                room: capacity.map(fill),
                cost: 0,
                movable: BTreeSet::new(),
                shards: 0,
            };
            if view.may_get {
                self.zones.entry(view.zone.clone()).or_default();
            }
            self.nodes.insert(*id, view);
        }
    }

    fn see_shards(&mut self) {
        for (shard, record) in self.state.shards() {
            let cost = self.cost(*shard);
            self.total = self.total.saturating_add(cost);
            let Some(owner) = record.owner else { continue };
            self.moving += usize::from(!record.is_open());
            let Some(node) = self.nodes.get_mut(&owner) else { continue };
            node.shards += 1;
            if record.is_open() {
                node.movable.insert((cost, *shard));
            }
            self.charge(owner, cost);
        }
    }

    fn charge(&mut self, node: NodeId, cost: u64) {
        let Some(view) = self.nodes.get_mut(&node) else { return };
        view.cost = view.cost.saturating_add(cost);
        if view.may_get
            && let Some(zone) = self.zones.get_mut(&view.zone)
        {
            *zone = zone.saturating_add(cost);
        }
    }

    fn discharge(&mut self, node: NodeId, cost: u64) {
        let Some(view) = self.nodes.get_mut(&node) else { return };
        view.cost = view.cost.saturating_sub(cost);
        if view.may_get
            && let Some(zone) = self.zones.get_mut(&view.zone)
        {
            *zone = zone.saturating_sub(cost);
        }
    }

    pub(crate) fn cost(&self, shard: ShardId) -> u64 {
        self.figures.load(shard).saturating_add(self.rules.shard_cost)
    }

    pub(crate) fn holding(&self, shard: ShardId) -> Option<Holding> {
        let epoch = self.state.shards().get(&shard)?.epoch;
        Some(Holding { shard, epoch })
    }

    /// The mean relative cost of the nodes that may get shards, as if they had everything.
    pub(crate) fn mean(&self) -> u128 {
        let weight: u64 =
            self.nodes.values().filter(|node| node.may_get).map(|node| node.weight).sum();
        u128::from(self.total) * SCALE / u128::from(weight.max(1))
    }

    /// The least gain that counts, as a relative cost; at least the smallest difference there is.
    pub(crate) fn gain_min(&self) -> u128 {
        (self.mean() * u128::from(self.rules.gain_percent_min) / 100).max(1)
    }

    /// The most that one zone may have.
    pub(crate) fn zone_cap(&self) -> u64 {
        let zones = u64::try_from(self.zones.len()).unwrap_or(u64::MAX).max(1);
        if zones == 1 {
            return u64::MAX;
        }
        let even = 100_u64.div_ceil(zones) + ZONE_SLACK_PERCENT;
        percent_of(self.total, self.rules.zone_percent_max.max(even))
    }

    /// Whether a zone may take more from elsewhere.
    pub(crate) fn zone_takes(&self, zone: &str, more: u64) -> bool {
        let has = self.zones.get(zone).copied().unwrap_or(0);
        has.saturating_add(more) <= self.zone_cap()
    }

    /// Whether `to` may take a shard over from `from` without breaking a rule that holds.
    pub(crate) fn may_take(&self, from: &NodeView, to: &NodeView, cost: u64) -> bool {
        let zone = from.may_get && from.zone == to.zone || self.zone_takes(&to.zone, cost);
        to.may_get && to.has_room(cost) && zone
    }

    /// The node that is best off with `more` on top, of those that `is_wanted`: among about equal
    /// ones that of the emptiest zone.
    pub(crate) fn best(
        &self,
        more: u64,
        is_wanted: impl Fn(NodeId, &NodeView) -> bool,
    ) -> Option<NodeId> {
        let equal = self.gain_min();
        let nodes = self.nodes.iter().filter(|(id, node)| node.may_get && is_wanted(**id, node));
        let key = |(id, node): &(&NodeId, &NodeView)| {
            let relative = node.relative(more);
            let zone = self.zones.get(&node.zone).copied().unwrap_or(0);
            (relative / equal, zone, relative, **id)
        };
        nodes.min_by_key(key).map(|(id, _)| *id)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.plan.commands.len() >= PLAN_COMMANDS_MAX
    }

    /// Whether another shard may be set moving; says so when not.
    pub(crate) fn may_move(&mut self) -> bool {
        let max = self.rules.moves_at_once_max;
        if self.is_full() {
            self.say(Reason::PlanFull { max: PLAN_COMMANDS_MAX });
            return false;
        }
        if self.moving >= max {
            self.say(Reason::BudgetUsed { moving: self.moving, max });
            return false;
        }
        true
    }

    /// The same for a move that nothing but balance asks for.
    pub(crate) fn may_move_freely(&mut self, cost: u64) -> bool {
        let max_percent = self.rules.moved_share_percent_max;
        let after = self.moved_cost.saturating_add(cost);
        if self.moved_cost > 0 && after > percent_of(self.total, max_percent) {
            let percent = percent(self.moved_cost, self.total);
            self.say(Reason::ShareUsed { percent, max_percent });
            return false;
        }
        self.may_move()
    }

    pub(crate) fn spend(&mut self, cost: u64) {
        self.moved_cost = self.moved_cost.saturating_add(cost);
    }

    /// Plans that a shard goes to a node.
    pub(crate) fn give(&mut self, shard: ShardId, to: NodeId, purpose: Purpose) {
        let Some(holding) = self.holding(shard) else { return };
        let cost = self.cost(shard);
        if let Some(from) = self.state.shards().get(&shard).and_then(|record| record.owner) {
            self.discharge(from, cost);
            self.forget(shard, from);
            if let Some(view) = self.nodes.get_mut(&from) {
                view.shards = view.shards.saturating_sub(1);
            }
        }
        self.charge(to, cost);
        if let Some(view) = self.nodes.get_mut(&to) {
            view.shards += 1;
        }
        self.moving += 1;
        self.plan.commands.push(Planned { command: Command::MoveShard { holding, to }, purpose });
    }

    /// Plans something that opens and closes a shard where it is.
    pub(crate) fn reshape(&mut self, command: Command, purpose: Purpose) {
        self.moving += 1;
        self.plan.commands.push(Planned { command, purpose });
    }

    /// The plan does not touch the shard again.
    pub(crate) fn forget(&mut self, shard: ShardId, owner: NodeId) {
        let cost = self.cost(shard);
        if let Some(view) = self.nodes.get_mut(&owner) {
            view.movable.remove(&(cost, shard));
        }
    }

    /// Whether the shard is open and the plan has not touched it.
    pub(crate) fn is_movable(&self, shard: ShardId) -> Option<NodeId> {
        let owner = self.state.shards().get(&shard)?.owner?;
        let is_there = self.nodes.get(&owner)?.movable.contains(&(self.cost(shard), shard));
        is_there.then_some(owner)
    }

    pub(crate) fn say(&mut self, reason: Reason) {
        let reasons = &mut self.plan.reasons;
        if reasons.len() < REASONS_MAX && !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
}

pub(crate) fn percent_of(whole: u64, percent: u64) -> u64 {
    let part = u128::from(whole) * u128::from(percent) / 100;
    u64::try_from(part).unwrap_or(u64::MAX)
}

pub(crate) fn percent(part: u64, whole: u64) -> u64 {
    let percent = u128::from(part) * 100 / u128::from(whole.max(1));
    u64::try_from(percent).unwrap_or(u64::MAX)
}
