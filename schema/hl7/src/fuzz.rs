//! What the fuzz target and the smoke test run on arbitrary bytes: every decoder, with the
//! properties that must hold whatever comes in.

use crate::ack::{AckCode, AckProblem, Acknowledgement, acknowledge};
use crate::batch::{self, BatchItem};
use crate::mllp::{FrameDecoder, encode_frame};
use crate::{DecodeContext, Header, Message, decode};
use schema_types::ids::{MessageDigest, TenantId};
use schema_types::time::Timestamp;

/// 2026-11-23T00:00:00Z.
const RECEIVED_AT_SECONDS: i64 = 1_795_392_000;
/// Small, so that oversize frames are reached.
const FRAME_BYTES_MAX: usize = 4_096;

/// Runs everything on `bytes`.
///
/// # Panics
/// When a property is broken: that is a bug in this crate.
pub fn fuzz_entry(bytes: &[u8]) {
    frames_do_not_depend_on_reads(bytes);
    for item in batch::split(bytes) {
        if let BatchItem::Message { bytes, .. } = item {
            one_message(bytes.expose());
        }
    }
    one_message(bytes);
}

fn frames_do_not_depend_on_reads(bytes: &[u8]) {
    let read = |chunk: usize| {
        let mut decoder = FrameDecoder::new(FRAME_BYTES_MAX);
        let mut found = Vec::new();
        for piece in bytes.chunks(chunk.max(1)) {
            decoder.push(piece);
            found.extend(decoder.by_ref());
        }
        found.extend(decoder.finish());
        found
    };
    assert_eq!(read(bytes.len()), read(3), "the framing depends on how the bytes were read");
    let mut whole = FrameDecoder::new(bytes.len());
    if !bytes.iter().any(|byte| matches!(byte, 0x0B | 0x1C)) {
        whole.push(&encode_frame(bytes));
        let frame = whole.next();
        assert!(matches!(frame, Some(Ok(frame)) if frame.bytes.expose() == bytes));
    }
}

fn one_message(bytes: &[u8]) {
    let context = DecodeContext {
        tenant: TenantId::new("fuzz"),
        digest: MessageDigest::of(bytes),
        received_at: Timestamp::from_unix_seconds(RECEIVED_AT_SECONDS),
        default_utc_offset_minutes: 60,
    };
    let header = Header::salvage(bytes);
    let (header, problem) = match Message::parse(bytes) {
        Err(error) => (header, Some(error)),
        Ok(message) => {
            if let Ok(again) = message.to_bytes() {
                assert_eq!(Message::parse(&again).as_ref(), Ok(&message), "not the same again");
            }
            let header = Header::of(&message, context.default_utc_offset_minutes);
            (Some(header), decode(&message, &context).err())
        }
    };
    let problems: Vec<AckProblem<'_>> =
        problem.as_ref().map(AckProblem::from).into_iter().collect();
    let code = problem.as_ref().map_or(AckCode::Accept, |error| error.refusal.into());
    let answer = Acknowledgement {
        code,
        note: "",
        control_id: "1",
        at: context.received_at,
        problems: &problems,
    };
    let bytes = acknowledge(header.as_ref(), &answer);
    assert!(!bytes.iter().any(|byte| matches!(byte, 0x0B | 0x1C)), "an answer breaks its frame");
}
