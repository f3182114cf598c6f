//! Stored forms as the first release wrote them: they are in Raft logs and snapshots, so they are
//! read for ever. Lines are only added; a new form of a command gets a line of its own.

use crate::world::{World, formation, join_key, spec};
use consensus_control::command::{AuditHeadChange, PolicyChange, TenantChange};
use consensus_control::registry::TenantStanding;
use consensus_control::{
    Blob, Command, ControlState, Digest32, Drain, Feature, Outcome, Proposal, Timeouts,
};
use schema_types::cluster::{Epoch, NodeId};
use schema_types::ids::TenantId;
use std::collections::BTreeSet;

const PROPOSALS: &str = include_str!("golden/proposals_1.txt");
const SNAPSHOT: &str = include_str!("golden/snapshot_1.txt");

/// Every command at least once.
fn history() -> World {
    let mut world = World::default();
    let features = BTreeSet::new();
    let first = consensus_control::NodeSpec { features, ..spec("a1") };
    let formation = consensus_control::command::Formation { first, ..formation(3) };
    world.done(Command::FormCluster(formation));
    world.start(NodeId(1));
    world.join("a2", 2);
    world.start(NodeId(2));
    world.settle();
    let holding = world.holding(0);
    let to = NodeId(3 - world.owner(0).unwrap().0);
    world.done(Command::MoveShard { holding, to });
    world.done(Command::CancelMove(world.holding(0)));
    world.done(Command::SkipSource(world.holding(0)));
    let stored = Epoch(40);
    let node = world.owner(0).unwrap();
    world.done(Command::RaiseEpoch { node, holding: world.holding(0), stored });
    world.done(Command::ReleaseShard(world.holding(0)));
    world.settle();
    registry(&mut world);
    world.lease_renewed(NodeId(2));
    world.done(Command::DrainNode { node: NodeId(2), drain: Drain::ForRestart });
    world.done(Command::ResumeNode { node: NodeId(2) });
    world.done(Command::StopNode { node: NodeId(2), incarnation: 1 });
    world.done(Command::RemoveNode { node: NodeId(2) });
    world.join("a3", 3);
    world.settle();
    ranges(&mut world);
    world
}

fn registry(world: &mut World) {
    let content = Blob(b"permit(principal, action, resource);".to_vec());
    let digest = Digest32::of(&content.0);
    let name = "care".to_owned();
    world.done(Command::PutPolicy(PolicyChange { name, version: 1, digest, content }));
    world.done(Command::PutTenant(TenantChange {
        tenant: TenantId::new("north"),
        revision: 1,
        standing: TenantStanding::Active,
        settings: Blob(vec![1]),
    }));
    world.done(Command::AnchorAuditHead(AuditHeadChange {
        node: world.owner(1).unwrap(),
        holding: world.holding(1),
        size: 9,
        root: Digest32::of(b"root"),
        signed: Blob(vec![2; 4]),
    }));
    world.done(Command::SetTimeouts(Timeouts { lease_ms: 2_000, step_patience_ms: 4_000 }));
}

/// After the only node has the feature.
fn ranges(world: &mut World) {
    let known = world.state.nodes()[&NodeId(1)].clone();
    let key = join_key(3);
    assert!(world.state.nodes().values().any(|node| node.join_key == key));
    world.done(Command::StartNode(consensus_control::command::NodeStart {
        node: NodeId(1),
        incarnation: known.incarnation + 1,
        lease_counter: known.lease_counter + 1,
        spec: consensus_control::NodeSpec { features: Feature::supported(), ..known.spec },
    }));
    world.done(Command::ActivateFeature(Feature::SPLIT_AND_MERGE));
    world.settle();
    let holding = world.holding(2);
    world.done(Command::SplitShard { holding, at: u64::MAX - 9 });
    world.settle();
    let (lower, upper) = (world.holding(0), world.holding(1));
    world.done(Command::MergeShards { lower, upper });
}

#[test]
fn stored_proposals_of_the_first_release_are_read() {
    let mut state = ControlState::new();
    let mut names = BTreeSet::new();
    for line in PROPOSALS.lines() {
        let proposal = Proposal::decode(line.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(proposal.encode().unwrap()).unwrap(), line);
        names.insert(proposal.command.name());
        let outcome = state.apply(&proposal);
        assert!(!matches!(outcome, Outcome::Refused(_)), "{line} {outcome:?}");
    }
    assert_eq!(names.len(), 21, "each command has its line");
    let snapshot = ControlState::decode(SNAPSHOT.trim_end().as_bytes()).unwrap();
    assert_eq!(snapshot, state);
}

#[test]
fn todays_forms_are_those_of_the_first_release() {
    let world = history();
    let lines: Vec<String> = world
        .log
        .iter()
        .map(|proposal| String::from_utf8(proposal.encode().unwrap()).unwrap())
        .collect();
    assert_eq!(lines.join("\n"), PROPOSALS.trim_end());
    assert_eq!(String::from_utf8(world.state.encode().unwrap()).unwrap(), SNAPSHOT.trim_end());
}
