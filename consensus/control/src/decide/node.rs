//! Decisions about nodes: joining, starting, stopping, leases, draining, leaving.

use super::{Decided, No, Scene, done, node_changed, shard_changed};
use crate::bytes::JoinKey;
use crate::command::{LeaseObservation, NodeStart};
use crate::decide::cluster::joining;
use crate::event::{Answer, Event, NodeChange, ShardChange};
use crate::feature::Feature;
use crate::limits::{NODES_LEFT_MAX, NODES_MAX, OBSERVER_RENEWALS_MIN};
use crate::node::{Drain, Life, Node, NodeSpec};
use crate::refusal::{Ignored, Refusal};
use crate::shard::{Shard, Why};
use schema_types::cluster::NodeId;
use schema_types::ids::ShardId;

/// Checks what a node says about itself, with the name free but for the node's own.
fn check_spec(scene: Scene<'_>, spec: &NodeSpec, own: Option<NodeId>) -> Result<(), No> {
    if !spec.is_within_limits() {
        return Err(Refusal::PartLimit { part: "node".to_owned() }.into());
    }
    let lacks = |feature: &&Feature| !spec.features.contains(feature);
    if let Some(feature) = scene.state.features.iter().find(lacks) {
        return Err(Refusal::SoftwareTooOld { feature: *feature }.into());
    }
    let namesake = scene.state.nodes.iter().find(|(node, record)| {
        Some(**node) != own && record.life != Life::Left && record.spec.name == spec.name
    });
    match namesake {
        Some((node, _)) => Err(Refusal::NameTaken { node: *node }.into()),
        None => Ok(()),
    }
}

pub(super) fn join(scene: Scene<'_>, join_key: JoinKey, spec: &NodeSpec) -> Decided {
    let known = scene.state.nodes.iter().find(|(_, record)| record.join_key == join_key);
    if let Some((node, record)) = known {
        if record.life == Life::Left {
            return Err(Refusal::NodeLeft { node: *node }.into());
        }
        return done(Answer::Node(*node), Vec::new());
    }
    check_spec(scene, spec, None)?;
    let staying = scene.state.nodes.values().filter(|record| record.life != Life::Left).count();
    if staying >= NODES_MAX {
        let max = u64::try_from(NODES_MAX).unwrap_or(u64::MAX);
        return Err(Refusal::TooMany { what: "nodes".to_owned(), max }.into());
    }
    let node = NodeId(scene.cluster()?.node_next);
    let record = joining(join_key, spec, scene.at);
    done(Answer::Node(node), vec![node_changed(node, NodeChange::Joined, record)])
}

pub(super) fn start(scene: Scene<'_>, start: &NodeStart) -> Decided {
    let node = start.node;
    let known = scene.node(node)?;
    if start.incarnation < known.incarnation {
        return Err(Refusal::IncarnationBehind { node }.into());
    }
    if start.incarnation == known.incarnation {
        return Err(Ignored::AlreadyDone.into());
    }
    check_spec(scene, &start.spec, Some(node))?;
    let record = Node {
        join_key: known.join_key,
        spec: start.spec.clone(),
        incarnation: start.incarnation,
        life: Life::Up,
        drain: known.drain.filter(|drain| *drain == Drain::ForGood),
        lease_counter: known.lease_counter.max(start.lease_counter),
        lease_at: scene.at,
        since: scene.at,
    };
    let mut events = vec![node_changed(node, NodeChange::Started, record)];
    let concern = scene.state.shards.concern(node);
    events.extend(concern.into_iter().filter_map(|shard| restarted(scene, node, shard)));
    done(Answer::Node(node), events)
}

/// A shard of a node that restarted: an earlier run of the process may still be about, so what
/// the node owns gets a new epoch, and what it was to let go of is fenced by the claim (OWN-1).
fn restarted(scene: Scene<'_>, node: NodeId, shard: ShardId) -> Option<Event> {
    let before = scene.state.shards.get(shard)?;
    let is_source = |record: &Shard| record.source().is_some_and(|source| source.node == node);
    let mut record = before.clone();
    if is_source(&record) {
        record = record.without_source(scene.at);
    }
    if record.owner != Some(node) {
        return Some(shard_changed(shard, ShardChange::SourceSkipped, record));
    }
    record = record.given_to(node, shard, Why::OwnerRestarted, scene.at);
    if is_source(&record) {
        record = record.without_source(scene.at);
    }
    Some(shard_changed(shard, ShardChange::Given, record))
}

pub(super) fn stop(scene: Scene<'_>, node: NodeId, incarnation: u64) -> Decided {
    let known = scene.node(node)?;
    if incarnation != known.incarnation {
        return Err(Ignored::RunPassed.into());
    }
    match known.life {
        Life::Stopped => Err(Ignored::AlreadyDone.into()),
        Life::Up | Life::Down | Life::Joining | Life::Left => {
            let record = Node { life: Life::Stopped, since: scene.at, ..known.clone() };
            done(Answer::Done, gone(scene, node, NodeChange::Stopped, record))
        }
    }
}

