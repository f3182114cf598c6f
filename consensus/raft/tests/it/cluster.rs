//! What a cluster promises: what is acknowledged stays, whoever fails; what cannot be promised is
//! refused.

use consensus_raft::{MembershipError, ProposeError, ReadError, Role, StopReason};

use crate::hub::Cut;
use crate::ledger::Size;
use crate::world::{World, node, put, until};

#[tokio::test(start_paused = true)]
async fn one_node_commits_alone_and_comes_back() {
    let mut world = World::with_voters(1, 1).await;
    for number in 0..20 {
        assert_eq!(put(world.plane(1), number).await.unwrap().numbers, number + 1);
    }
    assert_eq!(world.plane(1).initialize().await, Err(MembershipError::AlreadyInitialized));
    world.crash(node(1)).await;
    world.start(node(1)).await.unwrap();
    assert_eq!(put(world.plane(1), 20).await, Ok(Size { numbers: 21, bytes: 0 }));
    assert_eq!(world.converged().await, (0..=20).collect::<Vec<u64>>());
}

#[tokio::test(start_paused = true)]
async fn what_was_committed_is_readable_at_once_after_a_restart() {
    let mut world = World::with_voters(3, 2).await;
    for number in 0..5 {
        put(world.plane(2), number).await.unwrap();
    }
    world.converged().await;
    world.plane(2).shutdown().await;
    world.planes.remove(&node(2));
    world.hub.isolate([node(2)], Cut::Reset);
    world.start(node(2)).await.unwrap();
    let numbers = world.plane(2).read(|ledger| ledger.numbers.clone());
    assert_eq!(numbers, [0, 1, 2, 3, 4], "without hearing from anybody");
}

