//! The rows that a decision writes, by family of the key space.

use crate::audit_log::entity_ref;
use crate::blob;
use crate::error::SubmitError;
use crate::limits::{PAGE_ITEMS_MAX, UNIT_INLINE_BYTES_MAX};
use crate::load;
use crate::node::NodeInner;
use crate::outbox;
use crate::unit::OutboxSend;
use actors_core::{Effect, Entity, Envelope, IndexEntry, Notice, ResourceBody};
use actors_store::tuple::TupleWriter;
use actors_store::{KeyRange, Mutation, RangeQuery, keys};
use bytes::Bytes;
use schema_types::clinical::ResourceMeta;
use schema_types::ids::{CommandId, EntityId, MessageDigest, PrincipalId, ShardId, SourceId};
use schema_types::time::Timestamp;
use schema_wire::journal::{
    JournalRecord, OutboxRecord, StoredBody, StoredNotice, StoredResource, TimerRecord,
};
use std::collections::BTreeMap;

/// An envelope without its command.
pub(crate) struct Meta {
    pub(crate) source: SourceId,
    pub(crate) command_id: CommandId,
    pub(crate) content: MessageDigest,
    pub(crate) principal: PrincipalId,
    pub(crate) purpose: String,
    pub(crate) now: Timestamp,
    pub(crate) message: Option<MessageDigest>,
}

/// Takes the command out of its envelope.
pub(crate) fn open<C>(envelope: Envelope<C>) -> (Meta, C) {
    let Envelope { source, command_id, content, principal, purpose, now, message, command, .. } =
        envelope;
    (Meta { source, command_id, content, principal, purpose, now, message }, command)
}

/// Collects the rows of one decision.
pub(crate) struct RowBuilder<'a> {
    entity: &'a EntityId,
    shard: ShardId,
    first_sequence: u64,
    rows: Vec<Mutation>,
    /// Bodies that may be written ahead, by content.
    chunks: Vec<Mutation>,
    outbox: Vec<OutboxSend>,
}