/// What an observer saw. The lease is over when its counter stood still for the whole lease by a
/// monotonic clock, while the store took renewals from the observer: a store that stands still
/// makes no node dead. That a node is wrongly held for down is a loss of time, never of safety:
/// its commits succeed until another node claims (OWN-1, TIME-1).
pub(super) fn observe_lease(scene: Scene<'_>, seen: LeaseObservation) -> Decided {
    let node = seen.node;
    let known = scene.node(node)?;
    if seen.incarnation != known.incarnation {
        return Err(Ignored::RunPassed.into());
    }
    if seen.counter < known.lease_counter {
        return Err(Ignored::LeasePassed.into());
    }
    let is_renewed = seen.counter > known.lease_counter;
    match known.life {
        Life::Joining | Life::Stopped | Life::Left => Err(Ignored::RunPassed.into()),
        Life::Up | Life::Down if is_renewed => {
            done(Answer::Done, vec![renewed(scene, seen, known)])
        }
        Life::Down => Err(Ignored::AlreadyDone.into()),
        Life::Up
            if seen.observer_renewals < OBSERVER_RENEWALS_MIN
                && !node_env::planted!("lease-judged-by-stalled-observer") =>
        {
            Err(Refusal::ObserverStalled.into())
        }
        Life::Up if seen.unchanged_ms < scene.state.timeouts().lease_ms => {
            Err(Refusal::LeaseNotOver { node }.into())
        }
        Life::Up => {
            let record = Node { life: Life::Down, since: scene.at, ..known.clone() };
            done(Answer::Done, gone(scene, node, NodeChange::WentDown, record))
        }
    }
}

fn renewed(scene: Scene<'_>, seen: LeaseObservation, known: &Node) -> Event {
    let is_back = known.life == Life::Down;
    let change = if is_back { NodeChange::CameBack } else { NodeChange::LeaseRenewed };
    let since = if is_back { scene.at } else { known.since };
    let (lease_counter, lease_at) = (seen.counter, scene.at);
    let record = Node { life: Life::Up, since, lease_counter, lease_at, ..known.clone() };
    node_changed(seen.node, change, record)
}

/// A node that does not work any longer, and each shard that depended on it.
fn gone(scene: Scene<'_>, node: NodeId, change: NodeChange, record: Node) -> Vec<Event> {
    let mut events = vec![node_changed(node, change, record)];
    let stays = node_env::planted!("handoff-dead-node-keeps-shards");
    for shard in scene.state.shards.concern(node).into_iter().skip(usize::from(stays)) {
        let Some(before) = scene.state.shards.get(shard) else { continue };
        events.push(without(scene, node, shard, before));
    }
    events
}

fn without(scene: Scene<'_>, node: NodeId, shard: ShardId, before: &Shard) -> Event {
    let source = before.source().map(|source| source.node);
    let is_owner = before.owner == Some(node);
    match source {
        // The target is gone before the source let go: back to where it was.
        Some(source) if is_owner && source != node && scene.is_alive(source) => {
            let record = before.given_to(source, shard, Why::MoveCancelled, scene.at);
            shard_changed(shard, ShardChange::Given, record)
        }
        _ if is_owner => {
            shard_changed(shard, ShardChange::Released, before.released(Why::OwnerDown, scene.at))
        }
        Some(_) | None => {
            let record = before.without_source(scene.at);
            shard_changed(shard, ShardChange::SourceSkipped, record)
        }
    }
}

pub(super) fn drain(scene: Scene<'_>, node: NodeId, drain: Option<Drain>) -> Decided {
    let known = scene.node(node)?;
    if known.drain == drain {
        return Err(Ignored::AlreadyDone.into());
    }
    let change = match drain {
        Some(_) => NodeChange::DrainBegun,
        None => NodeChange::DrainEnded,
    };
    let record = Node { drain, since: scene.at, ..known.clone() };
    done(Answer::Done, vec![node_changed(node, change, record)])
}

pub(super) fn remove(scene: Scene<'_>, node: NodeId) -> Decided {
    let known = match scene.node(node) {
        Err(Refusal::NodeLeft { .. }) => return Err(Ignored::AlreadyDone.into()),
        known => known?,
    };
    let shards = scene.state.shards.concern(node).len();
    if shards > 0 {
        let shards = u64::try_from(shards).unwrap_or(u64::MAX);
        return Err(Refusal::NodeHasShards { node, shards }.into());
    }
    let mut left = scene.state.nodes.iter().filter(|(_, record)| record.life == Life::Left);
    let oldest = if left.clone().count() >= NODES_LEFT_MAX { left.next() } else { None };
    let mut events: Vec<Event> =
        oldest.map(|(node, _)| Event::NodeForgotten { node: *node }).into_iter().collect();
    let record = Node { life: Life::Left, drain: None, since: scene.at, ..known.clone() };
    events.push(node_changed(node, NodeChange::Left, record));
    done(Answer::Done, events)
}
