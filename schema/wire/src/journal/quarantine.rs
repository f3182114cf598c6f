//! What could not be taken in, with the reason, for a person to look at and try again.

use crate::bytes::{decode, encode};
use crate::common::{
    optional_instant, put_digest, put_instant, put_text, read_digest, read_error_code, read_text,
};
use crate::error::WireError;
use crate::journal_capnp as wire;
use schema_types::error_code::ErrorCode;
use schema_types::ids::{MessageDigest, SourceId};
use schema_types::phi::Phi;
use schema_types::time::Timestamp;

/// Where the bytes of a refused message are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawMessage {
    /// Here.
    Inline(Phi<Vec<u8>>),
    /// In the archive of raw messages.
    Archived {
        /// The key in the archive.
        digest: MessageDigest,
        /// How many bytes.
        length_bytes: u64,
    },
}

/// One refused message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineRecord {
    /// Its name for operators.
    pub id: String,
    /// When it arrived.
    pub received_at: Timestamp,
    /// The sending system, as far as it is known.
    pub source: SourceId,
    /// How it arrived: `mllp`, `fhir` or `file`.
    pub channel: String,
    /// The stable code of the reason.
    pub code: ErrorCode,
    /// The reason, without patient data (PHI-1).
    pub reason: String,
    /// Segment, field or path; may be empty.
    pub location: String,
    /// The bytes as received.
    pub raw: RawMessage,
    /// The media type of the bytes.
    pub content_type: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was dealt with; `None` while it waits.
    pub resolved_at: Option<Timestamp>,
    /// How it was dealt with; may be empty.
    pub resolution: String,
}

/// The stored form of a refused message.
#[must_use]
pub fn encode_quarantine(record: &QuarantineRecord) -> Vec<u8> {
    encode::<wire::quarantine_record::Owned>(|mut builder| {
        put_text!(builder.set_id, record.id.as_str());
        builder.set_received_at_unix_micros(record.received_at.unix_micros());
        put_text!(builder.set_source, record.source.as_str());
        put_text!(builder.set_channel, record.channel.as_str());
        builder.set_code(record.code.as_str());
        put_text!(builder.set_reason, record.reason.as_str());
        put_text!(builder.set_location, record.location.as_str());
        let mut raw = builder.reborrow().init_raw();
        match &record.raw {
            RawMessage::Inline(bytes) => raw.set_inline(bytes.expose()),
            RawMessage::Archived { digest, length_bytes } => {
                let mut archived = raw.init_archived();
                put_digest!(archived.set_digest, digest);
                archived.set_length_bytes(*length_bytes);
            }
        }
        put_text!(builder.set_content_type, record.content_type.as_str());
        builder.set_attempts(record.attempts);
        put_instant!(builder.init_resolved_at, record.resolved_at);
        put_text!(builder.set_resolution, record.resolution.as_str());
    })
}

/// A refused message from its stored form.
///
/// # Errors
/// [`WireError`] when the bytes do not decode.
pub fn decode_quarantine(bytes: &[u8]) -> Result<QuarantineRecord, WireError> {
    decode::<wire::quarantine_record::Owned, _>(bytes, |reader| {
        let resolved = reader.get_resolved_at();
        Ok(QuarantineRecord {
            id: read_text(reader.get_id())?,
            received_at: Timestamp::from_unix_micros(reader.get_received_at_unix_micros()),
            source: SourceId::new(read_text(reader.get_source())?),
            channel: read_text(reader.get_channel())?,
            code: read_error_code(reader.get_code())?,
            reason: read_text(reader.get_reason())?,
            location: read_text(reader.get_location())?,
            raw: read_raw(reader.get_raw())?,
            content_type: read_text(reader.get_content_type())?,
            attempts: reader.get_attempts(),
            resolved_at: optional_instant!(
                wire::quarantine_record::resolved_at::Which,
                resolved,
                "quarantine end"
            ),
            resolution: read_text(reader.get_resolution())?,
        })
    })
}

fn read_raw(reader: wire::quarantine_record::raw::Reader<'_>) -> Result<RawMessage, WireError> {
    use wire::quarantine_record::raw::Which;
    Ok(match reader.which().map_err(WireError::not_in_schema("raw message"))? {
        Which::Unset(()) => return Err(WireError::Unset("raw message")),
        Which::Inline(bytes) => RawMessage::Inline(Phi::new(bytes?.to_vec())),
        Which::Archived(archived) => {
            let archived = archived?;
            RawMessage::Archived {
                digest: read_digest(archived.get_digest())?,
                length_bytes: archived.get_length_bytes(),
            }
        }
    })
}
