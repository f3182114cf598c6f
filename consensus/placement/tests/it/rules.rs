//! The rules of placement one by one.

use crate::world::World;
use consensus_control::{Command, Node};
use consensus_placement::limits::PLAN_COMMANDS_MAX;
use consensus_placement::{NodeFigure, Purpose, Rules, RulesError};
use schema_types::cluster::NodeId;
use schema_types::ids::ShardId;

fn purposes(plan: &consensus_placement::Plan) -> Vec<Purpose> {
    plan.commands.iter().map(|planned| planned.purpose).collect()
}

#[test]
fn shards_without_an_owner_go_out_at_once_and_evenly() {
    let mut world = World::new(&["a", "b", "c"], 300);
    let plan = world.round();
    assert_eq!(purposes(&plan), [Purpose::GiveOwner; 300], "no budget holds these back");
    for node in 1..=3 {
        assert!((90..=110).contains(&world.count_of(node)), "{}", world.count_of(node));
    }
    assert!(world.state.not_open().is_empty());
    assert!(world.round().commands.is_empty());
}

#[test]
fn a_plan_is_bounded_lim_1() {
    let mut world = World::new(&["a"], 2_000);
    assert_eq!(world.round().commands.len(), PLAN_COMMANDS_MAX);
    assert_eq!(world.round().commands.len(), 2_000 - PLAN_COMMANDS_MAX);
    assert!(world.round().commands.is_empty());
}

#[test]
fn a_dead_nodes_shards_go_to_the_others_when_its_lease_is_over() {
    let mut world = World::new(&["a", "b", "c"], 60);
    world.settle(5);
    let orphans = world.count_of(1);
    world.kill(1);
    let plan = world.round();
    assert_eq!(purposes(&plan), vec![Purpose::GiveOwner; orphans]);
    assert_eq!((world.count_of(1), world.state.not_open().len()), (0, 0));
    assert!(world.count_of(2).abs_diff(world.count_of(3)) <= 4);
}

#[test]
fn a_node_that_failed_to_open_a_shard_is_avoided_when_there_is_another() {
    for nodes in [1, 2] {
        let mut world = World::new(&["a", "b"][..nodes], 2);
        world.settle(3);
        let failed = world.state.shards()[&ShardId(0)].owner.unwrap();
        let epoch = world.state.shards()[&ShardId(0)].epoch;
        let shard = ShardId(0);
        let holding = consensus_control::Holding { shard, epoch };
        world.done(Command::ReleaseShard(holding));
        world.figures.nodes.insert(failed, NodeFigure { weight: 10_000, capacity: None });
        let plan = world.plan();
        let Command::MoveShard { to, .. } = plan.commands[0].command else { panic!("{plan:?}") };
        assert_eq!(to == failed, nodes == 1);
    }
}

#[test]
fn a_draining_node_loses_everything_within_budget_and_gets_nothing() {
    let mut world = World::new(&["a", "b", "c"], 90);
    world.settle(3);
    world.drain(1);
    let mut left = world.count_of(1);
    while left > 0 {
        let plan = world.round();
        assert_eq!(purposes(&plan), vec![Purpose::Drain; left.min(16)]);
        left -= plan.commands.len();
        assert_eq!(world.count_of(1), left);
    }
    world.settle(5);
    world.done(Command::RemoveNode { node: NodeId(1) });
}

#[test]
fn a_drain_fills_no_node_past_its_room() {
    let mut world = World::new(&["a", "b"], 20);
    world.load(&[100; 20]);
    world.settle(3);
    let full = world.cost_of(2) * 2;
    let capacity = Some(full);
    world.figures.nodes.insert(NodeId(2), NodeFigure { weight: 100, capacity });
    world.drain(1);
    world.settle(9);
    assert!(world.count_of(1) > 0, "the rest stays until there is room");
    assert!(world.cost_of(2) <= full * 9 / 10);
    world.join("a");
    world.settle(9);
    assert_eq!(world.count_of(1), 0);
}

#[test]
fn weights_share_the_load_out() {
    let mut world = World::new(&["a", "a"], 120);
    world.figures.nodes.insert(NodeId(1), NodeFigure { weight: 300, capacity: None });
    world.settle(3);
    assert!((85..=95).contains(&world.count_of(1)), "{}", world.count_of(1));
}

