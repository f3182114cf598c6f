//! Journal records and snapshots: the state of an entity is the fold of the former, and the latter
//! are a cache (DET-1). Both hold the entity's stored form as bytes, unread.

use crate::bytes::{decode, encode};
use crate::common::{entity_kind, put_digest, put_text, read_digest, read_entity_kind, read_text};
use crate::error::WireError;
use crate::journal_capnp as wire;
use schema_types::ids::{CommandId, EntityKind, MessageDigest, PrincipalId, SourceId};
use schema_types::time::Timestamp;
use std::fmt;

/// The events of one command with what is known of the command.
#[derive(Clone, PartialEq, Eq)]
pub struct JournalRecord {
    /// The first event's place in the entity's journal, from 1.
    pub sequence: u64,
    /// When the event was recorded.
    pub recorded_at: Timestamp,
    /// Where the command came from.
    pub source: SourceId,
    /// The command's name within its source.
    pub command_id: CommandId,
    /// Who acted.
    pub principal: PrincipalId,
    /// The archived raw message behind the command.
    pub message: Option<MessageDigest>,
    /// The kind of entity whose event it is.
    pub event_kind: EntityKind,
    /// The stored forms of the events in order, each after its length (four bytes, big-endian);
    /// patient data.
    pub event: Vec<u8>,
}

impl fmt::Debug for JournalRecord {
    /// Shows neither ids nor content (PHI-1).
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("JournalRecord")
            .field("sequence", &self.sequence)
            .field("recorded_at", &self.recorded_at)
            .field("event_kind", &self.event_kind)
            .field("event_bytes", &self.event.len())
            .finish_non_exhaustive()
    }
}

/// The state of an entity after an event, with its hash.
#[derive(Clone, PartialEq, Eq)]
pub struct SnapshotRecord {
    /// The journal sequence number of the last event folded in; 0 when none.
    pub sequence: u64,
    /// SHA-256 of `state`.
    pub state_hash: [u8; 32],
    /// The kind of entity whose state it is.
    pub kind: EntityKind,
    /// The stored form of the state; patient data.
    pub state: Vec<u8>,
    /// The next outbox sequence number.
    pub outbox_next: u64,
}

impl fmt::Debug for SnapshotRecord {
    /// Shows no content (PHI-1).
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SnapshotRecord")
            .field("sequence", &self.sequence)
            .field("state_hash", &MessageDigest(self.state_hash))
            .field("kind", &self.kind)
            .field("state_bytes", &self.state.len())
            .field("outbox_next", &self.outbox_next)
            .finish()
    }
}

/// The stored form of a journal record.
#[must_use]
pub fn encode_record(record: &JournalRecord) -> Vec<u8> {
    encode::<wire::journal_record::Owned>(|mut builder| {
        builder.set_sequence(record.sequence);
        builder.set_recorded_at_unix_micros(record.recorded_at.unix_micros());
        put_text!(builder.set_source, record.source.as_str());
        put_text!(builder.set_command_id, record.command_id.as_str());
        put_text!(builder.set_principal, record.principal.as_str());
        if let Some(message) = &record.message {
            builder.set_message(&message.0);
        }
        builder.set_event_kind(entity_kind(record.event_kind));
        builder.set_event(&record.event);
    })
}

/// A journal record from its stored form.
///
/// # Errors
/// [`WireError`] when the bytes do not decode.
pub fn decode_record(bytes: &[u8]) -> Result<JournalRecord, WireError> {
    decode::<wire::journal_record::Owned, _>(bytes, |reader| {
        let message = reader.has_message().then(|| read_digest(reader.get_message()));
        Ok(JournalRecord {
            sequence: reader.get_sequence(),
            recorded_at: Timestamp::from_unix_micros(reader.get_recorded_at_unix_micros()),
            source: SourceId::new(read_text(reader.get_source())?),
            command_id: CommandId::new(read_text(reader.get_command_id())?),
            principal: PrincipalId::new(read_text(reader.get_principal())?),
            message: message.transpose()?,
            event_kind: read_entity_kind(reader.get_event_kind())?,
            event: reader.get_event()?.to_vec(),
        })
    })
}

/// The stored form of a snapshot.
#[must_use]
pub fn encode_snapshot(snapshot: &SnapshotRecord) -> Vec<u8> {
    encode::<wire::snapshot_record::Owned>(|mut builder| {
        builder.set_sequence(snapshot.sequence);
        put_digest!(builder.set_state_hash, &MessageDigest(snapshot.state_hash));
        builder.set_kind(entity_kind(snapshot.kind));
        builder.set_state(&snapshot.state);
        builder.set_outbox_next(snapshot.outbox_next);
    })
}

/// A snapshot from its stored form. Whether the hash is that of the state is not looked at here.
///
/// # Errors
/// [`WireError`] when the bytes do not decode.
pub fn decode_snapshot(bytes: &[u8]) -> Result<SnapshotRecord, WireError> {
    decode::<wire::snapshot_record::Owned, _>(bytes, |reader| {
        Ok(SnapshotRecord {
            sequence: reader.get_sequence(),
            state_hash: read_digest(reader.get_state_hash())?.0,
            kind: read_entity_kind(reader.get_kind())?,
            state: reader.get_state()?.to_vec(),
            outbox_next: reader.get_outbox_next(),
        })
    })
}
