//! The key layout as typed functions: one builder per family, a parser for each family that is
//! scanned, and the ranges that scans need. Values are not described here. An entity's keys
//! start with its 64-bit hash, so a shard of the hash space is one contiguous range per family.

use bytes::Bytes;

use crate::mutation::{KeyRange, prefix_end};
use crate::tuple::{TupleError, TupleReader, TupleWriter};

/// Which kind of record a key belongs to; the first element of every key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// `own/{shard}`: who owns a shard, with which epoch.
    Owner,
    /// `h/{shard}`: mark that is current for as long as a shard's owner stands by the entities that
    /// it holds for groups of other nodes.
    HoldMark,
    /// `j/{entity}/{sequence}`: journal of an entity.
    Journal,
    /// `s/{entity}`: snapshot of an entity.
    Snapshot,
    /// `d/{entity}/{source}/{command id}`: command already done, with its reply digest.
    CommandDone,
    /// `m/{tenant}/{source}/{message control id}`: message already taken.
    MessageDone,
    /// `a/{shard}/{index}`: audit leaf.
    AuditLeaf,
    /// `ah/{shard}/{size}`: signed audit head.
    AuditHead,
    /// `ap/{entity}/{shard}/{index}`: audit leaves that concern an entity.
    AuditByEntity,
    /// `o/{entity}/{sequence}`: message to another entity that waits for delivery.
    Outbox,
    /// `oi/{entity}/{sender}`: last sequence taken from a sender.
    Inbox,
    /// `t/{shard}/{due}/{entity}/{name}`: timer.
    Timer,
    /// `f/{entity}/{resource type}/{id}/{version}`: resource kept whole.
    Resource,
    /// `x/{index}/{tenant}/...`: index entry.
    Index,
    /// `k/{entity}`: wrapped data key.
    DataKey,
    /// `q/{quarantine id}`: quarantined input.
    Quarantine,
    /// `r/{sha256}/{chunk}`: raw archive.
    Raw,
    /// `meta/{name}`: facts about the store itself.
    Meta,
}

impl Family {
    /// Tag with which the keys of the family start.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Owner => "own",
            Self::HoldMark => "h",
            Self::Journal => "j",
            Self::Snapshot => "s",
            Self::CommandDone => "d",
            Self::MessageDone => "m",
            Self::AuditLeaf => "a",
            Self::AuditHead => "ah",
            Self::AuditByEntity => "ap",
            Self::Outbox => "o",
            Self::Inbox => "oi",
            Self::Timer => "t",
            Self::Resource => "f",
            Self::Index => "x",
            Self::DataKey => "k",
            Self::Quarantine => "q",
            Self::Raw => "r",
            Self::Meta => "meta",
        }
    }
}

/// An entity as it appears in keys, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntityRef<'a> {
    /// Hash of tenant, kind and key: where the entity sits in the shard space.
    pub hash: u64,
    /// Tenant.
    pub tenant: &'a str,
    /// Code of the entity's kind.
    pub kind: u8,
    /// Key of the entity within tenant and kind; not a direct identifier (PHI-1).
    pub key: &'a str,
}

/// An entity as it appears in keys, owned; what the parsers give.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntityOwned {
    /// Hash of tenant, kind and key.
    pub hash: u64,
    /// Tenant.
    pub tenant: String,
    /// Code of the entity's kind.
    pub kind: u8,
    /// Key of the entity within tenant and kind.
    pub key: String,
}

impl EntityOwned {
    /// The borrowed form, for building keys.
    #[must_use]
    pub fn as_ref(&self) -> EntityRef<'_> {
        EntityRef { hash: self.hash, tenant: &self.tenant, kind: self.kind, key: &self.key }
    }
}

const KEY_CAPACITY_BYTES: usize = 96;

fn family(family: Family) -> TupleWriter {
    TupleWriter::with_capacity(KEY_CAPACITY_BYTES).text(family.tag())
}

fn with_entity(writer: TupleWriter, entity: EntityRef<'_>) -> TupleWriter {
    let writer = writer.unsigned(entity.hash).unsigned(u64::from(entity.kind));
    writer.text(entity.tenant).text(entity.key)
}

