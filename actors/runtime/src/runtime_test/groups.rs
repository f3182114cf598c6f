//! Atomic groups whose members live on several nodes, while nothing fails.

use super::cluster::{Cluster, observe, once, prepare, refused, shard_of};
use super::world::{admit, ask, envelope, potassium, state, submit, timer_rows, until};
use crate::limits::{GROUP_BYTES_MAX, GROUP_HOLD_MS_MAX};
use crate::{Attachments, Outcome, Precondition, SubmitError};
use actors_device::Device;
use actors_device::command as device;
use actors_facility::Facility;
use actors_facility::command as facility;
use actors_patient::Patient;
use actors_store::{Mutation, keys};
use schema_types::audit::AuditOutcome;
use schema_types::error_code::ErrorCode;
use schema_types::ids::{EntityKind, ShardId};
use std::time::Duration;

fn are_done<R>(outcomes: &[Outcome<R>]) -> bool {
    outcomes.iter().all(|outcome| matches!(outcome, Outcome::Done { .. }))
}

#[tokio::test(start_paused = true)]
async fn members_on_three_nodes_take_effect_together_aud_1_own_1() {
    let cluster = Cluster::new(3, &[0, 1, 2]).await;
    let patients = cluster.patients(&[0, 1, 1, 2]);
    for (at, node) in cluster.nodes.iter().enumerate() {
        let name = format!("g{at}");
        let number = u32::try_from(at).unwrap();
        let begun = tokio::time::Instant::now();
        let outcomes = observe(node, &patients, (&name, number)).await.unwrap();
        assert!(are_done(&outcomes), "{outcomes:?}");
        assert!(begun.elapsed() < Duration::from_millis(GROUP_HOLD_MS_MAX), "nobody had to wait");
        for reader in 0..3 {
            assert_eq!(cluster.totals(reader, &patients).await, vec![at as u64 + 1; 4]);
        }
        assert_eq!(cluster.records(&name, &patients).await, [1; 4], "AUD-1: one record each");
    }
    let renewed = cluster.nodes.iter().map(|node| node.metrics().group_marks_renewed.get());
    assert_eq!(renewed.sum::<u64>(), 0);
    cluster.is_sound().await;
}

#[tokio::test(start_paused = true)]
async fn a_repeat_of_a_group_is_one_once_1() {
    let cluster = Cluster::new(2, &[0, 1]).await;
    let patients = cluster.patients(&[0, 1]);
    observe(&cluster.nodes[0], &patients, ("g", 1)).await.unwrap();
    for node in &cluster.nodes {
        let again = observe(node, &patients, ("g", 1)).await.unwrap();
        assert!(again.iter().all(|one| matches!(one, Outcome::Repeated { .. })), "{again:?}");
    }
    assert_eq!(cluster.totals(0, &patients).await, [1, 1]);
    assert_eq!(cluster.records("g", &patients).await, [3, 3], "AUD-1: repeats too");
    // Alone, the command is known too.
    let alone = submit(&cluster.nodes[0], &patients[1], "g", potassium(40, 1)).await.unwrap();
    assert!(matches!(alone, Outcome::Repeated { .. }));
    cluster.is_sound().await;
}

