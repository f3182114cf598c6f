//! The lint finds what would break the state, and takes what a planner makes.

use crate::world::World;
use consensus_control::{Command, Holding, Refusal};
use consensus_placement::{Fault, lint};
use schema_types::cluster::{Epoch, NodeId};
use schema_types::ids::ShardId;

fn world() -> World {
    let mut world = World::new(&["a", "b"], 4);
    world.settle(3);
    world
}

fn holding(world: &World, shard: u16) -> Holding {
    let shard = ShardId(shard);
    Holding { shard, epoch: world.state.shards()[&shard].epoch }
}

fn elsewhere(world: &World, shard: u16) -> NodeId {
    let owner = world.state.shards()[&ShardId(shard)].owner.unwrap();
    NodeId(3 - owner.0)
}

#[test]
fn each_fault_has_its_name() {
    let mut world = world();
    let first = holding(&world, 0);
    let away = Command::MoveShard { holding: first, to: elsewhere(&world, 0) };
    let stale = Holding { epoch: Epoch(0), ..first };
    let current = first.epoch;
    let at = world.state.shards()[&ShardId(0)].range.first();
    let moved = Refusal::EpochMoved { shard: ShardId(0), current };
    let nowhere = Command::MoveShard { holding: first, to: NodeId(9) };
    let empty = Command::SplitShard { holding: first, at };
    let gap = Command::MergeShards { lower: first, upper: holding(&world, 2) };
    let cases = [
        (vec![], Ok(())),
        (vec![away.clone()], Ok(())),
        (vec![nowhere], Err(Fault::UnknownNode { place: 0, node: NodeId(9) })),
        (
            vec![away.clone(), away.clone()],
            Err(Fault::TouchedTwice { place: 1, shard: ShardId(0) }),
        ),
        (
            vec![Command::MoveShard { holding: stale, to: elsewhere(&world, 0) }],
            Err(Fault::Refused { place: 0, refusal: moved }),
        ),
        (
            vec![empty],
            Err(Fault::Refused { place: 0, refusal: Refusal::SplitPoint { shard: ShardId(0) } }),
        ),
        (vec![gap], Err(Fault::Refused { place: 0, refusal: Refusal::NotNeighbours })),
        (
            vec![Command::ResumeNode { node: NodeId(1) }],
            Err(Fault::NotForPlanner { place: 0, name: "resume-node" }),
        ),
    ];
    for (commands, expected) in cases {
        let found = lint(&world.state, &commands);
        assert_eq!(found, expected.map_err(|fault| vec![fault]), "{commands:?}");
    }
    let target = elsewhere(&world, 0);
    world.drain(target.0);
    let fault = Fault::OwnerNotUp { place: 0, node: target };
    assert_eq!(lint(&world.state, &[away]), Err(vec![fault]));
}

#[test]
fn all_faults_of_a_plan_are_told() {
    let world = world();
    let moves = |to: u64| Command::MoveShard { holding: holding(&world, 1), to: NodeId(to) };
    let faults = lint(&world.state, &[moves(8), moves(9)]).unwrap_err();
    assert_eq!(faults.len(), 2, "{faults:?}");
}
