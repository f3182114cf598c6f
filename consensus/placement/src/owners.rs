//! Who gets a shard: those without an owner first, then those of draining nodes, then those of
//! zones and nodes that have too much.
//!
//! Why this comes to an end while loads stay as they are: a move for the sake of zones lowers what
//! zones have above their limit, and no other move raises it. A move for the sake of balance
//! leaves both nodes at least the least gain below what the busier one had, so the sorted loads
//! fall in lexicographic order. Both are bounded below, so nothing goes back and forth.

use crate::picture::{NodeView, Picture, percent};
use crate::reason::{Purpose, Reason};
use consensus_control::{Node, NodeState};
use schema_types::cluster::NodeId;
use schema_types::ids::ShardId;
use std::cmp::Reverse;

/// Gives every shard without an owner to a node. That none has room does not keep it back: a full
/// node serves late, no node serves never.
pub(crate) fn give_owners(picture: &mut Picture<'_>) {
    let mut unowned: Vec<(u64, ShardId)> = picture
        .state
        .not_open()
        .iter()
        .filter(|shard| picture.state.shards().get(shard).is_some_and(|it| it.owner.is_none()))
        .map(|shard| (picture.cost(*shard), *shard))
        .collect();
    unowned.sort_unstable_by_key(|(cost, shard)| (Reverse(*cost), *shard));
    for (cost, shard) in unowned {
        if picture.is_full() {
            let max = crate::limits::PLAN_COMMANDS_MAX;
            picture.say(Reason::PlanFull { max });
            return;
        }
        let record = picture.state.shards().get(&shard);
        let failed = record.and_then(|record| record.hand_off.as_ref()?.taken_from);
        let failed = failed.filter(|_| !node_env::planted!("placement-forgets-failed-node"));
        let roomy = picture.best(cost, |id, node| Some(id) != failed && node.has_room(cost));
        let other = roomy.or_else(|| picture.best(cost, |id, _| Some(id) != failed));
        let Some(to) = other.or_else(|| picture.best(cost, |_, _| true)) else { return };
        if picture.nodes.get(&to).is_some_and(|node| !node.has_room(cost)) {
            picture.say(Reason::Overfull { node: to });
        }
        picture.give(shard, to, Purpose::GiveOwner);
    }
}

/// Moves the shards of draining nodes away, the largest first, to nodes that have room.
pub(crate) fn drain(picture: &mut Picture<'_>) {
    let is_draining = |node: &Node| node.state() == NodeState::Draining;
    let nodes = picture.state.nodes().iter().filter(|(_, node)| is_draining(node));
    for node in nodes.map(|(id, _)| *id) {
        let Some(view) = picture.nodes.get(&node) else { continue };
        let shards: Vec<(u64, ShardId)> = view.movable.iter().rev().copied().collect();
        for (cost, shard) in shards {
            let Some(to) = picture.best(cost, |_, target| target.has_room(cost)) else {
                picture.say(Reason::NoRoom { node, shard });
                continue;
            };
            if !picture.may_move() {
                break;
            }
            picture.give(shard, to, Purpose::Drain);
        }
        let shards_left = picture.nodes.get(&node).map_or(0, |view| view.shards);
        if shards_left > 0 {
            picture.say(Reason::NodeDraining { node, shards_left });
        }
    }
}

/// Moves shards out of zones that hold more than their part.
pub(crate) fn spread_zones(picture: &mut Picture<'_>) {
    let zones: Vec<String> = picture.zones.keys().cloned().collect();
    for zone in zones {
        while picture.zones.get(&zone).is_some_and(|cost| *cost > picture.zone_cap()) {
            let Some((shard, to, cost)) = out_of_zone(picture, &zone) else {
                let cost = picture.zones.get(&zone).copied().unwrap_or(0);
                let percent = percent(cost, picture.total);
                picture.say(Reason::ZoneFull { zone: zone.clone(), percent });
                break;
            };
            if !picture.may_move_freely(cost) {
                return;
            }
            picture.spend(cost);
            picture.give(shard, to, Purpose::SpreadZones);
        }
    }
}

