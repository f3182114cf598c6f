//! Random histories: joins, crashes, restarts, moves, splits, merges, late, repeated and invented
//! reports. After each command everything that must hold does; at the end the same commands give
//! the same bytes (DET-1), and the nodes that are left open every shard within the bound (LIVE-1).

use crate::world::World;
use consensus_control::command::StepReport;
use consensus_control::{Action, Command, Drain, Holding, Outcome, Step};
use proptest::prelude::*;
use schema_types::cluster::{Epoch, NodeId};

/// One thing that happens; numbers choose among what there is.
#[derive(Debug, Clone, Copy)]
enum Happening {
    Join(u8),
    Start(u8),
    Stop(u8),
    LeaseOver(u8),
    LeaseRenewed(u8),
    DrainNode(u8, bool),
    Resume(u8),
    Remove(u8),
    Move(u8, u8),
    Cancel(u8),
    SkipSource(u8),
    Release(u8),
    Split(u8, u8),
    Merge(u8),
    /// A node does the first thing that is due.
    ActOnce(u8),
    /// A node does the first thing that is due, and its report is lost.
    ActUnheard(u8),
    ActAll,
    Assign,
    /// A node learns what is due and goes to sleep over it.
    Learn(u8),
    /// A node wakes up and does what was due when it learned of it.
    WakeUp(u8),
    /// A command of the past arrives again.
    Repeat(u16),
    Invent {
        node: u8,
        shard: u8,
        epoch: i8,
        step: u8,
    },
    /// The store holds a higher epoch than the plan knows.
    StoreAhead(u8, u8),
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening::*;
    let byte = any::<u8>;
    prop_oneof![
        1 => byte().prop_map(Join),
        2 => byte().prop_map(Start),
        1 => byte().prop_map(Stop),
        2 => byte().prop_map(LeaseOver),
        1 => byte().prop_map(LeaseRenewed),
        1 => (byte(), any::<bool>()).prop_map(|(node, for_good)| DrainNode(node, for_good)),
        1 => byte().prop_map(Resume),
        1 => byte().prop_map(Remove),
        6 => (byte(), byte()).prop_map(|(shard, node)| Move(shard, node)),
        1 => byte().prop_map(Cancel),
        1 => byte().prop_map(SkipSource),
        1 => byte().prop_map(Release),
        3 => (byte(), byte()).prop_map(|(shard, part)| Split(shard, part)),
        3 => byte().prop_map(Merge),
        9 => byte().prop_map(ActOnce),
        3 => byte().prop_map(ActUnheard),
        2 => Just(ActAll),
        2 => Just(Assign),
        3 => byte().prop_map(Learn),
        3 => byte().prop_map(WakeUp),
        3 => any::<u16>().prop_map(Repeat),
        2 => (byte(), byte(), any::<i8>(), byte())
            .prop_map(|(node, shard, epoch, step)| Invent { node, shard, epoch, step }),
        1 => (byte(), byte()).prop_map(|(shard, by)| StoreAhead(shard, by)),
    ]
}

fn node(world: &World, number: u8) -> NodeId {
    let count = world.state.nodes().len();
    world.state.nodes().keys().nth(usize::from(number) % count).copied().unwrap()
}

fn shard(world: &World, number: u8) -> Holding {
    let count = world.state.shards().len();
    let (shard, record) = world.state.shards().iter().nth(usize::from(number) % count).unwrap();
    Holding { shard: *shard, epoch: record.epoch }
}

fn happen(world: &mut World, happening: Happening) {
    use Happening::*;
    match happening {
        Join(name) => drop(world.join(&format!("b{name}"), 100 + u64::from(name))),
        Start(number) => drop(world.start(node(world, number))),
        LeaseOver(number) => drop(world.lease_over(node(world, number))),
        LeaseRenewed(number) => drop(world.lease_renewed(node(world, number))),
        ActOnce(number) => act_once(world, node(world, number), true),
        ActUnheard(number) => act_once(world, node(world, number), false),
        ActAll => (0..=u8::MAX).take(world.state.nodes().len()).for_each(|number| {
            world.act(node(world, number));
        }),
        Assign => world.assign(),
        Learn(number) => {
            let node = node(world, number);
            let due = world.state.due_actions(node);
            world.learned.extend(due.into_iter().map(|action| (node, action)));
        }
        WakeUp(_) if world.learned.is_empty() => {}
        WakeUp(number) => {
            let place = usize::from(number) % world.learned.len();
            let (node, action) = world.learned[place].clone();
            let report = world.perform(node, &action);
            drop(world.propose(report));
        }
        StoreAhead(number, by) => store_ahead(world, shard(world, number), by),
        Stop(_)
        | DrainNode(..)
        | Resume(_)
        | Remove(_)
        | Move(..)
        | Cancel(_)
        | SkipSource(_)
        | Release(_)
        | Split(..)
        | Merge(_)
        | Repeat(_)
        | Invent { .. } => {
            if let Some(command) = command(world, happening) {
                drop(world.propose(command));
            }
        }
    }
}

