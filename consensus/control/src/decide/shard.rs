//! Decisions about one shard's owner and hand-off.

use super::{Decided, No, Scene, done, shard_changed};
use crate::command::StepReport;
use crate::event::{Answer, Event, ShardChange};
use crate::limits::EPOCH_TAKEN_OVER_MAX;
use crate::node::Node;
use crate::refusal::{Ignored, Refusal};
use crate::shard::{HandOff, Holding, Shard, Step, Why};
use schema_types::cluster::{Epoch, NodeId};
use schema_types::ids::ShardId;

fn changed(shard: ShardId, change: ShardChange, record: Shard) -> Decided {
    let answer = Answer::Shard(Holding { shard, epoch: record.epoch });
    done(answer, vec![shard_changed(shard, change, record)])
}

/// The hand-off of a shard in the epoch that the command assumes.
fn hand_off<'a>(scene: Scene<'a>, holding: Holding) -> Result<(&'a Shard, &'a HandOff), Refusal> {
    let record = scene.shard(holding)?;
    let shard = holding.shard;
    let hand_off = record.hand_off.as_ref().ok_or(Refusal::NoChange { shard })?;
    Ok((record, hand_off))
}

pub(super) fn give(scene: Scene<'_>, holding: Holding, to: NodeId) -> Decided {
    let shard = holding.shard;
    let record = scene.shard(holding)?;
    if !scene.node(to)?.may_get_shards() {
        return Err(Refusal::NodeNotUp { node: to }.into());
    }
    if record.owner == Some(to) {
        return Err(Refusal::NoChange { shard }.into());
    }
    let why = record.hand_off.as_ref().filter(|_| record.owner.is_none());
    let why = why.map_or(Why::Moved, |hand_off| hand_off.why);
    changed(shard, ShardChange::Given, record.given_to(to, shard, why, scene.at))
}

pub(super) fn cancel(scene: Scene<'_>, holding: Holding) -> Decided {
    let shard = holding.shard;
    let (record, hand_off) = hand_off(scene, holding)?;
    let Some(source) = &hand_off.source else {
        return Err(Refusal::StepPassed { shard, step: hand_off.step }.into());
    };
    if record.owner == Some(source.node) {
        return Err(Refusal::NoChange { shard }.into());
    }
    let record = record.given_to(source.node, shard, Why::MoveCancelled, scene.at);
    changed(shard, ShardChange::Given, record)
}

pub(super) fn skip_source(scene: Scene<'_>, holding: Holding) -> Decided {
    let shard = holding.shard;
    let (record, hand_off) = hand_off(scene, holding)?;
    if hand_off.source.is_none() {
        return Err(Refusal::StepPassed { shard, step: hand_off.step }.into());
    }
    changed(shard, ShardChange::SourceSkipped, record.without_source(scene.at))
}

pub(super) fn release(scene: Scene<'_>, holding: Holding) -> Decided {
    let shard = holding.shard;
    let record = scene.shard(holding)?;
    if record.owner.is_none() {
        return Err(Refusal::NoChange { shard }.into());
    }
    match &record.hand_off {
        Some(hand_off) if hand_off.step.is_source_side() => {
            Err(Refusal::StepAhead { shard, step: hand_off.step }.into())
        }
        Some(_) | None => {
            let record = record.released(Why::Released, scene.at);
            changed(shard, ShardChange::Released, record)
        }
    }
}

/// A report counts when it is about the step that is due, in the epoch of the plan, from the node
/// whose turn it is. Everything else is late, early or somebody else's, and changes nothing.
pub(super) fn report(scene: Scene<'_>, report: StepReport) -> Decided {
    let shard = report.shard;
    let record = current(scene, shard, report.epoch)?;
    let hand_off = record.hand_off.as_ref().ok_or(Ignored::AlreadyDone)?;
    if report.step < hand_off.step {
        return Err(Ignored::AlreadyDone.into());
    }
    let is_tied = report.step == Step::Claim && hand_off.waits_for.is_some();
    if report.step > hand_off.step || is_tied {
        return Err(Ignored::StepAhead.into());
    }
    if record.turn() != Some(report.node) {
        return Err(Ignored::NotItsTurn.into());
    }
    let stepped = record.stepped(scene.at);
    let change =
        if stepped.is_open() { ShardChange::Opened } else { ShardChange::Stepped(report.step) };
    let mut events = vec![shard_changed(shard, change, stepped)];
    if report.step == Step::Claim {
        events.extend(freed(scene, hand_off));
    }
    done(Answer::Shard(Holding { shard, epoch: report.epoch }), events)
}

fn freed(scene: Scene<'_>, hand_off: &HandOff) -> Option<Event> {
    let waiting = hand_off.frees?;
    let record = scene.state.shards.get(waiting)?.freed(scene.at);
    Some(shard_changed(waiting, ShardChange::Freed, record))
}

/// The shard, when it is in this epoch.
fn current<'a>(scene: Scene<'a>, shard: ShardId, epoch: Epoch) -> Result<&'a Shard, No> {
    let record = scene.state.shards.get(shard).ok_or(Ignored::EpochPassed)?;
    if epoch < record.epoch && !node_env::planted!("handoff-late-report-counts") {
        return Err(Ignored::EpochPassed.into());
    }
    if epoch > record.epoch {
        return Err(Ignored::EpochUnknown.into());
    }
    Ok(record)
}

/// The store holds a higher epoch than the claim was to write: the plan was made from nothing
/// over a store that was in use. The claimant gets an epoch above it.
pub(super) fn raise_epoch(
    scene: Scene<'_>,
    node: NodeId,
    holding: Holding,
    stored: Epoch,
) -> Decided {
    let Holding { shard, epoch } = holding;
    let record = current(scene, shard, epoch)?;
    let hand_off = record.hand_off.as_ref().ok_or(Ignored::AlreadyDone)?;
    if hand_off.step > Step::Claim {
        return Err(Ignored::AlreadyDone.into());
    }
    if hand_off.step < Step::Claim || hand_off.waits_for.is_some() {
        return Err(Ignored::StepAhead.into());
    }
    if record.owner != Some(node) || !scene.state.nodes.get(&node).is_some_and(Node::is_alive) {
        return Err(Ignored::NotItsTurn.into());
    }
    if stored < epoch {
        return Err(Refusal::NoChange { shard }.into());
    }
    if stored.0 > EPOCH_TAKEN_OVER_MAX {
        return Err(Refusal::EpochImplausible.into());
    }
    let raised = Shard { epoch: stored, ..record.clone() };
    let record = raised.given_to(node, shard, Why::EpochRaised, scene.at);
    changed(shard, ShardChange::Given, record)
}
