//! Decisions about the cluster as a whole: forming it, its timeouts, its features.

use super::{Decided, No, done, happened, node_changed, shard_changed, without_feature};
use crate::bytes::JoinKey;
use crate::command::Formation;
use crate::event::{Answer, Event, NodeChange, ShardChange};
use crate::feature::Feature;
use crate::limits::{EPOCH_TAKEN_OVER_MAX, FEATURES_MAX, NODES_NAMED_MAX, SHARDS_MAX};
use crate::node::{Life, Node, NodeSpec};
use crate::refusal::{Ignored, Refusal};
use crate::shard::Shard;
use crate::state::{ControlState, Timeouts};
use schema_types::cluster::{HashRange, NodeId};
use schema_types::ids::{ShardCount, ShardId};
use schema_types::time::Timestamp;

const FIRST_NODE: NodeId = NodeId(1);

pub(super) fn form(state: &ControlState, formation: &Formation, at: Timestamp) -> Decided {
    match &state.cluster {
        Some(cluster) if cluster.join_key == formation.join_key => {
            return done(Answer::Node(FIRST_NODE), Vec::new());
        }
        Some(_) => return Err(Refusal::AlreadyFormed.into()),
        None => {}
    }
    check(formation)?;
    let Formation { join_key, first, shards, epoch_floor, timeouts } = formation;
    let mut events =
        vec![Event::ClusterFormed { join_key: *join_key, shards: *shards, timeouts: *timeouts }];
    // A cluster of one node can do what that node can.
    let features = first.features.iter().filter(|feature| **feature != Feature::BASE);
    events.extend(features.map(|feature| Event::FeatureActivated(*feature)));
    let node = joining(*join_key, first, at);
    events.push(node_changed(FIRST_NODE, NodeChange::Joined, node));
    for shard in (0..*shards).map(ShardId) {
        let Some(range) = HashRange::equal(ShardCount(*shards), shard) else { continue };
        let record = Shard::unowned(range, *epoch_floor, at);
        events.push(shard_changed(shard, ShardChange::Created, record));
    }
    done(Answer::Node(FIRST_NODE), events)
}

fn check(formation: &Formation) -> Result<(), No> {
    let part = |part: &str| No::from(Refusal::PartLimit { part: part.to_owned() });
    if formation.shards == 0 || usize::from(formation.shards) > SHARDS_MAX {
        return Err(part("shards"));
    }
    if !formation.first.is_within_limits() {
        return Err(part("node"));
    }
    if !formation.timeouts.is_within_limits() {
        return Err(part("timeouts"));
    }
    if formation.epoch_floor.0 > EPOCH_TAKEN_OVER_MAX {
        return Err(Refusal::EpochImplausible.into());
    }
    Ok(())
}

/// A node that has an id and has not started.
pub(super) fn joining(join_key: JoinKey, spec: &NodeSpec, at: Timestamp) -> Node {
    Node {
        join_key,
        spec: spec.clone(),
        incarnation: 0,
        life: Life::Joining,
        drain: None,
        lease_counter: 0,
        lease_at: at,
        since: at,
    }
}

pub(super) fn set_timeouts(timeouts: Timeouts) -> Decided {
    if !timeouts.is_within_limits() {
        return Err(Refusal::PartLimit { part: "timeouts".to_owned() }.into());
    }
    happened(Event::TimeoutsSet(timeouts))
}

pub(super) fn activate(state: &ControlState, feature: Feature) -> Decided {
    if state.is_active(feature) {
        return Err(Ignored::AlreadyDone.into());
    }
    if state.features.len() >= FEATURES_MAX {
        let max = u64::try_from(FEATURES_MAX).unwrap_or(u64::MAX);
        return Err(Refusal::TooMany { what: "features".to_owned(), max }.into());
    }
    let mut nodes = without_feature(state, feature);
    if !nodes.is_empty() {
        nodes.truncate(NODES_NAMED_MAX);
        return Err(Refusal::FeatureMissing { feature, nodes }.into());
    }
    happened(Event::FeatureActivated(feature))
}
