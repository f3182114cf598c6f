//! The shell over the in-memory store: what callers may rely on.

mod cluster;
mod group_faults;
mod group_random;
mod groups;
mod moves;
mod order;
mod pipeline;
mod remote;
mod residency;
mod world;

use crate::load;
use crate::{Attachments, Outcome, Precondition, RuntimeConfig, SubmitError, query, trail};
use actors_facility::Facility;
use actors_facility::command as facility;
use actors_patient::Patient;
use actors_patient::command::{Command, Read};
use actors_store::{CommitError, Mutation, keys};
use schema_types::audit::AuditOutcome;
use schema_types::error_code::ErrorCode;
use schema_types::ids::{EntityId, EntityKind, MessageDigest, TenantId};
use schema_types::patient::AlertStatus;

use world::*;

#[tokio::test(start_paused = true)]
async fn a_command_takes_effect_once_once_1() {
    let world = World::new();
    let runtime = world.start().await;
    let p = patient("p1");
    let first = submit(&runtime, &p, "m1", admit("W1", "m1")).await.unwrap();
    assert!(matches!(first, Outcome::Done { .. }));
    let again = submit(&runtime, &p, "m1", admit("W1", "m1")).await.unwrap();
    assert!(matches!(again, Outcome::Repeated { .. }));
    let mut other = envelope(p.clone(), "m1", runtime.now(), admit("W2", "m1"));
    other.content = MessageDigest::of(b"other content");
    let attachments = Attachments { once: true, ..Attachments::default() };
    let reused = runtime.submit::<Patient>(other, attachments).await;
    assert_eq!(reused.unwrap_err(), SubmitError::CommandIdReused);
    assert_eq!(state(&runtime, &p).await.encounters.len(), 1);
    // AUD-1: done, repeat, refusal, read: one record each.
    until(async || verified_records(&runtime).await >= 5).await;
    let snapshot = runtime.snapshot().await.unwrap();
    assert_eq!(trail::of_entity(&*snapshot, &p, 100).await.unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_is_known_after_a_restart_once_1() {
    let world = World::new();
    let p = patient("p1");
    let runtime = world.start().await;
    submit(&runtime, &p, "m1", admit("W1", "m1")).await.unwrap();
    let before = state(&runtime, &p).await;
    assert!(runtime.shut_down(1_000).await);
    let runtime = world.start().await;
    let again = submit(&runtime, &p, "m1", admit("W1", "m1")).await.unwrap();
    assert!(matches!(again, Outcome::Repeated { .. }));
    let after = state(&runtime, &p).await;
    assert_eq!(
        load::state_hash::<Patient>(&before),
        load::state_hash::<Patient>(&after),
        "DET-1: the replayed state differs"
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_commit_leaves_no_effect_and_no_answer_ack_1() {
    let world = World::new();
    let runtime = world.start().await;
    let p = patient("p1");
    submit(&runtime, &p, "m0", potassium(40, 0)).await.unwrap();
    world.store.refuse_next_commit(CommitError::NoSpace);
    let failed = submit(&runtime, &p, "m1", potassium(90, 1)).await;
    assert_eq!(failed.unwrap_err(), SubmitError::DiskFull);
    let now = state(&runtime, &p).await;
    assert_eq!(now.observations_total, 1, "a speculative event was kept");
    assert!(now.alerts.is_empty());
    submit(&runtime, &p, "m1", potassium(90, 1)).await.unwrap();
    assert_eq!(state(&runtime, &p).await.alerts.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn everything_decided_behind_a_failed_commit_fails_too_ack_1() {
    let world = World::new();
    let runtime = world.start().await;
    let p = patient("p1");
    submit(&runtime, &p, "m0", potassium(40, 0)).await.unwrap();
    world.store.refuse_next_commit(CommitError::NoSpace);
    let results = futures::future::join_all((1..20).map(|n| {
        let (runtime, p) = (runtime.clone(), p.clone());
        async move { submit(&runtime, &p, &format!("m{n}"), potassium(40, n)).await.is_ok() }
    }))
    .await;
    let acknowledged = results.iter().filter(|ok| **ok).count();
    assert!(results.iter().any(|ok| !ok));
    let now = state(&runtime, &p).await;
    assert_eq!(usize::try_from(now.observations_total).unwrap(), acknowledged + 1);
}

#[tokio::test(start_paused = true)]
async fn the_outbox_reaches_the_facility_exactly_once_once_1() {
    let world = World::new();
    let runtime = world.start().await;
    for n in 0..20 {
        let key = format!("p{n}");
        submit(&runtime, &patient(&key), "m", admit("W1", "m")).await.unwrap();
    }
    let hospital = id(EntityKind::Facility, "H");
    let census = async || {
        let question = facility::Command::Read(facility::Read::Census { at: None });
        match ask::<Facility>(&runtime, &hospital, question).await {
            Ok(facility::Reply::Census(census)) => census.occupied.get("W1").copied().unwrap_or(0),
            _ => 0,
        }
    };
    until(async || census().await == 20).await;
    assert_eq!(runtime.metrics().outbox_delivered.get(), 20);
    let snapshot = runtime.snapshot().await.unwrap();
    let left = actors_store::RangeQuery::forward(keys::family_range(keys::Family::Outbox), 10);
    assert!(snapshot.range(left).await.unwrap().items.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_has_just_opened_its_shards_delivers_at_once() {
    let world = World::new();
    let runtime = world.start().await;
    let begun = tokio::time::Instant::now();
    submit(&runtime, &patient("p"), "m", admit("W1", "m")).await.unwrap();
    until(async || runtime.metrics().outbox_delivered.get() == 1).await;
    assert!(begun.elapsed() < std::time::Duration::from_millis(200), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_offered_again_costs_its_receiver_nothing_once_1() {
    let world = World::new();
    let runtime = world.start().await;
    futures::future::join_all((0..20).map(|n| {
        let (runtime, p) = (runtime.clone(), patient(&format!("p{n}")));
        async move { submit(&runtime, &p, "m", admit("W1", "m")).await.unwrap() }
    }))
    .await;
    crate::outbox::sweep(&runtime.inner).await;
    until(async || runtime.metrics().outbox_delivered.get() >= 20).await;
    assert!(runtime.shut_down(1_000).await);
    assert_eq!(runtime.metrics().outbox_delivered.get(), 20);
    assert_eq!(runtime.metrics().entities_reloaded.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_undelivered_message_survives_a_restart_live_1() {
    let world = World::new();
    let runtime = world.start().await;
    submit(&runtime, &patient("p1"), "m", admit("W1", "m")).await.unwrap();
    // Not a single background turn was granted: the message may still be in the store.
    runtime.shut_down(0).await;
    let runtime = world.start().await;
    let hospital = id(EntityKind::Facility, "H");
    until(async || {
        let question = facility::Command::Read(facility::Read::Census { at: None });
        ask::<Facility>(&runtime, &hospital, question).await.is_ok_and(
            |reply| matches!(reply, facility::Reply::Census(c) if c.occupied.get("W1") == Some(&1)),
        )
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_timer_escalates_an_alert_live_1_time_1() {
    let world = World::new();
    let runtime = world.start().await;
    let p = patient("p1");
    submit(&runtime, &p, "m1", potassium(90, 1)).await.unwrap();
    let status = async || state(&runtime, &p).await.alerts.values().map(|a| a.status).next();
    assert_eq!(status().await, Some(AlertStatus::Active));
    let snapshot = runtime.snapshot().await.unwrap();
    let tenant = TenantId::new("t");
    let open = query::with_open_alerts(&*snapshot, &tenant, None, 10).await.unwrap();
    assert_eq!(open.entities, vec![p.clone()]);
    world.clock.advance_micros(6 * 60 * 1_000_000);
    until(async || status().await == Some(AlertStatus::Escalated)).await;
    assert!(runtime.metrics().timers_fired.get() >= 1);
}

#[tokio::test(start_paused = true)]
async fn a_timer_set_before_a_restart_is_still_cancelled() {
    let world = World::new();
    let first = world.start().await;
    let p = patient("p1");
    submit(&first, &p, "m1", potassium(90, 1)).await.unwrap();
    assert_eq!(timer_rows(&first).await, 1);
    assert!(first.shut_down(1_000).await);
    let second = world.start().await;
    // Concerns no timer, and must not make the actor believe that there are none.
    submit(&second, &p, "m2", heart_rate(80, 2)).await.unwrap();
    assert_eq!(timer_rows(&second).await, 1);
    let alert = state(&second, &p).await.alerts.values().next().unwrap().id.clone();
    submit(&second, &p, "m3", Command::AcknowledgeAlert { alert }).await.unwrap();
    assert_eq!(timer_rows(&second).await, 0);
}

#[tokio::test(start_paused = true)]
async fn idle_entities_sleep_and_wake_with_their_state() {
    let world = World::new();
    let config = RuntimeConfig { resident_entities_max: 4, ..RuntimeConfig::default() };
    let runtime = world.start_with(config).await;
    for n in 0..40 {
        let p = patient(&format!("p{n}"));
        submit(&runtime, &p, "m", potassium(40, n)).await.unwrap();
    }
    until(async || runtime.resident().0 <= 8).await;
    assert!(runtime.metrics().entities_passivated.get() >= 32);
    for n in 0..40 {
        assert_eq!(state(&runtime, &patient(&format!("p{n}"))).await.observations_total, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_restarts_one_actor_and_disturbs_no_other() {
    let world = World::new();
    let runtime = world.start().await;
    let (p, q) = (patient("p"), patient("q"));
    submit(&runtime, &p, "m1", potassium(40, 1)).await.unwrap();
    submit(&runtime, &q, "m1", potassium(40, 1)).await.unwrap();
    runtime.danger_crash_entity::<Patient>(&p).await;
    submit(&runtime, &q, "m2", potassium(41, 2)).await.unwrap();
    submit(&runtime, &p, "m2", potassium(41, 2)).await.unwrap();
    assert_eq!(state(&runtime, &p).await.observations_total, 2);
    assert_eq!(state(&runtime, &q).await.observations_total, 2);
    assert_eq!(runtime.metrics().entities_failed.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_entity_refuses_with_overloaded_lim_1() {
    let world = World::new();
    let config = RuntimeConfig { entity_in_flight_max: 4, ..RuntimeConfig::default() };
    let runtime = world.start_with(config).await;
    let p = patient("p");
    let results = futures::future::join_all((0..50).map(|n| {
        let (runtime, p) = (runtime.clone(), p.clone());
        async move { submit(&runtime, &p, &format!("m{n}"), potassium(40, n)).await }
    }))
    .await;
    let refused = results.iter().filter(|result| {
        matches!(result, Err(SubmitError::Overloaded { retry_after_ms, .. }) if *retry_after_ms > 0)
    });
    let accepted = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(refused.count() + accepted, 50);
    assert!((4..50).contains(&accepted), "{accepted}");
    assert_eq!(usize::try_from(state(&runtime, &p).await.observations_total).unwrap(), accepted);
}

#[tokio::test(start_paused = true)]
async fn a_group_takes_effect_whole_or_not_at_all() {
    let world = World::new();
    let runtime = world.start().await;
    let mut entities = [patient("a"), patient("b")];
    entities.sort();
    let once = || Attachments { once: true, ..Attachments::default() };
    let command = |entity: &EntityId, n| {
        envelope(entity.clone(), &format!("g{n}"), runtime.now(), potassium(40, n))
    };
    let mut group = runtime.group();
    let mut members = Vec::new();
    for entity in &entities {
        members.push(group.prepare::<Patient>(command(entity, 1), once()).await.unwrap());
    }
    group.commit().await.unwrap();
    for member in members {
        assert!(matches!(member.outcome().await, Ok(Outcome::Done { .. })));
    }
    let mut group = runtime.group();
    let member = group.prepare::<Patient>(command(&entities[0], 2), once()).await.unwrap();
    let mut denied = envelope(entities[1].clone(), "g2", runtime.now(), Command::Read(Read::State));
    denied.purpose = "CURIOSITY".to_owned();
    let refusal = group.prepare::<Patient>(denied, once()).await.err().unwrap();
    assert_eq!(refusal.code(), ErrorCode::PurposeRefused);
    drop(group);
    assert!(member.outcome().await.is_err());
    for entity in &entities {
        assert_eq!(state(&runtime, entity).await.observations_total, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_precondition_guards_the_effect() {
    let world = World::new();
    let runtime = world.start().await;
    let p = patient("p");
    let mark = keys::message_done("t", "s", "MSG1");
    let guarded = || Attachments {
        once: true,
        rows: vec![Mutation::set(mark.clone(), vec![1])],
        preconditions: vec![Precondition::Absent(mark.clone())],
        ..Attachments::default()
    };
    let send = |n: u32| {
        runtime.submit::<Patient>(
            envelope(p.clone(), &format!("m{n}"), runtime.now(), potassium(40, n)),
            guarded(),
        )
    };
    let (first, second) = futures::future::join(send(1), send(2)).await;
    assert!(first.is_ok());
    assert_eq!(second.unwrap_err(), SubmitError::Precondition);
    assert_eq!(state(&runtime, &p).await.observations_total, 1);
}

#[tokio::test(start_paused = true)]
async fn a_newer_owner_fences_the_older_own_1() {
    let world = World::new();
    let old = world.start().await;
    let p = patient("p");
    submit(&old, &p, "m1", potassium(40, 1)).await.unwrap();
    let new = world.start().await;
    let stale = submit(&old, &p, "m2", potassium(40, 2)).await;
    assert!(matches!(stale, Err(SubmitError::NotServed { .. })), "{stale:?}");
    until(|| async { old.resident() == (0, 0, 0) }).await;
    assert!(old.stop_reason().is_none(), "the other shards of the node are not concerned");
    submit(&new, &p, "m2", potassium(40, 2)).await.unwrap();
    assert_eq!(state(&new, &p).await.observations_total, 2);
    verified_records(&new).await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_purpose_is_audited_aud_1() {
    let world = World::new();
    let runtime = world.start().await;
    let p = patient("p");
    submit(&runtime, &p, "m1", potassium(40, 1)).await.unwrap();
    let mut curious = envelope(p.clone(), "r", runtime.now(), Command::Read(Read::State));
    curious.purpose = String::new();
    let denied = runtime.submit::<Patient>(curious, Attachments::default()).await.unwrap_err();
    assert_eq!(denied.code(), ErrorCode::PurposeRefused);
    let snapshot = runtime.snapshot().await.unwrap();
    let entries = trail::of_entity(&*snapshot, &p, 10).await.unwrap();
    let outcome = entries.last().unwrap().record.outcome;
    assert_eq!(outcome, AuditOutcome::Denied(ErrorCode::PurposeRefused));
    let last = entries.last().unwrap();
    let proof = trail::prove(&*snapshot, last.shard, last.index).await.unwrap().unwrap();
    let head = proof.head.head;
    actors_audit::verify_inclusion(
        &proof.leaf_hash,
        last.index,
        head.size,
        &proof.path,
        &head.root,
    )
    .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_commit_of_unknown_result_keeps_its_audit_record_aud_1() {
    let world = World::new();
    let runtime = world.start().await;
    let p = patient("p");
    submit(&runtime, &p, "m0", potassium(40, 0)).await.unwrap();
    world.store.lose_next_reply();
    let unknown = submit(&runtime, &p, "m1", potassium(40, 1)).await;
    assert_eq!(unknown.unwrap_err(), SubmitError::OutcomeUnknown);
    let again = submit(&runtime, &p, "m1", potassium(40, 1)).await.unwrap();
    assert!(matches!(again, Outcome::Repeated { .. }));
    let snapshot = runtime.snapshot().await.unwrap();
    let outcomes: Vec<AuditOutcome> = trail::of_entity(&*snapshot, &p, 10)
        .await
        .unwrap()
        .into_iter()
        .map(|entry| entry.record.outcome)
        .collect();
    let expected = [AuditOutcome::Done, AuditOutcome::Done, AuditOutcome::Repeated];
    assert_eq!(outcomes, expected);
    verified_records(&runtime).await;
}

#[tokio::test(start_paused = true)]
async fn one_row_that_is_too_long_fails_nobody_else() {
    let world = World::new();
    let runtime = world.start().await;
    let (p, q) = (patient("p"), patient("q"));
    let long = Attachments {
        rows: vec![Mutation::set(vec![7; 20_000], vec![1])],
        ..Attachments::default()
    };
    let bad = envelope(p.clone(), "m1", runtime.now(), potassium(40, 1));
    let (bad, good) = futures::future::join(
        runtime.submit::<Patient>(bad, long),
        submit(&runtime, &q, "m1", potassium(40, 1)),
    )
    .await;
    assert!(matches!(bad, Err(SubmitError::TooLarge { .. })), "{bad:?}");
    assert!(good.is_ok());
}
