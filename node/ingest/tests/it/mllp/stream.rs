//! Connections: many, bounded, each in order, ended in good manners.

use crate::mllp::world::{World, adt, heart_rate};
use node_ingest::limits::IngestLimits;
use schema_hl7::mllp::encode_frame;

#[tokio::test]
async fn connections_work_side_by_side() {
    let world = World::new().await;
    let mut clients = Vec::new();
    for number in 0..8 {
        let mut client = world.client().await;
        clients.push(tokio::spawn(async move {
            for turn in 0..10 {
                let control_id = format!("R{number}-{turn}");
                // Two connections share each patient.
                let patient = (number / 2).to_string();
                let ack = client.exchange(&heart_rate(&patient, &control_id, "80")).await;
                assert_eq!(ack.msa(), ("AA", control_id.as_str()), "{}", ack.0);
            }
        }));
    }
    for client in clients {
        client.await.unwrap();
    }
    for patient in 0..4 {
        assert_eq!(world.state(&format!("NORTH.{patient}")).await.observations_total, 20);
    }
    assert_eq!(world.counters.messages_accepted.get(), 80);
    world.verify_audit().await;
}

#[tokio::test]
async fn twins_on_two_connections_have_one_effect_once_1() {
    let world = World::new().await;
    let message = heart_rate("4711", "R1", "80");
    let mut clients = Vec::new();
    for _ in 0..6 {
        let (mut client, message) = (world.client().await, message.clone());
        clients.push(tokio::spawn(async move { client.exchange(&message).await }));
    }
    for client in clients {
        assert_eq!(client.await.unwrap().msa(), ("AA", "R1"));
    }
    assert_eq!(world.state("NORTH.4711").await.observations_total, 1);
    assert_eq!(world.counters.messages_accepted.get(), 1);
    let records = world.trail(&world.gateway.patient("NORTH.4711")).await;
    assert_eq!(records.len(), 7, "one record for each, and one for the look at the state");
}

#[tokio::test]
async fn twins_about_different_patients_have_one_winner_once_1() {
    let world = World::new().await;
    let mut clients = Vec::new();
    for patient in ["1", "2", "3", "4"] {
        let mut client = world.client().await;
        let message = heart_rate(patient, "R1", "80");
        clients.push(tokio::spawn(async move { client.exchange(&message).await }));
    }
    let mut accepted = 0;
    for client in clients {
        let ack = client.await.unwrap();
        match ack.msa().0 {
            "AA" => accepted += 1,
            _ => assert_eq!(ack.code(), "MED-HL7-011", "{}", ack.0),
        }
    }
    assert_eq!(accepted, 1);
    let mut observations = 0;
    for patient in ["1", "2", "3", "4"] {
        observations += world.state(&format!("NORTH.{patient}")).await.observations_total;
    }
    assert_eq!(observations, 1);
}

#[tokio::test]
async fn one_connection_too_many_is_told_so_lim_1() {
    let limits = IngestLimits { mllp_connections_max: 1, ..IngestLimits::default() };
    let world = World::with(limits).await;
    let mut first = world.client().await;
    assert_eq!(first.exchange(&adt("A01", "C1")).await.msa(), ("AA", "C1"));
    let mut second = world.client().await;
    let ack = second.answer().await.unwrap();
    assert_eq!((ack.msa().0, ack.code()), ("AR", "MED-NODE-001"), "{}", ack.0);
    assert_eq!(second.answer().await, None);
    assert_eq!(first.exchange(&adt("A08", "C2")).await.msa(), ("AA", "C2"));
    drop(first);
    // The place is free again once the end of the first connection was noticed.
    while world.counters.connections_closed.get() == 0 {
        tokio::task::yield_now().await;
    }
    let mut third = world.client().await;
    assert_eq!(third.exchange(&adt("A08", "C3")).await.msa(), ("AA", "C3"));
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let limits = IngestLimits { mllp_idle_seconds_max: 1, ..IngestLimits::default() };
    let world = World::with(limits).await;
    let mut client = world.client().await;
    assert_eq!(client.exchange(&adt("A01", "C1")).await.msa(), ("AA", "C1"));
    assert_eq!(client.answer().await, None);
    assert!(world.quarantined().await.is_empty());
    let mut client = world.client().await;
    client.send(&encode_frame(&adt("A01", "C2"))[..50]).await;
    assert_eq!(client.answer().await.unwrap().code(), "MED-HL7-003", "silence cuts a frame");
    assert_eq!(client.answer().await, None);
}

#[tokio::test]
async fn shutting_down_answers_what_is_in_hand() {
    let world = World::new().await;
    let mut busy = world.client().await;
    let mut idle = world.client().await;
    assert_eq!(idle.exchange(&adt("A01", "C1")).await.msa(), ("AA", "C1"));
    busy.send(&encode_frame(&adt("A08", "C2"))).await;
    assert_eq!(busy.answer().await.unwrap().msa(), ("AA", "C2"));
    let gateway = world.gateway.clone();
    let address = world.address;
    let counters = world.counters.clone();
    let stopped = tokio::spawn(world.stop());
    assert_eq!(idle.answer().await, None);
    assert_eq!(busy.answer().await, None);
    drop((idle, busy));
    stopped.await.unwrap();
    assert_eq!(counters.connections_closed.get(), counters.connections_opened.get());
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
    assert!(gateway.runtime.shut_down(1_000).await);
}
