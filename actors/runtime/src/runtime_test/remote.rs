//! A call that another node forwards has the same effect, record and answer as one made here.

use super::world::*;
use crate::remote::{
    decode_answer, decode_record_answer, encode_record, encode_record_touching, encode_submit,
};
use crate::{Attachments, HostedEntity, Outcome, Runtime, SubmitError, trail};
use actors_core::Envelope;
use actors_device::Device;
use actors_device::command as device;
use actors_facility::Facility;
use actors_facility::command as facility;
use actors_patient::Patient;
use actors_patient::command::{Command, Read};
use actors_store::{KeyRange, Mutation, RangeQuery, keys};
use bytes::Bytes;
use schema_types::audit::{AuditAction, AuditDraft, AuditOutcome};
use schema_types::error_code::ErrorCode;
use schema_types::facility::{BedKey, BedStatus};
use schema_types::ids::{CommandId, EntityId, EntityKind, PrincipalId, SourceId};
use std::fmt::Debug;

/// Every row of the store.
async fn all_rows(runtime: &Runtime) -> Vec<(Bytes, Bytes)> {
    let all = RangeQuery::forward(KeyRange::prefix(b""), 10_000);
    let page = runtime.snapshot().await.unwrap().range(all).await.unwrap();
    assert!(page.items.len() < 10_000);
    page.items
}

/// The same command here and by way of bytes, in two worlds of their own.
async fn both<E: HostedEntity>(
    (here, there): (&Runtime, &Runtime),
    make: impl Fn() -> (Envelope<E::Command>, Attachments),
) -> Result<(), SubmitError>
where
    E::Reply: PartialEq + Debug,
{
    let (envelope, attachments) = make();
    let bytes = encode_submit::<E>(&envelope, &attachments).unwrap();
    let near = here.submit::<E>(envelope, attachments).await;
    let far = decode_answer::<E>(&there.serve_call(&bytes).await);
    match (near, far) {
        (Ok(Outcome::Done { reply, sequence }), Ok(Outcome::Done { reply: b, sequence: d })) => {
            assert_eq!((reply, sequence), (b, d));
            Ok(())
        }
        (Ok(Outcome::Repeated { at }), Ok(Outcome::Repeated { at: b })) => {
            assert_eq!(at, b);
            Ok(())
        }
        (Err(near), Err(far)) => {
            assert_eq!(near, far);
            Err(near)
        }
        (near, far) => panic!("{near:?} here, {far:?} there"),
    }
}

fn once() -> Attachments {
    Attachments { once: true, ..Attachments::default() }
}

fn bed() -> facility::Command {
    let key = || "B".to_owned();
    facility::Command::SetBedStatus {
        bed: BedKey { ward: key(), room: key(), bed: key() },
        status: BedStatus::Dirty,
        at: schema_types::time::Timestamp::from_unix_micros(START),
    }
}

async fn do_everything(nodes: (&Runtime, &Runtime)) {
    let (p, now) = (patient("p1"), nodes.0.now());
    let to_patient = async |id: &str, command: Command, beside: fn() -> Attachments| {
        both::<Patient>(nodes, || (envelope(p.clone(), id, now, command.clone()), beside())).await
    };
    to_patient("m1", admit("W1", "m1"), once).await.unwrap();
    to_patient("m1", admit("W1", "m1"), once).await.unwrap();
    let archived = || Attachments {
        archive: Some(Bytes::from_static(b"raw message")),
        rows: vec![Mutation::set(keys::meta("beside"), Bytes::from_static(b"row"))],
        ..once()
    };
    to_patient("m2", potassium(71, 1), archived).await.unwrap();
    to_patient("r1", Command::Read(Read::State), Attachments::default).await.unwrap();
    to_patient("r2", Command::Read(Read::State), Attachments::default).await.unwrap();
    let nobody = Command::Unmerge { retired: patient("p2"), at: now };
    let refused = to_patient("m3", nobody, once).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::PatientLink);

    let pump = || id(EntityKind::Device, "pump");
    let associate = || device::Command::Associate { patient: patient("p1"), at: now };
    both::<Device>(nodes, || (envelope(pump(), "d1", now, associate()), once())).await.unwrap();
    let house = || id(EntityKind::Facility, "h");
    both::<Facility>(nodes, || (envelope(house(), "f1", now, bed()), once())).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_served_call_does_what_a_local_one_does_aud_1_once_1() {
    let (near, far) = (World::new(), World::new());
    let (here, there) = (near.start().await, far.start().await);
    do_everything((&here, &there)).await;
    // Notices to other entities are delivered on both sides before they are compared.
    let (p, pump) = (patient("p1"), id(EntityKind::Device, "pump"));
    for runtime in [&here, &there] {
        until(async || state(runtime, &p).await.devices.contains_key(&pump)).await;
    }
    let records = async |runtime: &Runtime, entity: &EntityId| {
        let snapshot = runtime.snapshot().await.unwrap();
        let entries = trail::of_entity(&*snapshot, entity, 100).await.unwrap();
        let is_ours = |record: &AuditDraft| record.command_id.as_str() != "read";
        entries.into_iter().map(|entry| entry.record).filter(is_ours).collect::<Vec<_>>()
    };
    for entity in [p, pump, id(EntityKind::Facility, "h")] {
        let (a, b) = (records(&here, &entity).await, records(&there, &entity).await);
        assert!(!a.is_empty());
        assert_eq!(a, b);
    }
    assert!(verified_records(&there).await > 0);
}

