//! Splits and merges: what is refused, and that the ranges, ids and epochs come out right.

use crate::world::World;
use consensus_control::limits::SHARD_IDS_MAX;
use consensus_control::{Command, Holding, Ignored, Refusal, Step, WaitsFor, Why};
use schema_types::cluster::{Epoch, HashRange, NodeId};
use schema_types::ids::ShardId;

fn split(world: &World, shard: u16) -> Command {
    let at = world.state.shards()[&ShardId(shard)].range.middle().unwrap();
    Command::SplitShard { holding: world.holding(shard), at }
}

fn merge(world: &World, lower: u16, upper: u16) -> Command {
    Command::MergeShards { lower: world.holding(lower), upper: world.holding(upper) }
}

#[test]
fn a_split_gives_two_ranges_that_together_are_the_old_one() {
    let mut world = World::formed(1, 1);
    let before = world.holding(0);
    world.done(split(&world, 0));
    let range = |shard: u16| world.state.shards()[&ShardId(shard)].range;
    assert_eq!(range(0).join(range(1)), Some(HashRange::WHOLE));
    assert_eq!(world.holding(0).epoch, before.epoch.next());
    assert_eq!(world.holding(1).epoch, before.epoch.next());
    let upper = world.state.paused().find(|paused| paused.holding.shard == ShardId(1)).unwrap();
    assert_eq!((upper.why, upper.waits_for), (Why::Split, WaitsFor::Shard(ShardId(0))));
    let due: Vec<_> = world.state.due_actions(NodeId(1));
    assert_eq!(due.len(), 1, "the upper half is not due before the lower is claimed");
    assert_eq!((due[0].step, due[0].closes.as_slice()), (Step::Fence, [before].as_slice()));
    let Holding { shard, epoch } = world.holding(1);
    let early =
        consensus_control::command::StepReport { node: NodeId(1), shard, epoch, step: Step::Claim };
    assert_eq!(world.ignored(Command::ReportStep(early)), Ignored::StepAhead);
    world.settle();
    let map = world.state.shard_map().unwrap();
    assert_eq!(map.place_of(u64::MAX).shard, ShardId(1));
    assert_eq!(map.place_of(0).shard, ShardId(0));
}

#[test]
fn a_merge_takes_in_the_upper_shard_and_retires_its_id() {
    let mut world = World::formed(1, 2);
    world.done(Command::ReleaseShard(world.holding(1)));
    world.settle();
    let (lower, upper) = (world.holding(0), world.holding(1));
    assert_ne!(lower.epoch, upper.epoch);
    world.done(merge(&world, 0, 1));
    assert_eq!(world.state.shards().len(), 1);
    assert_eq!(world.holding(0).epoch, upper.epoch.next(), "above both");
    let fence = world.state.due_actions(NodeId(1)).remove(0);
    assert_eq!(fence.closes, [lower, upper]);
    assert_eq!(fence.retires, None);
    assert!(world.state.may_hold(NodeId(1), upper));
    world.settle();
    assert!(!world.state.may_hold(NodeId(1), upper));
    assert_eq!(world.owners[&ShardId(1)].0, world.holding(0).epoch, "its owner row is fenced");
    world.done(split(&world, 0));
    assert!(world.state.shards().contains_key(&ShardId(2)), "ids do not return");
    world.settle();
}

#[test]
fn what_cannot_be_split_or_merged_is_refused() {
    let mut world = World::formed(2, 4);
    let first = world.holding(0);
    let range = world.state.shards()[&ShardId(0)].range;
    for at in [range.first(), range.last() + 1, u64::MAX] {
        let command = Command::SplitShard { holding: first, at };
        assert_eq!(world.refusal(command), Refusal::SplitPoint { shard: ShardId(0) });
    }
    assert_eq!(world.refusal(merge(&world, 1, 0)), Refusal::NotNeighbours);
    assert_eq!(world.refusal(merge(&world, 0, 2)), Refusal::NotNeighbours);
    assert_eq!(world.refusal(merge(&world, 0, 0)), Refusal::NotNeighbours);
    assert_ne!(world.owner(0), world.owner(1));
    assert_eq!(world.refusal(merge(&world, 0, 1)), Refusal::OwnersDiffer);
    let stale = Holding { epoch: Epoch(0), ..first };
    let command = Command::SplitShard { holding: stale, at: 5 };
    let current = first.epoch;
    assert_eq!(world.refusal(command), Refusal::EpochMoved { shard: ShardId(0), current });
    let to = if world.owner(0) == Some(NodeId(1)) { 2 } else { 1 };
    world.begin_move(0, to);
    let moving = Refusal::ShardMoving { shard: ShardId(0), step: Step::Fence };
    assert_eq!(world.refusal(split(&world, 0)), moving);
    assert_eq!(world.refusal(merge(&world, 0, 1)), moving);
    world.settle();
    world.done(merge(&world, 0, 1));
    world.settle();
}

#[test]
fn shard_ids_run_out_and_are_refused_then_lim_1() {
    let mut world = World::formed(1, 1);
    let mut newest = 0;
    for _ in 1..600 {
        world.done(split(&world, 0));
        world.settle();
        newest += 1;
        world.done(merge(&world, 0, newest));
        world.settle();
    }
    assert_eq!(world.state.shards().len(), 1);
    // The rest of the numbers would take minutes: the counter is stored, so it can be set there.
    let text = String::from_utf8(world.state.encode().unwrap()).unwrap();
    let text = text.replace("\"shard_next\":600", &format!("\"shard_next\":{SHARD_IDS_MAX}"));
    world.state = consensus_control::ControlState::decode(text.as_bytes()).unwrap();
    let max = u64::from(SHARD_IDS_MAX);
    let refusal = Refusal::TooMany { what: "shards".to_owned(), max };
    assert_eq!(world.refusal(split(&world, 0)), refusal);
}