fn of_entity(of: Family, entity: EntityRef<'_>) -> TupleWriter {
    with_entity(family(of), entity)
}

/// Owner and epoch of a shard.
#[must_use]
pub fn owner(shard: u16) -> Bytes {
    family(Family::Owner).unsigned(u64::from(shard)).finish()
}

/// Mark under which entities of a shard are held.
#[must_use]
pub fn hold_mark(shard: u16) -> Bytes {
    family(Family::HoldMark).unsigned(u64::from(shard)).finish()
}

/// One journal record.
#[must_use]
pub fn journal(entity: EntityRef<'_>, sequence: u64) -> Bytes {
    of_entity(Family::Journal, entity).unsigned(sequence).finish()
}

/// Snapshot of an entity.
#[must_use]
pub fn snapshot(entity: EntityRef<'_>) -> Bytes {
    of_entity(Family::Snapshot, entity).finish()
}

/// Mark that a command of a source was done.
#[must_use]
pub fn command_done(entity: EntityRef<'_>, source: &str, command_id: &[u8]) -> Bytes {
    of_entity(Family::CommandDone, entity).text(source).bytes(command_id).finish()
}

/// Mark that a message of a source was taken.
#[must_use]
pub fn message_done(tenant: &str, source: &str, message_control_id: &str) -> Bytes {
    family(Family::MessageDone).text(tenant).text(source).text(message_control_id).finish()
}

/// One audit leaf.
#[must_use]
pub fn audit_leaf(shard: u16, index: u64) -> Bytes {
    family(Family::AuditLeaf).unsigned(u64::from(shard)).unsigned(index).finish()
}

/// Signed head of the audit log of a shard at a size.
#[must_use]
pub fn audit_head(shard: u16, size: u64) -> Bytes {
    family(Family::AuditHead).unsigned(u64::from(shard)).unsigned(size).finish()
}

/// Pointer from an entity to an audit leaf that concerns it.
#[must_use]
pub fn audit_by_entity(entity: EntityRef<'_>, shard: u16, index: u64) -> Bytes {
    of_entity(Family::AuditByEntity, entity).unsigned(u64::from(shard)).unsigned(index).finish()
}

/// One outbox message of a sender.
#[must_use]
pub fn outbox(entity: EntityRef<'_>, sequence: u64) -> Bytes {
    of_entity(Family::Outbox, entity).unsigned(sequence).finish()
}

/// Last outbox sequence that a receiver took from a sender.
#[must_use]
pub fn inbox(receiver: EntityRef<'_>, sender: EntityRef<'_>) -> Bytes {
    with_entity(of_entity(Family::Inbox, receiver), sender).finish()
}

/// One timer.
#[must_use]
pub fn timer(shard: u16, due_unix_micros: i64, entity: EntityRef<'_>, name: &str) -> Bytes {
    let writer = family(Family::Timer).unsigned(u64::from(shard)).signed(due_unix_micros);
    with_entity(writer, entity).text(name).finish()
}

/// One version of a resource that is kept whole.
#[must_use]
pub fn resource(entity: EntityRef<'_>, resource_type: &str, id: &str, version: u64) -> Bytes {
    of_entity(Family::Resource, entity).text(resource_type).text(id).unsigned(version).finish()
}

/// Start of an index entry; append the indexed values and finish.
#[must_use]
pub fn index(name: &str, tenant: &str) -> TupleWriter {
    family(Family::Index).text(name).text(tenant)
}

/// Wrapped data key of an entity.
#[must_use]
pub fn data_key(entity: EntityRef<'_>) -> Bytes {
    of_entity(Family::DataKey, entity).finish()
}

/// One quarantined input.
#[must_use]
pub fn quarantine(id: u64) -> Bytes {
    family(Family::Quarantine).unsigned(id).finish()
}

/// One chunk of a raw message, each at most
/// [`CHUNK_BYTES_MAX`](crate::limits::CHUNK_BYTES_MAX) long.
#[must_use]
pub fn raw_chunk(sha256: &[u8; 32], chunk: u32) -> Bytes {
    family(Family::Raw).bytes(sha256).unsigned(u64::from(chunk)).finish()
}

