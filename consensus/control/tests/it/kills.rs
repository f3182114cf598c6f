//! Each step of a hand-off with either side killed: before the step is done, or after it is done
//! and before it is reported, with the report arriving late. All shards open again within the
//! bound (LIVE-1), and no two holders can ever commit for one hash (OWN-1).

use crate::world::World;
use consensus_control::{Action, Command, Outcome, Step};
use schema_types::cluster::NodeId;
use schema_types::ids::ShardId;

const SOURCE: NodeId = NodeId(1);
const TARGET: NodeId = NodeId(2);
const SHARD: u16 = 0;

/// How the killed node goes on.
#[derive(Debug, Clone, Copy)]
enum After {
    StaysAway,
    Restarts,
    /// Its lease is over and then renewed: it was stopped for a while and knows of nothing.
    WakesUp,
    /// It restarts before anybody noticed.
    RestartsAtOnce,
}

const AFTERS: [After; 4] =
    [After::StaysAway, After::Restarts, After::WakesUp, After::RestartsAtOnce];

/// A move of a shard from source to target at which `step` is due.
fn moving(step: Step) -> World {
    let mut world = World::formed(3, 6);
    if world.owner(SHARD) != Some(SOURCE) {
        world.begin_move(SHARD, SOURCE.0);
        world.settle();
    }
    world.begin_move(SHARD, TARGET.0);
    advance(&mut world, step);
    world
}

fn advance(world: &mut World, step: Step) {
    for _ in Step::ALL {
        if world.step(SHARD) != Some(step) {
            let node = world.state.shards()[&ShardId(SHARD)].turn().unwrap();
            let action = due(world, node).unwrap();
            let report = world.perform(node, &action);
            world.done(report);
        }
    }
    assert_eq!(world.step(SHARD), Some(step));
}

fn due(world: &World, node: NodeId) -> Option<Action> {
    world.state.due_actions(node).into_iter().find(|action| action.shard == ShardId(SHARD))
}

/// Kills `victims` when `step` is due, then lets the others go on.
fn kill(begin: impl Fn(Step) -> World, step: Step, victims: &[NodeId]) {
    for after in AFTERS {
        for is_performed in [false, true] {
            let mut world = begin(step);
            let turn = world.state.shards()[&ShardId(SHARD)].turn().unwrap();
            let action = due(&world, turn).unwrap();
            let late = is_performed.then(|| world.perform(turn, &action));
            for victim in victims {
                die(&mut world, *victim, after);
            }
            if let Some(report) = late.clone().filter(|_| victims.contains(&turn)) {
                let outcome = world.propose(report);
                assert!(matches!(outcome, Outcome::Ignored(_)), "{step:?} {after:?}: {outcome:?}");
            }
            world.settle();
            for victim in victims {
                come_back(&mut world, *victim, after);
            }
            if let Some(report) = late {
                assert!(!matches!(world.propose(report), Outcome::Done { .. }));
            }
            world.settle();
            world.check_replay();
            let open = world.state.shards().values().filter(|record| record.is_open()).count();
            assert_eq!(open, world.state.shards().len());
        }
    }
}

fn die(world: &mut World, victim: NodeId, after: After) {
    match after {
        After::RestartsAtOnce => world.start(victim),
        After::StaysAway | After::Restarts | After::WakesUp => world.lease_over(victim),
    };
}

fn come_back(world: &mut World, victim: NodeId, after: After) {
    match after {
        After::Restarts => world.start(victim),
        After::WakesUp => world.lease_renewed(victim),
        After::StaysAway | After::RestartsAtOnce => return,
    };
}

macro_rules! kills {
    ($($name:ident: $begin:expr, $step:ident, $victims:expr;)*) => {
        $(
            #[test]
            fn $name() {
                kill($begin, Step::$step, &$victims);
            }
        )*
    };
}

kills! {
    source_killed_at_fence: moving, Fence, [SOURCE];
    source_killed_at_drain: moving, Drain, [SOURCE];
    source_killed_at_claim: moving, Claim, [SOURCE];
    source_killed_at_load: moving, Load, [SOURCE];
    source_killed_at_open: moving, Open, [SOURCE];
    target_killed_at_fence: moving, Fence, [TARGET];
    target_killed_at_drain: moving, Drain, [TARGET];
    target_killed_at_claim: moving, Claim, [TARGET];
    target_killed_at_load: moving, Load, [TARGET];
    target_killed_at_open: moving, Open, [TARGET];
    both_killed_at_fence: moving, Fence, [SOURCE, TARGET];
    both_killed_at_drain: moving, Drain, [TARGET, SOURCE];
    both_killed_at_claim: moving, Claim, [SOURCE, TARGET];
    both_killed_at_load: moving, Load, [TARGET, SOURCE];
    both_killed_at_open: moving, Open, [SOURCE, TARGET];
    owner_killed_at_fence_of_split: splitting, Fence, [SOURCE];
    owner_killed_at_drain_of_split: splitting, Drain, [SOURCE];
    owner_killed_at_claim_of_split: splitting, Claim, [SOURCE];
    owner_killed_at_load_of_split: splitting, Load, [SOURCE];
    owner_killed_at_open_of_split: splitting, Open, [SOURCE];
    owner_killed_at_fence_of_merge: merging, Fence, [SOURCE];
    owner_killed_at_drain_of_merge: merging, Drain, [SOURCE];
    owner_killed_at_claim_of_merge: merging, Claim, [SOURCE];
    owner_killed_at_load_of_merge: merging, Load, [SOURCE];
    owner_killed_at_open_of_merge: merging, Open, [SOURCE];
}

/// Both of the first two shards at the source.
fn gathered() -> World {
    let mut world = World::formed(3, 6);
    for shard in [SHARD, 1] {
        if world.owner(shard) != Some(SOURCE) {
            world.begin_move(shard, SOURCE.0);
        }
    }
    world.settle();
    world
}

fn splitting(step: Step) -> World {
    let mut world = gathered();
    let at = world.state.shards()[&ShardId(SHARD)].range.middle().unwrap();
    let holding = world.holding(SHARD);
    world.done(Command::SplitShard { holding, at });
    advance(&mut world, step);
    world
}

fn merging(step: Step) -> World {
    let mut world = gathered();
    let (lower, upper) = (world.holding(SHARD), world.holding(1));
    world.done(Command::MergeShards { lower, upper });
    advance(&mut world, step);
    world
}
