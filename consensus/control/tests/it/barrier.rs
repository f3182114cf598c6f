//! Feature barriers and stored forms: mixed versions refuse alike, newer software's data are told
//! from damage, and the stored forms of today are read for ever.

use crate::world::{World, formation, join_key, spec};
use consensus_control::command::{Formation, NodeStart};
use consensus_control::{
    Command, ControlState, DecodeError, Feature, Ignored, NodeSpec, Outcome, Proposal, Refusal,
};
use schema_types::cluster::NodeId;
use std::collections::BTreeSet;

/// What newer software will write.
const NEWER: Feature = Feature(77);
const NEWER_COMMAND: &[u8] =
    br#"{"form":2,"feature":77,"at":5,"command":{"GrowWings":{"pairs":2,"why":["a",null]}}}"#;

fn old() -> NodeSpec {
    NodeSpec { features: BTreeSet::new(), ..spec("a1") }
}

/// A cluster of one node with old software.
fn old_world() -> World {
    let mut world = World::default();
    world.propose(Command::FormCluster(Formation { first: old(), ..formation(2) }));
    world.start(NodeId(1));
    world.settle();
    world
}

fn with_newer_active() -> World {
    let mut world = World::formed(1, 2);
    let features = BTreeSet::from([Feature::SPLIT_AND_MERGE, NEWER]);
    let known = world.state.nodes()[&NodeId(1)].clone();
    let spec = NodeSpec { features, ..known.spec };
    let incarnation = known.incarnation + 1;
    let start = NodeStart { node: NodeId(1), incarnation, lease_counter: 9, spec };
    world.done(Command::StartNode(start));
    world.done(Command::ActivateFeature(NEWER));
    world
}

#[test]
fn a_feature_is_active_when_all_living_nodes_have_it() {
    let mut world = old_world();
    let at = world.state.shard_map().unwrap().places()[0].range.middle().unwrap();
    let split = Command::SplitShard { holding: world.holding(0), at };
    let feature = Feature::SPLIT_AND_MERGE;
    assert_eq!(world.refusal(split.clone()), Refusal::FeatureInactive { feature });
    world.join("b", 2);
    let activate = Command::ActivateFeature(feature);
    let nodes = vec![NodeId(1)];
    assert_eq!(world.refusal(activate.clone()), Refusal::FeatureMissing { feature, nodes });
    let known = world.state.nodes()[&NodeId(1)].clone();
    world.done(Command::StartNode(NodeStart {
        node: NodeId(1),
        incarnation: known.incarnation + 1,
        lease_counter: known.lease_counter,
        spec: NodeSpec { features: Feature::supported(), ..known.spec },
    }));
    world.settle();
    world.done(activate.clone());
    assert_eq!(world.ignored(activate), Ignored::AlreadyDone);
    assert_eq!(world.ignored(Command::ActivateFeature(Feature::BASE)), Ignored::AlreadyDone);
    let holding = world.holding(0);
    world.done(Command::SplitShard { holding, at });
}

#[test]
fn a_node_that_is_down_keeps_no_feature_back_and_starts_only_with_it() {
    let mut world = old_world();
    world.join("b", 2);
    world.start(NodeId(2));
    world.lease_over(NodeId(1));
    let feature = Feature::SPLIT_AND_MERGE;
    world.done(Command::ActivateFeature(feature));
    let refused = world.start(NodeId(1));
    assert_eq!(refused, Outcome::Refused(Refusal::SoftwareTooOld { feature }));
    let join = Command::JoinNode {
        join_key: join_key(3),
        spec: NodeSpec { name: "c".to_owned(), ..old() },
    };
    assert_eq!(world.refusal(join), Refusal::SoftwareTooOld { feature });
}

#[test]
fn a_command_of_newer_software_is_refused_until_its_feature_is_active() {
    let mut world = World::formed(1, 2);
    let before = world.state.clone();
    let refused = world.state.apply_bytes(NEWER_COMMAND);
    assert_eq!(refused, Outcome::Refused(Refusal::FeatureInactive { feature: NEWER }));
    assert_eq!(world.state, before);
    let newer = DecodeError::SoftwareTooOld { feature: NEWER };
    assert_eq!(Proposal::decode(NEWER_COMMAND), Err(newer));

    let mut world = with_newer_active();
    let before = world.state.clone();
    let outcome = world.state.apply_bytes(NEWER_COMMAND);
    assert_eq!(outcome, Outcome::MustStop { feature: NEWER });
    assert_eq!(world.state, before);
}

#[test]
fn a_snapshot_of_newer_software_is_told_from_damage() {
    let world = with_newer_active();
    let bytes = world.state.encode().unwrap();
    let newer = DecodeError::SoftwareTooOld { feature: NEWER };
    assert_eq!(ControlState::decode(&bytes), Err(newer));
    let text = String::from_utf8(World::formed(2, 4).state.encode().unwrap()).unwrap();
    assert!(ControlState::decode(text.as_bytes()).is_ok());
    let half = &text[..text.len() / 2];
    let damaged = [
        half.to_owned(),
        text.replace("\"form\":1", "\"form\":9"),
        text.replace("4611686018427387904", "4611686018427387905"),
        text.replacen("\"owner\":1", "\"owner\":3", 1),
        text.replace("\"node_next\":3", "\"node_next\":2"),
        text.replace("\"life\":\"Up\"", "\"life\":\"Down\""),
        String::new(),
    ];
    for text in damaged {
        let decoded = ControlState::decode(text.as_bytes());
        assert!(matches!(decoded, Err(DecodeError::Damaged { .. })), "{decoded:?}");
    }
}

#[test]
fn damaged_proposals_are_refused_and_never_panic() {
    let mut world = World::formed(1, 2);
    let proposal = world.log.last().unwrap().clone();
    let bytes = proposal.encode().unwrap();
    assert_eq!(Proposal::decode(&bytes).unwrap(), proposal);
    let before = world.state.clone();
    for length in 0..bytes.len() {
        let outcome = world.state.apply_bytes(&bytes[..length]);
        assert_eq!(outcome, Outcome::Refused(Refusal::Malformed));
    }
    for place in 0..bytes.len() {
        for flip in [1, 2, 0x80] {
            let mut damaged = bytes.clone();
            damaged[place] ^= flip;
            drop(world.state.clone().apply_bytes(&damaged));
        }
    }
    let text = String::from_utf8(bytes).unwrap();
    let base = text.replace("\"command\":{", "\"command\":{\"Unknown\":1,");
    let lying = text.replace("\"feature\":0", "\"feature\":1");
    for text in [base, lying, format!("{text}{}", " ".repeat(1 << 20))] {
        let outcome = world.state.apply_bytes(text.as_bytes());
        assert_eq!(outcome, Outcome::Refused(Refusal::Malformed), "{}", text.len());
    }
    assert_eq!(world.state, before);
}

#[test]
fn outcomes_travel_without_their_events() {
    let mut world = World::formed(1, 2);
    let outcome = world.join("b", 2);
    assert_eq!(outcome.events().len(), 1);
    let read = Outcome::decode(&outcome.encode().unwrap()).unwrap();
    assert_eq!((read.events().len(), read.code(), read.is_done()), (0, "done", true));
    let refused = world.join("b", 3);
    assert_eq!(refused.code(), "name-taken");
    assert_eq!(Outcome::decode(&refused.encode().unwrap()).unwrap(), refused);
    assert!(Outcome::decode(b"{}").is_err());
}
