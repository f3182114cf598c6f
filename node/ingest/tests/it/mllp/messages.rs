//! What good messages do, once, and how they are answered.

use crate::mllp::world::{OBR, PID, PV1, World, adt, heart_rate, join, msh};
use actors_runtime::blob;
use schema_types::audit::{AuditAction, AuditOutcome};
use schema_types::ids::{EncounterId, MessageDigest};
use schema_types::measure::Measure;
use schema_types::patient::Registration;

#[tokio::test]
async fn an_admission_is_answered_when_it_is_durable_ack_1() {
    let world = World::new().await;
    let message = adt("A01", "C1");
    let ack = world.client().await.exchange(&message).await;
    assert_eq!(ack.msa(), ("AA", "C1"), "{}", ack.0);
    assert_eq!(ack.field("MSH", 2), "MED", "the receiver answers");
    assert_eq!(ack.field("MSH", 4), "APP");
    assert_eq!(ack.field("MSH", 9).len(), 20);
    let state = world.state("NORTH.4711").await;
    assert_eq!(state.registration, Registration::Registered);
    let stay = &state.encounters[&EncounterId::new("NORTH.V900")];
    assert_eq!(stay.movements.len(), 1);
    let digest = MessageDigest::of(&message);
    assert_eq!(stay.movements[0].provenance.message, digest);
    let snapshot = world.gateway.runtime.snapshot().await.unwrap();
    let archived = blob::read_archive(&*snapshot, digest).await.unwrap();
    assert_eq!(archived, Some(message), "the raw message commits with its effect");
}

#[tokio::test]
async fn every_message_is_on_record_aud_1() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.exchange(&adt("A01", "C1")).await;
    client.exchange(&adt("A01", "C1")).await;
    let records = world.trail(&world.gateway.patient("NORTH.4711")).await;
    let seen: Vec<_> = records
        .iter()
        .map(|entry| {
            let record = &entry.record;
            (record.principal.as_str(), record.action, record.operation.as_str(), record.outcome)
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("mllp:APP|NORTH", AuditAction::Update, "adt-a01", AuditOutcome::Done),
            ("mllp:APP|NORTH", AuditAction::Execute, "repeat", AuditOutcome::Repeated),
        ]
    );
    assert!(records.iter().all(|entry| entry.record.purpose == "TREAT"));
    assert!(records.iter().all(|entry| entry.record.source.as_str() == "APP|NORTH"));
    world.verify_audit().await;
}

#[tokio::test]
async fn results_are_scored_and_a_stranger_becomes_provisional() {
    let world = World::new().await;
    let vitals = join(&[
        &msh("ORU^R01^ORU_R01", "R1"),
        PID,
        PV1,
        OBR,
        "OBX|1|NM|8867-4^Heart rate^LN||104|/min|||||F|||20261120080100",
        "OBX|2|NM|59408-5^SpO2^LN||91|%|||||F",
    ]);
    let ack = world.client().await.exchange(&vitals).await;
    assert_eq!(ack.msa(), ("AA", "R1"), "{}", ack.0);
    let state = world.state("NORTH.4711").await;
    assert_eq!(state.registration, Registration::Provisional);
    assert_eq!(state.measures[&Measure::HeartRate].len(), 1);
    assert_eq!(state.measures[&Measure::OxygenSaturation].len(), 1);
    assert!(!state.scores.is_empty());
}

#[tokio::test]
async fn a_repeat_has_one_effect_and_the_same_answer_once_1() {
    let world = World::new().await;
    let mut client = world.client().await;
    let message = heart_rate("4711", "R1", "80");
    for _ in 0..3 {
        assert_eq!(client.exchange(&message).await.msa(), ("AA", "R1"));
    }
    let other = world.client().await.exchange(&message).await;
    assert_eq!(other.msa(), ("AA", "R1"), "also on another connection");
    let state = world.state("NORTH.4711").await;
    assert_eq!(state.observations_total, 1);
    assert_eq!(world.counters.messages_accepted.get(), 1);
    assert_eq!(world.counters.messages_repeated.get(), 3);
    assert!(world.quarantined().await.is_empty());
}

