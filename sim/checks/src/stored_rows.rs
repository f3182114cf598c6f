//! Rows of the store from their bytes.

use crate::durable::{Events, JournalRow, StoredSnapshot};
use actors_audit::{AuditError, SignedTreeHead};
use actors_core::{DecodeError, Entity};
use actors_device::Device;
use actors_facility::Facility;
use actors_patient::Patient;
use actors_store::ReadError;
use actors_store::keys::{self, EntityOwned, Family};
use actors_store::tuple::TupleError;
use bytes::Bytes;
use schema_types::ids::{CommandId, EntityKind, MessageDigest, SourceId, TenantId};
use schema_wire::WireError;

/// Why a row was not taken.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The store does not answer.
    Read(ReadError),
    /// The row cannot be read, in words without patient data.
    Damaged(String),
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

macro_rules! damaged_by {
    ($($error:ty),*) => { $(
        impl From<$error> for Fault {
            fn from(error: $error) -> Self {
                Self::Damaged(error.to_string())
            }
        }
    )* };
}

damaged_by!(TupleError, WireError, DecodeError, AuditError);

/// A journal row under the sequence of its key.
pub(crate) fn journal(content: &[u8], sequence: u64) -> Result<JournalRow, Fault> {
    let record = schema_wire::journal::decode_record(content)?;
    if record.sequence != sequence {
        return Err(Fault::Damaged("sequence in row and key differ".to_owned()));
    }
    let framed = unframe(&record.event)?;
    let events = match record.event_kind {
        EntityKind::Patient => Events::Patient(decode::<Patient>(&framed)?),
        EntityKind::Device => Events::Device(decode::<Device>(&framed)?),
        EntityKind::Facility => Events::Facility(decode::<Facility>(&framed)?),
    };
    Ok(JournalRow {
        first_sequence: sequence,
        recorded_at: record.recorded_at,
        source: record.source,
        command_id: record.command_id,
        events,
    })
}

fn decode<E: Entity>(framed: &[&[u8]]) -> Result<Vec<E::Event>, DecodeError> {
    framed.iter().map(|event| E::decode_event(event)).collect()
}

/// The events of one command, each behind its length in four bytes, big-endian.
fn unframe(mut framed: &[u8]) -> Result<Vec<&[u8]>, Fault> {
    let cut = || Fault::Damaged("framing of events".to_owned());
    let mut events = Vec::new();
    while let Some((length, rest)) = framed.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| cut())?;
        let (event, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
        events.push(event);
        framed = rest;
    }
    if framed.is_empty() { Ok(events) } else { Err(cut()) }
}

pub(crate) fn snapshot(content: &[u8]) -> Result<StoredSnapshot, Fault> {
    let record = schema_wire::journal::decode_snapshot(content)?;
    let found_hash = MessageDigest::of(&record.state).0;
    Ok(StoredSnapshot { sequence: record.sequence, state_hash: record.state_hash, found_hash })
}

pub(crate) fn command_done_key(key: &[u8]) -> Result<(EntityOwned, SourceId, CommandId), Fault> {
    let mut reader = keys::open(Family::CommandDone, key)?;
    let entity = keys::read_entity(&mut reader)?;
    let source = SourceId::new(reader.text()?);
    let command_id = String::from_utf8(reader.bytes()?)
        .map_err(|_| Fault::Damaged("command id is no text".to_owned()))?;
    reader.finish()?;
    Ok((entity, source, CommandId::new(command_id)))
}

pub(crate) fn message_done_key(key: &[u8]) -> Result<(TenantId, SourceId, String), Fault> {
    let mut reader = keys::open(Family::MessageDone, key)?;
    let tenant = TenantId::new(reader.text()?);
    let source = SourceId::new(reader.text()?);
    let control_id = reader.text()?;
    reader.finish()?;
    Ok((tenant, source, control_id))
}

/// A head row without the edge of the tree that is stored behind the head.
pub(crate) fn head_alone(value: &Bytes) -> Bytes {
    match SignedTreeHead::decode_first(value) {
        Ok((_, edge)) => value.slice(..value.len() - edge.len()),
        Err(_) => value.clone(),
    }
}
