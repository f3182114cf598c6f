//! The rules of a hand-off one by one: what is due for whom, which reports count, how an operator
//! or the watchdog steps in.

use crate::world::World;
use consensus_control::command::StepReport;
use consensus_control::{Command, Holding, Ignored, Refusal, Step, WaitsFor, Watchdog, Why};
use schema_types::cluster::{Epoch, NodeId};
use schema_types::ids::ShardId;
use schema_types::time::Timestamp;

const SHARD: ShardId = ShardId(0);

/// Shard 0 at node 1, open, among three nodes.
fn world() -> World {
    let mut world = World::formed(3, 3);
    if world.owner(0) != Some(NodeId(1)) {
        world.begin_move(0, 1);
        world.settle();
    }
    world
}

fn report(world: &World, node: u64, step: Step) -> StepReport {
    let Holding { shard, epoch } = world.holding(0);
    StepReport { node: NodeId(node), shard, epoch, step }
}

#[test]
fn a_move_goes_through_its_steps() {
    let mut world = world();
    let before = world.holding(0);
    let revision = world.state.map_revision();
    world.begin_move(0, 2);
    assert_eq!(world.holding(0).epoch, before.epoch.next());
    let turns = [1, 1, 2, 2, 2];
    for (step, turn) in Step::ALL.into_iter().zip(turns) {
        for node in 1..=3 {
            let due = world.state.due_actions(NodeId(node));
            assert_eq!(due.len(), usize::from(node == turn), "{step:?} {node}");
        }
        let action = world.state.due_actions(NodeId(turn)).remove(0);
        assert_eq!((action.step, action.shard), (step, SHARD));
        let closes = if step.is_source_side() { vec![before] } else { vec![] };
        assert_eq!(action.closes, closes);
        assert_eq!(world.state.may_hold(NodeId(1), before), step.is_source_side());
        assert!(world.state.may_hold(NodeId(2), world.holding(0)));
        let done = world.perform(NodeId(turn), &action);
        world.done(done);
    }
    assert!(world.state.shards()[&SHARD].is_open());
    assert!(world.state.map_revision() > revision);
    assert_eq!(world.owner(0), Some(NodeId(2)));
    assert!(world.state.owned_by(NodeId(2)).any(|shard| shard == SHARD));
    assert!(!world.state.owned_by(NodeId(1)).any(|shard| shard == SHARD));
}

#[test]
fn only_the_due_report_of_the_right_node_and_epoch_counts() {
    let mut world = world();
    let due = report(&world, 1, Step::Open);
    assert_eq!(world.ignored(Command::ReportStep(due)), Ignored::AlreadyDone, "it is open");
    world.begin_move(0, 2);
    let fence = report(&world, 1, Step::Fence);
    let cases = [
        (StepReport { node: NodeId(2), ..fence }, Ignored::NotItsTurn),
        (StepReport { node: NodeId(77), ..fence }, Ignored::NotItsTurn),
        (StepReport { step: Step::Drain, ..fence }, Ignored::StepAhead),
        (StepReport { step: Step::Open, ..fence }, Ignored::StepAhead),
        (StepReport { epoch: Epoch(fence.epoch.0 - 1), ..fence }, Ignored::EpochPassed),
        (StepReport { epoch: fence.epoch.next(), ..fence }, Ignored::EpochUnknown),
        (StepReport { shard: ShardId(99), ..fence }, Ignored::EpochPassed),
    ];
    for (report, reason) in cases {
        assert_eq!(world.ignored(Command::ReportStep(report)), reason, "{report:?}");
    }
    world.done(Command::ReportStep(fence));
    assert_eq!(world.ignored(Command::ReportStep(fence)), Ignored::AlreadyDone);
    world.settle();
}

#[test]
fn a_move_must_make_sense_when_it_is_applied() {
    let mut world = world();
    let holding = world.holding(0);
    let stale = Holding { epoch: Epoch(0), ..holding };
    let unknown = Holding { shard: ShardId(99), ..holding };
    let to = |holding, node| Command::MoveShard { holding, to: NodeId(node) };
    let current = holding.epoch;
    let cases = [
        (to(stale, 2), Refusal::EpochMoved { shard: SHARD, current }),
        (to(unknown, 2), Refusal::ShardUnknown { shard: ShardId(99) }),
        (to(holding, 9), Refusal::NodeUnknown { node: NodeId(9) }),
        (to(holding, 1), Refusal::NoChange { shard: SHARD }),
        (Command::CancelMove(holding), Refusal::NoChange { shard: SHARD }),
        (Command::SkipSource(holding), Refusal::NoChange { shard: SHARD }),
    ];
    for (command, refusal) in cases {
        assert_eq!(world.refusal(command.clone()), refusal, "{command:?}");
    }
    world.lease_over(NodeId(2));
    assert_eq!(world.refusal(to(holding, 2)), Refusal::NodeNotUp { node: NodeId(2) });
}

#[test]
fn a_move_is_called_off_until_the_source_has_let_go() {
    for step in [Step::Fence, Step::Drain] {
        let mut world = world();
        world.begin_move(0, 2);
        while world.step(0) != Some(step) {
            world.done(Command::ReportStep(report(&world, 1, Step::Fence)));
        }
        world.done(Command::CancelMove(world.holding(0)));
        assert_eq!(world.owner(0), Some(NodeId(1)));
        let again = Command::CancelMove(world.holding(0));
        assert_eq!(world.refusal(again), Refusal::NoChange { shard: SHARD });
        world.settle();
        assert_eq!(world.owner(0), Some(NodeId(1)));
    }
    let mut world = world();
    world.begin_move(0, 2);
    world.act(NodeId(1));
    world.act(NodeId(1));
    let late = Command::CancelMove(world.holding(0));
    let refusal = Refusal::StepPassed { shard: SHARD, step: Step::Claim };
    assert_eq!(world.refusal(late), refusal);
}

