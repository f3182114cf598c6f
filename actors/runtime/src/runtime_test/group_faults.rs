//! Atomic groups across nodes while nodes die, messages are lost and shards move: all members have
//! the effect or none has, once, and every entity goes on.

use super::cluster::{
    COMMIT, Call, Cluster, PREPARE, SETTLE, Way, observe, once, prepare, shard_of, total,
};
use super::world::{admit, envelope, patient, potassium, submit, until};
use crate::limits::GROUP_HOLD_MS_MAX;
use crate::{Outcome, SubmitError, load};
use actors_patient::Patient;
use actors_store::{CommitError, CommitFuture, CommitRequest, Mutation, RangeQuery, Store, keys};
use schema_types::ids::EntityId;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Two nodes, and a patient on each.
async fn two() -> (Cluster, Vec<EntityId>, EntityId) {
    let cluster = Cluster::new(2, &[0, 1]).await;
    let patients = cluster.patients(&[0, 1]);
    let there = cluster.patients(&[1]).remove(0);
    (cluster, patients, there)
}

/// The same command again, alone, at every member: done before or done now, one effect.
async fn again(cluster: &Cluster, patients: &[EntityId], (name, number): (&str, u32)) -> Vec<bool> {
    let mut repeated = Vec::new();
    for patient in patients {
        let node = &cluster.nodes[cluster.owner(shard_of(patient))];
        let outcome = submit(node, patient, name, potassium(40, number)).await.unwrap();
        repeated.push(matches!(outcome, Outcome::Repeated { .. }));
    }
    repeated
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_dies_before_the_commit_is_not_waited_for_live_1() {
    let (cluster, patients, there) = two().await;
    let node = &cluster.nodes[0];
    let mut group = node.group();
    let members = prepare(&mut group, node, &patients, ("g", 1)).await.unwrap();
    // Nothing comes from it any more, not even that it gives up.
    cluster.rule(|_| Way::LosesCall);
    let _stopped = group;
    let begun = Instant::now();
    assert_eq!(total(&cluster.nodes[1], &there).await, 0);
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_millis(GROUP_HOLD_MS_MAX - 100), "{waited:?}");
    assert!(waited < Duration::from_millis(GROUP_HOLD_MS_MAX + 1_000), "{waited:?}");
    assert_eq!(cluster.nodes[1].metrics().group_marks_renewed.get(), 1);
    submit(&cluster.nodes[1], &there, "m", potassium(40, 2)).await.unwrap();
    assert_eq!(total(&cluster.nodes[1], &there).await, 1);
    drop(members);
    cluster.is_sound().await;
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_wakes_up_too_late_commits_nothing_time_1() {
    let (cluster, patients, there) = two().await;
    let node = &cluster.nodes[0];
    let mut group = node.group();
    let members = prepare(&mut group, node, &patients, ("g", 1)).await.unwrap();
    // Stopped for longer than the owner waits, and nobody looks at the member meanwhile.
    sleep(Duration::from_millis(GROUP_HOLD_MS_MAX + 5_000)).await;
    submit(&cluster.nodes[1], &there, "m", potassium(40, 2)).await.unwrap();
    let late = group.commit().await;
    assert!(matches!(late, Err(SubmitError::NotServed { .. })), "{late:?}");
    for member in members {
        assert!(member.outcome().await.is_err());
    }
    let totals = cluster.totals(0, &patients).await;
    assert_eq!(totals.iter().sum::<u64>(), 1, "only the command that came between");
    assert_eq!(cluster.records("g", &patients).await, [0, 0]);
    // The same group again: it is new.
    let outcomes = observe(node, &patients, ("g", 1)).await.unwrap();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Done { .. })));
    cluster.is_sound().await;
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_dies_after_the_commit_leaves_the_effect_once_1() {
    let (cluster, patients, there) = two().await;
    cluster.rule(|call| if call.form == SETTLE { Way::LosesCall } else { Way::Through });
    observe(&cluster.nodes[0], &patients, ("g", 1)).await.unwrap();
    // The owner waits for the verdict, gives up waiting, and finds the effect in the store.
    assert_eq!(total(&cluster.nodes[1], &there).await, 1);
    assert_eq!(cluster.nodes[1].metrics().group_marks_renewed.get(), 1);
    cluster.heal();
    assert_eq!(again(&cluster, &patients, ("g", 1)).await, [true, true]);
    assert_eq!(cluster.totals(0, &patients).await, [1, 1]);
    submit(&cluster.nodes[1], &there, "m", potassium(40, 2)).await.unwrap();
    assert_eq!(total(&cluster.nodes[0], &there).await, 2);
    cluster.is_sound().await;
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_dies_before_the_commit_aborts_it_own_1() {
    let (cluster, patients, there) = two().await;
    let node = &cluster.nodes[0];
    let mut group = node.group();
    let members = prepare(&mut group, node, &patients, ("g", 1)).await.unwrap();
    // The next owner takes its shard and decides; the old one does not know.
    cluster.open(shard_of(&there), 0).await;
    submit(node, &there, "m", potassium(40, 2)).await.unwrap();
    let late = group.commit().await;
    assert!(matches!(late, Err(SubmitError::NotServed { .. })), "{late:?}");
    drop(members);
    let totals = cluster.totals(0, &patients).await;
    assert_eq!(totals.iter().sum::<u64>(), 1, "{totals:?}");
    assert_eq!(cluster.records("g", &patients).await, [0, 0]);
    sleep(Duration::from_millis(GROUP_HOLD_MS_MAX + 1_000)).await;
    cluster.is_sound().await;
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_dies_after_the_commit_leaves_the_effect_once_1() {
    let (cluster, patients, there) = two().await;
    cluster.rule(|call| if call.form == SETTLE { Way::LosesCall } else { Way::Through });
    observe(&cluster.nodes[0], &patients, ("g", 1)).await.unwrap();
    // It never hears the verdict. The next owner finds the effect.
    cluster.open(shard_of(&there), 0).await;
    assert_eq!(cluster.totals(0, &patients).await, [1, 1]);
    assert_eq!(again(&cluster, &patients, ("g", 1)).await, [true, true]);
    submit(&cluster.nodes[0], &there, "m", potassium(40, 2)).await.unwrap();
    sleep(Duration::from_millis(GROUP_HOLD_MS_MAX + 1_000)).await;
    assert_eq!(total(&cluster.nodes[0], &there).await, 2);
    cluster.is_sound().await;
}

/// The process ends and comes back as the owner in the same epoch: what it held it holds no more.
#[tokio::test(start_paused = true)]
async fn an_owner_that_comes_back_in_its_epoch_holds_nothing_own_1() {
    let (cluster, patients, there) = two().await;
    let node = &cluster.nodes[0];
    let mut group = node.group();
    let members = prepare(&mut group, node, &patients, ("g", 1)).await.unwrap();
    cluster.reopen(shard_of(&there)).await;
    let late = group.commit().await;
    assert!(matches!(late, Err(SubmitError::NotServed { .. })), "{late:?}");
    drop(members);
    assert_eq!(cluster.totals(0, &patients).await, [0, 0]);
    assert_eq!(again(&cluster, &patients, ("g", 1)).await, [false, false]);
    cluster.is_sound().await;
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_moves_is_not_held_up_and_aborts_the_group() {
    let (cluster, patients, there) = two().await;
    let node = &cluster.nodes[0];
    let mut group = node.group();
    let members = prepare(&mut group, node, &patients, ("g", 1)).await.unwrap();
    let begun = Instant::now();
    cluster.hand_over(shard_of(&there), 0).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let late = group.commit().await;
    assert!(matches!(late, Err(SubmitError::NotServed { .. })), "{late:?}");
    drop(members);
    assert_eq!(cluster.totals(1, &patients).await, [0, 0]);
    let outcomes = observe(&cluster.nodes[1], &patients, ("g", 1)).await.unwrap();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Done { .. })));
    cluster.is_sound().await;
}

