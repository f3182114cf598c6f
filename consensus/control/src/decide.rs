//! Decisions: one command into what happens, or into a reason why nothing does. Pure; each concern
//! has its file. Nothing here reads the time of the proposal to decide (TIME-1): it is only
//! written down.

mod cluster;
mod node;
mod ranges;
mod registry;
mod shard;

use crate::command::{Command, Proposal};
use crate::event::{Answer, Event, NodeChange, ShardChange};
use crate::feature::Feature;
use crate::node::{Life, Node};
use crate::refusal::{Ignored, Refusal};
use crate::shard::{Holding, Shard};
use crate::state::{Cluster, ControlState};
use schema_types::cluster::NodeId;
use schema_types::ids::ShardId;
use schema_types::time::Timestamp;

/// What a command does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) answer: Answer,
    pub(crate) events: Vec<Event>,
}

/// Why a command does nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum No {
    Ignored(Ignored),
    Refused(Box<Refusal>),
}

impl From<Ignored> for No {
    fn from(reason: Ignored) -> Self {
        Self::Ignored(reason)
    }
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

pub(crate) type Decided = Result<Decision, No>;

fn done(answer: Answer, events: Vec<Event>) -> Decided {
    Ok(Decision { answer, events })
}

fn happened(event: Event) -> Decided {
    done(Answer::Done, vec![event])
}

/// What the proposal does to the state. The state itself is not changed.
pub(crate) fn decide(state: &ControlState, proposal: &Proposal) -> Decided {
    let Proposal { at, command } = proposal;
    if let Command::FormCluster(formation) = command {
        return cluster::form(state, formation, *at);
    }
    if state.cluster.is_none() {
        return Err(Refusal::NotFormed.into());
    }
    let feature = command.feature();
    if !state.is_active(feature) {
        return Err(Refusal::FeatureInactive { feature }.into());
    }
    let scene = Scene { state, at: *at };
    match command {
        Command::FormCluster(_) => Err(Refusal::AlreadyFormed.into()),
        Command::SetTimeouts(timeouts) => cluster::set_timeouts(*timeouts),
        Command::ActivateFeature(feature) => cluster::activate(state, *feature),
        Command::JoinNode { join_key, spec } => node::join(scene, *join_key, spec),
        Command::StartNode(start) => node::start(scene, start),
        Command::StopNode { node, incarnation } => node::stop(scene, *node, *incarnation),
        Command::ObserveLease(seen) => node::observe_lease(scene, *seen),
        Command::DrainNode { node, drain } => node::drain(scene, *node, Some(*drain)),
        Command::ResumeNode { node } => node::drain(scene, *node, None),
        Command::RemoveNode { node } => node::remove(scene, *node),
        Command::MoveShard { holding, to } => shard::give(scene, *holding, *to),
        Command::CancelMove(holding) => shard::cancel(scene, *holding),
        Command::SkipSource(holding) => shard::skip_source(scene, *holding),
        Command::ReleaseShard(holding) => shard::release(scene, *holding),
        Command::ReportStep(report) => shard::report(scene, *report),
        Command::RaiseEpoch { node, holding, stored } => {
            shard::raise_epoch(scene, *node, *holding, *stored)
        }
        Command::SplitShard { holding, at } => ranges::split(scene, *holding, *at),
        Command::MergeShards { lower, upper } => ranges::merge(scene, *lower, *upper),
        Command::PutTenant(change) => registry::put_tenant(state, change),
        Command::PutPolicy(change) => registry::put_policy(state, change),
        Command::AnchorAuditHead(change) => registry::anchor(state, change),
    }
}

/// What a decision looks at: the state, and the time to write down.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    state: &'a ControlState,
    at: Timestamp,
}

impl<'a> Scene<'a> {
    /// A node that has not left.
    fn node(self, node: NodeId) -> Result<&'a Node, Refusal> {
        match self.state.nodes.get(&node) {
            None if self.was_given_out(node) => Err(Refusal::NodeLeft { node }),
            None => Err(Refusal::NodeUnknown { node }),
            Some(record) if record.life == Life::Left => Err(Refusal::NodeLeft { node }),
            Some(record) => Ok(record),
        }
    }

    fn was_given_out(self, node: NodeId) -> bool {
        self.cluster().is_ok_and(|cluster| (1..cluster.node_next).contains(&node.0))
    }

    fn cluster(self) -> Result<&'a Cluster, Refusal> {
        self.state.cluster.as_ref().ok_or(Refusal::NotFormed)
    }

    fn is_alive(self, node: NodeId) -> bool {
        self.state.nodes.get(&node).is_some_and(Node::is_alive)
    }

    /// A shard that is in the epoch that the command assumes.
    fn shard(self, holding: Holding) -> Result<&'a Shard, Refusal> {
        let Holding { shard, epoch } = holding;
        let record = self.state.shards.get(shard).ok_or(Refusal::ShardUnknown { shard })?;
        if record.epoch != epoch {
            return Err(Refusal::EpochMoved { shard, current: record.epoch });
        }
        Ok(record)
    }

    /// The same, and open.
    fn open_shard(self, holding: Holding) -> Result<&'a Shard, Refusal> {
        let record = self.shard(holding)?;
        match &record.hand_off {
            None => Ok(record),
            Some(hand_off) => {
                Err(Refusal::ShardMoving { shard: holding.shard, step: hand_off.step })
            }
        }
    }
}

fn node_changed(node: NodeId, change: NodeChange, record: Node) -> Event {
    Event::NodeChanged { node, change, record: Box::new(record) }
}

fn shard_changed(shard: ShardId, change: ShardChange, record: Shard) -> Event {
    Event::ShardChanged { shard, change, record: Box::new(record) }
}

/// The nodes that keep a feature from being active: all that may come to work with the others
/// without asking first. One that is down asks when it starts.
fn without_feature(state: &ControlState, feature: Feature) -> Vec<NodeId> {
    let lacking = state.nodes.iter().filter(|(_, node)| match node.life {
        Life::Joining | Life::Up => !node.spec.features.contains(&feature),
        Life::Down | Life::Stopped | Life::Left => false,
    });
    lacking.map(|(node, _)| *node).collect()
}
