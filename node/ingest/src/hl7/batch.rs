//! Several messages in one frame or file: each is taken by itself, in order. A frame that holds
//! more than one message, or a batch, is answered with a batch of acknowledgements (HL7 2.10.3).

use super::{Received, answer, receive, refuse, sender};
use crate::gateway::{Caller, Gateway};
use schema_hl7::batch::{BatchItem, split};
use schema_hl7::{Hl7Error, SegmentName};

/// The answer to a frame.
#[derive(Debug)]
pub struct Answered {
    /// The messages and refused pieces, in order; empty for an empty batch.
    pub received: Vec<Received>,
    /// One acknowledgement, or BHS, acknowledgements, BTS; without framing.
    pub reply: Vec<u8>,
}

/// Takes what one MLLP frame holds, as the sending system that each message names.
pub async fn receive_frame(gateway: &Gateway, frame: &[u8]) -> Answered {
    let (mut received, warnings) = receive_all(gateway, None, frame, "mllp").await;
    let header = header_line(frame);
    let reply = match (&mut received[..], header, warnings.is_empty()) {
        ([only], None, true) => std::mem::take(&mut only.reply),
        (_, header, _) => batch_reply(gateway, header, &received, &warnings),
    };
    Answered { received, reply }
}

/// Takes every message of a file, in order.
pub async fn receive_file(gateway: &Gateway, caller: &Caller, bytes: &[u8]) -> Vec<Received> {
    receive_all(gateway, Some(caller), bytes, "file").await.0
}

async fn receive_all(
    gateway: &Gateway,
    caller: Option<&Caller>,
    bytes: &[u8],
    channel: &'static str,
) -> (Vec<Received>, Vec<Hl7Error>) {
    let mut received = Vec::new();
    let mut warnings = Vec::new();
    let caller_of = |raw: &[u8]| caller.cloned().unwrap_or_else(|| sender(raw, channel));
    for item in split(bytes) {
        match item {
            BatchItem::Message { bytes, .. } => {
                let raw = bytes.expose();
                received.push(receive(gateway, &caller_of(raw), raw, channel).await);
            }
            BatchItem::Refused { error, bytes } => {
                let raw = bytes.expose();
                received.push(refuse(gateway, &caller_of(raw), raw, channel, error).await);
            }
            BatchItem::Warning(error) => {
                tracing::warn!(code = %error.code, at = %error.position, "odd batch");
                warnings.push(error);
            }
        }
    }
    (received, warnings)
}

/// The batch header, if the bytes begin a batch: BHS, or FHS for a file without BHS.
fn header_line(bytes: &[u8]) -> Option<&[u8]> {
    let mut lines = bytes.split(|byte| matches!(byte, b'\r' | b'\n'));
    let mut header = None;
    lines.by_ref().find(|line| {
        let name = SegmentName::at_start_of(line);
        match name.as_ref().map(SegmentName::as_str) {
            Some("FHS") => header = Some(*line),
            Some("BHS") => {
                header = Some(*line);
                return true;
            }
            Some("MSH") => return true,
            Some(_) | None => {}
        }
        false
    });
    header
}

/// Now, as HL7 writes it.
fn time_of(gateway: &Gateway) -> String {
    let micros = gateway.runtime.now().unix_micros();
    let now = chrono::DateTime::from_timestamp_micros(micros);
    now.map(|now| now.format("%Y%m%d%H%M%S%.3f+0000").to_string()).unwrap_or_default()
}

fn batch_reply(
    gateway: &Gateway,
    header: Option<&[u8]>,
    received: &[Received],
    warnings: &[Hl7Error],
) -> Vec<u8> {
    let header = header.filter(|line| line.len() > 3).unwrap_or(b"BHS|^~\\&");
    let separator = header.get(3).copied().unwrap_or(b'|');
    let fields: Vec<&[u8]> = header.split(|byte| *byte == separator).collect();
    // The separator itself is BHS-1, so that BHS-n stands at n - 1.
    let field = |number: usize| fields.get(number - 1).copied().unwrap_or_default();
    let at = time_of(gateway);
    let own_id = answer::control_id(gateway);
    let answer: [&[u8]; 12] = [
        b"BHS",
        field(2),
        field(5),
        field(6),
        field(3),
        field(4),
        at.as_bytes(),
        b"",
        b"",
        b"",
        own_id.as_bytes(),
        field(11),
    ];
    let mut reply = answer.join(&separator);
    reply.retain(|byte| !byte.is_ascii_control());
    reply.push(b'\r');
    for one in received {
        reply.extend_from_slice(&one.reply);
    }
    let comment: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    let count = received.len().to_string();
    let comment = comment.join("; ").replace(char::from(separator), " ");
    reply.extend([b"BTS", count.as_bytes(), comment.as_bytes()].join(&separator));
    reply.push(b'\r');
    reply
}
