//! The durable store at the end, taken apart. The readers here are written against the key layout
//! and the stored formats, not against the shell that wrote them.

use crate::commits::read_owner;
use crate::history::CommandKey;
use crate::limits::PAGE_ITEMS_MAX;
use crate::stored_rows::{self as rows, Fault};
use actors_store::keys::{self, EntityOwned, Family, TimerKey};
use actors_store::{KeyRange, RangeQuery, ReadError, Snapshot, Store};
use bytes::Bytes;
use schema_types::audit::AuditDraft;
use schema_types::cluster::Epoch;
use schema_types::device::DeviceEvent;
use schema_types::facility::FacilityEvent;
use schema_types::ids::{
    CommandId, EntityId, EntityKind, MessageDigest, ShardId, SourceId, TenantId,
};
use schema_types::patient::PatientEvent;
use schema_types::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// The store at the end of a run.
#[derive(Debug, Clone, Default)]
pub struct Durable {
    /// Journal rows per entity, by sequence.
    pub journals: BTreeMap<EntityId, Vec<JournalRow>>,
    /// Snapshots.
    pub snapshots: BTreeMap<EntityId, StoredSnapshot>,
    /// Marks of commands that were done, with the digest of their content.
    pub done: BTreeMap<(EntityId, SourceId, CommandId), MessageDigest>,
    /// Messages that were taken: tenant, source and control id.
    pub messages: BTreeSet<(TenantId, SourceId, String)>,
    /// Owner rows.
    pub owners: BTreeMap<ShardId, (Epoch, String)>,
    /// Audit logs.
    pub audit: BTreeMap<ShardId, AuditLog>,
    /// Messages to other entities that wait: sender and sequence.
    pub outbox: Vec<(EntityId, u64)>,
    /// Timers that did not fire.
    pub timers: Vec<TimerKey>,
    /// Rows that cannot be read, in words without patient data.
    pub damage: Vec<String>,
}

/// What one command did to one entity.
#[derive(Debug, Clone)]
pub struct JournalRow {
    /// Sequence of its first event.
    pub first_sequence: u64,
    /// The time of the decision.
    pub recorded_at: Timestamp,
    /// Source of the command.
    pub source: SourceId,
    /// Name of the command.
    pub command_id: CommandId,
    /// Its events, in order.
    pub events: Events,
}

/// Events of one kind of entity.
#[derive(Debug, Clone)]
pub enum Events {
    /// Of a patient.
    Patient(Vec<PatientEvent>),
    /// Of a device.
    Device(Vec<DeviceEvent>),
    /// Of a facility.
    Facility(Vec<FacilityEvent>),
}

impl Events {
    /// How many.
    #[must_use]
    pub const fn count(&self) -> usize {
        match self {
            Self::Patient(events) => events.len(),
            Self::Device(events) => events.len(),
            Self::Facility(events) => events.len(),
        }
    }
}

impl JournalRow {
    /// Sequence of its last event.
    #[must_use]
    pub fn last_sequence(&self) -> u64 {
        let count = u64::try_from(self.events.count()).unwrap_or(u64::MAX);
        self.first_sequence.saturating_add(count).saturating_sub(1)
    }

    /// The events of a patient; none of another kind.
    #[must_use]
    pub fn patient_events(&self) -> &[PatientEvent] {
        match &self.events {
            Events::Patient(events) => events,
            Events::Device(_) | Events::Facility(_) => &[],
        }
    }
}

/// A stored snapshot.
#[derive(Debug, Clone)]
pub struct StoredSnapshot {
    /// The last event folded in.
    pub sequence: u64,
    /// The digest that the row names.
    pub state_hash: [u8; 32],
    /// Digest of the state in the row.
    pub found_hash: [u8; 32],
}

/// The audit log of a shard.
#[derive(Debug, Clone, Default)]
pub struct AuditLog {
    /// Rows as stored, by index.
    pub rows: Vec<(u64, Bytes)>,
    /// Signed heads as stored, without the edge behind them, by the size in their key.
    pub heads: Vec<(u64, Bytes)>,
    /// Records that can be read, with their index.
    pub records: Vec<(u64, AuditDraft)>,
}

/// Reads all that the checkers need, in one snapshot. Rows that cannot be decoded are no error but
/// [`Durable::damage`]. Cost: the whole store, in memory.
///
/// # Errors
/// [`ReadError`] when the store does not answer; read again.
pub async fn read_durable(store: &dyn Store) -> Result<Durable, ReadError> {
    let snapshot = store.begin().await?;
    let mut durable = Durable::default();
    for family in READ {
        let mut query = Some(RangeQuery::forward(keys::family_range(family), PAGE_ITEMS_MAX));
        while let Some(current) = query {
            let page = snapshot.range(current.clone()).await?;
            for (key, value) in &page.items {
                if let Err(fault) = durable.take_row(&*snapshot, family, key, value).await {
                    match fault {
                        Fault::Read(error) => return Err(error),
                        Fault::Damaged(what) => {
                            durable.damage.push(format!("{} row: {what}", family.tag()));
                        }
                    }
                }
            }
            query = current.after(&page);
        }
    }
    Ok(durable)
}

const READ: [Family; 9] = [
    Family::Owner,
    Family::Journal,
    Family::Snapshot,
    Family::CommandDone,
    Family::MessageDone,
    Family::AuditLeaf,
    Family::AuditHead,
    Family::Outbox,
    Family::Timer,
];