#[tokio::test(start_paused = true)]
async fn a_shard_of_the_coordinator_that_moves_aborts_the_group() {
    let (cluster, patients, there) = two().await;
    let here = cluster.patients(&[0]).remove(0);
    let node = &cluster.nodes[0];
    let mut group = node.group();
    let members = prepare(&mut group, node, &patients, ("g", 1)).await.unwrap();
    cluster.open(shard_of(&here), 1).await;
    let late = group.commit().await;
    assert!(late.is_err(), "OWN-1: {late:?}");
    drop(members);
    let begun = Instant::now();
    assert_eq!(cluster.totals(1, &patients).await, [0, 0]);
    assert!(begun.elapsed() < Duration::from_secs(1), "the other member was told");
    assert_eq!(total(&cluster.nodes[1], &there).await, 0);
    cluster.is_sound().await;
}

#[tokio::test(start_paused = true)]
async fn a_commit_of_unknown_result_is_looked_up_by_the_owners_ack_1() {
    let (cluster, patients, there) = two().await;
    let node = &cluster.nodes[0];
    let mut group = node.group();
    let members = prepare(&mut group, node, &patients, ("g", 1)).await.unwrap();
    let reason = "the answer was lost".to_owned();
    cluster.world.store.refuse_next_commit(CommitError::UnknownResult { reason });
    assert_eq!(group.commit().await, Err(SubmitError::OutcomeUnknown));
    drop(members);
    let begun = Instant::now();
    assert_eq!(total(&cluster.nodes[1], &there).await, 0);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(cluster.nodes[1].metrics().group_marks_renewed.get(), 1);
    let outcomes = observe(node, &patients, ("g", 1)).await.unwrap();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Done { .. })));
    assert_eq!(cluster.totals(0, &patients).await, [1, 1]);
    cluster.is_sound().await;
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_failed_for_certain_lets_go_at_once() {
    let (cluster, patients, _) = two().await;
    let node = &cluster.nodes[0];
    let mut group = node.group();
    let members = prepare(&mut group, node, &patients, ("g", 1)).await.unwrap();
    cluster.world.store.refuse_next_commit(CommitError::Conflict);
    assert!(matches!(group.commit().await, Err(SubmitError::Overloaded { .. })));
    drop(members);
    observe(node, &patients, ("g", 1)).await.unwrap();
    assert_eq!(cluster.totals(0, &patients).await, [1, 1]);
    assert_eq!(cluster.nodes[1].metrics().group_marks_renewed.get(), 0);
    cluster.is_sound().await;
}