/// A fact about the store itself.
#[must_use]
pub fn meta(name: &str) -> Bytes {
    family(Family::Meta).text(name).finish()
}

/// All keys of a family.
#[must_use]
pub fn family_range(of: Family) -> KeyRange {
    KeyRange::prefix(&family(of).finish())
}

/// All keys of one entity in a family that starts with the entity.
#[must_use]
pub fn entity_range(of: Family, entity: EntityRef<'_>) -> KeyRange {
    KeyRange::prefix(&of_entity(of, entity).finish())
}

/// All keys whose entity hash lies in `first..=last`, in a family that starts with the entity.
#[must_use]
pub fn hash_range(of: Family, first: u64, last: u64) -> KeyRange {
    let begin = family(of).unsigned(first).finish();
    KeyRange { begin, end: prefix_end(&family(of).unsigned(last).finish()) }
}

/// All keys of a shard in a family that starts with the shard (owner, audit, timer).
#[must_use]
pub fn shard_range(of: Family, shard: u16) -> KeyRange {
    KeyRange::prefix(&family(of).unsigned(u64::from(shard)).finish())
}

/// Journal of an entity from a sequence on.
#[must_use]
pub fn journal_from(entity: EntityRef<'_>, sequence: u64) -> KeyRange {
    KeyRange { begin: journal(entity, sequence), end: entity_range(Family::Journal, entity).end }
}

/// Audit leaves of a shard from an index on.
#[must_use]
pub fn audit_leaves_from(shard: u16, index: u64) -> KeyRange {
    KeyRange { begin: audit_leaf(shard, index), end: shard_range(Family::AuditLeaf, shard).end }
}

/// Timers of a shard that are due at or before a moment.
#[must_use]
pub fn timers_due(shard: u16, until_unix_micros: i64) -> KeyRange {
    let shard_timers = shard_range(Family::Timer, shard);
    let last = family(Family::Timer).unsigned(u64::from(shard)).signed(until_unix_micros);
    KeyRange { begin: shard_timers.begin, end: prefix_end(&last.finish()) }
}

/// All versions of one resource.
#[must_use]
pub fn resource_versions(entity: EntityRef<'_>, resource_type: &str, id: &str) -> KeyRange {
    KeyRange::prefix(&of_entity(Family::Resource, entity).text(resource_type).text(id).finish())
}

/// All resources of one type of an entity.
#[must_use]
pub fn resources_of_type(entity: EntityRef<'_>, resource_type: &str) -> KeyRange {
    KeyRange::prefix(&of_entity(Family::Resource, entity).text(resource_type).finish())
}

/// All chunks of a raw message.
#[must_use]
pub fn raw_range(sha256: &[u8; 32]) -> KeyRange {
    KeyRange::prefix(&family(Family::Raw).bytes(sha256).finish())
}

/// Reader placed after the family tag, for the parsers here and for index entries.
///
/// # Errors
/// [`TupleError`] when the key belongs to another family.
pub fn open(of: Family, key: &[u8]) -> Result<TupleReader<'_>, TupleError> {
    let mut reader = TupleReader::new(key);
    if reader.text()? != of.tag() {
        return Err(TupleError::Unexpected { expected: "the family's tag" });
    }
    Ok(reader)
}

/// Next elements of a reader, an entity.
///
/// # Errors
/// [`TupleError`].
pub fn read_entity(reader: &mut TupleReader<'_>) -> Result<EntityOwned, TupleError> {
    let hash = reader.unsigned()?;
    let kind = u8::try_from(reader.unsigned()?)
        .map_err(|_| TupleError::Unexpected { expected: "an entity kind" })?;
    Ok(EntityOwned { hash, kind, tenant: reader.text()?, key: reader.text()? })
}

fn read_shard(reader: &mut TupleReader<'_>) -> Result<u16, TupleError> {
    u16::try_from(reader.unsigned()?).map_err(|_| TupleError::Unexpected { expected: "a shard" })
}

