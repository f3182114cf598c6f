//! Why nothing moves, as an operator reads it.

use crate::world::World;
use consensus_control::{Command, ControlState, Holding, Step};
use consensus_placement::{Figures, NodeFigure, NotSplit, Observed, Plan, Reason, Rules, plan};
use schema_types::cluster::NodeId;
use schema_types::ids::ShardId;

fn says(plan: &Plan, expected: &Reason) {
    assert!(plan.reasons.contains(expected), "{expected:?} is not among {:?}", plan.reasons);
}

#[test]
fn nothing_is_planned_without_a_quorum_a_cluster_or_usable_rules() {
    let world = World::new(&["a"], 4);
    let rules = Rules::default();
    let unusable = Rules { shard_cost: 0, ..Rules::default() };
    let (figures, empty) = (Figures::default(), ControlState::new());
    let cases = [
        (&world.state, false, &rules, Reason::NoQuorum),
        (&empty, true, &rules, Reason::NotFormed),
        (&world.state, true, &unusable, Reason::RulesUnusable),
    ];
    for (state, has_quorum, rules, reason) in cases {
        let plan = plan(Observed { state, figures: &figures, has_quorum }, rules);
        assert_eq!(plan, Plan { commands: vec![], reasons: vec![reason] });
    }
}

#[test]
fn no_node_is_up() {
    let mut world = World::new(&["a"], 4);
    world.kill(1);
    assert_eq!(world.plan().reasons, [Reason::NoNodeUp { shards: 4 }]);
}

#[test]
fn shards_on_their_way_use_the_budget_and_are_named() {
    let mut world = World::lopsided(&["a", "b"], 40);
    world.rules.moves_at_once_max = 2;
    for shard in [3, 7].map(ShardId) {
        let epoch = world.state.shards()[&shard].epoch;
        world.done(Command::MoveShard { holding: Holding { shard, epoch }, to: NodeId(2) });
    }
    let plan = world.plan();
    assert!(plan.commands.is_empty());
    says(&plan, &Reason::BudgetUsed { moving: 2, max: 2 });
    says(&plan, &Reason::ShardMoving { shard: ShardId(3), step: Step::Fence });
    says(&plan, &Reason::ShardMoving { shard: ShardId(7), step: Step::Fence });
}

#[test]
fn the_share_of_a_round_is_used() {
    let world = World::lopsided(&["a", "b"], 100);
    says(&world.plan(), &Reason::ShareUsed { percent: 10, max_percent: 10 });
}

#[test]
fn no_target_is_better_by_enough() {
    let mut world = World::new(&["a", "b"], 20);
    world.settle(3);
    let plan = world.plan();
    assert_eq!(plan.commands, []);
    let gain = Reason::NoBetterTarget { node: NodeId(1), gain_percent: 0, needed_percent: 10 };
    says(&plan, &gain);
    let shard = world.state.owned_by(NodeId(2)).next().unwrap();
    let range = world.state.shards()[&shard].range;
    world.hot.insert(range.first(), 12);
    world.measure();
    let reasons = world.plan().reasons;
    assert!(
        matches!(reasons[0], Reason::NoBetterTarget { node: NodeId(2), gain_percent: 1.., .. }),
        "{reasons:?}"
    );
    assert_eq!(reasons[0].code(), "no-better-target");
    assert!(reasons[0].to_string().contains("node n2 is busiest"), "{}", reasons[0]);
}

#[test]
fn a_drain_without_room_is_told() {
    let mut world = World::new(&["a", "b"], 10);
    world.settle(3);
    world.drain(1);
    let full = NodeFigure { weight: 100, capacity: Some(1) };
    world.figures.nodes.insert(NodeId(2), full);
    let plan = world.plan();
    assert!(plan.commands.is_empty());
    let shard = world.state.owned_by(NodeId(1)).last().unwrap();
    says(&plan, &Reason::NoRoom { node: NodeId(1), shard });
    let shards_left = world.count_of(1);
    says(&plan, &Reason::NodeDraining { node: NodeId(1), shards_left });
}

#[test]
fn a_node_that_is_filled_past_its_room_is_told() {
    let mut world = World::new(&["a"], 10);
    let full = NodeFigure { weight: 100, capacity: Some(1) };
    world.figures.nodes.insert(NodeId(1), full);
    says(&world.round(), &Reason::Overfull { node: NodeId(1) });
    assert!(world.state.not_open().is_empty(), "served all the same");
}

#[test]
fn a_full_zone_is_told() {
    let mut world = World::new(&["a", "a", "a", "a", "b"], 50);
    world.figures.nodes.insert(NodeId(5), NodeFigure { weight: 100, capacity: Some(120) });
    let (_, plan) = world.settle(20);
    let zone = plan.reasons.iter().find(|reason| reason.code() == "zone-full");
    let Some(Reason::ZoneFull { zone, percent }) = zone else { panic!("{:?}", plan.reasons) };
    assert_eq!((zone.as_str(), *percent), ("a", 80));
}

#[test]
fn a_hot_shard_that_stays_whole_is_told() {
    let mut world = World::new(&["a"], 1);
    world.round();
    world.hot.insert(77, 9_000);
    let (_, plan) = world.settle(40);
    let shard = world.state.shard_at(77).unwrap();
    says(&plan, &Reason::HotNotSplit { shard, why: NotSplit::TooNarrow });
    let width = world.state.shards()[&shard].range.width();
    assert!(width < world.rules.split_hashes_min);
}