#[test]
fn a_moving_shard_can_be_given_to_another_node() {
    for rounds in 0..5 {
        let mut world = world();
        world.begin_move(0, 2);
        for turn in [1, 1, 2, 2].iter().take(rounds) {
            world.act(NodeId(*turn));
        }
        let old = world.holding(0);
        world.begin_move(0, 3);
        assert!(!world.state.may_hold(NodeId(2), old));
        let stale = Command::ReportStep(StepReport {
            node: NodeId(2),
            shard: SHARD,
            epoch: old.epoch,
            step: Step::Open,
        });
        assert_eq!(world.ignored(stale), Ignored::EpochPassed);
        world.settle();
        assert_eq!(world.owner(0), Some(NodeId(3)));
    }
}

#[test]
fn the_watchdog_names_what_is_stuck_and_its_remedy_frees_it() {
    const PATIENCE_MS: u64 = 5_000;
    for step in Step::ALL {
        let mut world = world();
        world.begin_move(0, 2);
        for turn in [1, 1, 2, 2] {
            if world.step(0) != Some(step) {
                world.act(NodeId(turn));
            }
        }
        let paused = world.state.paused().next().unwrap();
        let node = NodeId(if step.is_source_side() { 1 } else { 2 });
        assert_eq!((paused.why, paused.waits_for), (Why::Moved, WaitsFor::Node { node, step }));
        let mut watchdog = Watchdog::default();
        assert_eq!(watchdog.look(&world.state, 100), []);
        assert_eq!(watchdog.look(&world.state, 100 + PATIENCE_MS), []);
        let overdue = watchdog.look(&world.state, 101 + PATIENCE_MS).remove(0);
        assert_eq!((overdue.waited_ms, overdue.paused), (5_001, paused));
        let late_ms = 10 * PATIENCE_MS;
        assert_eq!(Watchdog::default().look(&world.state, late_ms), [], "a new leader is patient");
        world.done(overdue.remedy.unwrap());
        if step.is_source_side() {
            assert_eq!(world.step(0), Some(Step::Claim));
        } else {
            let record = &world.state.shards()[&SHARD];
            let hand_off = record.hand_off.as_ref().unwrap();
            assert_eq!((record.owner, hand_off.taken_from), (None, Some(NodeId(2))));
            assert_eq!(hand_off.failures, 1);
            let paused = world.state.paused().next().unwrap();
            assert_eq!(paused.waits_for, WaitsFor::Owner);
            assert_eq!(watchdog.look(&world.state, late_ms), [], "it waits for something else");
            let late = watchdog.look(&world.state, 2 * late_ms);
            assert_eq!(late[0].remedy, None);
        }
        world.settle();
    }
}

/// A node whose clock is years wrong proposed the move: nothing is early and nothing is late.
#[test]
fn the_watchdog_does_not_compare_the_clocks_of_machines_time_1() {
    for clock in [i64::MIN, 0, i64::MAX] {
        let mut world = world();
        let at = Timestamp::from_unix_micros(clock);
        let moved = Command::MoveShard { holding: world.holding(0), to: NodeId(2) };
        assert!(world.propose_at(moved, at).is_done());
        let paused = world.state.paused().next().unwrap();
        assert_eq!(paused.step_since, at);
        let mut watchdog = Watchdog::default();
        assert_eq!(watchdog.look(&world.state, 7), [], "{clock}");
        let overdue = watchdog.look(&world.state, 5_008).remove(0);
        assert_eq!(overdue.remedy, Some(Command::SkipSource(paused.holding)), "{clock}");
    }
}

#[test]
fn an_owner_gives_an_open_shard_up() {
    let mut world = world();
    world.done(Command::ReleaseShard(world.holding(0)));
    let again = Command::ReleaseShard(world.holding(0));
    assert_eq!(world.refusal(again), Refusal::NoChange { shard: SHARD });
    world.begin_move(0, 1);
    world.settle();
    world.begin_move(0, 2);
    let early = Command::ReleaseShard(world.holding(0));
    let refusal = Refusal::StepAhead { shard: SHARD, step: Step::Fence };
    assert_eq!(world.refusal(early), refusal);
}

#[test]
fn a_store_that_is_ahead_raises_the_epoch() {
    let mut world = world();
    world.begin_move(0, 2);
    world.act(NodeId(1));
    let raise = |world: &World, node: u64, stored: u64| Command::RaiseEpoch {
        node: NodeId(node),
        holding: world.holding(0),
        stored: Epoch(stored),
    };
    let early = raise(&world, 2, 500);
    assert_eq!(world.ignored(early), Ignored::StepAhead);
    world.act(NodeId(1));
    let cases = [(1, 500, Some(Ignored::NotItsTurn)), (2, 0, None), (2, u64::MAX, None)];
    for (node, stored, ignored) in cases {
        let command = raise(&world, node, stored);
        match ignored {
            Some(reason) => assert_eq!(world.ignored(command), reason),
            None => drop(world.refusal(command)),
        }
    }
    let command = raise(&world, 2, 500);
    world.done(command.clone());
    assert_eq!(world.holding(0).epoch, Epoch(501));
    assert_eq!(world.ignored(command), Ignored::EpochPassed);
    world.settle();
    assert_eq!(world.owners[&SHARD], (Epoch(501), NodeId(2)));
    let late = raise(&world, 2, 900);
    assert_eq!(world.ignored(late), Ignored::AlreadyDone);
}
