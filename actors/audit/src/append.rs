//! The writing end of a shard's log: frontier and running digest advance together.

use crate::chain::Chain;
use crate::cursor::Cursor;
use crate::error::AuditError;
use crate::frontier::Frontier;
use crate::hash::leaf_hash;
use crate::head::{KeyId, TreeHead};
use crate::row::{LeafRow, PreparedLeaf};
use schema_types::ids::ShardId;
use schema_types::time::Timestamp;

const FORMAT: u8 = 1;

/// The end of one shard's log. A committer clones it, appends a batch to the clone, and keeps the
/// clone only when the commit succeeded (AUD-1: the record and its effect are one commit).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appender {
    shard: ShardId,
    frontier: Frontier,
    chain: Chain,
}

impl Appender {
    /// The end of an empty log.
    #[must_use]
    pub fn new(shard: ShardId) -> Self {
        Self { shard, frontier: Frontier::new(), chain: Chain::genesis(shard) }
    }

    /// The index of the next record, which is also the number of records.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Appends a record: its index and the row to store under it. Costs about three hashes.
    ///
    /// # Errors
    /// [`AuditError::RecordTooLarge`]; nothing was appended then.
    pub fn append(&mut self, record: Vec<u8>) -> Result<(u64, LeafRow), AuditError> {
        let row = LeafRow::new(record, &self.chain)?;
        self.chain = Chain::from_digest(row.chain);
        Ok((self.frontier.append_hash(row.leaf_hash), row))
    }

    /// Appends a record that was hashed elsewhere: its index and the row's bytes. Costs two hashes.
    #[must_use]
    pub fn append_prepared(&mut self, leaf: PreparedLeaf) -> (u64, Vec<u8>) {
        let leaf_hash = leaf.leaf_hash;
        let (row, chain) = leaf.place(&self.chain);
        self.chain = chain;
        (self.frontier.append_hash(leaf_hash), row)
    }

    /// Follows a row read back from the store, for example after the last stored end.
    ///
    /// # Errors
    /// [`AuditError::Malformed`] when the row contradicts itself or does not continue this log.
    pub fn follow(&mut self, row: &LeafRow) -> Result<u64, AuditError> {
        let chain = self.chain.next(&row.leaf_hash);
        if row.leaf_hash != leaf_hash(&row.record) || *chain.digest() != row.chain {
            return Err(AuditError::Malformed { what: "leaf row" });
        }
        self.chain = chain;
        Ok(self.frontier.append_hash(row.leaf_hash))
    }

    /// The unsigned head of the log as it stands.
    #[must_use]
    pub fn head(&self, at: Timestamp, key_id: KeyId) -> TreeHead {
        TreeHead { shard: self.shard, size: self.size(), root: self.frontier.root(), at, key_id }
    }

    /// The frontier, for its root.
    #[must_use]
    pub const fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// Fixed binary form: format byte, shard, running digest, frontier.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        bytes.extend_from_slice(&self.shard.0.to_be_bytes());
        bytes.extend_from_slice(self.chain.digest());
        bytes.extend(self.frontier.encode());
        bytes
    }

    /// Reads [`Self::encode`]'s form.
    ///
    /// # Errors
    /// [`AuditError::Malformed`], also when an empty log does not start with its shard's digest.
    /// The caller compares the root with the last signed head before trusting it.
    pub fn decode(bytes: &[u8]) -> Result<Self, AuditError> {
        let mut cursor = Cursor::new(bytes, "log end");
        cursor.expect_byte(FORMAT)?;
        let shard = ShardId(u16::from_be_bytes(cursor.take()?));
        let chain = Chain::from_digest(cursor.take()?);
        let frontier = Frontier::decode(cursor.rest())?;
        if frontier.size() == 0 && chain != Chain::genesis(shard) {
            return Err(AuditError::Malformed { what: "log end" });
        }
        Ok(Self { shard, frontier, chain })
    }
}