#[tokio::test]
async fn a_control_id_with_other_content_is_refused_once_1() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.exchange(&heart_rate("4711", "R1", "80")).await;
    for (patient, value) in [("4711", "90"), ("9999", "80")] {
        let ack = client.exchange(&heart_rate(patient, "R1", value)).await;
        assert_eq!((ack.msa(), ack.code()), (("AE", "R1"), "MED-HL7-011"), "{}", ack.0);
        assert!(ack.field("ERR", 8).contains("quarantine"), "{}", ack.0);
    }
    assert_eq!(world.state("NORTH.4711").await.observations_total, 1);
    assert_eq!(world.state("NORTH.9999").await.observations_total, 0);
    assert_eq!(world.quarantined().await.len(), 2);
    let elsewhere = heart_rate("4711", "R1", "90");
    let elsewhere = String::from_utf8(elsewhere).unwrap().replace("|APP|", "|LAB|");
    let ack = client.exchange(elsewhere.as_bytes()).await;
    assert_eq!(ack.msa(), ("AA", "R1"), "control ids belong to their sender");
}

#[tokio::test]
async fn records_are_joined_and_separated_again() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.exchange(&heart_rate("1", "R1", "80")).await;
    client.exchange(&heart_rate("2", "R2", "90")).await;
    let merge = join(&[
        &msh("ADT^A40", "M1"),
        "EVN|A40|20261121083000",
        "PID|1||1^^^NORTH^MR||Canary^Ada",
        "MRG|2^^^NORTH^MR",
        "PID|2||1^^^NORTH^MR||Canary^Ada",
        "MRG|3^^^NORTH^MR",
    ]);
    let ack = client.exchange(&merge).await;
    assert_eq!(ack.msa(), ("AA", "M1"), "{}", ack.0);
    let two = world.gateway.patient("NORTH.2");
    let three = world.gateway.patient("NORTH.3");
    let has_two = |state: &schema_types::patient::PatientState| {
        state.links.get(&two).is_some_and(|link| !link.contributions.is_empty())
    };
    let survivor = world.settled("NORTH.1", has_two).await;
    assert!(survivor.links.contains_key(&three));
    let never_seen = world.settled("NORTH.3", |state| state.merged_into.is_some()).await;
    assert_eq!(never_seen.registration, Registration::Registered);
    assert_eq!(never_seen.demographics.identifiers.len(), 1, "its MRG identifiers are known");
    // The second patient of an A37 can be the survivor as well.
    for (control_id, first, second) in [("U1", "1", "2"), ("U2", "3", "1")] {
        let unlink = join(&[
            &msh("ADT^A37", control_id),
            "EVN|A37|20261122083000",
            &format!("PID|1||{first}^^^NORTH^MR"),
            &format!("PID|2||{second}^^^NORTH^MR"),
        ]);
        let ack = client.exchange(&unlink).await;
        assert_eq!(ack.msa(), ("AA", control_id), "{}", ack.0);
        assert_eq!(client.exchange(&unlink).await.msa(), ("AA", control_id), "a repeat");
    }
    assert!(world.state("NORTH.1").await.links.is_empty());
    let separate = world.settled("NORTH.2", |state| state.merged_into.is_none()).await;
    assert_eq!(separate.measures[&Measure::HeartRate].len(), 1);
    world.settled("NORTH.3", |state| state.merged_into.is_none()).await;
}

#[tokio::test]
async fn a_repeated_merge_is_one_merge_once_1() {
    let world = World::new().await;
    let mut client = world.client().await;
    let merge = join(&[
        &msh("ADT^A40", "M1"),
        "EVN|A40|20261121083000",
        "PID|1||1^^^NORTH^MR",
        "MRG|2^^^NORTH^MR",
    ]);
    assert_eq!(client.exchange(&merge).await.msa(), ("AA", "M1"));
    let commands = world.trail(&world.gateway.patient("NORTH.1")).await.len();
    assert_eq!(client.exchange(&merge).await.msa(), ("AA", "M1"));
    let state = world.state("NORTH.1").await;
    assert_eq!(state.links.len(), 1);
    let records = world.trail(&world.gateway.patient("NORTH.1")).await;
    let repeats = records.iter().filter(|entry| entry.record.operation == "repeat").count();
    assert_eq!(repeats, 1);
    assert!(records.len() >= commands + 2, "the repeat and the look at the state");
}
