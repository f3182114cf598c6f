//! Calls: a command with its envelope and attachments, or rows with their audit record.

use super::form::{self, Fault, Form};
use crate::directory::HostedEntity;
use crate::error::SubmitError;
use crate::limits::{REMOTE_CALL_BYTES_MAX, TOUCHED_MAX};
use crate::submit::Attachments;
use actors_core::Envelope;
use actors_store::Mutation;
use schema_types::audit::AuditDraft;
use schema_types::ids::EntityId;
use serde::{Deserialize, Serialize};

/// A command as it is written. The fields are those of [`SubmitCall`].
#[derive(Serialize)]
pub(super) struct SubmitWords<'a, C> {
    pub(super) envelope: &'a Envelope<C>,
    pub(super) attachments: &'a Attachments,
}

/// A command as it is read.
#[derive(Debug, Deserialize)]
pub(super) struct SubmitCall<C> {
    pub(super) envelope: Envelope<C>,
    pub(super) attachments: Attachments,
}

/// An audit record with its rows or the entities by which it is found, as it is written. The fields
/// are those of [`RecordCall`].
#[derive(Serialize)]
struct RecordWords<'a> {
    audit: &'a AuditDraft,
    rows: &'a [Mutation],
    touched: &'a [EntityId],
}

/// The same as it is read. Either rows or touched entities, as [`crate::Runtime`] takes them.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct RecordCall {
    pub(super) audit: AuditDraft,
    pub(super) rows: Vec<Mutation>,
    pub(super) touched: Vec<EntityId>,
}

/// The bytes of a command for [`crate::Runtime::serve_call`] of the entity's owner. Holds patient
/// data: only a connection to a peer may have them (PHI-1).
///
/// # Errors
/// [`SubmitError::TooLarge`] beyond [`REMOTE_CALL_BYTES_MAX`].
pub fn encode_submit<E: HostedEntity>(
    envelope: &Envelope<E::Command>,
    attachments: &Attachments,
) -> Result<Vec<u8>, SubmitError> {
    let words = SubmitWords { envelope, attachments };
    let bytes = form::write(Form::Submit(E::KIND), &words, REMOTE_CALL_BYTES_MAX);
    bytes.map_err(Fault::refusal)
}

/// The bytes of a call of [`crate::Runtime::record`].
///
/// # Errors
/// [`SubmitError::TooLarge`] beyond [`REMOTE_CALL_BYTES_MAX`].
pub fn encode_record(audit: &AuditDraft, rows: &[Mutation]) -> Result<Vec<u8>, SubmitError> {
    write_record(&RecordWords { audit, rows, touched: &[] })
}

/// The bytes of a call of [`crate::Runtime::record_touching`].
///
/// # Errors
/// [`SubmitError::TooLarge`] beyond [`REMOTE_CALL_BYTES_MAX`] or [`TOUCHED_MAX`] entities.
pub fn encode_record_touching(
    audit: &AuditDraft,
    touched: &[EntityId],
) -> Result<Vec<u8>, SubmitError> {
    if touched.len() > TOUCHED_MAX {
        return Err(SubmitError::TooLarge { bytes: touched.len() });
    }
    write_record(&RecordWords { audit, rows: &[], touched })
}

fn write_record(words: &RecordWords<'_>) -> Result<Vec<u8>, SubmitError> {
    form::write(Form::Record, words, REMOTE_CALL_BYTES_MAX).map_err(Fault::refusal)
}

/// A command out of the body of a call.
pub(super) fn read_submit<E: HostedEntity>(body: &[u8]) -> Result<SubmitCall<E::Command>, Fault> {
    let call: SubmitCall<E::Command> = form::read(body)?;
    // The head names the actor's kind, the envelope its id: both or neither.
    let is_sound = call.envelope.entity.kind() == E::KIND;
    if is_sound { Ok(call) } else { Err(Fault::Contradiction) }
}

/// An audit record out of the body of a call.
pub(super) fn read_record(body: &[u8]) -> Result<RecordCall, Fault> {
    let call: RecordCall = form::read(body)?;
    let is_sound = call.rows.is_empty() || call.touched.is_empty();
    if is_sound { Ok(call) } else { Err(Fault::Contradiction) }
}
