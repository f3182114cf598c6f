//! Calls of groups whose members are on several nodes: to hold an entity, to commit what was
//! decided, and to tell what became of it.

use super::answer;
use super::form::{self, Fault, Form};
use crate::directory::HostedEntity;
use crate::error::SubmitError;
use crate::group::{HeldUnit, Verdict};
use crate::limits::{GROUP_HOLD_NAME_BYTES_MAX, GROUP_MEMBERS_MAX, REMOTE_CALL_BYTES_MAX};
use crate::submit::{Attachments, Outcome};
use actors_core::Envelope;
use schema_types::ids::EntityId;
use serde::{Deserialize, Serialize};

/// A command that is decided and held, as it is written. The fields are those of [`PrepareCall`].
#[derive(Serialize)]
struct PrepareWords<'a, C> {
    hold: &'a str,
    envelope: &'a Envelope<C>,
    attachments: &'a Attachments,
}

/// The same as it is read.
#[derive(Debug, Deserialize)]
pub(super) struct PrepareCall<C> {
    pub(super) hold: String,
    pub(super) envelope: Envelope<C>,
    pub(super) attachments: Attachments,
}

/// What an owner answers that holds an entity.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Prepared<R> {
    pub(super) outcome: Outcome<R>,
    pub(super) unit: HeldUnit,
}

/// What became of a group.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SettleCall {
    pub(super) hold: String,
    pub(super) verdict: Verdict,
}

/// A group as it is written. The fields are those of [`CommitCall`].
#[derive(Serialize)]
struct CommitWords<'a> {
    hold: &'a str,
    units: &'a [HeldUnit],
}

/// A group to be committed. The first unit is that of the named hold.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct CommitCall {
    pub(super) hold: String,
    pub(super) units: Vec<HeldUnit>,
}

/// The bytes of a call to decide a command and hold its entity under a name.
///
/// # Errors
/// [`SubmitError::TooLarge`] beyond [`REMOTE_CALL_BYTES_MAX`].
pub(crate) fn encode_prepare<E: HostedEntity>(
    hold: &str,
    envelope: &Envelope<E::Command>,
    attachments: &Attachments,
) -> Result<Vec<u8>, SubmitError> {
    let words = PrepareWords { hold, envelope, attachments };
    let bytes = form::write(Form::Prepare(E::KIND), &words, REMOTE_CALL_BYTES_MAX);
    bytes.map_err(Fault::refusal)
}

/// The outcome of a held command and its unit out of the answer to [`encode_prepare`].
///
/// # Errors
/// What the owner said. [`SubmitError::OutcomeUnknown`] when the answer is not understood, or is
/// about another entity: something may be held.
pub(crate) fn decode_prepared<E: HostedEntity>(
    bytes: &[u8],
    entity: &EntityId,
) -> Result<(Outcome<E::Reply>, HeldUnit), SubmitError> {
    let Prepared { outcome, unit } = answer::decode::<Prepared<E::Reply>>(bytes)?;
    if unit.entity == *entity { Ok((outcome, unit)) } else { Err(SubmitError::OutcomeUnknown) }
}

/// The bytes of a call that ends a hold; [`super::decode_record_answer`] reads the answer.
///
/// # Errors
/// [`SubmitError::TooLarge`] beyond [`REMOTE_CALL_BYTES_MAX`].
pub(crate) fn encode_settle(hold: &str, verdict: Verdict) -> Result<Vec<u8>, SubmitError> {
    let call = SettleCall { hold: hold.to_owned(), verdict };
    form::write(Form::Settle, &call, REMOTE_CALL_BYTES_MAX).map_err(Fault::refusal)
}

/// The bytes of a call to commit a group; [`super::decode_record_answer`] reads the answer.
///
/// # Errors
/// [`SubmitError::TooLarge`] beyond [`REMOTE_CALL_BYTES_MAX`].
pub(crate) fn encode_commit(hold: &str, units: &[HeldUnit]) -> Result<Vec<u8>, SubmitError> {
    let words = CommitWords { hold, units };
    form::write(Form::Commit, &words, REMOTE_CALL_BYTES_MAX).map_err(Fault::refusal)
}

fn check_name(hold: &str) -> Result<(), Fault> {
    match hold.len() {
        0 => Err(Fault::Contradiction),
        bytes if bytes > GROUP_HOLD_NAME_BYTES_MAX => Err(Fault::TooLarge(bytes)),
        _ => Ok(()),
    }
}

/// A command to be held out of the body of a call.
pub(super) fn read_prepare<E: HostedEntity>(body: &[u8]) -> Result<PrepareCall<E::Command>, Fault> {
    let call: PrepareCall<E::Command> = form::read(body)?;
    check_name(&call.hold)?;
    // The head names the actor's kind, the envelope its id: both or neither.
    let is_sound = call.envelope.entity.kind() == E::KIND;
    if is_sound { Ok(call) } else { Err(Fault::Contradiction) }
}

/// What became of a group out of the body of a call.
pub(super) fn read_settle(body: &[u8]) -> Result<SettleCall, Fault> {
    let call: SettleCall = form::read(body)?;
    check_name(&call.hold).map(|()| call)
}

/// A group out of the body of a call: each entity once, in order.
pub(super) fn read_commit(body: &[u8]) -> Result<CommitCall, Fault> {
    let call: CommitCall = form::read(body)?;
    check_name(&call.hold)?;
    if call.units.len() > GROUP_MEMBERS_MAX {
        return Err(Fault::TooLarge(call.units.len()));
    }
    let in_order = call.units.windows(2).all(|pair| pair[0].entity < pair[1].entity);
    if in_order && !call.units.is_empty() { Ok(call) } else { Err(Fault::Contradiction) }
}