fn command(world: &World, happening: Happening) -> Option<Command> {
    use Happening::*;
    Some(match happening {
        Stop(number) => {
            let node = node(world, number);
            let incarnation = world.state.nodes()[&node].incarnation;
            Command::StopNode { node, incarnation }
        }
        DrainNode(number, for_good) => {
            let drain = if for_good { Drain::ForGood } else { Drain::ForRestart };
            Command::DrainNode { node: node(world, number), drain }
        }
        Resume(number) => Command::ResumeNode { node: node(world, number) },
        Remove(number) => Command::RemoveNode { node: node(world, number) },
        Move(number, to) => {
            Command::MoveShard { holding: shard(world, number), to: node(world, to) }
        }
        Cancel(number) => Command::CancelMove(shard(world, number)),
        SkipSource(number) => Command::SkipSource(shard(world, number)),
        Release(number) => Command::ReleaseShard(shard(world, number)),
        Split(number, part) => {
            let holding = shard(world, number);
            let range = world.state.shards()[&holding.shard].range;
            let offset = range.width() * u128::from(part) / 256;
            let at = range.first() + u64::try_from(offset).unwrap();
            Command::SplitShard { holding, at }
        }
        Merge(number) => {
            let lower = shard(world, number);
            let next = world.state.shards()[&lower.shard].range.last().checked_add(1)?;
            let upper = world.holding(world.state.shard_at(next)?.0);
            let owners = [lower, upper].map(|holding| world.owner(holding.shard.0));
            match owners {
                [Some(one), Some(other)] if one != other => {
                    Command::MoveShard { holding: upper, to: one }
                }
                _ => Command::MergeShards { lower, upper },
            }
        }
        Repeat(place) => {
            let command = world.log[usize::from(place) % world.log.len()].command.clone();
            return (!is_lie(world, &command)).then_some(command);
        }
        Invent { node: number, shard: place, epoch, step } => {
            let Holding { shard, epoch: current } = shard(world, place);
            let epoch = Epoch(current.0.saturating_add_signed(i64::from(epoch / 32)));
            let step = Step::ALL[usize::from(step) % Step::ALL.len()];
            let node = node(world, number);
            let report = Command::ReportStep(StepReport { node, shard, epoch, step });
            return (!is_lie(world, &report)).then_some(report);
        }
        Join(_) | Start(_) | LeaseOver(_) | LeaseRenewed(_) | ActOnce(_) | ActUnheard(_)
        | ActAll | Assign | Learn(_) | WakeUp(_) | StoreAhead(..) => return None,
    })
}

/// Whether a report says of a step that is due that it is done. Nodes report what they did right
/// after it; those that lie are not in this world, nor are inventions that come true.
fn is_lie(world: &World, command: &Command) -> bool {
    let Command::ReportStep(report) = command else { return false };
    let is_due = |action: &Action| action.done_by(report.node) == *command;
    world.state.due_actions(report.node).iter().any(is_due)
}

fn act_once(world: &mut World, node: NodeId, is_heard: bool) {
    let Some(action) = world.state.due_actions(node).into_iter().next() else { return };
    let report = world.perform(node, &action);
    if is_heard {
        assert!(matches!(world.propose(report), Outcome::Done { .. }));
    }
}

/// Only before a claim: a store that is ahead of an open shard has lost nothing but the owner,
/// which then gives the shard up.
fn store_ahead(world: &mut World, holding: Holding, by: u8) {
    if world.step(holding.shard.0).is_none_or(|step| step > Step::Claim) {
        return;
    }
    let ahead = Epoch(holding.epoch.0 + u64::from(by % 4));
    let stored = world.owners.entry(holding.shard).or_insert((ahead, NodeId(999)));
    if stored.0 <= ahead {
        *stored = (ahead, NodeId(999));
    }
}

fn run(shards: u16, happenings: &[Happening]) {
    let mut world = World::formed(3, shards);
    for happening in happenings {
        happen(&mut world, *happening);
    }
    if world.nodes_up().is_empty() {
        let key = 10_000;
        let outcome = world.join("last", key);
        assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
        let newest = *world.state.nodes().keys().next_back().unwrap();
        world.start(newest);
    }
    world.settle();
    world.check_replay();
    let open = world.state.shard_map().unwrap();
    for place in open.places() {
        let row = world.owners.get(&place.shard).copied();
        assert_eq!(row, place.owner.map(|owner| (place.epoch, owner)), "{:?}", place.shard);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn own_1_live_1_det_1_hold_in_random_histories(
        shards in 1_u16..7,
        happenings in prop::collection::vec(happening(), 1..120),
    ) {
        run(shards, &happenings);
    }
}
