//! Trouble that an operator meets: each has its code, and nothing acknowledged is lost.

use crate::world::{DATA, World, caller, result, start_real};
use actors_patient::command::{Command, Read, Reply};
use node_app::{Node, offline};
use node_env::DiskOperation;
use node_env::fake::Fault;
use node_ingest::hl7::{self, Disposition};
use schema_types::error_code::ErrorCode;
use std::path::Path;

async fn send(node: &Node, patient: &str, control_id: &str, minute: u32) -> Disposition {
    let raw = result(patient, control_id, minute);
    hl7::receive(node.gateway(), &caller(), &raw, "mllp").await.disposition
}

async fn observations(node: &Node, patient: &str) -> u64 {
    let entity = node.gateway().patient(&format!("H.{patient}"));
    let question = Command::Read(Read::State);
    let reply = node.gateway().ask::<actors_patient::Patient>(&caller(), entity, question).await;
    match reply {
        Ok(Reply::State(state)) => state.observations_total,
        _ => 0,
    }
}

fn code(result: Result<Node, node_app::NodeError>) -> ErrorCode {
    result.err().expect("the node must not start").code()
}

#[tokio::test]
async fn a_second_process_on_the_same_data_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let node = start_real(folder.path(), None).await.unwrap();
    let second = code(start_real(folder.path(), None).await);
    assert_eq!(second, ErrorCode::DataDirectoryInUse);
    assert_eq!(send(&node, "1", "A1", 1).await, Disposition::Accepted);
    assert!(node.stop().await);
    start_real(folder.path(), None).await.unwrap().stop().await;
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    assert_eq!(code(start_real(folder.path(), Some(&address)).await), ErrorCode::AddressInUse);
}

#[tokio::test]
async fn a_read_only_directory_is_refused() {
    let world = World::new(1);
    world.disk.set_read_only(true);
    assert_eq!(code(world.start().await), ErrorCode::DataDirectoryReadOnly);
}

#[tokio::test]
async fn a_full_disk_refuses_and_recovers_ack_1() {
    let world = World::new(2);
    let node = world.start().await.unwrap();
    assert_eq!(send(&node, "1", "A0", 0).await, Disposition::Accepted);
    // The open log segment has room; the next one will not.
    world.disk.set_capacity_bytes(Some(world.disk.used_bytes() + 50_000));
    let mut accepted = 1_u64;
    let mut refused = 0_u64;
    for number in 1..3_000_u32 {
        match send(&node, "1", &format!("A{number}"), number % 60).await {
            Disposition::Accepted => accepted += 1,
            Disposition::Refused { code } => {
                assert_eq!(code, ErrorCode::DiskFull);
                refused += 1;
                break;
            }
            other @ (Disposition::Duplicate | Disposition::Quarantined { .. }) => {
                panic!("unexpected {other:?}")
            }
        }
    }
    assert_eq!(refused, 1, "a full disk refused nothing");
    world.disk.set_capacity_bytes(None);
    assert_eq!(send(&node, "2", "B1", 1).await, Disposition::Accepted);
    node.stop().await;
    let node = world.start().await.unwrap();
    assert_eq!(observations(&node, "1").await, accepted);
    assert_eq!(observations(&node, "2").await, 1);
}

#[tokio::test]
async fn a_failed_sync_stops_the_node_and_loses_nothing_ack_1() {
    let world = World::new(3);
    let node = world.start().await.unwrap();
    assert_eq!(send(&node, "1", "A1", 1).await, Disposition::Accepted);
    world.disk.inject(DiskOperation::SyncData, 0, Fault::Io);
    let refused = send(&node, "1", "A2", 2).await;
    assert!(matches!(refused, Disposition::Refused { .. }), "{refused:?}");
    assert!(!node.failed().await.is_empty());
    let later = send(&node, "1", "A3", 3).await;
    assert_eq!(later, Disposition::Refused { code: ErrorCode::StoreStopped });
    node.stop().await;
    let node = world.start().await.unwrap();
    let kept = observations(&node, "1").await;
    assert!((1..=2).contains(&kept), "{kept}");
    assert_eq!(observations(&node, "1").await, kept);
}

#[tokio::test]
async fn power_cuts_lose_nothing_acknowledged_ack_1() {
    for seed in 0..12 {
        let world = World::new(seed);
        let mut acknowledged = Vec::new();
        for round in 0..3_u32 {
            let Ok(node) = world.start().await else { continue };
            world.disk.cut_power_after(5 + (seed * 7 + u64::from(round) * 13) % 60);
            for number in 0..40_u32 {
                let id = format!("M{round}-{number}");
                let patient = format!("{}", number % 3);
                if send(&node, &patient, &id, number).await == Disposition::Accepted {
                    acknowledged.push((patient, id, number));
                }
            }
            drop(node);
            world.disk.cut_power();
            world.disk.restart();
        }
        let node = world.start().await.unwrap();
        for (patient, id, minute) in acknowledged {
            let again = send(&node, &patient, &id, minute).await;
            assert_eq!(again, Disposition::Duplicate, "seed {seed}: {id} was lost");
        }
        node.stop().await;
        let report = offline::check(&world.disk, Path::new(DATA)).await.unwrap();
        assert!(report.is_ok(), "seed {seed}: {:?}", report.shards);
    }
}

#[tokio::test]
async fn a_flipped_bit_is_found_and_never_served_aud_2() {
    let world = World::new(9);
    let node = world.start().await.unwrap();
    for number in 0..200_u32 {
        let patient = format!("{}", number % 5);
        send(&node, &patient, &format!("A{number}"), number % 60).await;
    }
    node.stop().await;
    let sound = offline::check(&world.disk, Path::new(DATA)).await.unwrap();
    assert!(sound.is_ok());
    assert!(sound.records() >= 200);
    let store = Path::new(DATA).join(offline::STORE_FOLDER);
    let names = node_env::Disk::list(&world.disk, &store).unwrap();
    let mut found = 0;
    for name in names.iter().filter(|name| !name.contains("LOCK") && !name.contains("lock")) {
        let length = world.disk.contents(&store.join(name)).map_or(0, |bytes| bytes.len());
        if length == 0 {
            continue;
        }
        let damaged = world.disk.fork(1);
        damaged.flip_bit(&store.join(name), length.min(60_000) / 2, 3);
        match offline::check(&damaged, Path::new(DATA)).await {
            Ok(report) if report.is_ok() => {}
            Ok(_) | Err(_) => found += 1,
        }
    }
    assert!(found > 0, "no file of the store noticed a flipped bit");
}

#[tokio::test]
async fn nobody_but_the_owner_reads_the_data_phi_1() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    start_real(&data, None).await.unwrap().stop().await;
    let mut seen = 0;
    for place in [data.clone(), data.join(offline::STORE_FOLDER)] {
        assert_eq!(std::fs::metadata(&place).unwrap().permissions().mode() & 0o077, 0);
        for entry in std::fs::read_dir(place).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode();
            let name = entry.file_name();
            assert!(mode & 0o077 == 0 || name == "LOCK", "{name:?} has mode {mode:o}");
            seen += 1;
        }
    }
    assert!(seen >= 5);
}
