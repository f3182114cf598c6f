//! Replaying what was kept, and files.

use crate::mllp::world::{World, adt, heart_rate, join, msh, person};
use node_ingest::hl7::{Disposition, Replayed, receive_file, replay};
use schema_hl7::mllp::encode_frame;
use schema_types::error_code::ErrorCode;
use schema_types::measure::Measure;

fn unlink() -> Vec<u8> {
    join(&[
        &msh("ADT^A37", "U1"),
        "EVN|A37|20261122083000",
        "PID|1||1^^^NORTH^MR",
        "PID|2||2^^^NORTH^MR",
    ])
}

fn merge() -> Vec<u8> {
    join(&[
        &msh("ADT^A40", "M1"),
        "EVN|A40|20261121083000",
        "PID|1||1^^^NORTH^MR",
        "MRG|2^^^NORTH^MR",
    ])
}

async fn try_again(world: &World, repaired: Option<Vec<u8>>) -> Replayed {
    let record = world.quarantined().await.remove(0);
    replay(&world.gateway, &person(), record, repaired).await.unwrap()
}

#[tokio::test]
async fn an_item_is_taken_once_its_time_has_come() {
    let world = World::new().await;
    let mut client = world.client().await;
    assert_eq!(client.exchange(&unlink()).await.code(), "MED-PAT-005");
    let too_early = try_again(&world, None).await;
    assert!(matches!(too_early, Replayed::Refused { code: ErrorCode::PatientLink, .. }));
    assert_eq!(client.exchange(&merge()).await.msa(), ("AA", "M1"));
    assert_eq!(try_again(&world, None).await, Replayed::Accepted);
    assert!(world.state("NORTH.1").await.links.is_empty());
    let record = world.quarantined().await.remove(0);
    assert_eq!((record.attempts, record.resolution.as_str()), (2, "taken"));
    assert!(record.resolved_at.is_some());
    let again = try_again(&world, None).await;
    assert!(matches!(again, Replayed::Refused { code: ErrorCode::QuarantineUnknown, .. }));
    assert_eq!(client.exchange(&unlink()).await.msa(), ("AA", "U1"), "the sender's own repeat");
    let records = world.trail(&world.gateway.facility("quarantine")).await;
    let operations: Vec<&str> =
        records.iter().map(|entry| entry.record.operation.as_str()).collect();
    assert_eq!(operations[0], "quarantine mllp");
    assert_eq!(operations[1..], ["quarantine replay"; 3]);
    world.verify_audit().await;
}

#[tokio::test]
async fn an_item_that_was_sent_again_meanwhile_is_a_duplicate() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.exchange(&unlink()).await;
    client.exchange(&merge()).await;
    assert_eq!(client.exchange(&unlink()).await.msa(), ("AA", "U1"));
    assert_eq!(try_again(&world, None).await, Replayed::Duplicate);
}

#[tokio::test]
async fn repaired_bytes_are_taken() {
    let world = World::new().await;
    world.client().await.exchange(&heart_rate("4711", "R1", "fast")).await;
    let still_wrong = try_again(&world, Some(heart_rate("4711", "R1", "slow"))).await;
    assert!(matches!(still_wrong, Replayed::Refused { code: ErrorCode::Hl7DataType, .. }));
    let repaired = heart_rate("4711", "R1", "80");
    assert_eq!(try_again(&world, Some(repaired.clone())).await, Replayed::Accepted);
    let state = world.state("NORTH.4711").await;
    assert_eq!(state.measures[&Measure::HeartRate].len(), 1);
    assert_eq!(world.quarantined().await[0].resolution, "taken, repaired");
    let ack = world.client().await.exchange(&repaired).await;
    assert_eq!(ack.msa(), ("AA", "R1"), "a repeat of the repaired message");
    let records = world.trail(&world.gateway.patient("NORTH.4711")).await;
    assert_eq!(records[0].record.principal.as_str(), "tester", "who repaired it");
}

#[tokio::test]
async fn a_cut_frame_is_never_taken_for_a_whole_message() {
    let world = World::new().await;
    let mut client = world.client().await;
    let whole = heart_rate("4711", "R1", "80");
    // The cut leaves something that would decode: the result, without the segment after it.
    let longer = [&whole[..], b"OBX|2|NM|59408-5^SpO2^LN||91|%|||||F\r"].concat();
    client.send(&encode_frame(&longer)[..=whole.len()]).await;
    client.send(&encode_frame(&adt("A01", "C2"))).await;
    assert_eq!(client.answer().await.unwrap().code(), "MED-HL7-003");
    let refused = try_again(&world, None).await;
    assert!(matches!(refused, Replayed::Refused { code: ErrorCode::Hl7Frame, .. }));
    let wrong = try_again(&world, Some(heart_rate("4711", "R1", "fast"))).await;
    assert!(matches!(wrong, Replayed::Refused { code: ErrorCode::Hl7DataType, .. }));
    let refused = try_again(&world, None).await;
    assert!(matches!(refused, Replayed::Refused { code: ErrorCode::Hl7Frame, .. }), "still");
    assert_eq!(try_again(&world, Some(longer)).await, Replayed::Accepted);
    assert_eq!(world.state("NORTH.4711").await.observations_total, 2);
}

#[tokio::test]
async fn a_replay_while_the_store_is_full_notes_nothing() {
    let world = World::new().await;
    world.client().await.exchange(&heart_rate("4711", "R1", "fast")).await;
    world.store.refuse_next_commit(actors_store::CommitError::NoSpace);
    let not_now = try_again(&world, Some(heart_rate("4711", "R1", "80"))).await;
    assert!(matches!(not_now, Replayed::NotNow { code: ErrorCode::DiskFull, .. }));
    assert_eq!(world.quarantined().await[0].attempts, 1);
}

#[tokio::test]
async fn every_message_of_a_file_is_taken_by_itself() {
    let world = World::new().await;
    let file = [
        b"stray line\r\n".to_vec(),
        adt("A01", "C1"),
        heart_rate("4711", "R1", "fast"),
        heart_rate("4711", "R2", "80"),
        heart_rate("4711", "R2", "80"),
    ]
    .concat();
    let received = receive_file(&world.gateway, &person(), &file).await;
    let codes: Vec<Option<ErrorCode>> = received
        .iter()
        .map(|one| match one.disposition {
            Disposition::Quarantined { code, .. } | Disposition::Refused { code } => Some(code),
            Disposition::Accepted | Disposition::Duplicate => None,
        })
        .collect();
    let wrong = [Some(ErrorCode::Hl7NotAMessage), None, Some(ErrorCode::Hl7DataType), None, None];
    assert_eq!(codes, wrong);
    assert_eq!(received[4].disposition, Disposition::Duplicate);
    let recorded: u32 = received
        .iter()
        .flat_map(|one| one.changes.expose())
        .map(|(_, changes)| changes.observations_recorded)
        .sum();
    assert_eq!(recorded, 1);
    let channels: Vec<String> =
        world.quarantined().await.into_iter().map(|record| record.channel).collect();
    assert_eq!(channels, ["file", "file"]);
}
