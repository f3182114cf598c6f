//! The acknowledgement of one message.

use super::failure::Failure;
use super::limits::REPLY_CONTROL_ID_CHARACTERS_MAX;
use crate::gateway::Gateway;
use schema_hl7::Header;
use schema_hl7::ack::{AckCode, AckProblem, Acknowledgement, acknowledge};

/// What MSA-3 says when a message was taken before, so that senders can count it.
const REPEAT_NOTE: &str = "duplicate";

/// A name for one of our answers.
pub(crate) fn control_id(gateway: &Gateway) -> String {
    let mut id = gateway.fresh_id();
    id.truncate(REPLY_CONTROL_ID_CHARACTERS_MAX);
    id
}

/// `AA`, or the failure's code with its ERR segment.
pub(crate) fn reply(
    gateway: &Gateway,
    header: Option<&Header>,
    failure: Option<&Failure>,
    is_repeat: bool,
) -> Vec<u8> {
    let problems: Vec<AckProblem<'_>> = failure
        .map(|failure| AckProblem {
            code: failure.code,
            position: failure.position,
            reason: &failure.reason,
            is_warning: false,
        })
        .into_iter()
        .collect();
    let control_id = control_id(gateway);
    let answer = Acknowledgement {
        code: failure.map_or(AckCode::Accept, |failure| failure.answer),
        note: if is_repeat { REPEAT_NOTE } else { "" },
        control_id: &control_id,
        at: gateway.runtime.now(),
        problems: &problems,
    };
    acknowledge(header, &answer)
}

/// An answer to nobody in particular, before a message was read.
pub(crate) fn refusal(gateway: &Gateway, failure: &Failure) -> Vec<u8> {
    reply(gateway, None, Some(failure), false)
}