#[test]
fn balance_moves_no_more_than_its_share_per_round() {
    let mut world = World::lopsided(&["a", "a"], 100);
    let plan = world.round();
    assert_eq!(purposes(&plan), [Purpose::Balance; 10]);
    let (rounds, _) = world.settle(9);
    assert!((4..=6).contains(&rounds), "{rounds}");
    world.rules = Rules { moved_share_percent_max: 0, ..Rules::default() };
    world.join("a");
    assert_eq!(world.round().commands.len(), 1, "one may always move");
}

#[test]
fn one_shard_that_is_most_of_the_load_stays_alone() {
    let mut world = World::new(&["a", "b"], 4);
    world.settle(3);
    world.load(&[4_000, 10, 10, 10]);
    world.settle(9);
    let hot = world.state.shards()[&ShardId(0)].owner.unwrap();
    assert_eq!(world.count_of(hot.0), 1);
}

#[test]
fn a_small_difference_moves_nothing() {
    let mut world = World::new(&["a", "b"], 40);
    world.settle(3);
    let first = world.state.owned_by(NodeId(1)).next().unwrap();
    let before: u64 = world.cost_of(1);
    for (load, moves) in [(before / 20, false), (before * 2 / 3, true)] {
        let range = world.state.shards()[&first].range;
        world.hot.insert(range.first(), load);
        world.measure();
        assert_eq!(!world.plan().commands.is_empty(), moves, "{load} on {before}");
    }
}

#[test]
fn no_zone_holds_more_than_its_part() {
    // One node in zone b: an even share per node would leave 80% in zone a.
    let mut world = World::new(&["a", "a", "a", "a", "b"], 100);
    world.rules = Rules { strain_percent_max: 250, ..Rules::default() };
    world.settle(20);
    let zone_a: u64 = (1..=4).map(|node| world.cost_of(node)).sum();
    let total = zone_a + world.cost_of(5);
    assert!(zone_a * 100 <= total * 60, "{zone_a} of {total}");
}

#[test]
fn a_hot_shard_is_split_where_its_load_halves() {
    let mut world = World::new(&["a", "b"], 2);
    world.settle(3);
    let range = world.state.shards()[&ShardId(0)].range;
    for part in 1..=10 {
        world.hot.insert(range.first() + part * 1_000_000, 600);
    }
    world.measure();
    let known = range.first() + 5_500_000;
    world.figures.shards.get_mut(&ShardId(0)).unwrap().split_at = Some(known);
    let plan = world.plan();
    assert_eq!(plan.commands[0].purpose, Purpose::SplitHot);
    assert!(matches!(plan.commands[0].command, Command::SplitShard { at, .. } if at == known));
    world.figures.shards.get_mut(&ShardId(0)).unwrap().split_at = Some(range.first());
    let middle = range.middle().unwrap();
    let plan = world.plan();
    assert!(matches!(plan.commands[0].command, Command::SplitShard { at, .. } if at == middle));
}

#[test]
fn cold_neighbours_merge_down_to_the_least_number() {
    let mut world = World::new(&["a", "b", "c"], 32);
    world.settle(3);
    assert!(world.round().commands.is_empty(), "not below the number at the beginning");
    world.rules = Rules { shards_min: Some(5), ..Rules::default() };
    world.settle(60);
    assert_eq!(world.state.shards().len(), 5);
    assert!(world.state.not_open().is_empty());
}

#[test]
fn rules_that_lead_nowhere_are_refused() {
    let ordinary = Rules::default;
    let cases = [
        (ordinary(), Ok(())),
        (Rules { moves_at_once_max: 0, ..ordinary() }, Err(RulesError::Zero)),
        (Rules { gain_percent_min: 0, ..ordinary() }, Err(RulesError::Zero)),
        (Rules { shard_cost: 0, ..ordinary() }, Err(RulesError::Zero)),
        (
            Rules { hot_load_min: 199, cold_load_max: 50, ..ordinary() },
            Err(RulesError::HotNearCold),
        ),
    ];
    for (rules, expected) in cases {
        assert_eq!(rules.check(), expected, "{rules:?}");
    }
}

#[test]
fn nodes_that_are_not_up_get_nothing() {
    let mut world = World::new(&["a", "b", "c"], 30);
    world.kill(2);
    world.drain(3);
    world.settle(3);
    assert_eq!([1, 2, 3].map(|node| world.count_of(node)), [30, 0, 0]);
    assert_eq!(world.state.nodes().values().filter(|node| Node::may_get_shards(node)).count(), 1);
}
