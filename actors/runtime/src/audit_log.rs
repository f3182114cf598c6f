//! The audit logs of this node's shards (AUD-1, AUD-2): leaves numbered in commit order, one
//! signed head per shard and batch, both in the same transaction as their causes.

use crate::error::SubmitError;
use crate::head_keys::HeadKeys;
use crate::limits::HEAD_INTERVAL_LEAVES;
use crate::unit::PreparedAudit;
use actors_audit::{Appender, SignedTreeHead};
use actors_store::keys::{self, Family};
use actors_store::{KeyRange, Mutation, RangeQuery, Snapshot};
use bytes::Bytes;
use schema_types::ids::{EntityId, ShardId};
use schema_types::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One shard's log, and the size at which its newest head row was written.
#[derive(Clone)]
pub(crate) struct ShardLog {
    appender: Appender,
    head_size: u64,
}

/// The logs of the shards that this node holds.
pub(crate) struct AuditLogs {
    shards: BTreeMap<u16, ShardLog>,
    keys: Arc<HeadKeys>,
}

/// Leaves of one batch; adopted when the batch is durable, dropped when it failed.
pub(crate) struct AuditBatch {
    touched: BTreeMap<u16, ShardLog>,
    /// The leaf that each touched shard's log gets first in this batch.
    first: BTreeMap<u16, u64>,
}

/// The key form of an entity.
#[must_use]
pub fn entity_ref(entity: &EntityId) -> keys::EntityRef<'_> {
    keys::EntityRef {
        hash: entity.hash(),
        tenant: entity.tenant().as_str(),
        kind: entity.kind().number(),
        key: entity.key(),
    }
}

/// A head row: the signed head, then the appender's edge.
fn encode_head(signed: &SignedTreeHead, appender: &Appender) -> Bytes {
    let mut row = signed.encode();
    row.extend_from_slice(&appender.encode());
    Bytes::from(row)
}

/// The signed head and the appender of a head row.
pub(crate) fn decode_head(row: &[u8]) -> Option<(SignedTreeHead, Appender)> {
    let (signed, edge) = SignedTreeHead::decode_first(row).ok()?;
    Some((signed, Appender::decode(edge).ok()?))
}

impl AuditLogs {
    pub(crate) fn new(keys: Arc<HeadKeys>) -> Self {
        Self { shards: BTreeMap::new(), keys }
    }

    /// Goes on with the log of a shard that this node holds from now on.
    pub(crate) fn add(&mut self, shard: ShardId, log: ShardLog) {
        self.shards.insert(shard.0, log);
    }

    pub(crate) fn remove(&mut self, shard: ShardId) {
        self.shards.remove(&shard.0);
    }

    /// Reads every log again, after a commit of unknown result.
    ///
    /// # Errors
    /// Like [`load_shard`].
    pub(crate) async fn reload(&mut self, snapshot: &dyn Snapshot) -> Result<(), SubmitError> {
        for (shard, log) in &mut self.shards {
            *log = load_shard(snapshot, ShardId(*shard), &self.keys).await?;
        }
        Ok(())
    }

    fn of(&self, shard: u16) -> ShardLog {
        let empty = || ShardLog { appender: Appender::new(ShardId(shard)), head_size: 0 };
        self.shards.get(&shard).cloned().unwrap_or_else(empty)
    }

    pub(crate) fn begin(&self) -> AuditBatch {
        AuditBatch { touched: BTreeMap::new(), first: BTreeMap::new() }
    }

    /// Takes over what a batch appended. The batch may not be durable yet: when it fails, the logs
    /// must be read again before the next one.
    pub(crate) fn adopt(&mut self, batch: AuditBatch) {
        for (shard, log) in batch.touched {
            self.shards.insert(shard, log);
        }
    }
}

