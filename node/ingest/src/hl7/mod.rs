//! HL7 v2 messages as commands: each is decoded, taken once, and answered when its effect is
//! durable (ACK-1). What cannot be taken is kept in quarantine and answered with the reason.
//!
//! Sockets and frames are in [`crate::mllp`]; what the fields mean is in `schema-hl7`.

mod answer;
mod batch;
mod failure;
pub mod limits;
mod plan;
mod replay;
mod take;

use crate::gateway::{Caller, Gateway};
use crate::quarantine::{self, Refused};
use actors_patient::command::Changes;
pub(crate) use answer::refusal;
pub use batch::{Answered, receive_file, receive_frame};
pub(crate) use failure::Failure;
pub use replay::{Replayed, replay};
use schema_hl7::ack::AckCode;
use schema_hl7::{Header, Hl7Error};
use schema_types::error_code::ErrorCode;
use schema_types::ids::{EntityId, PrincipalId, SourceId};
use schema_types::phi::Phi;
use take::{Attempt, Taken};

/// Media type of HL7 v2 in its classic encoding.
pub const CONTENT_TYPE: &str = "x-application/hl7-v2+er7";

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposition {
    /// Its effect is durable.
    Accepted,
    /// It was taken before; no second effect (ONCE-1).
    Duplicate,
    /// It is kept for a person to look at.
    Quarantined {
        /// The item.
        id: u64,
        /// The stable code of the reason.
        code: ErrorCode,
    },
    /// It is neither taken nor kept: the sender must send it again.
    Refused {
        /// The stable code of the reason.
        code: ErrorCode,
    },
}

/// A message with its answer.
#[derive(Debug)]
pub struct Received {
    /// What became of it.
    pub disposition: Disposition,
    /// MSA-1 of the answer: `AA`, `AE` or `AR`.
    pub answer: AckCode,
    /// The acknowledgement, without framing.
    pub reply: Vec<u8>,
    /// MSH-10; empty when it could not be read.
    pub control_id: String,
    /// What the message changed, per patient in the order of its commands; empty for a repeat.
    pub changes: Phi<Vec<(EntityId, Changes)>>,
}

/// Takes the bytes of one message: `AA` only when its effect is durable (ACK-1). `channel` is
/// `mllp`, `file` or `api`. Costs one commit, also for a repeat or for quarantine.
pub async fn receive(
    gateway: &Gateway,
    caller: &Caller,
    raw: &[u8],
    channel: &'static str,
) -> Received {
    let attempt = Box::pin(take::take(gateway, caller, raw, "")).await;
    conclude(gateway, caller, (raw, channel), attempt).await
}

/// Keeps bytes that are not a message, such as a cut frame, and answers with the reason.
pub async fn refuse(
    gateway: &Gateway,
    caller: &Caller,
    raw: &[u8],
    channel: &'static str,
    error: Hl7Error,
) -> Received {
    let attempt = Attempt { header: Header::salvage(raw), result: Err(error.into()) };
    conclude(gateway, caller, (raw, channel), attempt).await
}

/// The sending system as a caller: `{channel}:{MSH-3}|{MSH-4}`, treating.
#[must_use]
pub fn sender(raw: &[u8], channel: &str) -> Caller {
    let source = Header::salvage(raw).map(|header| bounded_source(&header));
    let source = source.unwrap_or_else(unknown_source);
    Caller {
        principal: PrincipalId::new(format!("{channel}:{source}")),
        purpose: "TREAT".to_owned(),
    }
}

fn unknown_source() -> SourceId {
    SourceId::new("unknown")
}

/// The source, cut where it could not stand in a key.
fn bounded_source(header: &Header) -> SourceId {
    let source = header.source.as_str();
    let end = source.floor_char_boundary(limits::SOURCE_BYTES_MAX);
    SourceId::new(&source[..end])
}

async fn conclude(
    gateway: &Gateway,
    caller: &Caller,
    (raw, channel): (&[u8], &'static str),
    attempt: Attempt,
) -> Received {
    let Attempt { header, result } = attempt;
    let (disposition, failure, changes) = match result {
        Ok(Taken::Accepted(changes)) => (Disposition::Accepted, None, changes),
        Ok(Taken::Duplicate) => (Disposition::Duplicate, None, Vec::new()),
        Err(failure) => {
            let (disposition, failure) =
                settle_failed(gateway, caller, (raw, channel), (header.as_ref(), failure)).await;
            (disposition, Some(failure), Vec::new())
        }
    };
    let is_repeat = disposition == Disposition::Duplicate;
    Received {
        disposition,
        answer: failure.as_ref().map_or(AckCode::Accept, |failure| failure.answer),
        reply: answer::reply(gateway, header.as_ref(), failure.as_ref(), is_repeat),
        control_id: header.map(|header| header.control_id).unwrap_or_default(),
        changes: Phi::new(changes),
    }
}

/// Keeps what is wrong in itself. What could not be kept is answered as not taken, so that the
/// sender keeps it.
async fn settle_failed(
    gateway: &Gateway,
    caller: &Caller,
    (raw, channel): (&[u8], &'static str),
    (header, failure): (Option<&Header>, Failure),
) -> (Disposition, Failure) {
    if failure.is_transient {
        return (Disposition::Refused { code: failure.code }, failure);
    }
    let refused = Refused {
        source: header.map_or_else(unknown_source, bounded_source),
        channel,
        code: failure.code,
        reason: failure.reason.clone(),
        location: failure.location(),
        raw: Phi::new(raw.to_vec()),
        content_type: CONTENT_TYPE.to_owned(),
    };
    match quarantine::keep(gateway, caller, refused).await {
        Ok(id) => {
            let reason = format!("{}; quarantine {id}", failure.reason);
            let disposition = Disposition::Quarantined { id, code: failure.code };
            (disposition, Failure { reason, ..failure })
        }
        Err(error) => {
            let failure = Failure::from(error);
            (Disposition::Refused { code: failure.code }, failure)
        }
    }
}
