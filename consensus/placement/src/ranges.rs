//! Splitting hot shards and merging cold neighbours.
//!
//! Why this comes to an end while loads stay as they are: two neighbours are merged only when
//! they are far colder together than a shard that is split, so no merged shard is split and no
//! half of a split shard is merged with the other. Hot ranges get narrower down to a limit, then
//! merges make the shards fewer down to theirs. A cold shard that goes to its neighbour's owner is
//! not moved for another sake until it is merged.

use crate::picture::Picture;
use crate::reason::{NotSplit, Purpose, Reason};
use consensus_control::limits::SHARDS_MAX;
use consensus_control::{Command, Feature, Shard};
use schema_types::cluster::NodeId;
use schema_types::ids::ShardId;

/// Splits open shards that are hot.
pub(crate) fn split_hot(picture: &mut Picture<'_>) {
    let hot: Vec<ShardId> = picture
        .state
        .shards()
        .keys()
        .copied()
        .filter(|shard| picture.figures.load(*shard) >= picture.rules.hot_load_min)
        .collect();
    let mut count = picture.state.shards().len();
    for shard in hot {
        let Some(owner) = picture.is_movable(shard) else { continue };
        let (Some(record), Some(holding)) =
            (picture.state.shards().get(&shard), picture.holding(shard))
        else {
            continue;
        };
        match split_point(picture, shard, record, count) {
            Err(why) => picture.say(Reason::HotNotSplit { shard, why }),
            Ok(at) => {
                if !picture.may_move() {
                    return;
                }
                count += 1;
                picture.forget(shard, owner);
                picture.reshape(Command::SplitShard { holding, at }, Purpose::SplitHot);
            }
        }
    }
}

fn split_point(
    picture: &Picture<'_>,
    shard: ShardId,
    record: &Shard,
    count: usize,
) -> Result<u64, NotSplit> {
    if !picture.state.is_active(Feature::SPLIT_AND_MERGE) {
        return Err(NotSplit::FeatureInactive);
    }
    if count >= SHARDS_MAX {
        return Err(NotSplit::ShardLimit);
    }
    if record.range.width() < picture.rules.split_hashes_min {
        return Err(NotSplit::TooNarrow);
    }
    let known = picture.figures.shards.get(&shard).and_then(|figure| figure.split_at);
    let known = known.filter(|at| record.range.split_at(*at).is_some());
    known.or_else(|| record.range.middle()).ok_or(NotSplit::TooNarrow)
}

/// Two cold neighbours.
struct Pair {
    lower: (ShardId, NodeId),
    upper: (ShardId, NodeId),
}

/// Merges cold neighbours, or brings them together first.
pub(crate) fn merge_cold(picture: &mut Picture<'_>) {
    if !picture.state.is_active(Feature::SPLIT_AND_MERGE) {
        return;
    }
    for Pair { lower, upper } in cold_pairs(picture) {
        let is_together = lower.1 == upper.1;
        // Until they are one, nothing else moves them.
        if is_together {
            picture.forget(lower.0, lower.1);
            picture.forget(upper.0, upper.1);
        }
        if is_together {
            merge(picture, lower.0, upper.0);
        } else {
            gather(picture, lower, upper);
        }
    }
}

fn merge(picture: &mut Picture<'_>, lower: ShardId, upper: ShardId) {
    if let (Some(lower), Some(upper)) = (picture.holding(lower), picture.holding(upper))
        && picture.may_move()
    {
        picture.reshape(Command::MergeShards { lower, upper }, Purpose::MergeCold);
    }
}

fn gather(picture: &mut Picture<'_>, lower: (ShardId, NodeId), upper: (ShardId, NodeId)) {
    let cost = picture.cost(upper.0);
    let (from, to) = (picture.nodes.get(&upper.1), picture.nodes.get(&lower.1));
    let (Some(from), Some(to)) = (from, to) else { return };
    if !picture.may_take(from, to, cost) || !picture.may_move_freely(cost) {
        return;
    }
    picture.spend(cost);
    picture.forget(lower.0, lower.1);
    picture.give(upper.0, lower.1, Purpose::Gather);
}

/// Pairs in the order of the ranges, none sharing a shard, as many as there are shards to spare.
fn cold_pairs(picture: &Picture<'_>) -> Vec<Pair> {
    let at_first = picture.state.cluster().map_or(0, |it| usize::from(it.shards_at_first));
    let least = picture.rules.shards_min.unwrap_or(at_first);
    let mut spare = picture.state.shards().len().saturating_sub(least);
    let mut pairs = Vec::new();
    let mut before: Option<(ShardId, NodeId)> = None;
    for (shard, _) in picture.state.shards_in_order() {
        let current = picture.is_movable(shard).map(|owner| (shard, owner));
        let is_cold = |lower: (ShardId, NodeId)| {
            let load = picture.figures.load(lower.0).saturating_add(picture.figures.load(shard));
            load <= picture.rules.cold_load_max
        };
        match (before, current) {
            (Some(lower), Some(upper)) if spare > 0 && is_cold(lower) => {
                pairs.push(Pair { lower, upper });
                spare -= 1;
                before = None;
            }
            _ => before = current,
        }
    }
    pairs
}