impl Durable {
    async fn take_row(
        &mut self,
        snapshot: &dyn Snapshot,
        family: Family,
        key: &Bytes,
        value: &Bytes,
    ) -> Result<(), Fault> {
        if family == Family::Journal {
            let (entity, sequence) = keys::parse_sequenced(family, key)?;
            let content = unpack(snapshot, value).await?;
            let row = rows::journal(&content, sequence)?;
            self.journals.entry(named(&entity)?).or_default().push(row);
        } else if family == Family::Snapshot {
            let entity = keys::parse_entity(family, key)?;
            let content = unpack(snapshot, value).await?;
            self.snapshots.insert(named(&entity)?, rows::snapshot(&content)?);
        } else {
            self.take_plain_row(family, key, value)?;
        }
        Ok(())
    }

    fn take_plain_row(&mut self, family: Family, key: &Bytes, value: &Bytes) -> Result<(), Fault> {
        if family == Family::Owner {
            let owner = read_owner(value).ok_or_else(|| Fault::Damaged("owner".to_owned()))?;
            self.owners.insert(ShardId(keys::parse_owner(key)?), owner);
        } else if family == Family::CommandDone {
            let (entity, source, command_id) = rows::command_done_key(key)?;
            let record = schema_wire::journal::decode_dedupe(value)?;
            self.done.insert((named(&entity)?, source, command_id), record.content);
        } else if family == Family::MessageDone {
            self.messages.insert(rows::message_done_key(key)?);
        } else if family == Family::AuditLeaf {
            let (shard, index) = keys::parse_audit(family, key)?;
            let log = self.audit.entry(ShardId(shard)).or_default();
            log.rows.push((index, value.clone()));
            let row = actors_audit::LeafRow::decode(value)?;
            log.records.push((index, schema_wire::audit::decode_record(&row.record)?));
        } else if family == Family::AuditHead {
            let (shard, size) = keys::parse_audit(family, key)?;
            let head = rows::head_alone(value);
            self.audit.entry(ShardId(shard)).or_default().heads.push((size, head));
        } else if family == Family::Outbox {
            let (sender, sequence) = keys::parse_sequenced(family, key)?;
            self.outbox.push((named(&sender)?, sequence));
        } else {
            self.timers.push(keys::parse_timer(key)?);
        }
        Ok(())
    }

    /// The rows that a command left in its entity's journal.
    pub(crate) fn rows_of<'a>(
        &'a self,
        CommandKey { command_id, source, entity }: CommandKey<'a>,
    ) -> impl Iterator<Item = &'a JournalRow> {
        let rows = self.journals.get(entity).map_or(&[][..], Vec::as_slice);
        rows.iter().filter(move |row| row.command_id == *command_id && row.source == *source)
    }

    /// Every audit record with its shard and index.
    pub(crate) fn records(&self) -> impl Iterator<Item = (ShardId, u64, &AuditDraft)> {
        self.audit.iter().flat_map(|(shard, log)| {
            log.records.iter().map(|(index, record)| (*shard, *index, record))
        })
    }
}

/// The entity of a key.
fn named(entity: &EntityOwned) -> Result<EntityId, Fault> {
    let kind = EntityKind::from_number(entity.kind)
        .ok_or_else(|| Fault::Damaged("unknown kind of entity".to_owned()))?;
    let id = EntityId::new(TenantId::new(entity.tenant.as_str()), kind, &entity.key);
    if id.hash() == entity.hash && id.key() == entity.key {
        Ok(id)
    } else {
        Err(Fault::Damaged("an entity stands under a hash that is not its own".to_owned()))
    }
}

/// The content of a packed value: in place, or in chunks under its digest.
async fn unpack(snapshot: &dyn Snapshot, value: &[u8]) -> Result<Vec<u8>, Fault> {
    match value.split_first() {
        Some((0, content)) => Ok(content.to_vec()),
        Some((1, digest)) => {
            let digest = <[u8; 32]>::try_from(digest)
                .map_err(|_| Fault::Damaged("pointer to a body".to_owned()))?;
            let content = read_range(snapshot, keys::raw_range(&digest)).await?;
            if MessageDigest::of(&content).0 == digest {
                Ok(content)
            } else {
                Err(Fault::Damaged("a body is missing or is another one".to_owned()))
            }
        }
        Some(_) | None => Err(Fault::Damaged("tag of a packed value".to_owned())),
    }
}

async fn read_range(snapshot: &dyn Snapshot, range: KeyRange) -> Result<Vec<u8>, ReadError> {
    let mut content = Vec::new();
    let mut query = Some(RangeQuery::forward(range, PAGE_ITEMS_MAX));
    while let Some(current) = query {
        let page = snapshot.range(current.clone()).await?;
        page.items.iter().for_each(|(_, chunk)| content.extend_from_slice(chunk));
        query = current.after(&page);
    }
    Ok(content)
}

/// An entity as keys have it.
pub(crate) fn entity_ref(entity: &EntityId) -> keys::EntityRef<'_> {
    keys::EntityRef {
        hash: entity.hash(),
        tenant: entity.tenant().as_str(),
        kind: entity.kind().number(),
        key: entity.key(),
    }
}