/// At whatever point: nothing is left held, and all members have it or none.
#[tokio::test(start_paused = true)]
async fn a_caller_that_is_gone_stops_nothing_that_began_once_1() {
    for owners in [[0, 1], [0, 0], [1, 1]] {
        let cluster = Cluster::new(2, &[0, 1]).await;
        let patients = cluster.patients(&owners);
        for polls in 0..40_u32 {
            let (node, members) = (cluster.nodes[0].clone(), patients.clone());
            let name = format!("g{polls}");
            let mut group = Box::pin(async move { observe(&node, &members, (&name, polls)).await });
            for _ in 0..polls {
                if futures::poll!(&mut group).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(group);
            let begun = Instant::now();
            let totals = cluster.totals(0, &patients).await;
            assert_eq!(totals[0], totals[1], "{owners:?} after {polls} polls");
            assert!(begun.elapsed() < Duration::from_secs(1), "{polls}: {:?}", begun.elapsed());
        }
        assert!(cluster.totals(0, &patients).await[0] > 0, "some were left behind the commit");
        // What the actors believe is what the store has.
        let snapshot = cluster.nodes[0].snapshot().await.unwrap();
        for patient in &patients {
            let loaded = load::load::<Patient>(&*snapshot, patient).await.unwrap();
            assert_eq!(loaded.state.observations_total, total(&cluster.nodes[0], patient).await);
        }
        cluster.is_sound().await;
    }
}

/// The owner claims or stops waiting after the commit looked at its rows and before it is sent.
#[tokio::test(start_paused = true)]
async fn what_a_group_relies_on_is_in_its_read_set_own_1() {
    for of_mark in [true, false] {
        let (cluster, patients, there) = two().await;
        let shard = shard_of(&there).0;
        let key = if of_mark { keys::hold_mark(shard) } else { keys::owner(shard) };
        let node = &cluster.nodes[0];
        let mut group = node.group();
        let members = prepare(&mut group, node, &patients, ("g", 1)).await.unwrap();
        let (store, mut is_first) = (Arc::clone(&cluster.world.store), true);
        cluster.stores[0].hook(move |request| {
            if std::mem::take(&mut is_first) {
                assert!(request.mutations.len() > 4, "the group's commit");
                let row = Mutation::set(key.clone(), vec![1]);
                let other = CommitRequest { mutations: vec![row], ..CommitRequest::default() };
                // Queued now, ahead of the group's.
                drop(store.commit(other));
            }
            None
        });
        let refused = group.commit().await;
        assert!(matches!(refused, Err(SubmitError::Overloaded { .. })), "{refused:?}");
        drop(members);
        assert_eq!(cluster.records("g", &patients).await, [0, 0]);
    }
}

/// What an owner decided before may still fail; nothing of a group may stand on it.
#[tokio::test(start_paused = true)]
async fn nothing_is_held_on_what_is_not_durable_ack_1() {
    let (cluster, patients, there) = two().await;
    let mut is_first = true;
    cluster.stores[1].hook(move |_| {
        std::mem::take(&mut is_first).then(|| {
            Box::pin(async {
                sleep(Duration::from_millis(500)).await;
                Err(CommitError::Conflict)
            }) as CommitFuture
        })
    });
    let owner = cluster.nodes[1].clone();
    let to = there.clone();
    let sent = tokio::spawn(async move { submit(&owner, &to, "m", potassium(40, 9)).await });
    sleep(Duration::from_millis(50)).await;
    observe(&cluster.nodes[0], &patients, ("g", 1)).await.unwrap();
    // It met a conflict, had no effect, and is done again: after the group or before it.
    sent.await.unwrap().unwrap();
    let snapshot = cluster.nodes[0].snapshot().await.unwrap();
    let loaded = load::load::<Patient>(&*snapshot, &there).await.unwrap();
    assert_eq!(loaded.state.observations_total, 2, "and the journal has no gap");
    assert_eq!(cluster.totals(0, &patients).await, [2, 1]);
    cluster.is_sound().await;
}

/// Loses or repeats the calls of one form, now and then.
fn now_and_then(form: u8, way: Way) -> impl FnMut(Call) -> Way + Send {
    let mut calls = 0_u32;
    move |call| {
        calls += u32::from(call.form == form);
        if call.form == form && calls % 3 == 1 { way } else { Way::Through }
    }
}

#[tokio::test(start_paused = true)]
async fn every_message_may_be_lost_or_come_twice_once_1() {
    for form in [PREPARE, COMMIT, SETTLE] {
        for way in [Way::LosesCall, Way::LosesAnswer, Way::Twice, Way::LateMs(900)] {
            let cluster = Cluster::new(3, &[1, 2, 0, 1]).await;
            let patients = cluster.patients(&[1, 2]);
            for number in 0..6 {
                let name = format!("g{number}");
                cluster.rule(now_and_then(form, way));
                let result = observe(&cluster.nodes[0], &patients, (&name, number)).await;
                cluster.heal();
                match &result {
                    Ok(_) => {}
                    Err(SubmitError::OutcomeUnknown) if form == COMMIT => {}
                    Err(error) => panic!("{form} {way:?}: {error}"),
                }
                let totals = cluster.totals(0, &patients).await;
                assert_eq!(totals[0], totals[1], "{form} {way:?}: all or nothing");
                // Whatever is not known: the same again has one effect.
                observe(&cluster.nodes[0], &patients, (&name, number)).await.unwrap();
                let done = u64::from(number) + 1;
                assert_eq!(cluster.totals(0, &patients).await, [done, done], "{form} {way:?}");
            }
            sleep(Duration::from_secs(30)).await;
            cluster.is_sound().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_is_not_reached_is_waited_for() {
    let (cluster, patients, _) = two().await;
    let begun = Instant::now();
    cluster.rule(move |_| {
        if begun.elapsed() < Duration::from_secs(2) { Way::Unreached } else { Way::Through }
    });
    observe(&cluster.nodes[0], &patients, ("g", 1)).await.unwrap();
    assert_eq!(cluster.totals(0, &patients).await, [1, 1]);
    cluster.rule(|_| Way::Unreached);
    let refused = observe(&cluster.nodes[0], &patients, ("h", 2)).await;
    assert!(matches!(refused, Err(SubmitError::Overloaded { .. })), "LIM-1: {refused:?}");
    cluster.heal();
    assert_eq!(cluster.totals(0, &patients).await, [1, 1]);
    cluster.is_sound().await;
}

/// An actor that fails while a group elsewhere may still commit starts again only behind that.
#[tokio::test(start_paused = true)]
async fn an_entity_that_fails_while_held_starts_behind_a_new_mark() {
    let (cluster, _, there) = two().await;
    let owner = &cluster.nodes[1];
    submit(owner, &there, "m", potassium(40, 1)).await.unwrap();
    let slot = owner.inner.patients.find(&there).unwrap();
    let before = owner.inner.groups.marks.guard(shard_of(&there)).unwrap();
    slot.residency.set_held(true);
    owner.danger_crash_entity::<Patient>(&there).await;
    assert_eq!(total(owner, &there).await, 1);
    let after = owner.inner.groups.marks.guard(shard_of(&there)).unwrap();
    assert_eq!(before.owner_row, after.owner_row);
    assert_ne!(before.mark, after.mark);
    cluster.is_sound().await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_shuts_down_takes_part_to_the_end() {
    let (cluster, patients, _) = two().await;
    let node = &cluster.nodes[0];
    let mut group = node.group();
    let members = prepare(&mut group, node, &patients, ("g", 1)).await.unwrap();
    let owner = cluster.nodes[1].clone();
    let (drained, committed) = futures::future::join(owner.shut_down(5_000), group.commit()).await;
    assert!(drained && committed.is_ok(), "{drained} {committed:?}");
    for member in members {
        assert!(member.outcome().await.is_ok());
    }
    for shard in 0..super::cluster::SHARDS.0 {
        cluster.open(schema_types::ids::ShardId(shard), 0).await;
    }
    assert_eq!(cluster.totals(0, &patients).await, [1, 1]);
    // It takes no part in another one.
    let command = envelope(patients[0].clone(), "h", owner.now(), potassium(40, 2));
    let refused = owner.group().prepare::<Patient>(command, once()).await;
    assert!(matches!(refused.err(), Some(SubmitError::ShuttingDown)));
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_commit_of_unknown_result_are_delivered_live_1() {
    for late_ms in [0, 4_000] {
        let cluster = Cluster::new(1, &[0]).await;
        let node = &cluster.nodes[0];
        // Shards that were opened had their outbox searched by now.
        sleep(Duration::from_secs(2)).await;
        let sent: Arc<Mutex<Option<CommitRequest>>> = Arc::default();
        let lost = Arc::clone(&sent);
        cluster.stores[0].hook(move |request| {
            lost.lock().unwrap().get_or_insert(request.clone());
            let reason = "the answer was lost".to_owned();
            Some(Box::pin(async { Err(CommitError::UnknownResult { reason }) }) as CommitFuture)
        });
        submit(node, &patient("p1"), "m", admit("W1", "m")).await.unwrap_err();
        sleep(Duration::from_millis(late_ms)).await;
        // It comes through after all, and nobody asks again.
        let sent = sent.lock().unwrap().take().unwrap();
        cluster.world.store.commit(sent).await.unwrap();
        cluster.stores[0].hook(|_| None);
        until(async || node.metrics().outbox_delivered.get() == 1).await;
        let rows = RangeQuery::forward(keys::family_range(keys::Family::Outbox), 10);
        let left = node.snapshot().await.unwrap().range(rows).await.unwrap();
        assert!(left.items.is_empty());
    }
}
