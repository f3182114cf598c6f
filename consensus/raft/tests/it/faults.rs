//! Disks that fail or lie: the node stops or does not start, says why, and promises nothing.

use std::path::{Path, PathBuf};

use consensus_raft::{ControlPlane, ProposeError, StartError, StopReason};
use node_env::fake::Fault;
use node_env::{Disk, DiskOperation, OpenMode};

use crate::hub::address;
use crate::ledger::{Command, OldLedger};
use crate::world::{DIRECTORY, World, node, put};

fn path(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

#[tokio::test(start_paused = true)]
async fn a_disk_error_stops_the_node_with_its_reason() {
    let cases = [
        (DiskOperation::SyncData, Fault::Io),
        (DiskOperation::Write, Fault::Io),
        (DiskOperation::Write, Fault::NoSpace),
    ];
    for (operation, fault) in cases {
        let mut world = World::with_voters(1, 1).await;
        put(world.plane(1), 1).await.unwrap();
        let disk = world.disk(node(1));
        disk.inject(operation, 0, fault);
        let failed = put(world.plane(1), 2).await.unwrap_err();
        let honest = matches!(
            failed,
            ProposeError::OutcomeUnknown { .. }
                | ProposeError::Stopped { reason: StopReason::Disk { .. } }
        );
        assert!(honest, "{operation:?}: {failed}");
        let reason = world.plane(1).stopped().await;
        assert!(matches!(reason, StopReason::Disk { .. }), "{operation:?}: {reason}");
        let before = disk.syncs();
        let stopped = put(world.plane(1), 3).await;
        assert_eq!(stopped, Err(ProposeError::Stopped { reason }));
        assert_eq!(disk.syncs(), before, "no sync is tried again");
        world.crash(node(1)).await;
        world.start(node(1)).await.unwrap();
        put(world.plane(1), 4).await.unwrap();
        let numbers = world.converged().await;
        assert!(numbers == [1, 4] || numbers == [1, 2, 4], "{numbers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_follower_whose_disk_fails_stops_and_the_others_go_on() {
    let mut world = World::with_voters(3, 2).await;
    let leader = world.leader().await;
    let follower = node(leader.0 % 3 + 1);
    world.disk(follower).inject(DiskOperation::SyncData, 0, Fault::Io);
    for number in 0..5 {
        put(&world.planes[&leader], number).await.unwrap();
    }
    let reason = world.planes[&follower].stopped().await;
    assert!(matches!(reason, StopReason::Disk { .. }), "{reason}");
    world.crash(follower).await;
    world.start(follower).await.unwrap();
    put(&world.planes[&follower], 5).await.unwrap();
    assert_eq!(world.converged().await, [0, 1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_disk_fails_is_replaced() {
    let mut world = World::with_voters(3, 3).await;
    put(world.plane(1), 0).await.unwrap();
    let leader = world.leader().await;
    world.disk(leader).inject(DiskOperation::SyncData, 0, Fault::Io);
    let _unknown = put(&world.planes[&leader], 1_000).await;
    assert!(matches!(world.planes[&leader].stopped().await, StopReason::Disk { .. }));
    world.crash(leader).await;
    let next = world.leader().await;
    put(&world.planes[&next], 1).await.unwrap();
    let numbers = world.converged().await;
    assert!(numbers == [0, 1] || numbers == [0, 1_000, 1], "{numbers:?}");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_lost_or_damaged_a_promise_does_not_start() {
    let cases: [(&str, Hurt); 5] = [
        ("vote", lose),
        ("identity", lose),
        ("log-0000000000000000", lose),
        ("log-0000000000000000", flip),
        ("snapshot", flip),
    ];
    for (name, hurt) in cases {
        let mut world = World::with_voters(1, 4).await;
        for number in 0..5 {
            put(world.plane(1), number).await.unwrap();
        }
        world.plane(1).trigger_snapshot().await.unwrap();
        crate::world::until("there is a snapshot", || async {
            world.status(node(1)).await.snapshot_index.is_some()
        })
        .await;
        world.crash(node(1)).await;
        hurt(&world.disk(node(1)), &path(name));
        let refused = world.start(node(1)).await.unwrap_err();
        let StartError::Damaged { file, .. } = &refused else { panic!("{name}: {refused}") };
        assert!(file.starts_with(&name[..3]), "{name}: {refused}");
    }
}

type Hurt = fn(&dyn Disk, &Path);

fn lose(disk: &dyn Disk, path: &Path) {
    disk.remove(path).unwrap();
}

/// Damages a byte in the second page, or near the end of a small file.
fn flip(disk: &dyn Disk, path: &Path) {
    let file = disk.open(path, OpenMode::ReadWrite).unwrap();
    let at = if file.length().unwrap() > 8_192 { 4_096 + 60 } else { 20 };
    let mut byte = [0];
    file.read_at(at, &mut byte).unwrap();
    file.write_at(at, &[byte[0] ^ 1]).unwrap();
}

#[tokio::test(start_paused = true)]
async fn two_nodes_do_not_share_a_directory() {
    let mut world = World::with_voters(1, 5).await;
    let refused = world.start(node(1)).await;
    assert!(matches!(refused, Err(StartError::Locked { .. })), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_interrupted_while_it_was_made_can_be_made_again() {
    for cut in 1..=16 {
        let mut world = World::new(cut);
        let disk = world.disk(node(1));
        disk.cut_power_after(cut);
        if world.start(node(1)).await.is_err() {
            disk.restart();
            world.start(node(1)).await.unwrap_or_else(|error| panic!("cut {cut}: {error}"));
        } else {
            world.crash(node(1)).await;
            world.start(node(1)).await.unwrap();
        }
        world.plane(1).initialize().await.unwrap();
        put(world.plane(1), 1).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_leader_refuses_a_new_command_and_an_old_follower_stops_at_it() {
    let mut world = World::new(6);
    let options = world.options(node(1));
    let environment = world.environment(&options);
    let old = ControlPlane::start(environment, options, OldLedger::default()).await.unwrap();
    old.initialize().await.unwrap();
    for id in [2, 3] {
        world.start(node(id)).await.unwrap();
        old.add_learner(node(id), &address(node(id))).await.unwrap();
    }
    put(world.plane(2), 1).await.unwrap();
    let new = Command::Fill(vec![1]);
    assert_eq!(world.plane(2).propose(&new).await, Err(ProposeError::NotUnderstood));
    old.set_voters([1, 2, 3].map(node)).await.unwrap();
    old.set_voters([node(2)]).await.unwrap();
    world.leader_beside(&[node(1)]).await;
    assert_eq!(world.plane(2).propose(&new).await.unwrap().bytes, 1);
    let reason = old.stopped().await;
    assert!(matches!(reason, StopReason::Unreadable { .. }), "{reason}");
    put(world.plane(3), 2).await.unwrap();
}