/// The largest shard of the zone's busiest nodes that fits somewhere else.
fn out_of_zone(picture: &Picture<'_>, zone: &str) -> Option<(ShardId, NodeId, u64)> {
    let strain = picture.mean() * u128::from(picture.rules.strain_percent_max) / 100;
    let mut inside: Vec<&NodeView> =
        picture.nodes.values().filter(|node| node.may_get && node.zone == zone).collect();
    inside.sort_by_key(|node| Reverse(node.relative(0)));
    for node in inside {
        for (cost, shard) in node.movable.iter().rev() {
            let fits = |_, target: &NodeView| {
                target.zone != zone
                    && picture.may_take(node, target, *cost)
                    && target.relative(*cost) <= strain
            };
            if let Some(to) = picture.best(*cost, fits) {
                return Some((*shard, to, *cost));
            }
        }
    }
    None
}

/// Moves shards from busy nodes to idle ones, as long as each move gains enough.
pub(crate) fn balance(picture: &mut Picture<'_>) {
    while let Some((shard, to, cost)) = balancing_move(picture) {
        if !picture.may_move_freely(cost) {
            return;
        }
        picture.spend(cost);
        picture.give(shard, to, Purpose::Balance);
    }
    let Some((node, gain)) = best_gain(picture) else { return };
    let mean = picture.mean().max(1);
    let gain_percent = u64::try_from(gain * 100 / mean).unwrap_or(u64::MAX);
    let needed_percent = picture.rules.gain_percent_min;
    picture.say(Reason::NoBetterTarget { node, gain_percent, needed_percent });
}

/// The nodes that may get shards, the busiest first.
fn by_load<'a>(picture: &'a Picture<'_>) -> Vec<(NodeId, &'a NodeView)> {
    let nodes = picture.nodes.iter().filter(|(_, node)| node.may_get);
    let mut nodes: Vec<(NodeId, &NodeView)> = nodes.map(|(id, node)| (*id, node)).collect();
    nodes.sort_by_key(|(id, node)| (Reverse(node.relative(0)), *id));
    nodes
}

fn balancing_move(picture: &Picture<'_>) -> Option<(ShardId, NodeId, u64)> {
    let gain_min = picture.gain_min();
    let nodes = by_load(picture);
    for (from, busy) in &nodes {
        for (to, idle) in nodes.iter().rev() {
            if from == to || busy.relative(0) < idle.relative(0) + gain_min {
                break;
            }
            if let Some((cost, shard)) = fitting(picture, busy, idle, gain_min) {
                return Some((shard, *to, cost));
            }
        }
    }
    None
}

/// The shard that evens the two nodes out best: the largest that does not overshoot, else the
/// smallest.
fn fitting(
    picture: &Picture<'_>,
    busy: &NodeView,
    idle: &NodeView,
    gain_min: u128,
) -> Option<(u64, ShardId)> {
    let even = busy.even_part(idle);
    let smallest = busy.movable.first().map(|(cost, _)| *cost)?;
    if !picture.may_take(busy, idle, smallest) {
        return None;
    }
    let pivot = (even, ShardId(u16::MAX));
    let below = busy.movable.range(..=pivot).rev();
    let above = busy.movable.range(pivot..).take(1);
    let gain = if node_env::planted!("placement-ignores-gain") { 0 } else { gain_min };
    let gains = |cost: u64| idle.relative(cost) + gain <= busy.relative(0);
    below
        .chain(above)
        .find(|(cost, _)| gains(*cost) && picture.may_take(busy, idle, *cost))
        .copied()
}

/// The busiest node, and by how much the idlest one is better off with the busiest one's smallest
/// shard.
fn best_gain(picture: &Picture<'_>) -> Option<(NodeId, u128)> {
    let nodes = by_load(picture);
    let ((node, busy), (_, idle)) = (nodes.first()?, nodes.last()?);
    let smallest = busy.movable.first().map_or(0, |(cost, _)| *cost);
    Some((*node, busy.relative(0).saturating_sub(idle.relative(smallest))))
}
