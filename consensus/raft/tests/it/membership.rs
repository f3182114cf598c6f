//! Clusters that grow, shrink and replace their nodes, and ids that must not come back.

use consensus_raft::{IdReused, MembershipError, StartError, StopReason};
use node_env::fake::FakeDisk;
use schema_types::cluster::NodeId;

use crate::hub::address;
use crate::ledger::Command;
use crate::world::{World, node, put, until};

async fn join(world: &mut World, id: u64) {
    world.start(node(id)).await.unwrap();
    let leader = world.leader().await;
    world.planes[&leader].add_learner(node(id), &address(node(id))).await.unwrap();
}

async fn voters(world: &World) -> Vec<u64> {
    let leader = world.leader().await;
    world.status(leader).await.voters().map(|node| node.0).collect()
}

#[tokio::test(start_paused = true)]
async fn a_cluster_grows_from_one_to_three_to_five_and_replaces_a_node() {
    let mut world = World::with_voters(1, 1).await;
    put(world.plane(1), 1).await.unwrap();
    for id in [2, 3] {
        join(&mut world, id).await;
    }
    world.plane(2).set_voters([1, 2, 3].map(node)).await.unwrap();
    assert_eq!(voters(&world).await, [1, 2, 3]);
    put(world.plane(3), 2).await.unwrap();
    for id in [4, 5] {
        join(&mut world, id).await;
    }
    world.plane(1).set_voters([1, 2, 3, 4, 5].map(node)).await.unwrap();
    assert_eq!(voters(&world).await, [1, 2, 3, 4, 5]);
    put(world.plane(5), 3).await.unwrap();

    // Node 2 is lost for good; node 6 takes its place.
    world.crash(node(2)).await;
    join(&mut world, 6).await;
    world.plane(1).set_voters([1, 3, 4, 5, 6].map(node)).await.unwrap();
    world.plane(1).remove(node(2)).await.unwrap();
    assert_eq!(voters(&world).await, [1, 3, 4, 5, 6]);
    let leader = world.leader().await;
    let members = world.status(leader).await.members;
    assert_eq!(members.keys().map(|node| node.0).collect::<Vec<_>>(), [1, 3, 4, 5, 6]);
    put(world.plane(6), 4).await.unwrap();

    // Two of five may fail.
    world.crash(node(3)).await;
    world.crash(node(4)).await;
    put(world.plane(6), 5).await.unwrap();
    assert_eq!(world.converged().await, [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn the_leader_may_give_up_its_own_vote() {
    let mut world = World::with_voters(3, 2).await;
    join(&mut world, 4).await;
    let leader = world.leader().await;
    let others: Vec<NodeId> = (1..=4).map(node).filter(|id| *id != leader).collect();
    world.planes[&leader].set_voters(others.clone()).await.unwrap();
    let next = world.leader_beside(&[leader]).await;
    put(&world.planes[&next], 1).await.unwrap();
    world.planes[&next].remove(leader).await.unwrap();
    let members = world.status(next).await.members;
    assert_eq!(members.keys().copied().collect::<Vec<_>>(), others);
}

#[tokio::test(start_paused = true)]
async fn senseless_changes_are_refused() {
    let mut world = World::with_voters(3, 3).await;
    join(&mut world, 4).await;
    let plane = world.plane(1);
    for count in [0, 2, 4] {
        let refused = plane.set_voters((1..=count).map(node)).await;
        let voters = usize::try_from(count).unwrap();
        assert_eq!(refused, Err(MembershipError::VoterCount { voters }));
    }
    let missing = plane.set_voters([1, 2, 9].map(node)).await;
    assert_eq!(missing, Err(MembershipError::NotAMember { node: 9 }));
    assert_eq!(plane.remove(node(2)).await, Err(MembershipError::IsVoter { node: 2 }));
    assert_eq!(plane.remove(node(9)).await, Err(MembershipError::NotAMember { node: 9 }));
    let nobody = plane.add_learner(node(9), "hub:9").await;
    assert!(matches!(nobody, Err(MembershipError::Unreachable { .. })), "{nobody:?}");
    let other = plane.add_learner(node(9), "hub:4").await;
    assert!(matches!(other, Err(MembershipError::Unreachable { .. })), "{other:?}");
    assert_eq!(plane.add_learner(node(4), "hub:4").await, Ok(()), "again is fine");
}

#[tokio::test(start_paused = true)]
async fn a_learner_that_cannot_follow_gets_no_vote() {
    let mut world = World::with_voters(1, 4).await;
    for id in [2, 3] {
        join(&mut world, id).await;
    }
    world.crash(node(3)).await;
    for number in 0..100 {
        put(world.plane(1), number).await.unwrap();
    }
    let refused = world.plane(1).set_voters([1, 2, 3].map(node)).await;
    assert!(matches!(refused, Err(MembershipError::Lags { node: 3, .. })), "{refused:?}");
    put(world.plane(1), 100).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_new_learner_gets_a_large_snapshot_in_pieces() {
    let mut world = World::configured(1, 5, |config| config.log_entries_kept = 4).await;
    for _ in 0..40 {
        world.plane(1).propose(&Command::Fill(vec![7; 40_000])).await.unwrap();
    }
    world.plane(1).trigger_snapshot().await.unwrap();
    until("the log was given up", || async {
        world.status(node(1)).await.purged_index >= Some(30)
    })
    .await;
    join(&mut world, 2).await;
    join(&mut world, 3).await;
    world.plane(1).set_voters([1, 2, 3].map(node)).await.unwrap();
    assert!(world.status(node(2)).await.snapshot_index >= Some(30), "it has the snapshot");
    world.converged().await;
    assert_eq!(world.plane(2).read(|ledger| ledger.heap.len()), 1_600_000);
    world.crash(node(2)).await;
    world.start(node(2)).await.unwrap();
    assert_eq!(world.plane(2).read(|ledger| ledger.heap.len()), 1_600_000, "and keeps it");
    put(world.plane(2), 1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_log_that_grows_in_bytes_is_given_up_behind_a_snapshot() {
    let world = World::configured(3, 6, |config| config.snapshot_log_bytes = 400_000).await;
    for _ in 0..60 {
        world.plane(1).propose(&Command::Fill(vec![7; 40_000])).await.unwrap();
    }
    until("every log is small again", || async {
        let mut small = true;
        for id in 1..=3 {
            small &= world.status(node(id)).await.log_bytes < 450_000;
        }
        small
    })
    .await;
    put(world.plane(2), 1).await.unwrap();
    world.converged().await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_moved_is_found_at_its_new_address() {
    let mut world = World::with_voters(3, 7).await;
    world.crash(node(3)).await;
    let mut options = world.options(node(3));
    options.address = "hub:elsewhere".to_owned();
    world.start_as(options).await.unwrap();
    put(world.plane(1), 1).await.unwrap();
    world.plane(1).add_learner(node(3), "hub:elsewhere").await.unwrap();
    assert_eq!(voters(&world).await, [1, 2, 3], "it keeps its vote");
    until("it follows again", || async { world.plane(3).read(|ledger| ledger.numbers == [1]) })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_voter_with_a_fresh_disk_is_refused_and_stops() {
    let mut world = World::with_voters(3, 8).await;
    put(world.plane(1), 1).await.unwrap();
    world.crash(node(3)).await;
    world.disks.insert(node(3), FakeDisk::new(999));
    world.start(node(3)).await.unwrap();
    let reason = world.plane(3).stopped().await;
    let StopReason::IdReused(IdReused { node: 3, known, found }) = reason else {
        panic!("{reason}");
    };
    assert_ne!(known, found);
    world.planes.remove(&node(3));
    put(world.plane(2), 2).await.unwrap();
    assert_eq!(world.converged().await, [1, 2], "the others go on");
}

#[tokio::test(start_paused = true)]
async fn an_id_never_comes_back_with_another_disk_not_even_after_its_removal() {
    let mut world = World::configured(3, 9, |config| config.log_entries_kept = 0).await;
    join(&mut world, 4).await;
    world.plane(1).remove(node(4)).await.unwrap();
    // The memory of the id survives snapshots and restarts of the leader.
    for id in 1..=3 {
        world.plane(id).trigger_snapshot().await.unwrap();
    }
    put(world.plane(1), 1).await.unwrap();
    for id in 1..=3 {
        world.crash(node(id)).await;
        world.start(node(id)).await.unwrap();
    }
    put(world.plane(1), 2).await.unwrap();
    world.crash(node(4)).await;
    world.disks.insert(node(4), FakeDisk::new(998));
    world.start(node(4)).await.unwrap();
    let refused = world.plane(1).add_learner(node(4), "hub:4").await;
    assert!(matches!(refused, Err(MembershipError::IdReused(_))), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_node_of_another_cluster_is_not_taken_in() {
    let mut world = World::with_voters(1, 11).await;
    let mut options = world.options(node(2));
    options.cluster = consensus_raft::ClusterId([6; 16]);
    world.start_as(options).await.unwrap();
    let refused = world.plane(1).add_learner(node(2), "hub:2").await;
    let Err(MembershipError::Unreachable { reason }) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("cluster"), "{reason}");
    world.crash(node(2)).await;
    let refused = world.start(node(2)).await;
    assert!(matches!(refused, Err(StartError::WrongDirectory { .. })), "{refused:?}");
}
