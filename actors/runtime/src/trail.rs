//! Reading the audit trail (AUD-1, AUD-2): verification of every shard's log against its signed
//! heads and outside anchors, the records of one entity, inclusion proofs. Works on any snapshot,
//! live or salvaged from a damaged directory.

use crate::audit_log::{decode_head, entity_ref};
use crate::error::SubmitError;
use crate::limits::PAGE_ITEMS_MAX;
use actors_audit::{
    Hash, HeadSet, LeafHashes, LeafRow, Report, SignedTreeHead, Verifier, VerifyRules,
    inclusion_proof,
};
use actors_store::keys::{self, Family};
use actors_store::{KeyRange, RangeQuery, Snapshot};
use bytes::Bytes;
use schema_types::audit::AuditDraft;
use schema_types::ids::{EntityId, ShardId};

/// A record with its place in the log.
#[derive(Debug, Clone)]
pub struct TrailEntry {
    /// The shard.
    pub shard: u16,
    /// The index in the shard's log.
    pub index: u64,
    /// The record.
    pub record: AuditDraft,
}

/// A proof that a record is in the log of its shard.
#[derive(Debug, Clone)]
pub struct TrailProof {
    /// The record.
    pub entry: TrailEntry,
    /// The leaf hash.
    pub leaf_hash: Hash,
    /// Sibling hashes, nearest first (RFC 9162 section 2.1.3.1).
    pub path: Vec<Hash>,
    /// The signed head that the proof leads to.
    pub head: SignedTreeHead,
}

fn damaged(what: &str) -> SubmitError {
    SubmitError::Damaged { place: what.to_owned() }
}

/// The number of shards of the data, if it was ever set.
///
/// # Errors
/// [`SubmitError`] when the store cannot be read.
pub async fn shard_count(snapshot: &dyn Snapshot) -> Result<Option<u16>, SubmitError> {
    let value = snapshot.get(&keys::meta("shard-count")).await?;
    Ok(value.and_then(|value| <[u8; 2]>::try_from(&value[..]).ok()).map(u16::from_be_bytes))
}

/// Every shard that ever had an owner, in order: those of splits and those that were merged away
/// too, whose logs remain.
///
/// # Errors
/// [`SubmitError`] when the store cannot be read.
pub async fn shards(snapshot: &dyn Snapshot) -> Result<Vec<u16>, SubmitError> {
    let mut shards = Vec::new();
    let mut pages = Pages::new(keys::family_range(Family::Owner));
    while let Some(items) = pages.next(snapshot).await? {
        for (key, _) in items {
            shards.push(keys::parse_owner(&key).map_err(|_| damaged("owner key"))?);
        }
    }
    Ok(shards)
}

/// Verifies one shard's log: every row, every stored head, and heads known from elsewhere.
///
/// # Errors
/// [`SubmitError`] when the store cannot be read; what the log itself shows is in the report.
pub async fn verify_shard(
    snapshot: &dyn Snapshot,
    shard: u16,
    public_keys: &[[u8; 32]],
    anchors: &[SignedTreeHead],
) -> Result<Report, SubmitError> {
    let mut heads =
        HeadSet::new(ShardId(shard), public_keys).map_err(|error| damaged(&error.to_string()))?;
    let mut pages = Pages::new(keys::shard_range(Family::AuditHead, shard));
    while let Some(items) = pages.next(snapshot).await? {
        for (key, value) in items {
            let size = keys::parse_audit(Family::AuditHead, &key).map_or(0, |(_, size)| size);
            let edge = SignedTreeHead::decode_first(&value).map_or(0, |(_, edge)| edge.len());
            heads.add_stored(size, &value[..value.len() - edge]);
        }
    }
    for anchor in anchors.iter().filter(|anchor| anchor.head.shard == ShardId(shard)) {
        if public_keys.iter().any(|public| anchor.verify(public).is_ok()) {
            heads.add_anchor(anchor.head.size, anchor.head.root);
        }
    }
    let check = |_: u64, record: &[u8]| {
        schema_wire::audit::decode_record(record).map(|_| ()).map_err(|error| error.to_string())
    };
    let mut verifier = Verifier::new(heads, VerifyRules::default(), check);
    let mut pages = Pages::new(keys::shard_range(Family::AuditLeaf, shard));
    while let Some(items) = pages.next(snapshot).await? {
        for (key, value) in items {
            let index = keys::parse_audit(Family::AuditLeaf, &key)
                .map_err(|_| damaged("audit leaf key"))?
                .1;
            verifier.push(index, &value);
        }
    }
    Ok(verifier.finish())
}

