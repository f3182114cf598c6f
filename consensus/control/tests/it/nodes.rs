//! The rules about nodes: ids, starts, leases, drains, leaving.

use crate::world::{World, formation, join_key, spec};
use consensus_control::command::{Formation, LeaseObservation, NodeStart};
use consensus_control::limits::{ADDRESS_BYTES_MAX, NODES_LEFT_MAX, NODES_MAX, SHARDS_MAX};
use consensus_control::{
    Answer, Command, Drain, Ignored, NodeSpec, NodeState, Outcome, Refusal, Timeouts,
};
use schema_types::cluster::{Epoch, NodeId};

const FIRST: NodeId = NodeId(1);

fn state(world: &World, node: u64) -> NodeState {
    world.state.nodes()[&NodeId(node)].state()
}

fn node_of(outcome: &Outcome) -> NodeId {
    let Outcome::Done { answer: Answer::Node(node), .. } = outcome else {
        panic!("no node: {outcome:?}")
    };
    *node
}

#[test]
fn a_cluster_is_formed_once() {
    let mut world = World::default();
    let early = Command::ResumeNode { node: FIRST };
    assert_eq!(world.refusal(early), Refusal::NotFormed);
    assert_eq!(world.state.shard_map(), None);
    let part = |part: &str| Refusal::PartLimit { part: part.to_owned() };
    let too_many = u16::try_from(SHARDS_MAX + 1).unwrap();
    let nameless = NodeSpec { name: String::new(), ..spec("a") };
    let impatient = Timeouts { lease_ms: 1, ..Timeouts::default() };
    let cases = [
        (formation(0), part("shards")),
        (formation(too_many), part("shards")),
        (Formation { first: nameless, ..formation(4) }, part("node")),
        (Formation { timeouts: impatient, ..formation(4) }, part("timeouts")),
        (Formation { epoch_floor: Epoch(u64::MAX), ..formation(4) }, Refusal::EpochImplausible),
    ];
    for (formation, refusal) in cases {
        assert_eq!(world.refusal(Command::FormCluster(formation)), refusal);
    }
    let form = Command::FormCluster(Formation { epoch_floor: Epoch(7), ..formation(5) });
    assert_eq!(node_of(&world.propose(form.clone())), FIRST);
    assert_eq!(node_of(&world.propose(form)), FIRST, "a repetition gets the same answer");
    let other = Formation { join_key: join_key(9), ..formation(5) };
    assert_eq!(world.refusal(Command::FormCluster(other)), Refusal::AlreadyFormed);
    assert_eq!(world.state.shard_map().unwrap().places().len(), 5);
    world.start(FIRST);
    world.settle();
    assert!(world.state.shards().values().all(|shard| shard.epoch == Epoch(8)));
}

#[test]
fn a_node_joins_once_per_request_and_ids_do_not_return() {
    let mut world = World::formed(1, 2);
    let second = node_of(&world.join("b", 2));
    assert_eq!((second, node_of(&world.join("b", 2))), (NodeId(2), NodeId(2)));
    assert_eq!(state(&world, 2), NodeState::Joining);
    let taken = Command::JoinNode { join_key: join_key(3), spec: spec("b") };
    assert_eq!(world.refusal(taken), Refusal::NameTaken { node: second });
    let long = NodeSpec { rpc_address: "x".repeat(ADDRESS_BYTES_MAX + 1), ..spec("c") };
    let long = Command::JoinNode { join_key: join_key(3), spec: long };
    assert!(matches!(world.refusal(long), Refusal::PartLimit { .. }));
    world.done(Command::RemoveNode { node: second });
    assert_eq!(world.ignored(Command::RemoveNode { node: second }), Ignored::AlreadyDone);
    assert_eq!(node_of(&world.join("b", 4)), NodeId(3), "a fresh disk is a new node");
    let again = Command::JoinNode { join_key: join_key(2), spec: spec("d") };
    assert_eq!(world.refusal(again), Refusal::NodeLeft { node: second });
    let start = world.start(second);
    assert_eq!(start, Outcome::Refused(Refusal::NodeLeft { node: second }));
}

#[test]
fn nodes_are_bounded_lim_1() {
    let mut world = World::formed(1, 1);
    let mut key = 2;
    while world.state.nodes().len() < NODES_MAX {
        node_of(&world.join(&format!("n{key}"), key));
        key += 1;
    }
    let refused = world.join("more", key);
    assert!(matches!(refused, Outcome::Refused(Refusal::TooMany { .. })));
    for _ in 0..NODES_LEFT_MAX + 3 {
        let newest = *world
            .state
            .nodes()
            .iter()
            .rfind(|(_, node)| node.state() == NodeState::Joining)
            .unwrap()
            .0;
        world.done(Command::RemoveNode { node: newest });
        key += 1;
        node_of(&world.join(&format!("n{key}"), key));
    }
    let left = world.state.nodes().values().filter(|node| node.state() == NodeState::Left);
    assert_eq!(left.count(), NODES_LEFT_MAX);
    let mut commands = world.log.iter().map(|proposal| &proposal.command);
    let removal = commands.find(|command| matches!(command, Command::RemoveNode { .. }));
    let Some(Command::RemoveNode { node: forgotten }) = removal.cloned() else { panic!("none") };
    assert!(!world.state.nodes().contains_key(&forgotten));
    let command = Command::ResumeNode { node: forgotten };
    assert_eq!(world.refusal(command), Refusal::NodeLeft { node: forgotten });
}

