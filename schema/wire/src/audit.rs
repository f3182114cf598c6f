//! The stored form of audit records (AUD-1). The audit log hashes these bytes (AUD-2), so they are
//! canonical; the record's place in the log is not part of it.

use crate::audit_capnp as wire;
use crate::bytes::{decode, encode};
use crate::common::{
    mirrored_enum, put_text, read_digest, read_entity, read_error_code, read_text, write_entity,
};
use crate::error::WireError;
use schema_types::audit::{AuditAction, AuditDraft, AuditOutcome};
use schema_types::ids::{CommandId, PrincipalId, SourceId};
use schema_types::time::Timestamp;

mirrored_enum!(strict action, read_action, AuditAction, wire::Action, "audit action",
    [Create, Read, Update, Delete, Execute]);

/// The canonical stored form of an audit record.
#[must_use]
pub fn encode_record(record: &AuditDraft) -> Vec<u8> {
    encode::<wire::audit_record::Owned>(|builder| write_record(builder, record))
}

/// An audit record from its stored form.
///
/// # Errors
/// [`WireError`] when the bytes do not decode.
pub fn decode_record(bytes: &[u8]) -> Result<AuditDraft, WireError> {
    decode::<wire::audit_record::Owned, _>(bytes, read_record)
}

fn write_record(mut builder: wire::audit_record::Builder<'_>, record: &AuditDraft) {
    builder.set_at_unix_micros(record.at.unix_micros());
    put_text!(builder.set_principal, record.principal.as_str());
    put_text!(builder.set_purpose, record.purpose.as_str());
    builder.set_action(action(record.action));
    write_entity(builder.reborrow().init_entity(), &record.entity);
    put_text!(builder.set_operation, record.operation.as_str());
    let mut outcome = builder.reborrow().init_outcome();
    match record.outcome {
        AuditOutcome::Done => outcome.set_done(()),
        AuditOutcome::Repeated => outcome.set_repeated(()),
        AuditOutcome::Denied(code) => outcome.set_denied(code.as_str()),
        AuditOutcome::Rejected(code) => outcome.set_rejected(code.as_str()),
    }
    put_text!(builder.set_source, record.source.as_str());
    put_text!(builder.set_command_id, record.command_id.as_str());
    if let Some(message) = &record.message {
        builder.set_message(&message.0);
    }
    builder.set_sequence(record.sequence);
    builder.set_events(record.events);
}

fn read_record(reader: wire::audit_record::Reader<'_>) -> Result<AuditDraft, WireError> {
    let message = reader.has_message().then(|| read_digest(reader.get_message()));
    Ok(AuditDraft {
        at: Timestamp::from_unix_micros(reader.get_at_unix_micros()),
        principal: PrincipalId::new(read_text(reader.get_principal())?),
        purpose: read_text(reader.get_purpose())?,
        action: read_action(reader.get_action())?,
        entity: read_entity(reader.get_entity())?,
        operation: read_text(reader.get_operation())?,
        outcome: read_outcome(reader.get_outcome())?,
        source: SourceId::new(read_text(reader.get_source())?),
        command_id: CommandId::new(read_text(reader.get_command_id())?),
        message: message.transpose()?,
        sequence: reader.get_sequence(),
        events: reader.get_events(),
    })
}

fn read_outcome(
    reader: wire::audit_record::outcome::Reader<'_>,
) -> Result<AuditOutcome, WireError> {
    use wire::audit_record::outcome::Which;
    Ok(match reader.which().map_err(WireError::not_in_schema("audit outcome"))? {
        Which::Unset(()) => return Err(WireError::Unset("audit outcome")),
        Which::Done(()) => AuditOutcome::Done,
        Which::Repeated(()) => AuditOutcome::Repeated,
        Which::Denied(code) => AuditOutcome::Denied(read_error_code(code)?),
        Which::Rejected(code) => AuditOutcome::Rejected(read_error_code(code)?),
    })
}
