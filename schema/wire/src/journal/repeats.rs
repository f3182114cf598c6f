//! Rows that make repeats harmless (ONCE-1): one per command, one per received message.

use crate::bytes::{decode, encode};
use crate::common::{
    put_digest, put_text, read_digest, read_entity, read_error_code, read_text, write_entity,
};
use crate::error::WireError;
use crate::journal_capnp as wire;
use schema_types::error_code::ErrorCode;
use schema_types::ids::{EntityId, MessageDigest};
use schema_types::time::Timestamp;
use std::fmt;

/// How a command ended the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DedupeOutcome {
    /// It was carried out.
    Accepted,
    /// It was refused.
    Rejected {
        /// The stable code.
        code: ErrorCode,
        /// Why, without patient data.
        reason: String,
    },
}

/// What is remembered of a command, under its source and id.
#[derive(Clone, PartialEq, Eq)]
pub struct DedupeRecord {
    /// Digest of the command's content: the same id with another digest is refused.
    pub content: MessageDigest,
    /// How it ended.
    pub outcome: DedupeOutcome,
    /// What is needed to answer a repeat.
    pub reply: Vec<u8>,
    /// When it was decided.
    pub at: Timestamp,
}

impl fmt::Debug for DedupeRecord {
    /// Does not show the reply (PHI-1).
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DedupeRecord")
            .field("content", &self.content)
            .field("outcome", &self.outcome)
            .field("reply_bytes", &self.reply.len())
            .field("at", &self.at)
            .finish()
    }
}

/// What is remembered of a received message, under its source and control id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRecord {
    /// Digest of the raw bytes.
    pub content: MessageDigest,
    /// When it first arrived.
    pub first_seen_at: Timestamp,
    /// How it was answered, for example `AA`.
    pub reply_code: String,
    /// Whom it was about.
    pub entity: Option<EntityId>,
}

/// The stored form of what is remembered of a command.
#[must_use]
pub fn encode_dedupe(record: &DedupeRecord) -> Vec<u8> {
    encode::<wire::dedupe_record::Owned>(|mut builder| {
        put_digest!(builder.set_content, &record.content);
        let mut outcome = builder.reborrow().init_outcome();
        match &record.outcome {
            DedupeOutcome::Accepted => outcome.set_accepted(()),
            DedupeOutcome::Rejected { code, reason } => {
                let mut rejection = outcome.init_rejected();
                rejection.set_code(code.as_str());
                put_text!(rejection.set_reason, reason.as_str());
            }
        }
        put_text!(builder.set_reply, &record.reply);
        builder.set_at_unix_micros(record.at.unix_micros());
    })
}

/// What is remembered of a command, from its stored form.
///
/// # Errors
/// [`WireError`] when the bytes do not decode.
pub fn decode_dedupe(bytes: &[u8]) -> Result<DedupeRecord, WireError> {
    use wire::dedupe_record::outcome::Which;
    decode::<wire::dedupe_record::Owned, _>(bytes, |reader| {
        let outcome = reader.get_outcome().which();
        let outcome = match outcome.map_err(WireError::not_in_schema("command outcome"))? {
            Which::Unset(()) => return Err(WireError::Unset("command outcome")),
            Which::Accepted(()) => DedupeOutcome::Accepted,
            Which::Rejected(rejection) => {
                let rejection = rejection?;
                DedupeOutcome::Rejected {
                    code: read_error_code(rejection.get_code())?,
                    reason: read_text(rejection.get_reason())?,
                }
            }
        };
        Ok(DedupeRecord {
            content: read_digest(reader.get_content())?,
            outcome,
            reply: reader.get_reply()?.to_vec(),
            at: Timestamp::from_unix_micros(reader.get_at_unix_micros()),
        })
    })
}

/// The stored form of what is remembered of a message.
#[must_use]
pub fn encode_message(record: &MessageRecord) -> Vec<u8> {
    encode::<wire::message_record::Owned>(|mut builder| {
        put_digest!(builder.set_content, &record.content);
        builder.set_first_seen_at_unix_micros(record.first_seen_at.unix_micros());
        put_text!(builder.set_reply_code, record.reply_code.as_str());
        if let Some(entity) = &record.entity {
            write_entity(builder.init_entity(), entity);
        }
    })
}

/// What is remembered of a message, from its stored form.
///
/// # Errors
/// [`WireError`] when the bytes do not decode.
pub fn decode_message(bytes: &[u8]) -> Result<MessageRecord, WireError> {
    decode::<wire::message_record::Owned, _>(bytes, |reader| {
        let entity = reader.has_entity().then(|| read_entity(reader.get_entity()));
        Ok(MessageRecord {
            content: read_digest(reader.get_content())?,
            first_seen_at: Timestamp::from_unix_micros(reader.get_first_seen_at_unix_micros()),
            reply_code: read_text(reader.get_reply_code())?,
            entity: entity.transpose()?,
        })
    })
}
