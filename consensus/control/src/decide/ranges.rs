//! Decisions about ranges: splitting and merging shards online. Both are hand-offs from the owner
//! to itself, so that the old epochs are fenced before anything new serves the same hashes
//! (OWN-1): the upper half of a split waits until the lower half is claimed, because that claim
//! refuses the old owner of both; the claim of a merged shard writes both owner rows.

use super::{Decided, Scene, done, shard_changed};
use crate::event::{Answer, Event, ShardChange};
use crate::limits::{SHARD_IDS_MAX, SHARDS_MAX};
use crate::refusal::Refusal;
use crate::shard::{HandOff, Holding, Shard, Source, Step, Why};
use schema_types::cluster::NodeId;
use schema_types::ids::ShardId;

pub(super) fn split(scene: Scene<'_>, holding: Holding, at: u64) -> Decided {
    let shard = holding.shard;
    let before = scene.open_shard(holding)?;
    let Some(node) = before.owner else { return Err(Refusal::ShardUnknown { shard }.into()) };
    let (lower, upper) = before.range.split_at(at).ok_or(Refusal::SplitPoint { shard })?;
    let new = new_id(scene)?;
    let epoch = before.epoch.next();

    let mut fence = HandOff::begin(Step::Fence, Why::Split, scene.at);
    fence.source = Some(Source { node, closes: vec![holding] });
    fence.frees = Some(new);
    let owner = Some(node);
    let lower = Shard { range: lower, epoch, owner, hand_off: Some(fence) };

    let mut wait = HandOff::begin(Step::Claim, Why::Split, scene.at);
    wait.waits_for = Some(shard);
    wait.inherits = Some(shard);
    let upper = Shard { range: upper, epoch, owner, hand_off: Some(wait) };

    let events = vec![
        shard_changed(shard, ShardChange::Split, lower),
        shard_changed(new, ShardChange::Created, upper),
    ];
    done(Answer::Shard(Holding { shard: new, epoch }), events)
}

fn new_id(scene: Scene<'_>) -> Result<ShardId, Refusal> {
    let too_many = |max: u64| Refusal::TooMany { what: "shards".to_owned(), max };
    if scene.state.shards.len() >= SHARDS_MAX {
        return Err(too_many(u64::try_from(SHARDS_MAX).unwrap_or(u64::MAX)));
    }
    let next = scene.cluster()?.shard_next;
    let id = u16::try_from(next).map_err(|_| too_many(u64::from(SHARD_IDS_MAX)))?;
    Ok(ShardId(id))
}

pub(super) fn merge(scene: Scene<'_>, lower: Holding, upper: Holding) -> Decided {
    let (left, right) = (scene.open_shard(lower)?, scene.open_shard(upper)?);
    let range = left.range.join(right.range).ok_or(Refusal::NotNeighbours)?;
    let node = same_owner(left, right)?;
    let mut fence = HandOff::begin(Step::Fence, Why::Merged, scene.at);
    fence.source = Some(Source { node, closes: vec![lower, upper] });
    fence.retires = Some(upper.shard);
    fence.inherits = Some(upper.shard);
    let epoch = left.epoch.max(right.epoch).next();
    let merged = Shard { range, epoch, owner: Some(node), hand_off: Some(fence) };
    let events = vec![
        Event::ShardRetired { shard: upper.shard, into: lower.shard },
        shard_changed(lower.shard, ShardChange::Merged, merged),
    ];
    done(Answer::Shard(Holding { shard: lower.shard, epoch }), events)
}

fn same_owner(left: &Shard, right: &Shard) -> Result<NodeId, Refusal> {
    match left.owner {
        Some(node) if right.owner == Some(node) => Ok(node),
        Some(_) | None => Err(Refusal::OwnersDiffer),
    }
}