/// Shard of an owner key.
///
/// # Errors
/// [`TupleError`].
pub fn parse_owner(key: &[u8]) -> Result<u16, TupleError> {
    let mut reader = open(Family::Owner, key)?;
    let shard = read_shard(&mut reader)?;
    reader.finish().map(|()| shard)
}

/// Entity and sequence of a journal or outbox key.
///
/// # Errors
/// [`TupleError`].
pub fn parse_sequenced(of: Family, key: &[u8]) -> Result<(EntityOwned, u64), TupleError> {
    let mut reader = open(of, key)?;
    let parsed = (read_entity(&mut reader)?, reader.unsigned()?);
    reader.finish().map(|()| parsed)
}

/// Entity of a snapshot or data key.
///
/// # Errors
/// [`TupleError`].
pub fn parse_entity(of: Family, key: &[u8]) -> Result<EntityOwned, TupleError> {
    let mut reader = open(of, key)?;
    let entity = read_entity(&mut reader)?;
    reader.finish().map(|()| entity)
}

/// Shard and number (index or size) of an audit leaf or head.
///
/// # Errors
/// [`TupleError`].
pub fn parse_audit(of: Family, key: &[u8]) -> Result<(u16, u64), TupleError> {
    let mut reader = open(of, key)?;
    let parsed = (read_shard(&mut reader)?, reader.unsigned()?);
    reader.finish().map(|()| parsed)
}

/// Entity, shard and index of an audit-by-entity key.
///
/// # Errors
/// [`TupleError`].
pub fn parse_audit_by_entity(key: &[u8]) -> Result<(EntityOwned, u16, u64), TupleError> {
    let mut reader = open(Family::AuditByEntity, key)?;
    let entity = read_entity(&mut reader)?;
    let parsed = (entity, read_shard(&mut reader)?, reader.unsigned()?);
    reader.finish().map(|()| parsed)
}

/// Receiver and sender of an inbox key.
///
/// # Errors
/// [`TupleError`].
pub fn parse_inbox(key: &[u8]) -> Result<(EntityOwned, EntityOwned), TupleError> {
    let mut reader = open(Family::Inbox, key)?;
    let parsed = (read_entity(&mut reader)?, read_entity(&mut reader)?);
    reader.finish().map(|()| parsed)
}

/// A timer key, taken apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimerKey {
    /// Shard that fires it.
    pub shard: u16,
    /// When it is due, in microseconds since 1970.
    pub due_unix_micros: i64,
    /// Entity that gets it.
    pub entity: EntityOwned,
    /// Name within the entity.
    pub name: String,
}

/// Parts of a timer key.
///
/// # Errors
/// [`TupleError`].
pub fn parse_timer(key: &[u8]) -> Result<TimerKey, TupleError> {
    let mut reader = open(Family::Timer, key)?;
    let shard = read_shard(&mut reader)?;
    let due_unix_micros = reader.signed()?;
    let entity = read_entity(&mut reader)?;
    let name = reader.text()?;
    reader.finish()?;
    Ok(TimerKey { shard, due_unix_micros, entity, name })
}

/// A resource key, taken apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceKey {
    /// Entity that keeps it.
    pub entity: EntityOwned,
    /// FHIR resource type.
    pub resource_type: String,
    /// Its id.
    pub id: String,
    /// Its version, from 1.
    pub version: u64,
}

/// Parts of a resource key.
///
/// # Errors
/// [`TupleError`].
pub fn parse_resource(key: &[u8]) -> Result<ResourceKey, TupleError> {
    let mut reader = open(Family::Resource, key)?;
    let entity = read_entity(&mut reader)?;
    let (resource_type, id, version) = (reader.text()?, reader.text()?, reader.unsigned()?);
    reader.finish()?;
    Ok(ResourceKey { entity, resource_type, id, version })
}

/// Id of a quarantine key.
///
/// # Errors
/// [`TupleError`].
pub fn parse_quarantine(key: &[u8]) -> Result<u64, TupleError> {
    let mut reader = open(Family::Quarantine, key)?;
    let id = reader.unsigned()?;
    reader.finish().map(|()| id)
}

#[cfg(test)]
#[path = "keys_test.rs"]
mod tests;