/// The newest signed head of a shard.
///
/// # Errors
/// [`SubmitError::Damaged`] when it does not decode.
pub async fn newest_head(
    snapshot: &dyn Snapshot,
    shard: u16,
) -> Result<Option<SignedTreeHead>, SubmitError> {
    let heads = keys::shard_range(Family::AuditHead, shard);
    let page = snapshot.range(RangeQuery::backward(heads, 1)).await?;
    match page.items.first() {
        None => Ok(None),
        Some((_, row)) => {
            let (signed, _) = decode_head(row).ok_or_else(|| damaged("audit head"))?;
            Ok(Some(signed))
        }
    }
}

/// The audit records of one entity from a place on, oldest first, at most `limit`.
///
/// # Errors
/// [`SubmitError::Damaged`] when a record that the index names is missing or does not decode.
pub async fn of_entity(
    snapshot: &dyn Snapshot,
    entity: &EntityId,
    limit: usize,
) -> Result<Vec<TrailEntry>, SubmitError> {
    let mut pages = Pages::new(keys::entity_range(Family::AuditByEntity, entity_ref(entity)));
    let mut entries = Vec::new();
    while let Some(items) = pages.next(snapshot).await? {
        for (key, _) in items {
            if entries.len() >= limit {
                return Ok(entries);
            }
            let (_, shard, index) =
                keys::parse_audit_by_entity(&key).map_err(|_| damaged("audit index key"))?;
            let entry = record_at(snapshot, shard, index).await?;
            entries.push(entry.ok_or_else(|| damaged("missing audit record"))?);
        }
    }
    Ok(entries)
}

/// The record at an index.
///
/// # Errors
/// [`SubmitError::Damaged`] when the row or the record does not decode.
pub async fn record_at(
    snapshot: &dyn Snapshot,
    shard: u16,
    index: u64,
) -> Result<Option<TrailEntry>, SubmitError> {
    let Some(value) = snapshot.get(&keys::audit_leaf(shard, index)).await? else {
        return Ok(None);
    };
    let row = LeafRow::decode(&value).map_err(|error| damaged(&error.to_string()))?;
    let record = schema_wire::audit::decode_record(&row.record)
        .map_err(|error| damaged(&error.to_string()))?;
    Ok(Some(TrailEntry { shard, index, record }))
}

/// Proves that the record at an index is in the log under the newest signed head.
///
/// # Errors
/// [`SubmitError::Damaged`] when the log has holes.
pub async fn prove(
    snapshot: &dyn Snapshot,
    shard: u16,
    index: u64,
) -> Result<Option<TrailProof>, SubmitError> {
    let Some(entry) = record_at(snapshot, shard, index).await? else { return Ok(None) };
    let Some(head) = newest_head(snapshot, shard).await? else { return Ok(None) };
    if index >= head.head.size {
        return Ok(None);
    }
    let mut hashes = Vec::new();
    let mut pages = Pages::new(keys::shard_range(Family::AuditLeaf, shard));
    while let Some(items) = pages.next(snapshot).await? {
        for (_, value) in items {
            let row = LeafRow::decode(&value).map_err(|error| damaged(&error.to_string()))?;
            hashes.push(row.leaf_hash);
        }
    }
    let leaves = Leaves(hashes);
    let path = inclusion_proof(&leaves, index, head.head.size)
        .map_err(|error| damaged(&error.to_string()))?;
    let leaf_hash = leaves.leaf_hash(index).ok_or_else(|| damaged("missing audit leaf"))?;
    Ok(Some(TrailProof { entry, leaf_hash, path, head }))
}

struct Leaves(Vec<Hash>);

impl LeafHashes for Leaves {
    fn leaf_hash(&self, index: u64) -> Option<Hash> {
        self.0.get(usize::try_from(index).ok()?).copied()
    }

    fn size(&self) -> u64 {
        u64::try_from(self.0.len()).unwrap_or(u64::MAX)
    }
}

/// A range read to its end, page by page.
struct Pages(Option<RangeQuery>);

impl Pages {
    fn new(range: KeyRange) -> Self {
        Self(Some(RangeQuery::forward(range, PAGE_ITEMS_MAX)))
    }

    async fn next(
        &mut self,
        snapshot: &dyn Snapshot,
    ) -> Result<Option<Vec<(Bytes, Bytes)>>, SubmitError> {
        let Some(query) = self.0.take() else { return Ok(None) };
        let page = snapshot.range(query.clone()).await?;
        self.0 = query.after(&page);
        Ok(Some(page.items))
    }
}