/// Loads the newest head of a shard and checks its signature and that no leaf lies beyond it.
///
/// # Errors
/// [`SubmitError::Damaged`] when the head does not verify or does not fit its leaves.
pub(crate) async fn load_shard(
    snapshot: &dyn Snapshot,
    ShardId(shard): ShardId,
    keys: &HeadKeys,
) -> Result<ShardLog, SubmitError> {
    let damaged = |what: &str| SubmitError::Damaged { place: format!("{what} of shard {shard}") };
    let heads = keys::shard_range(Family::AuditHead, shard);
    let page = snapshot.range(RangeQuery::backward(heads, 1)).await?;
    let Some((_, row)) = page.items.first() else {
        let leaves = RangeQuery::forward(keys::audit_leaves_from(shard, 0), 1);
        if !snapshot.range(leaves).await?.items.is_empty() {
            return Err(damaged("audit head"));
        }
        return Ok(ShardLog { appender: Appender::new(ShardId(shard)), head_size: 0 });
    };
    let (signed, appender) = decode_head(row).ok_or_else(|| damaged("audit head"))?;
    if !keys.accepts(&signed) {
        return Err(damaged("audit head signature"));
    }
    let head_size = signed.head.size;
    let ours = appender.head(signed.head.at, signed.head.key_id);
    if ours != signed.head {
        return Err(damaged("audit head edge"));
    }
    let beyond = RangeQuery::forward(keys::audit_leaves_from(shard, head_size), 1);
    if !snapshot.range(beyond).await?.items.is_empty() {
        return Err(damaged("audit leaf beyond the head"));
    }
    Ok(ShardLog { appender, head_size })
}

impl AuditBatch {
    /// Gives the record its place in the shard's log and pushes the rows to write. The shard is
    /// one that this node holds.
    pub(crate) fn append(
        &mut self,
        logs: &AuditLogs,
        ShardId(shard): ShardId,
        audit: PreparedAudit,
        rows: &mut Vec<Mutation>,
    ) {
        let log = self.touched.entry(shard).or_insert_with(|| logs.of(shard));
        self.first.entry(shard).or_insert(log.appender.size());
        let (index, row) = log.appender.append_prepared(audit.leaf);
        rows.push(Mutation::set(keys::audit_leaf(shard, index), row));
        let touched = if node_env::planted!("audit-touched-not-indexed") { 0 } else { usize::MAX };
        let touched = audit.touched.iter().take(touched);
        for entity in std::iter::once(&audit.entity).chain(touched) {
            let pointer = keys::audit_by_entity(entity_ref(entity), shard, index);
            rows.push(Mutation::set(pointer, Bytes::new()));
        }
    }

    /// The leaves that nobody else may have written since the batch was read (AUD-2).
    pub(crate) fn first_leaves(&self) -> impl Iterator<Item = KeyRange> + '_ {
        self.first.iter().map(|(shard, index)| KeyRange::single(&keys::audit_leaf(*shard, *index)))
    }

    /// One signed head per touched shard, all under one signature; the previous newest one stays
    /// only at intervals.
    pub(crate) fn head_rows(&mut self, logs: &AuditLogs, at: Timestamp) -> Vec<Mutation> {
        let key_id = logs.keys.signer.key_id();
        let heads = self.touched.values().map(|log| log.appender.head(at, key_id)).collect();
        let mut rows = Vec::with_capacity(self.touched.len() * 2);
        for (signed, log) in
            logs.keys.signer.sign_together(heads).iter().zip(self.touched.values_mut())
        {
            let (shard, size) = (signed.head.shard.0, signed.head.size);
            let value = encode_head(signed, &log.appender);
            rows.push(Mutation::set(keys::audit_head(shard, size), value));
            let keeps = log.head_size / HEAD_INTERVAL_LEAVES != size / HEAD_INTERVAL_LEAVES;
            let drops = !keeps || node_env::planted!("audit-kept-head-dropped");
            if log.head_size > 0 && drops {
                rows.push(Mutation::clear(keys::audit_head(shard, log.head_size)));
            }
            log.head_size = size;
        }
        rows
    }
}
