//! Prints what the control plane and its planner cost with 4,096 shards on 5 nodes. Run with
//! `cargo run --release -p consensus-placement --example control_rate`.
#![expect(clippy::print_stdout, reason = "the figures are the output")]
#![expect(clippy::disallowed_methods, reason = "a measurement needs the real clock")]
#![expect(clippy::unwrap_used, reason = "a measurement ends at the first failure")]

use consensus_control::bytes::Fixed;
use consensus_control::command::{Formation, LeaseObservation, NodeStart};
use consensus_control::{Command, ControlState, Feature, NodeSpec, Proposal, Timeouts};
use consensus_placement::{Figures, Observed, Rules, plan};
use schema_types::cluster::{Epoch, NodeId};
use schema_types::time::Timestamp;
use std::time::{Duration, Instant};

const SHARDS: u16 = 4_096;
const NODES: u64 = 5;

fn spec(node: u64) -> NodeSpec {
    NodeSpec {
        name: format!("node-{node}"),
        rpc_address: "10.0.0.1:7000".to_owned(),
        internal_address: "10.0.0.1:7001".to_owned(),
        raft_address: "10.0.0.1:7003".to_owned(),
        http_address: "10.0.0.1:7002".to_owned(),
        zone: format!("zone-{}", node % 3),
        version: "0.1.0".to_owned(),
        features: Feature::supported(),
        audit_key: consensus_control::PublicKey::default(),
    }
}

fn proposal(command: Command) -> Proposal {
    Proposal { at: Timestamp::default(), command }
}

fn apply(state: &mut ControlState, command: Command) {
    let outcome = state.apply(&proposal(command));
    assert!(outcome.is_done(), "{outcome:?}");
}

fn start(state: &mut ControlState, node: u64, incarnation: u64) {
    let (node, spec) = (NodeId(node), spec(node));
    let start = NodeStart { node, incarnation, lease_counter: incarnation, spec };
    apply(state, Command::StartNode(start));
}

fn formed() -> ControlState {
    let mut state = ControlState::new();
    apply(
        &mut state,
        Command::FormCluster(Formation {
            join_key: Fixed([1; 16]),
            first: spec(1),
            shards: SHARDS,
            epoch_floor: Epoch(0),
            timeouts: Timeouts::default(),
        }),
    );
    for node in 2..=NODES {
        let join_key = Fixed([u8::try_from(node).unwrap(); 16]);
        apply(&mut state, Command::JoinNode { join_key, spec: spec(node) });
    }
    (1..=NODES).for_each(|node| start(&mut state, node, 1));
    state
}

fn figure(name: &str, count: usize, took: Duration) {
    let each = took.as_secs_f64() * 1e6 / f64::from(u32::try_from(count.max(1)).unwrap());
    println!("{name:<58} {count:>7} x {each:>10.2} us");
}

/// Does `work` once and prints what one of its `count` parts took.
fn measure<T>(name: &str, count: usize, work: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let result = work();
    figure(name, count, begin.elapsed());
    result
}

fn planned(state: &ControlState) -> Vec<Command> {
    let figures = Figures::default();
    let observed = Observed { state, figures: &figures, has_quorum: true };
    plan(observed, &Rules::default()).commands.into_iter().map(|it| it.command).collect()
}

/// Every report that is due on any node.
fn due(state: &ControlState) -> Vec<Command> {
    let nodes = (1..=NODES).map(NodeId);
    let due = nodes.flat_map(|node| {
        state.due_actions(node).into_iter().map(move |action| action.done_by(node))
    });
    due.collect()
}

fn open_all(state: &mut ControlState) {
    loop {
        let commands: Vec<Command> = planned(state).into_iter().chain(due(state)).collect();
        if commands.is_empty() {
            return;
        }
        for command in commands {
            state.apply(&proposal(command));
        }
    }
}

fn main() {
    let mut state = formed();
    println!("{SHARDS} shards, {NODES} nodes");
    open_all(&mut state);
    measure("plan, nothing to do", 1, || planned(&state));
    measure("due_actions of a node, nothing due", 1, || state.due_actions(NodeId(1)));
    let orphans = state.owned_by(NodeId(1)).count();
    measure("a node goes down, per shard of it", orphans, || {
        apply(
            &mut state,
            Command::ObserveLease(LeaseObservation {
                node: NodeId(1),
                incarnation: 1,
                counter: 1,
                unchanged_ms: 60_000,
                observer_renewals: 9,
            }),
        );
    });
    let moves = measure("plan, per shard without an owner", orphans, || planned(&state));
    measure("apply MoveShard", moves.len(), || {
        moves.into_iter().for_each(|command| apply(&mut state, command));
    });
    measure("due_actions of a node, per action", orphans / 4, || state.due_actions(NodeId(2)));
    reports(&mut state);
    let owned = state.owned_by(NodeId(2)).count();
    measure("a node restarts, per shard of it", owned, || start(&mut state, 2, 2));
    open_all(&mut state);
    let bytes = measure("snapshot: encode", 1, || state.encode().unwrap());
    measure("snapshot: decode and check", 1, || ControlState::decode(&bytes).unwrap());
    println!("snapshot: {} bytes", bytes.len());
    measure("shard_map", 1, || state.shard_map());
}

/// Reports as values, then as bytes of the log.
fn reports(state: &mut ControlState) {
    let first = due(state);
    measure("apply ReportStep", first.len(), || {
        first.into_iter().for_each(|command| apply(state, command));
    });
    let encoded: Vec<Vec<u8>> =
        due(state).into_iter().map(|command| proposal(command).encode().unwrap()).collect();
    measure("apply_bytes ReportStep", encoded.len(), || {
        encoded.iter().for_each(|bytes| assert!(state.apply_bytes(bytes).is_done()));
    });
    open_all(state);
}