#[tokio::test(start_paused = true)]
async fn every_node_takes_proposals_and_all_agree() {
    let world = World::with_voters(3, 3).await;
    for number in 0..30 {
        put(world.plane(1 + number % 3), number).await.unwrap();
    }
    assert_eq!(world.converged().await, (0..30).collect::<Vec<u64>>());
    let leader = world.leader().await;
    let follower = node(leader.0 % 3 + 1);
    let read = world.planes[&follower].read_linearizable(|ledger| ledger.numbers.len()).await;
    assert_eq!(read, Ok(30), "a linearizable read on a follower");
    let status = world.status(follower).await;
    assert_eq!((status.role, status.leader), (Role::Follower, Some(leader)));
    assert_eq!(status.voters().count(), 3);
    assert!(world.status(leader).await.quorum_heard_ms_ago.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_linearizable_read_sees_what_another_node_just_acknowledged() {
    let world = World::with_voters(3, 4).await;
    for number in 0..20 {
        put(world.plane(1 + number % 3), number).await.unwrap();
        let reader = world.plane(1 + (number + 1) % 3);
        let seen = reader.read_linearizable(|ledger| ledger.numbers.last().copied()).await;
        assert_eq!(seen, Ok(Some(number)));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_acknowledged_is_lost_when_the_leader_loses_its_power() {
    for seed in 10..20 {
        let mut world = World::with_voters(3, seed).await;
        let mut acknowledged = Vec::new();
        let mut next = 0;
        for round in 0..4 {
            let leader = world.leader().await;
            let follower = node(leader.0 % 3 + 1);
            for _ in 0..5 {
                put(&world.planes[&follower], next).await.unwrap();
                acknowledged.push(next);
                next += 1;
            }
            let plane = world.planes[&leader].clone();
            let mut doubtful = Box::pin(put(&plane, 1_000 + round));
            // Polled once, so that it is under way when the power goes.
            let started = futures_now(&mut doubtful).await;
            assert!(started.is_none());
            world.crash(leader).await;
            drop(doubtful);
            world.leader_beside(&[leader]).await;
            put(&world.planes[&follower], next).await.unwrap();
            acknowledged.push(next);
            next += 1;
            world.start(leader).await.unwrap();
        }
        let numbers = world.converged().await;
        let kept: Vec<u64> = numbers.iter().copied().filter(|number| *number < 1_000).collect();
        assert_eq!(kept, acknowledged, "seed {seed}");
        assert!(numbers.len() <= acknowledged.len() + 4, "nothing twice");
    }
}

/// What a future answers when it is polled once.
async fn futures_now<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let mut once = std::pin::Pin::new(future);
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match once.as_mut().poll(context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_power_cut_of_all_nodes_loses_nothing_acknowledged() {
    for seed in 30..40 {
        let mut world = World::with_voters(3, seed).await;
        for number in 0..12 {
            put(world.plane(1 + number % 3), number).await.unwrap();
        }
        for id in 1..=3 {
            world.disk(node(id)).cut_power();
        }
        for id in 1..=3 {
            world.crash(node(id)).await;
        }
        for id in 1..=3 {
            world.start(node(id)).await.unwrap();
        }
        put(world.plane(1), 12).await.unwrap();
        assert_eq!(world.converged().await, (0..=12).collect::<Vec<u64>>(), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_cut_off_promises_nothing() {
    for cut in [Cut::Reset, Cut::Silent] {
        let world = World::with_voters(3, 50).await;
        put(world.plane(1), 0).await.unwrap();
        let old = world.leader().await;
        let old_plane = world.planes[&old].clone();
        world.isolate(old, cut);
        let read = old_plane.read_linearizable(|ledger| ledger.numbers.len()).await;
        assert_eq!(read, Err(ReadError::NotConfirmed), "{cut:?}");
        let other = world.leader_beside(&[old]).await;
        put(&world.planes[&other], 1).await.unwrap();
        let refused = put(&old_plane, 1_000).await.unwrap_err();
        assert_eq!(refused, ProposeError::NoQuorum, "{cut:?}");
        world.hub.heal();
        until("the old leader follows", || async {
            world.status(old).await.role == Role::Follower
        })
        .await;
        put(&old_plane, 2).await.unwrap();
        assert_eq!(world.converged().await, [0, 1, 2], "{cut:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_proposal_under_way_when_the_leader_is_cut_off_has_an_unknown_outcome() {
    let world = World::with_voters(3, 60).await;
    put(world.plane(1), 0).await.unwrap();
    let old = world.leader().await;
    world.isolate(old, Cut::Silent);
    let unknown = put(&world.planes[&old], 1_000).await.unwrap_err();
    assert!(matches!(unknown, ProposeError::OutcomeUnknown { .. }), "{unknown}");
    let other = world.leader_beside(&[old]).await;
    put(&world.planes[&other], 1).await.unwrap();
    world.hub.heal();
    until("the old leader follows", || async { world.status(old).await.role == Role::Follower })
        .await;
    assert_eq!(world.converged().await, [0, 1], "its entry was replaced");
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_is_cut_off_neither_reads_nor_proposes_and_deposes_nobody() {
    let world = World::with_voters(3, 70).await;
    put(world.plane(1), 0).await.unwrap();
    let leader = world.leader().await;
    let follower = node(leader.0 % 3 + 1);
    world.isolate(follower, Cut::Reset);
    let plane = world.planes[&follower].clone();
    let refused = put(&plane, 1_000).await.unwrap_err();
    assert!(matches!(refused, ProposeError::NotLeader { .. }), "{refused}");
    let read = plane.read_linearizable(|ledger| ledger.numbers.len()).await;
    assert_eq!(read, Err(ReadError::NotConfirmed));
    assert_eq!(plane.read(|ledger| ledger.numbers.clone()), [0], "the local state is there");
    put(&world.planes[&leader], 1).await.unwrap();
    world.hub.heal();
    put(&plane, 2).await.unwrap();
    assert_eq!(world.converged().await, [0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn without_a_majority_nothing_is_proposed() {
    let mut world = World::with_voters(3, 80).await;
    put(world.plane(1), 0).await.unwrap();
    for id in [2, 3] {
        world.crash(node(id)).await;
    }
    let mut steps = tokio::time::interval(std::time::Duration::from_millis(500));
    for _ in 0..6 {
        steps.tick().await;
    }
    let refused = put(world.plane(1), 1_000).await.unwrap_err();
    let certain = matches!(refused, ProposeError::NoQuorum | ProposeError::NotLeader { .. });
    assert!(certain, "{refused}");
    for id in [2, 3] {
        world.start(node(id)).await.unwrap();
    }
    put(world.plane(2), 1).await.unwrap();
    assert_eq!(world.converged().await, [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn agents_watch_what_is_applied() {
    let world = World::with_voters(3, 90).await;
    let mut applied = world.plane(3).applied();
    let before = *applied.borrow_and_update();
    put(world.plane(1), 7).await.unwrap();
    applied.wait_for(|index| *index > before).await.unwrap();
    assert_eq!(world.plane(3).read(|ledger| ledger.numbers.clone()), [7]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_shut_down_says_so_to_everybody() {
    let world = World::with_voters(1, 95).await;
    let plane = world.plane(1).clone();
    plane.shutdown().await;
    assert_eq!(plane.stopped().await, StopReason::Requested);
    let stopped = ProposeError::Stopped { reason: StopReason::Requested };
    assert_eq!(put(&plane, 1).await, Err(stopped));
    let read = plane.read_linearizable(|ledger| ledger.numbers.len()).await;
    assert_eq!(read, Err(ReadError::Stopped { reason: StopReason::Requested }));
}