/// Every place that a group can be put together at, for members everywhere.
#[tokio::test(start_paused = true)]
async fn a_node_without_a_member_or_a_shard_puts_groups_together() {
    let cluster = Cluster::new(4, &[1, 2, 3]).await;
    for (number, owners) in [&[1, 1][..], &[1, 2], &[2, 3], &[1, 2, 3, 3]].into_iter().enumerate() {
        let patients = cluster.patients(owners);
        let before = cluster.totals(0, &patients).await;
        let name = format!("g{number}");
        let number = u32::try_from(number).unwrap();
        let outcomes = observe(&cluster.nodes[0], &patients, (&name, number)).await.unwrap();
        assert!(are_done(&outcomes), "{outcomes:?}");
        let after: Vec<_> = before.iter().map(|total| total + 1).collect();
        assert_eq!(cluster.totals(0, &patients).await, after);
        assert_eq!(cluster.records(&name, &patients).await, vec![1; patients.len()]);
    }
    assert_eq!(cluster.nodes[0].inner.admission.in_flight(), 0, "places are given back");
    cluster.is_sound().await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_anywhere_leaves_nothing_anywhere() {
    let cluster = Cluster::new(3, &[0, 1, 2]).await;
    let patients = cluster.patients(&[0, 1, 2]);
    for refuses in 0..patients.len() {
        let node = &cluster.nodes[refuses % 2];
        let mut group = node.group();
        let held = prepare(&mut group, node, &patients[..refuses], ("g", 1)).await.unwrap();
        let command = refused(node, &patients[refuses]);
        let refusal = group.prepare::<Patient>(command, once()).await.err().unwrap();
        assert_eq!(refusal.code(), ErrorCode::PurposeRefused);
        drop(group);
        for member in held {
            assert!(member.outcome().await.is_err());
        }
        // At once: nobody waits for a time to be over.
        let begun = tokio::time::Instant::now();
        assert_eq!(cluster.totals(0, &patients).await, [0, 0, 0]);
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
    assert_eq!(cluster.records("refused", &patients).await, [1, 1, 1], "AUD-1");
    cluster.is_sound().await;
}

#[tokio::test(start_paused = true)]
async fn a_held_entity_takes_nothing_else() {
    let cluster = Cluster::new(2, &[0, 1]).await;
    let patients = cluster.patients(&[0, 1]);
    let node = &cluster.nodes[0];
    let mut group = node.group();
    let members = prepare(&mut group, node, &patients, ("g", 1)).await.unwrap();
    let (other, there) = (cluster.nodes[1].clone(), cluster.patients(&[1]).remove(0));
    let slot = other.inner.patients.find(&there).unwrap();
    assert!(slot.residency.is_held(), "whoever restarts it must know");
    let read = tokio::spawn(async move { state(&other, &there).await.observations_total });
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!read.is_finished(), "a member is not read before its group is settled");
    group.commit().await.unwrap();
    assert_eq!(read.await.unwrap(), 1);
    assert!(!slot.residency.is_held());
    for member in members {
        assert!(matches!(member.outcome().await, Ok(Outcome::Done { .. })));
    }
}

#[tokio::test(start_paused = true)]
async fn members_of_every_kind_with_messages_and_timers_live_1() {
    let cluster = Cluster::new(2, &[0, 1]).await;
    let (node, other) = (&cluster.nodes[0], &cluster.nodes[1]);
    // Shards that were opened had their outbox searched by now.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let there = cluster.entity(EntityKind::Patient, 1);
    let pump = cluster.entity(EntityKind::Device, 1);
    let house = cluster.entity(EntityKind::Facility, 0);
    let now = node.now();
    let associate = device::Command::Associate { patient: there.clone(), at: now };
    let bed = facility::Command::SetBedStatus {
        bed: schema_types::facility::BedKey { ward: "W".into(), room: "R".into(), bed: "B".into() },
        status: schema_types::facility::BedStatus::Dirty,
        at: now,
    };
    let mut group = node.group();
    let mut order = [&there, &pump, &house];
    order.sort();
    for entity in order {
        let (to, attachments) = (entity.clone(), once());
        match entity.kind() {
            EntityKind::Patient => {
                // A critical value: an alert that escalates by a timer.
                let command = envelope(to, "g", now, potassium(75, 1));
                drop(group.prepare::<Patient>(command, attachments).await.unwrap());
            }
            EntityKind::Device => {
                let command = envelope(to, "g", now, associate.clone());
                drop(group.prepare::<Device>(command, attachments).await.unwrap());
            }
            EntityKind::Facility => {
                let command = envelope(to, "g", now, bed.clone());
                drop(group.prepare::<Facility>(command, attachments).await.unwrap());
            }
        }
    }
    group.commit().await.unwrap();
    // The device's message to its patient is delivered by the device's owner.
    until(async || state(node, &there).await.devices.contains_key(&pump)).await;
    assert!(timer_rows(node).await > 0);
    let fired = other.metrics().timers_fired.get();
    cluster.world.clock.advance_micros(3_600_000_000);
    until(async || other.metrics().timers_fired.get() > fired).await;
    let question = facility::Command::Read(facility::Read::Census { at: None });
    ask::<Facility>(other, &house, question).await.unwrap();
    cluster.is_sound().await;
}

#[tokio::test(start_paused = true)]
async fn a_precondition_elsewhere_guards_the_whole_group() {
    let cluster = Cluster::new(2, &[0, 1]).await;
    let patients = cluster.patients(&[0, 0, 1, 1]);
    let mark = keys::message_done("t", "s", "MSG1");
    // Each group guards the mark by its member on the other node.
    let guarded = async |members: [usize; 2], name: &str| {
        let node = &cluster.nodes[0];
        let mut group = node.group();
        for patient in members.map(|member| &patients[member]) {
            let is_here = cluster.owner(shard_of(patient)) == 0;
            let guard = || Attachments {
                rows: vec![Mutation::set(mark.clone(), vec![1])],
                preconditions: vec![Precondition::Absent(mark.clone())],
                ..once()
            };
            let beside = if is_here { once() } else { guard() };
            let command = envelope(patient.clone(), name, node.now(), potassium(40, 1));
            drop(group.prepare::<Patient>(command, beside).await?);
        }
        group.commit().await
    };
    let here: Vec<_> = (0..4).filter(|at| cluster.owner(shard_of(&patients[*at])) == 0).collect();
    let there: Vec<_> = (0..4).filter(|at| !here.contains(at)).collect();
    let pair = |one: usize| {
        let mut pair = [here[one], there[one]];
        pair.sort_unstable();
        pair
    };
    let (first, second) =
        futures::future::join(guarded(pair(0), "g0"), guarded(pair(1), "g1")).await;
    let results = [first, second];
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    assert!(results.contains(&Err(SubmitError::Precondition)), "{results:?}");
    let totals = cluster.totals(1, &patients).await;
    assert_eq!(totals.iter().sum::<u64>(), 2, "{totals:?}");
    cluster.is_sound().await;
}

#[tokio::test(start_paused = true)]
async fn groups_over_the_same_entities_take_turns() {
    const GROUPS: u32 = 24;
    let cluster = Cluster::new(3, &[0, 1, 2]).await;
    let patients = cluster.patients(&[0, 0, 1, 1, 2, 2]);
    let groups = (0..GROUPS).map(|number| {
        let node = cluster.nodes[number as usize % 3].clone();
        let start = number as usize % 4;
        let members = patients[start..start + 3].to_vec();
        tokio::spawn(async move {
            let name = format!("g{number}");
            // Held for too long by others: nothing was done, and the same group is tried again.
            loop {
                match observe(&node, &members, (&name, number)).await {
                    Ok(outcomes) => return outcomes.len(),
                    Err(SubmitError::Overloaded { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        })
    });
    let groups: Vec<_> = groups.collect();
    for group in groups {
        assert_eq!(group.await.unwrap(), 3);
    }
    let totals = cluster.totals(0, &patients).await;
    assert_eq!(totals.iter().sum::<u64>(), u64::from(GROUPS) * 3, "{totals:?}");
    cluster.is_sound().await;
}

#[tokio::test(start_paused = true)]
async fn what_an_owner_decided_before_is_durable_before_it_holds_ack_1() {
    let cluster = Cluster::new(2, &[0, 1]).await;
    let patients = cluster.patients(&[0, 1]);
    let owner = cluster.nodes[1].clone();
    let there = cluster.patients(&[1]).remove(0);
    let sent = (10..40).map(|number| {
        let (owner, there) = (owner.clone(), there.clone());
        async move { submit(&owner, &there, &format!("m{number}"), potassium(40, number)).await }
    });
    let (sent, group) = futures::future::join(
        futures::future::join_all(sent),
        observe(&cluster.nodes[0], &patients, ("g", 1)),
    )
    .await;
    assert!(are_done(&group.unwrap()));
    assert!(sent.iter().all(Result::is_ok));
    assert_eq!(cluster.totals(0, &[there]).await, [31]);
    cluster.is_sound().await;
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_too_large_is_refused_and_holds_nobody_lim_1() {
    let cluster = Cluster::new(2, &[0, 1]).await;
    let patients = cluster.patients(&[0, 1]);
    let node = &cluster.nodes[0];
    let mut group = node.group();
    for patient in &patients {
        let row =
            |number: usize| Mutation::set(keys::meta(&format!("row{number}")), vec![7; 90_000]);
        let rows = (0..GROUP_BYTES_MAX / 90_000).map(row).collect();
        let command = envelope(patient.clone(), "g", node.now(), admit("W", "m"));
        let beside = Attachments { rows, ..once() };
        drop(group.prepare::<Patient>(command, beside).await.unwrap());
    }
    assert!(matches!(group.commit().await, Err(SubmitError::TooLarge { .. })));
    assert_eq!(cluster.totals(0, &patients).await, [0, 0]);
    cluster.is_sound().await;
}

#[tokio::test(start_paused = true)]
async fn the_records_of_a_group_are_in_the_log_of_a_member_aud_2() {
    let cluster = Cluster::new(2, &[0, 1]).await;
    let patients = cluster.patients(&[0, 1]);
    observe(&cluster.nodes[0], &patients, ("g", 1)).await.unwrap();
    let snapshot = cluster.nodes[1].snapshot().await.unwrap();
    let here = cluster.patients(&[0]).remove(0);
    for patient in &patients {
        let entries = crate::trail::of_entity(&*snapshot, patient, 10).await.unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(ShardId(entries[0].shard), shard_of(&here), "the committing node has that log");
        assert_eq!(entries[0].record.entity, *patient);
        assert_eq!(entries[0].record.outcome, AuditOutcome::Done);
        let (shard, index) = (entries[0].shard, entries[0].index);
        assert!(crate::trail::prove(&*snapshot, shard, index).await.unwrap().is_some());
    }
}
