//! Proposals share entries, and what waits is bounded. Entries are counted, not seconds.

use std::collections::BTreeSet;

use consensus_raft::ProposeError;
use consensus_raft::limits::{BATCH_COMMANDS_MAX, CALLS_MAX, COMMAND_BYTES_MAX, PROPOSALS_MAX};
use tokio::task::JoinSet;

use crate::hub::Cut;
use crate::ledger::Command;
use crate::world::{World, node, put};

async fn all_at_once(world: &World, from: u64, count: u64) -> Vec<Result<(), ProposeError>> {
    let mut proposals = JoinSet::new();
    for number in 0..count {
        let plane = world.plane(from).clone();
        proposals.spawn(async move { put(&plane, number).await.map(|_size| ()) });
    }
    proposals.join_all().await
}

#[tokio::test(start_paused = true)]
async fn many_proposals_need_few_entries() {
    let world = World::with_voters(3, 1).await;
    let leader = world.leader().await;
    for from in [leader.0, leader.0 % 3 + 1] {
        let before = world.status(leader).await;
        let done = all_at_once(&world, from, 512).await;
        assert!(done.iter().all(Result::is_ok));
        let after = world.status(leader).await;
        let entries = after.last_log_index.unwrap() - before.last_log_index.unwrap();
        assert!(entries <= 512 / 16, "{entries} entries for 512 proposals on node {from}");
        assert!(after.log_appends - before.log_appends <= entries, "one sync per entry");
    }
    let numbers = world.converged().await;
    assert_eq!(numbers.len(), 1_024);
    assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), 512);
}

#[tokio::test(start_paused = true)]
async fn past_the_limit_proposals_are_refused_and_the_others_go_through() {
    let world = World::with_voters(3, 2).await;
    let leader = world.leader().await;
    world.isolate(leader, Cut::Silent);
    let count = PROPOSALS_MAX + 3 * BATCH_COMMANDS_MAX;
    let mut proposals = JoinSet::new();
    for number in 0..count as u64 {
        let plane = world.planes[&leader].clone();
        proposals.spawn(async move { put(&plane, number).await });
    }
    // Nothing is committed, so what comes back now was refused.
    let mut refused = 0;
    while proposals.len() > PROPOSALS_MAX + BATCH_COMMANDS_MAX {
        let answer = proposals.join_next().await.unwrap().unwrap().unwrap_err();
        let overloaded = matches!(answer, ProposeError::Overloaded { retry_after_ms: 1.. });
        assert!(overloaded, "{answer}");
        refused += 1;
    }
    world.hub.heal();
    let others = proposals.join_all().await;
    let taken = others.iter().filter(|answer| answer.is_ok()).count();
    let late =
        others.iter().filter(|answer| matches!(answer, Err(ProposeError::Overloaded { .. })));
    assert_eq!(taken + late.count() + refused, count);
    assert!(taken >= PROPOSALS_MAX, "{taken}");
    assert_eq!(world.converged().await.len(), taken, "nothing refused was proposed");
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_a_leader_are_bounded_too() {
    let mut world = World::new(4);
    world.config.propose_timeout_ms = 200;
    world.start(node(1)).await.unwrap();
    let count = 2 * CALLS_MAX + 500;
    let done = all_at_once(&world, 1, count as u64).await;
    let refused = done.iter().filter(|done| matches!(done, Err(ProposeError::Overloaded { .. })));
    let waited = done.iter().filter(|done| matches!(done, Err(ProposeError::NotLeader { .. })));
    let (refused, waited) = (refused.count(), waited.count());
    assert_eq!(refused + waited, count);
    assert!((CALLS_MAX..=2 * CALLS_MAX).contains(&waited), "{waited} waited");
}

#[tokio::test(start_paused = true)]
async fn a_command_over_the_limit_is_refused() {
    let world = World::with_voters(1, 3).await;
    let fits = world.plane(1).propose(&Command::Fill(vec![1; COMMAND_BYTES_MAX - 16])).await;
    assert_eq!(fits.unwrap().bytes, (COMMAND_BYTES_MAX - 16) as u64);
    let refused = world.plane(1).propose(&Command::Fill(vec![1; COMMAND_BYTES_MAX])).await;
    assert!(matches!(refused, Err(ProposeError::TooLarge { .. })));
}
