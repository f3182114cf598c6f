//! Tenants, policies and audit heads: what is kept, and what is refused and why.

use crate::world::World;
use consensus_control::command::{AuditHeadChange, PolicyChange, TenantChange};
use consensus_control::limits::{
    AUDIT_HEAD_BYTES_MAX, POLICY_BYTES_MAX, PROPOSAL_BYTES_MAX, TENANT_SETTINGS_BYTES_MAX,
};
use consensus_control::registry::TenantStanding;
use consensus_control::{Blob, Command, Digest32, Holding, Ignored, Proposal, Refusal};
use schema_types::cluster::{Epoch, NodeId};
use schema_types::ids::{ShardId, TenantId};
use schema_types::time::Timestamp;

fn tenant(revision: u64, standing: TenantStanding) -> TenantChange {
    TenantChange { tenant: TenantId::new("t1"), revision, standing, settings: Blob(vec![1, 2]) }
}

#[test]
fn a_tenant_changes_one_revision_at_a_time() {
    let mut world = World::formed(1, 1);
    let put = Command::PutTenant;
    let early = put(tenant(2, TenantStanding::Active));
    assert_eq!(world.refusal(early), Refusal::RevisionMoved { current: 0 });
    world.done(put(tenant(1, TenantStanding::Active)));
    let again = put(tenant(1, TenantStanding::Active));
    assert_eq!(world.ignored(again), Ignored::AlreadyDone);
    let other = put(tenant(1, TenantStanding::Closed));
    assert_eq!(world.refusal(other), Refusal::RevisionMoved { current: 1 });
    world.done(put(tenant(2, TenantStanding::Suspended)));
    let kept = &world.state.tenants()[&TenantId::new("t1")];
    assert_eq!((kept.revision, kept.standing), (2, TenantStanding::Suspended));
    let settings = Blob(vec![0; TENANT_SETTINGS_BYTES_MAX + 1]);
    let large = TenantChange { settings, ..tenant(3, TenantStanding::Active) };
    assert!(matches!(world.refusal(put(large)), Refusal::PartLimit { .. }));
    let nameless = TenantChange { tenant: TenantId::new(""), ..tenant(1, TenantStanding::Active) };
    assert!(matches!(world.refusal(put(nameless)), Refusal::PartLimit { .. }));
    world.check_replay();
}

fn policy(version: u64, content: &[u8]) -> PolicyChange {
    PolicyChange {
        name: "care".to_owned(),
        version,
        digest: Digest32::of(content),
        content: Blob(content.to_vec()),
    }
}

#[test]
fn a_policy_has_the_content_of_its_digest() {
    let mut world = World::formed(1, 1);
    let put = Command::PutPolicy;
    let wrong = PolicyChange { digest: Digest32::of(b"other"), ..policy(1, b"permit") };
    assert_eq!(world.refusal(put(wrong)), Refusal::DigestDiffers);
    world.done(put(policy(1, b"permit")));
    assert_eq!(world.ignored(put(policy(1, b"permit"))), Ignored::AlreadyDone);
    let stale = put(policy(1, b"forbid"));
    assert_eq!(world.refusal(stale), Refusal::RevisionMoved { current: 1 });
    let large = put(policy(2, &[7; POLICY_BYTES_MAX + 1]));
    assert!(matches!(world.refusal(large), Refusal::PartLimit { .. }));
    let largest = policy(2, &[7; POLICY_BYTES_MAX]);
    let proposal = Proposal { at: Timestamp::MIN, command: put(largest.clone()) };
    assert!(proposal.encode().unwrap().len() <= PROPOSAL_BYTES_MAX);
    world.done(put(largest));
    world.done(put(policy(3, b"")));
    assert_eq!(world.state.policies()["care"].version, 3);
    world.check_replay();
}

fn head(world: &World, size: u64, root: u8) -> AuditHeadChange {
    AuditHeadChange {
        node: world.owner(0).unwrap_or(NodeId(1)),
        holding: world.holding(0),
        size,
        root: Digest32::of(&[root]),
        signed: Blob(vec![root; 64]),
    }
}

#[test]
fn audit_heads_only_grow_and_forks_are_told_aud_2() {
    let mut world = World::formed(2, 2);
    let anchor = Command::AnchorAuditHead;
    world.done(anchor(head(&world, 10, 1)));
    assert_eq!(world.ignored(anchor(head(&world, 10, 1))), Ignored::AlreadyDone);
    let forked = Refusal::AuditHeadForked { size: 10 };
    assert_eq!(world.refusal(anchor(head(&world, 10, 2))), forked);
    let behind = Refusal::AuditHeadBehind { size: 10 };
    assert_eq!(world.refusal(anchor(head(&world, 9, 1))), behind);
    world.done(anchor(head(&world, 12, 3)));
    assert_eq!(world.state.audit_heads()[&ShardId(0)].size, 12);
    let signed = Blob(vec![0; AUDIT_HEAD_BYTES_MAX + 1]);
    let large = AuditHeadChange { signed, ..head(&world, 13, 1) };
    assert!(matches!(world.refusal(anchor(large)), Refusal::PartLimit { .. }));
    world.check_replay();
}

#[test]
fn only_the_owner_anchors_and_the_source_until_it_let_go_own_1() {
    let mut world = World::formed(2, 2);
    let owner = world.owner(0).unwrap();
    let other = NodeId(3 - owner.0);
    let anchor = Command::AnchorAuditHead;
    let current = world.holding(0).epoch;
    let moved = Refusal::EpochMoved { shard: ShardId(0), current };
    let before = head(&world, 5, 1);
    assert_eq!(world.refusal(anchor(AuditHeadChange { node: other, ..before.clone() })), moved);
    let holding = Holding { epoch: Epoch(0), ..before.holding };
    assert_eq!(world.refusal(anchor(AuditHeadChange { holding, ..before.clone() })), moved);
    let unknown = Holding { shard: ShardId(9), epoch: current };
    let unknown = AuditHeadChange { holding: unknown, ..before.clone() };
    assert_eq!(world.refusal(anchor(unknown)), Refusal::ShardUnknown { shard: ShardId(9) });
    world.begin_move(0, other.0);
    world.done(anchor(before.clone()));
    world.act(owner);
    world.act(owner);
    let late = AuditHeadChange { size: 6, ..before };
    assert!(matches!(world.refusal(anchor(late)), Refusal::EpochMoved { .. }));
}

#[test]
fn the_last_head_of_a_merged_shard_is_anchored_afterwards() {
    let mut world = World::formed(1, 2);
    let (lower, upper) = (world.holding(0), world.holding(1));
    world.done(Command::MergeShards { lower, upper });
    world.settle();
    let last = AuditHeadChange { holding: upper, ..head(&world, 40, 4) };
    world.done(Command::AnchorAuditHead(last));
    assert_eq!(world.state.audit_heads()[&ShardId(1)].size, 40);
}
