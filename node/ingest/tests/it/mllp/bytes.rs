//! Frames cut, split, joined and far too large: nothing is dropped silently and memory stays
//! bounded (LIM-1).

use crate::mllp::world::{Client, World, adt, heart_rate};
use node_ingest::limits::IngestLimits;
use schema_hl7::mllp::{END_BLOCK, START_BLOCK, encode_frame};
use schema_types::error_code::ErrorCode;

#[tokio::test]
async fn a_frame_may_come_byte_by_byte() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.stream.set_nodelay(true).unwrap();
    for byte in encode_frame(&adt("A01", "C1")) {
        client.send(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.answer().await.unwrap().msa(), ("AA", "C1"));
}

#[tokio::test]
async fn several_frames_in_one_write_are_answered_in_order_ord_1() {
    let world = World::new().await;
    let mut client = world.client().await;
    let ids: Vec<String> = (0..40).map(|number| format!("R{number}")).collect();
    let frames: Vec<u8> =
        ids.iter().flat_map(|id| encode_frame(&heart_rate("4711", id, "80"))).collect();
    client.send(&frames).await;
    for id in &ids {
        assert_eq!(client.answer().await.unwrap().msa(), ("AA", id.as_str()));
    }
    let records = world.trail(&world.gateway.patient("NORTH.4711")).await;
    let order: Vec<&str> = records.iter().map(|entry| entry.record.command_id.as_str()).collect();
    assert_eq!(order, ids.iter().map(String::as_str).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_missing_carriage_return_costs_a_moment() {
    let world = World::new().await;
    let mut client = world.client().await;
    let mut frame = encode_frame(&adt("A01", "C1"));
    frame.pop();
    for control_id in ["C1", "C1"] {
        client.send(&frame).await;
        assert_eq!(client.answer().await.unwrap().msa(), ("AA", control_id));
    }
}

#[tokio::test]
async fn a_cut_frame_is_refused_and_the_next_is_taken() {
    let world = World::new().await;
    let mut client = world.client().await;
    let whole = encode_frame(&adt("A01", "C1"));
    let cut = &whole[..whole.len() - 30];
    client.send(cut).await;
    client.send(&encode_frame(&adt("A01", "C2"))).await;
    let ack = client.answer().await.unwrap();
    assert_eq!((ack.msa(), ack.code()), (("AR", "C1"), "MED-HL7-003"), "{}", ack.0);
    assert_eq!(client.answer().await.unwrap().msa(), ("AA", "C2"));
    let kept = world.quarantined().await;
    assert_eq!(kept.len(), 1);
    assert_eq!(world.raw(&kept[0]).await, cut[1..]);
    assert_eq!(kept[0].source.as_str(), "APP|NORTH");
}

#[tokio::test]
async fn bytes_outside_frames_and_ends_inside_are_refused() {
    let good = adt("A01", "C1");
    let mut end_inside = encode_frame(&good);
    end_inside.insert(40, END_BLOCK);
    let no_start = [&good[..], &[END_BLOCK, b'\r']].concat();
    for (name, bytes) in [("end inside", end_inside), ("no start", no_start)] {
        let world = World::new().await;
        let mut client = world.client().await;
        client.send(&bytes).await;
        let ack = client.answer().await.unwrap();
        assert_eq!((ack.msa().0, ack.code()), ("AR", "MED-HL7-003"), "{name}: {}", ack.0);
        assert_eq!(world.quarantined().await.len(), 1, "{name}");
        assert_eq!(client.exchange(&good).await.msa(), ("AA", "C1"), "{name}");
    }
}

#[tokio::test]
async fn a_stream_that_ends_inside_a_frame_is_kept() {
    let world = World::new().await;
    let mut client = world.client().await;
    let whole = encode_frame(&adt("A01", "C1"));
    client.send(&whole[..whole.len() - 30]).await;
    tokio::io::AsyncWriteExt::shutdown(&mut client.stream).await.unwrap();
    // A client that only closed its own direction still hears about it.
    assert_eq!(client.answer().await.unwrap().code(), "MED-HL7-003");
    assert_eq!(client.answer().await, None);
    let kept = world.quarantined().await;
    assert_eq!((kept.len(), kept[0].code), (1, ErrorCode::Hl7Frame));
    assert_eq!(world.state("NORTH.4711").await, Default::default());
}

#[tokio::test]
async fn a_whole_frame_before_the_end_of_the_stream_is_taken() {
    let world = World::new().await;
    let mut client = world.client().await;
    let mut frame = encode_frame(&adt("A01", "C1"));
    frame.pop();
    client.send(&frame).await;
    tokio::io::AsyncWriteExt::shutdown(&mut client.stream).await.unwrap();
    assert_eq!(client.answer().await.unwrap().msa(), ("AA", "C1"));
}

async fn send_in_pieces(client: &mut Client, total_bytes: usize) {
    let piece = vec![b'x'; 64 * 1024];
    let mut left = total_bytes;
    while left > 0 {
        let length = left.min(piece.len());
        client.send(&piece[..length]).await;
        left -= length;
    }
}

/// The most memory that this process ever held, in kB, where the system tells.
fn peak_memory_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[tokio::test]
async fn a_message_of_300_megabytes_is_refused_in_bounded_memory_lim_1() {
    const LIMIT: usize = 1024 * 1024;
    const MESSAGE: usize = 300_000_000;
    let limits = IngestLimits { message_bytes_max: LIMIT, ..IngestLimits::default() };
    let world = World::with(limits).await;
    let mut client = world.client().await;
    let before = peak_memory_kb();
    client.send(&[START_BLOCK]).await;
    client.send(&adt("A01", "C1")).await;
    send_in_pieces(&mut client, MESSAGE).await;
    client.send(&[END_BLOCK, b'\r']).await;
    let ack = client.answer().await.unwrap();
    assert_eq!((ack.msa(), ack.code()), (("AR", "C1"), "MED-HL7-004"), "{}", ack.0);
    assert_eq!(client.exchange(&adt("A01", "C2")).await.msa(), ("AA", "C2"));
    assert!(world.counters.received_bytes.get() > u64::try_from(MESSAGE).unwrap());
    let buffered = world.counters.buffered_bytes_peak();
    assert!(buffered <= u64::try_from(LIMIT + 16 * 1024).unwrap(), "{buffered} bytes held");
    if let (Some(before), Some(after)) = (before, peak_memory_kb()) {
        // Other tests share the process and take some tens of MB at the same time.
        assert!(after - before < 200_000, "grew by {} kB", after - before);
    }
    let kept = world.quarantined().await;
    assert_eq!((kept.len(), kept[0].code), (1, ErrorCode::Hl7TooLarge));
    assert!(world.raw(&kept[0]).await.len() <= schema_hl7::limits::OVERSIZE_KEPT_BYTES_MAX);
}

#[tokio::test]
async fn a_message_just_past_the_limit_is_refused() {
    let good = adt("A01", "C1");
    for (limit, answer) in [(good.len(), "AA"), (good.len() - 1, "AR")] {
        let limits = IngestLimits { message_bytes_max: limit, ..IngestLimits::default() };
        let world = World::with(limits).await;
        assert_eq!(world.client().await.exchange(&good).await.msa().0, answer, "{limit}");
    }
}

#[tokio::test]
async fn a_batch_is_answered_with_a_batch() {
    let world = World::new().await;
    let mut client = world.client().await;
    let batch = [
        b"FHS|^~\\&|APP|NORTH\rBHS|^~\\&|APP|NORTH|MED|HERE|20261120||||B77\r".to_vec(),
        adt("A01", "C1"),
        heart_rate("4711", "R1", "fast"),
        heart_rate("4711", "R2", "80"),
        b"BTS|2\rFTS|1\r".to_vec(),
    ]
    .concat();
    let reply = client.exchange(&batch).await.0;
    let lines: Vec<&str> = reply.split('\r').collect();
    assert!(lines[0].starts_with("BHS|^~\\&|MED|HERE|APP|NORTH|"), "{reply}");
    assert!(lines[0].ends_with("|B77"), "BHS-12 names the batch: {reply}");
    let answers: Vec<&str> =
        lines.iter().filter(|line| line.starts_with("MSA")).map(|line| &line[4..9]).collect();
    assert_eq!(answers, ["AA|C1", "AE|R1", "AA|R2"], "{reply}");
    let trailer = lines.iter().find(|line| line.starts_with("BTS")).unwrap();
    assert!(trailer.starts_with("BTS|3|MED-HL7-012"), "the count was wrong: {trailer}");
    assert_eq!(world.state("NORTH.4711").await.observations_total, 1);
    let two = [heart_rate("4711", "R3", "80"), heart_rate("4711", "R4", "80")].concat();
    let reply = client.exchange(&two).await.0;
    assert!(reply.starts_with("BHS|^~\\&|"), "{reply}");
    assert!(reply.contains("AA|R3") && reply.contains("AA|R4"), "{reply}");
}
