//! One row of the log as the store holds it: the record, its leaf hash and the running digest.
//! The two digests are redundant on purpose: together with a signed head they tell which of the
//! three was altered.

use crate::chain::Chain;
use crate::cursor::Cursor;
use crate::error::AuditError;
use crate::hash::{Hash, leaf_hash};
use crate::limits::RECORD_BYTES_MAX;

const FORMAT: u8 = 1;
/// Bytes that a row adds to its record: format, leaf hash, running digest.
pub(crate) const ROW_OVERHEAD_BYTES: usize = 1 + 32 + 32;

/// A row of the log. Its index and shard are in the store's key, not in the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafRow {
    /// The audit record, exactly the bytes that were hashed.
    pub record: Vec<u8>,
    /// RFC 9162 leaf hash of the record, stored so that a changed record contradicts its own row.
    pub leaf_hash: Hash,
    /// Running digest after this row, see [`Chain`].
    pub chain: Hash,
}

impl LeafRow {
    /// The row of `record` after `before`.
    ///
    /// # Errors
    /// [`AuditError::RecordTooLarge`] beyond [`RECORD_BYTES_MAX`].
    pub fn new(record: Vec<u8>, before: &Chain) -> Result<Self, AuditError> {
        if record.len() > RECORD_BYTES_MAX {
            return Err(AuditError::RecordTooLarge { bytes: record.len() });
        }
        let leaf_hash = leaf_hash(&record);
        let chain = *before.next(&leaf_hash).digest();
        Ok(Self { record, leaf_hash, chain })
    }

    /// Fixed binary form: format byte, leaf hash, running digest, record.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(ROW_OVERHEAD_BYTES + self.record.len());
        bytes.push(FORMAT);
        bytes.extend_from_slice(&self.leaf_hash);
        bytes.extend_from_slice(&self.chain);
        bytes.extend_from_slice(&self.record);
        bytes
    }

    /// Reads [`Self::encode`]'s form. The digests are not compared: that is the verifier's work.
    ///
    /// # Errors
    /// [`AuditError::Malformed`] when the row is too short or too long or its format is unknown.
    pub fn decode(bytes: &[u8]) -> Result<Self, AuditError> {
        let view = RowView::of(bytes)?;
        if !view.is_well_formed() {
            return Err(AuditError::Malformed { what: "leaf row" });
        }
        Ok(Self { record: view.record.to_vec(), leaf_hash: view.leaf_hash, chain: view.chain })
    }
}

/// A record with its leaf hash and the bytes of its row, made before its place in the log is known:
/// whoever made the record hashes it, and the log's end only fills in the running digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedLeaf {
    row: Vec<u8>,
    pub(crate) leaf_hash: Hash,
}

impl PreparedLeaf {
    /// Hashes `record` and lays out its row.
    ///
    /// # Errors
    /// [`AuditError::RecordTooLarge`] beyond [`RECORD_BYTES_MAX`].
    pub fn new(record: &[u8]) -> Result<Self, AuditError> {
        if record.len() > RECORD_BYTES_MAX {
            return Err(AuditError::RecordTooLarge { bytes: record.len() });
        }
        let leaf_hash = leaf_hash(record);
        let mut row = Vec::with_capacity(ROW_OVERHEAD_BYTES + record.len());
        row.push(FORMAT);
        row.extend_from_slice(&leaf_hash);
        row.extend_from_slice(&[0; 32]);
        row.extend_from_slice(record);
        Ok(Self { row, leaf_hash })
    }

    /// The record.
    #[must_use]
    pub fn record(&self) -> &[u8] {
        &self.row[ROW_OVERHEAD_BYTES..]
    }

    /// Length of the row in bytes.
    #[must_use]
    pub const fn row_bytes(&self) -> usize {
        self.row.len()
    }

    /// The row after `before`, in [`LeafRow::encode`]'s form, and the digest behind it.
    pub(crate) fn place(mut self, before: &Chain) -> (Vec<u8>, Chain) {
        let chain = before.next(&self.leaf_hash);
        self.row[ROW_OVERHEAD_BYTES - 32..ROW_OVERHEAD_BYTES].copy_from_slice(chain.digest());
        (self.row, chain)
    }
}

/// A row read leniently, so that the verifier can use what is left of a damaged one.
pub(crate) struct RowView<'a> {
    format: u8,
    pub(crate) leaf_hash: Hash,
    pub(crate) chain: Hash,
    pub(crate) record: &'a [u8],
}

impl<'a> RowView<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Result<Self, AuditError> {
        let mut cursor = Cursor::new(bytes, "leaf row");
        let [format] = cursor.take()?;
        let leaf_hash = cursor.take()?;
        let chain = cursor.take()?;
        Ok(Self { format, leaf_hash, chain, record: cursor.rest() })
    }

    pub(crate) const fn is_well_formed(&self) -> bool {
        self.format == FORMAT && self.record.len() <= RECORD_BYTES_MAX
    }
}