#[tokio::test(start_paused = true)]
async fn a_served_call_leaves_the_same_rows() {
    let (near, far) = (World::new(), World::new());
    let (here, there) = (near.start().await, far.start().await);
    let now = here.now();
    for number in 0..4 {
        let make = || {
            let command = heart_rate(70 + i64::from(number), number);
            (envelope(patient("p1"), &format!("m{number}"), now, command), once())
        };
        both::<Patient>((&here, &there), make).await.unwrap();
    }
    assert_eq!(all_rows(&here).await, all_rows(&there).await);
}

fn audit(runtime: &Runtime) -> AuditDraft {
    AuditDraft {
        at: runtime.now(),
        principal: PrincipalId::new("tester"),
        purpose: "TREAT".to_owned(),
        action: AuditAction::Read,
        entity: id(EntityKind::Facility, "h"),
        operation: "query".to_owned(),
        outcome: AuditOutcome::Done,
        source: SourceId::new("test"),
        command_id: CommandId::new("q1"),
        message: None,
        sequence: 0,
        events: 0,
    }
}

#[tokio::test(start_paused = true)]
async fn a_served_record_is_kept_like_a_local_one_aud_1() {
    let (near, far) = (World::new(), World::new());
    let (here, there) = (near.start().await, far.start().await);
    let draft = audit(&here);
    let rows = vec![Mutation::set(keys::meta("kept"), Bytes::from_static(b"row"))];
    let bytes = encode_record(&draft, &rows).unwrap();
    here.record(draft.clone(), rows).await.unwrap();
    decode_record_answer(&there.serve_call(&bytes).await).unwrap();
    let touched = [patient("p1"), patient("p2")];
    let bytes = encode_record_touching(&draft, &touched).unwrap();
    here.record_touching(draft, &touched).await.unwrap();
    decode_record_answer(&there.serve_call(&bytes).await).unwrap();
    assert_eq!(all_rows(&here).await, all_rows(&there).await);
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_call_are_answered_and_change_nothing() {
    let world = World::new();
    let runtime = world.start().await;
    let before = all_rows(&runtime).await;
    let answer = async |bytes: &[u8]| decode_record_answer(&runtime.serve_call(bytes).await);
    let code = |answer: Result<(), SubmitError>| answer.unwrap_err().code();
    assert_eq!(code(answer(b"").await), ErrorCode::BadRequest);
    assert_eq!(code(answer(&[1, 17, 0, 0, 0, 1, 0xc0]).await), ErrorCode::BadRequest);
    assert_eq!(code(answer(&[9, 9, 9]).await), ErrorCode::NotAvailable);
    assert_eq!(code(answer(&[1, 99, 0, 0, 0, 0]).await), ErrorCode::NotAvailable);
    let an_answer = runtime.serve_call(b"").await;
    assert_eq!(code(answer(&an_answer).await), ErrorCode::NotAvailable);
    // A patient's command for a device.
    let stray = envelope(id(EntityKind::Device, "d"), "m1", runtime.now(), admit("W", "m1"));
    let stray = encode_submit::<Patient>(&stray, &once()).unwrap();
    assert_eq!(code(answer(&stray).await), ErrorCode::BadRequest);
    assert_eq!(all_rows(&runtime).await, before);
}
