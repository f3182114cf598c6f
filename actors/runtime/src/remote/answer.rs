//! Answers: what came of a call.

use super::failure::Failure;
use super::form::{self, Fault, Form};
use crate::directory::HostedEntity;
use crate::error::SubmitError;
use crate::limits::REMOTE_ANSWER_BYTES_MAX;
use crate::submit::Outcome;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The body of an answer.
#[derive(Debug, Serialize, Deserialize)]
struct Answer<T> {
    result: Result<T, Failure>,
}

/// What is said instead of an answer that is too large to be sent.
pub(super) enum Oversize {
    /// Nothing was changed.
    Harmless,
    /// Something may have been done; whoever asks again by the same name learns that it was.
    Done,
}

/// The bytes of an answer, at most [`REMOTE_ANSWER_BYTES_MAX`].
pub(super) fn write<T: Serialize>(result: Result<T, SubmitError>, oversize: Oversize) -> Vec<u8> {
    try_write(result).unwrap_or_else(|fault| {
        let error = match oversize {
            Oversize::Harmless => fault.refusal(),
            Oversize::Done => SubmitError::OutcomeUnknown,
        };
        refuse(error)
    })
}

/// The same where the sender has to know that it is too large.
pub(super) fn try_write<T: Serialize>(result: Result<T, SubmitError>) -> Result<Vec<u8>, Fault> {
    let answer = Answer { result: result.map_err(Failure::from) };
    form::write(Form::Answer, &answer, REMOTE_ANSWER_BYTES_MAX)
}

/// The bytes of an answer that says why there is none. Errors are small.
pub(super) fn refuse(error: SubmitError) -> Vec<u8> {
    let answer = Answer::<()> { result: Err(Failure::from(error)) };
    form::write(Form::Answer, &answer, REMOTE_ANSWER_BYTES_MAX).unwrap_or_default()
}

/// The outcome of a command out of the answer to [`super::encode_submit`].
///
/// # Errors
/// What the owner said. [`SubmitError::OutcomeUnknown`] when the answer is not understood: the
/// command may have taken effect.
pub fn decode_answer<E: HostedEntity>(bytes: &[u8]) -> Result<Outcome<E::Reply>, SubmitError> {
    decode(bytes)
}

/// What came of [`super::encode_record`] or [`super::encode_record_touching`].
///
/// # Errors
/// Like [`decode_answer`].
pub fn decode_record_answer(bytes: &[u8]) -> Result<(), SubmitError> {
    decode(bytes)
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, SubmitError> {
    match read::<T>(bytes) {
        Ok(Answer { result }) => result.map_err(SubmitError::from),
        Err(fault) => {
            tracing::warn!(%fault, "the answer of another node was not understood");
            Err(SubmitError::OutcomeUnknown)
        }
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<Answer<T>, Fault> {
    match form::open(bytes, REMOTE_ANSWER_BYTES_MAX)? {
        (Form::Answer, body) => form::read(body),
        (other, _) => Err(other.unexpected()),
    }
}
