//! Framing: split anywhere, several at once, and every way in which it goes wrong.

use schema_hl7::mllp::{FrameDecoder, FrameProblem, encode_frame};
use schema_types::error_code::ErrorCode;

type Piece = Result<Vec<u8>, (FrameProblem, Vec<u8>)>;

fn read(bytes: &[u8], chunk: usize, limit: usize) -> Vec<Piece> {
    let mut decoder = FrameDecoder::new(limit);
    let mut found = Vec::new();
    for piece in bytes.chunks(chunk) {
        decoder.push(piece);
        found.extend(decoder.by_ref());
    }
    found.extend(decoder.finish());
    found
        .into_iter()
        .map(|piece| match piece {
            Ok(frame) => Ok(frame.bytes.into_exposed()),
            Err(error) => Err((error.problem, error.bytes.into_exposed())),
        })
        .collect()
}

#[test]
fn every_stream_reads_the_same_however_it_is_cut() {
    let ok = |text: &str| -> Piece { Ok(text.as_bytes().to_vec()) };
    let bad = |problem, text: &str| -> Piece { Err((problem, text.as_bytes().to_vec())) };
    let cases: [(&str, Vec<Piece>); 15] = [
        ("\x0BMSH|a\r\x1C\r", vec![ok("MSH|a\r")]),
        ("\x0BA\x1C\r\x0BB\x1C\r", vec![ok("A"), ok("B")]),
        ("\r\n\x0BA\x1C\r\r\n\n\x0BB\x1C\r", vec![ok("A"), ok("B")]),
        ("\x0BA\x1C\x0BB\x1C\r", vec![ok("A"), ok("B")]),
        ("\x0BA\x1C\n\x0BB\x1C\r", vec![ok("A"), ok("B")]),
        ("\x0BA\x1C", vec![ok("A")]),
        ("\x0B\x1C\r", vec![ok("")]),
        ("MSH|x\r\x1C\r\x0BB\x1C\r", vec![bad(FrameProblem::StartMissing, "MSH|x\r"), ok("B")]),
        ("noise\x0BB\x1C\r", vec![bad(FrameProblem::StartMissing, "noise"), ok("B")]),
        ("\x0BA\x0BB\x1C\r", vec![bad(FrameProblem::Truncated, "A"), ok("B")]),
        ("\x0BA", vec![bad(FrameProblem::Truncated, "A")]),
        ("tail", vec![bad(FrameProblem::StartMissing, "tail")]),
        ("\x0BA\x1CB\x1C\r\x0BC\x1C\r", vec![bad(FrameProblem::EndInside, "A\x1CB"), ok("C")]),
        ("\x0B0123456789\x1C\r\x0BC\x1C\r", vec![bad(FrameProblem::TooLarge, "01234567"), ok("C")]),
        ("\x1C\r\x1C\r", vec![]),
    ];
    for (stream, expected) in cases {
        for chunk in 1..=stream.len() {
            assert_eq!(read(stream.as_bytes(), chunk, 8), expected, "{stream:?} by {chunk}");
        }
    }
}

#[test]
fn errors_carry_their_codes() {
    for (stream, code) in [
        (&b"\x0BA"[..], ErrorCode::Hl7Frame),
        (b"garbage\x1C\r", ErrorCode::Hl7Frame),
        (b"\x0B0123456789", ErrorCode::Hl7TooLarge),
    ] {
        let mut decoder = FrameDecoder::new(8);
        decoder.push(stream);
        let piece = decoder.next().or_else(|| decoder.finish()).unwrap();
        assert_eq!(piece.unwrap_err().error().code, code);
    }
}

#[test]
fn a_sender_that_omits_the_last_byte_is_answered_after_a_silence() {
    let mut decoder = FrameDecoder::new(100);
    decoder.push(b"\x0BA\x1C");
    assert!(decoder.next().is_none());
    assert!(decoder.is_waiting_for_carriage_return());
    assert!(matches!(decoder.end_of_burst(), Some(Ok(frame)) if frame.bytes.expose() == b"A"));
    assert!(decoder.end_of_burst().is_none());
    decoder.push(b"\r\x0BB\x1C\r");
    assert!(matches!(decoder.next(), Some(Ok(frame)) if frame.bytes.expose() == b"B"));
}

/// LIM-1: a message of 100 MB is refused while it arrives and is never held.
#[test]
fn a_huge_message_is_refused_and_the_next_one_is_read_lim_1() {
    let mut decoder = FrameDecoder::new(1 << 20);
    decoder.push(b"\x0BMSH|^~\\&|");
    let chunk = vec![b'x'; 1 << 16];
    let mut errors = Vec::new();
    for _ in 0..1_600 {
        decoder.push(&chunk);
        errors.extend(decoder.by_ref());
    }
    decoder.push(&encode_frame(b"next"));
    let rest: Vec<_> = decoder.by_ref().collect();
    assert_eq!(errors.len(), 1);
    let error = errors.remove(0).unwrap_err();
    assert_eq!(error.problem, FrameProblem::TooLarge);
    assert_eq!(error.bytes.expose().len(), schema_hl7::limits::OVERSIZE_KEPT_BYTES_MAX);
    assert!(error.bytes.expose().starts_with(b"MSH"));
    assert!(matches!(&rest[..], [Ok(frame)] if frame.bytes.expose() == b"next"));
}