#[test]
fn a_start_gives_what_the_node_owned_new_epochs() {
    let mut world = World::formed(2, 4);
    let owned: Vec<_> = world.state.owned_by(FIRST).collect();
    assert_eq!(owned.len(), 2);
    let before: Vec<_> = owned.iter().map(|shard| world.holding(shard.0)).collect();
    let known = world.state.nodes()[&FIRST].clone();
    world.start(FIRST);
    for holding in &before {
        assert_eq!(world.holding(holding.shard.0).epoch, holding.epoch.next());
        assert!(!world.state.may_hold(FIRST, *holding), "an earlier run holds nothing");
    }
    let start = |incarnation| {
        let lease_counter = known.lease_counter;
        let spec = known.spec.clone();
        Command::StartNode(NodeStart { node: FIRST, incarnation, lease_counter, spec })
    };
    assert_eq!(world.ignored(start(known.incarnation + 1)), Ignored::AlreadyDone);
    let behind = Refusal::IncarnationBehind { node: FIRST };
    assert_eq!(world.refusal(start(known.incarnation)), behind);
    assert_eq!(world.settle(), 3, "claim, load, open");
    assert_eq!(world.state.owned_by(FIRST).collect::<Vec<_>>(), owned, "nothing moved");
}

#[test]
fn a_lease_is_over_by_counters_and_monotonic_time_only_time_1() {
    let mut world = World::formed(2, 4);
    let seen = world.observation(FIRST, 0);
    let observe = Command::ObserveLease;
    let lease_ms = Timeouts::default().lease_ms;
    let early = LeaseObservation { unchanged_ms: lease_ms - 1, ..seen };
    assert_eq!(world.refusal(observe(early)), Refusal::LeaseNotOver { node: FIRST });
    let stalled = LeaseObservation { observer_renewals: 1, ..seen };
    assert_eq!(world.refusal(observe(stalled)), Refusal::ObserverStalled);
    let other_run = LeaseObservation { incarnation: seen.incarnation + 1, ..seen };
    assert_eq!(world.ignored(observe(other_run)), Ignored::RunPassed);
    world.lease_renewed(FIRST);
    assert_eq!(world.ignored(observe(seen)), Ignored::LeasePassed);
    assert_eq!(state(&world, 1), NodeState::Up);

    let over = LeaseObservation { unchanged_ms: lease_ms, ..world.observation(FIRST, 0) };
    world.done(observe(over));
    assert_eq!(state(&world, 1), NodeState::Down);
    assert_eq!(world.ignored(observe(over)), Ignored::AlreadyDone);
    assert_eq!(world.state.owned_by(FIRST).count(), 0);
    assert_eq!(world.state.not_open().len(), 2);
    world.settle();
    world.lease_renewed(FIRST);
    assert_eq!(state(&world, 1), NodeState::Up, "a node that sleeps and wakes is back");
}

#[test]
fn a_stopped_node_comes_back_by_a_start_only() {
    let mut world = World::formed(2, 4);
    let incarnation = world.state.nodes()[&FIRST].incarnation;
    let stop = Command::StopNode { node: FIRST, incarnation };
    world.done(stop.clone());
    assert_eq!(world.ignored(stop.clone()), Ignored::AlreadyDone);
    let seen = world.observation(FIRST, 1);
    assert_eq!(world.ignored(Command::ObserveLease(seen)), Ignored::RunPassed);
    assert_eq!(state(&world, 1), NodeState::Down);
    world.start(FIRST);
    assert_eq!(world.ignored(stop), Ignored::RunPassed, "late, of the earlier run");
    assert_eq!(state(&world, 1), NodeState::Up);
}

#[test]
fn a_drain_for_restart_ends_with_the_restart() {
    for (drain, after) in
        [(Drain::ForRestart, NodeState::Up), (Drain::ForGood, NodeState::Draining)]
    {
        let mut world = World::formed(2, 4);
        let command = Command::DrainNode { node: FIRST, drain };
        world.done(command.clone());
        assert_eq!(world.ignored(command), Ignored::AlreadyDone);
        let to_drained = Command::MoveShard { holding: world.holding(1), to: FIRST };
        assert_eq!(world.refusal(to_drained), Refusal::NodeNotUp { node: FIRST });
        let remove = Command::RemoveNode { node: FIRST };
        assert_eq!(world.refusal(remove), Refusal::NodeHasShards { node: FIRST, shards: 2 });
        world.start(FIRST);
        assert_eq!(state(&world, 1), after);
        world.propose(Command::ResumeNode { node: FIRST });
        assert_eq!(state(&world, 1), NodeState::Up);
    }
}
