//! The right edge of a growing Merkle tree: the roots of the perfect subtrees that a tree of this
//! size consists of. It is all that appending and the current root need.

use crate::cursor::Cursor;
use crate::error::AuditError;
use crate::hash::{Hash, empty_root, leaf_hash, node_hash};
use crate::limits::LEVELS_MAX;

const FORMAT: u8 = 1;

/// A Merkle tree (RFC 9162 section 2.1.1) reduced to what appending needs: at most
/// [`LEVELS_MAX`] hashes. Cloning is cheap, so that a batch can be built and dropped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    /// Roots of the perfect subtrees, largest (leftmost) first: one per set bit of `size`.
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The empty tree.
    #[must_use]
    pub const fn new() -> Self {
        Self { size: 0, peaks: Vec::new() }
    }

    /// Leaves in the tree.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf and returns its index. Costs the leaf's hash and, amortised, one node hash.
    pub fn append(&mut self, leaf: &[u8]) -> u64 {
        self.append_hash(leaf_hash(leaf))
    }

    /// Appends a leaf by its hash and returns its index. Costs, amortised, one node hash.
    pub fn append_hash(&mut self, leaf_hash: Hash) -> u64 {
        let index = self.size;
        let mut node = leaf_hash;
        for _ in 0..index.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.peaks.push(node);
        self.size += 1;
        debug_assert_eq!(self.peaks.len(), peaks_of(self.size));
        index
    }

    /// The root of the tree. Costs one node hash per subtree, at most [`LEVELS_MAX`].
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut from_the_right = self.peaks.iter().rev();
        from_the_right.next().map_or_else(empty_root, |last| {
            from_the_right.fold(*last, |right, left| node_hash(left, &right))
        })
    }

    /// Fixed binary form: format byte, size (8 bytes, big-endian), the subtree roots.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(9 + self.peaks.len() * 32);
        bytes.push(FORMAT);
        bytes.extend_from_slice(&self.size.to_be_bytes());
        bytes.extend(self.peaks.iter().flatten());
        bytes
    }

    /// Reads [`Self::encode`]'s form.
    ///
    /// # Errors
    /// [`AuditError::Malformed`] when the length does not fit the size or the format is unknown.
    /// Altered hashes are not detected here: compare [`Self::root`] with a signed head.
    pub fn decode(bytes: &[u8]) -> Result<Self, AuditError> {
        let mut cursor = Cursor::new(bytes, "frontier");
        cursor.expect_byte(FORMAT)?;
        let size = u64::from_be_bytes(cursor.take()?);
        if size == u64::MAX {
            return Err(AuditError::Malformed { what: "frontier" });
        }
        let mut peaks = Vec::with_capacity(LEVELS_MAX);
        for _ in 0..peaks_of(size) {
            peaks.push(cursor.take()?);
        }
        cursor.end()?;
        Ok(Self { size, peaks })
    }
}

/// Perfect subtrees in a tree of `size` leaves.
fn peaks_of(size: u64) -> usize {
    usize::try_from(size.count_ones()).unwrap_or(LEVELS_MAX)
}