impl<'a> RowBuilder<'a> {
    pub(crate) fn new(entity: &'a EntityId, shard: ShardId, first_sequence: u64) -> Self {
        Self {
            entity,
            shard,
            first_sequence,
            rows: Vec::new(),
            chunks: Vec::new(),
            outbox: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, row: Mutation) {
        self.rows.push(row);
    }

    pub(crate) fn extend(&mut self, rows: Vec<Mutation>) {
        self.rows.extend(rows);
    }

    fn packed(&mut self, key: Bytes, content: &[u8]) {
        let (value, chunks) = blob::pack(content);
        self.chunks.extend(chunks);
        self.rows.push(Mutation::set(key, value));
    }

    /// One journal row with the command's events; its key has the first event's sequence.
    pub(crate) fn journal<E: Entity>(&mut self, meta: &Meta, events: &[E::Event]) {
        if events.is_empty() {
            return;
        }
        let record = JournalRecord {
            sequence: self.first_sequence,
            recorded_at: meta.now,
            source: meta.source.clone(),
            command_id: meta.command_id.clone(),
            principal: meta.principal.clone(),
            message: meta.message,
            event_kind: E::KIND,
            event: load::frame(&events.iter().map(E::encode_event).collect::<Vec<_>>()),
        };
        let key = keys::journal(entity_ref(self.entity), self.first_sequence);
        self.packed(key, &schema_wire::journal::encode_record(&record));
    }

    pub(crate) fn archive(&mut self, digest: MessageDigest, raw: &[u8]) {
        self.chunks.extend(blob::chunk_rows(digest, raw));
    }

    pub(crate) fn effects(
        &mut self,
        now: Timestamp,
        effects: Vec<Effect>,
        timers: &mut BTreeMap<String, i64>,
    ) {
        for effect in effects {
            match effect {
                Effect::Send { to, notice } => self.send(now, to, notice),
                Effect::SetTimer { name, due } => self.set_timer(timers, name, due),
                Effect::CancelTimer { name } => self.cancel_timer(timers, &name),
                Effect::PutResource { meta, body } => self.resource(meta, body),
                Effect::PutIndex(entry) => {
                    let value = match &entry {
                        IndexEntry::Observation { .. } => {
                            Bytes::copy_from_slice(&self.first_sequence.to_be_bytes())
                        }
                        IndexEntry::Identifier { .. }
                        | IndexEntry::Resource { .. }
                        | IndexEntry::OpenAlerts
                        | IndexEntry::Known => Bytes::new(),
                    };
                    self.rows.push(Mutation::set(index_key(self.entity, &entry), value));
                }
                Effect::ClearIndex(entry) => {
                    self.rows.push(Mutation::clear(index_key(self.entity, &entry)));
                }
            }
        }
    }

    fn send(&mut self, now: Timestamp, to: EntityId, notice: Notice) {
        let sequence = outbox::send_sequence(self.first_sequence, self.outbox.len());
        let record = schema_wire::journal::encode_outbox(&OutboxRecord {
            sender: self.entity.clone(),
            receiver: to,
            sequence,
            at: now,
            notice: match notice {
                Notice::Patient(notice) => StoredNotice::Patient(notice),
                Notice::Device(notice) => StoredNotice::Device(notice),
                Notice::Facility(notice) => StoredNotice::Facility(notice),
            },
        });
        let key = outbox::row_key(self.entity, sequence);
        let record = Bytes::from(record);
        let (value, chunks) = blob::pack(&record);
        self.chunks.extend(chunks);
        self.rows.push(Mutation::set(key.clone(), value));
        self.outbox.push(OutboxSend { key, sender: self.entity.clone(), record });
    }

    fn set_timer(&mut self, timers: &mut BTreeMap<String, i64>, name: String, due: Timestamp) {
        self.cancel_timer(timers, &name);
        let shard = self.shard.0;
        let due = due.unix_micros();
        let record = schema_wire::journal::encode_timer(&TimerRecord {
            entity: self.entity.clone(),
            name: name.clone(),
            due: Timestamp::from_unix_micros(due),
        });
        let key = keys::timer(shard, due, entity_ref(self.entity), &name);
        self.rows.push(Mutation::set(key, record));
        let value = due.to_be_bytes().to_vec();
        if !node_env::planted!("timer-moves-without-record") {
            self.rows.push(Mutation::set(timer_index_key(self.entity, &name), value));
        }
        timers.insert(name, due);
    }

    fn cancel_timer(&mut self, timers: &mut BTreeMap<String, i64>, name: &str) {
        let Some(due) = timers.remove(name) else { return };
        let shard = self.shard.0;
        self.rows.push(Mutation::clear(keys::timer(shard, due, entity_ref(self.entity), name)));
        self.rows.push(Mutation::clear(timer_index_key(self.entity, name)));
    }

    fn resource(&mut self, meta: ResourceMeta, body: ResourceBody) {
        let reference = entity_ref(self.entity);
        let key = keys::resource(reference, &meta.key.resource_type, &meta.key.id, meta.version);
        let body = match body {
            ResourceBody::Json(json) => StoredBody::Json(json),
            ResourceBody::Observation(observation) => StoredBody::Observation(observation),
            ResourceBody::Deleted => StoredBody::Deleted,
        };
        let stored = schema_wire::journal::encode_resource(&StoredResource { meta, body });
        self.packed(key, &stored);
    }

    /// Rows of the commit, rows to write ahead of it, messages to deliver after it. Small chunks
    /// go into the commit itself; only what would burst a transaction is written ahead.
    pub(crate) fn finish(mut self) -> (Vec<Mutation>, Vec<Mutation>, Vec<OutboxSend>) {
        let chunk_bytes: usize = self.chunks.iter().map(Mutation::size_bytes).sum();
        let row_bytes: usize = self.rows.iter().map(Mutation::size_bytes).sum();
        if chunk_bytes + row_bytes <= UNIT_INLINE_BYTES_MAX {
            self.rows.append(&mut self.chunks);
            return (self.rows, Vec::new(), self.outbox);
        }
        let mut staged = self.chunks;
        if row_bytes > UNIT_INLINE_BYTES_MAX {
            self.rows = self.rows.into_iter().map(|row| by_digest(row, &mut staged)).collect();
        }
        (self.rows, staged, self.outbox)
    }
}

/// Replaces a packed in-place value of some size by a pointer and moves its content to `staged`.
fn by_digest(row: Mutation, staged: &mut Vec<Mutation>) -> Mutation {
    const WORTH_BYTES: usize = 512;
    if let Mutation::Set { key, value } = &row
        && value.len() > WORTH_BYTES
        && blob::is_inline(key, value)
    {
        let (pointer, chunks) = blob::pack_by_digest(&value[1..]);
        staged.extend(chunks);
        return Mutation::set(key.clone(), pointer);
    }
    row
}

/// The key of an index row.
pub(crate) fn index_key(entity: &EntityId, entry: &IndexEntry) -> Bytes {
    let tenant = entity.tenant().as_str();
    let kind = u64::from(entity.kind().number());
    match entry {
        IndexEntry::Identifier { system, value } => keys::index("identifier", tenant)
            .text(value.expose())
            .text(system)
            .unsigned(kind)
            .text(entity.key())
            .finish(),
        IndexEntry::Resource { resource_type, id } => resource_index_key(entity, resource_type, id),
        IndexEntry::Observation { id } => resource_index_key(entity, "Observation", id.as_str()),
        IndexEntry::OpenAlerts => {
            keys::index("open-alerts", tenant).unsigned(kind).text(entity.key()).finish()
        }
        IndexEntry::Known => {
            keys::index("known", tenant).unsigned(kind).text(entity.key()).finish()
        }
    }
}

/// The key of the row that knows who keeps a resource.
pub(crate) fn resource_index_key(entity: &EntityId, resource_type: &str, id: &str) -> Bytes {
    keys::index("resource", entity.tenant().as_str())
        .text(resource_type)
        .text(id)
        .unsigned(u64::from(entity.kind().number()))
        .text(entity.key())
        .finish()
}

fn timer_index(entity: &EntityId) -> TupleWriter {
    keys::index("timer-of", entity.tenant().as_str())
        .unsigned(u64::from(entity.kind().number()))
        .text(entity.key())
}

/// The key of the row that knows when a timer of an entity is due.
pub(crate) fn timer_index_key(entity: &EntityId, name: &str) -> Bytes {
    timer_index(entity).text(name).finish()
}

pub(crate) fn touches_timers(effects: &[Effect]) -> bool {
    effects
        .iter()
        .any(|effect| matches!(effect, Effect::SetTimer { .. } | Effect::CancelTimer { .. }))
}

/// The due times of an entity's timers, by name.
pub(crate) async fn load_timers(
    node: &NodeInner,
    entity: &EntityId,
) -> Result<BTreeMap<String, i64>, SubmitError> {
    let damaged = || SubmitError::Damaged { place: "timer index row".to_owned() };
    let snapshot = node.store.begin().await?;
    let prefix = timer_index(entity).finish();
    let mut timers = BTreeMap::new();
    let mut query = Some(RangeQuery::forward(KeyRange::prefix(&prefix), PAGE_ITEMS_MAX));
    while let Some(current) = query {
        let page = snapshot.range(current.clone()).await?;
        for (key, value) in &page.items {
            let mut reader = actors_store::tuple::TupleReader::new(&key[prefix.len()..]);
            let name = reader.text().map_err(|_| damaged())?;
            let due = <[u8; 8]>::try_from(&value[..]).map_err(|_| damaged())?;
            timers.insert(name, i64::from_be_bytes(due));
        }
        query = current.after(&page);
    }
    Ok(timers)
}
