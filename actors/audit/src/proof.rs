//! Inclusion and consistency proofs: generators over any source of leaf hashes, and the verifiers
//! of RFC 9162 sections 2.1.3.2 and 2.1.4.2, which need the proof and two hashes only.

use crate::error::AuditError;
use crate::hash::{Hash, empty_root, node_hash};
use crate::limits::PROOF_HASHES_MAX;

/// Where a generator gets leaf hashes from.
pub trait LeafHashes {
    /// Leaves there are.
    fn size(&self) -> u64;

    /// The hash of a leaf, if there is one at `index`.
    fn leaf_hash(&self, index: u64) -> Option<Hash>;

    /// The known root of the perfect subtree of 2^`level` leaves that begins at leaf `first`
    /// (a multiple of 2^`level`); `None` makes the generator compute it.
    fn subtree_hash(&self, _first: u64, _level: u32) -> Option<Hash> {
        None
    }

    /// Told of a perfect subtree that had to be computed, so that a cache can keep it.
    fn note_subtree(&self, _first: u64, _level: u32, _hash: Hash) {}
}

/// The root of the first `size` leaves. Reads every leaf unless subtree hashes are known.
///
/// # Errors
/// [`AuditError::OutOfRange`] or [`AuditError::LeafMissing`].
pub fn root_at(leaves: &impl LeafHashes, size: u64) -> Result<Hash, AuditError> {
    check_range(size, leaves.size())?;
    if size == 0 { Ok(empty_root()) } else { subtree(leaves, 0, size) }
}

/// Proof that the leaf at `index` is in the tree of the first `size` leaves
/// (RFC 9162 section 2.1.3.1), nearest sibling first.
///
/// # Errors
/// [`AuditError::OutOfRange`] or [`AuditError::LeafMissing`].
pub fn inclusion_proof(
    leaves: &impl LeafHashes,
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, AuditError> {
    check_range(size, leaves.size())?;
    if index >= size {
        return Err(AuditError::OutOfRange { value: index, size });
    }
    let (mut low, mut high) = (0, size);
    let mut path = Vec::new();
    while high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            path.push(subtree(leaves, middle, high)?);
            high = middle;
        } else {
            path.push(subtree(leaves, low, middle)?);
            low = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// Proof that the tree of the first `old` leaves is a prefix of that of the first `new` leaves
/// (RFC 9162 section 2.1.4.1). Empty when `old` is 0 or equals `new`.
///
/// # Errors
/// [`AuditError::OutOfRange`] or [`AuditError::LeafMissing`].
pub fn consistency_proof(
    leaves: &impl LeafHashes,
    old: u64,
    new: u64,
) -> Result<Vec<Hash>, AuditError> {
    check_range(new, leaves.size())?;
    check_range(old, new)?;
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    let (mut low, mut high) = (0, new);
    let mut path = Vec::new();
    while high != old {
        let middle = low + split(high - low);
        if old <= middle {
            path.push(subtree(leaves, middle, high)?);
            high = middle;
        } else {
            path.push(subtree(leaves, low, middle)?);
            low = middle;
        }
    }
    // The old root itself is known to the verifier when it is a subtree from the first leaf on.
    if low > 0 {
        path.push(subtree(leaves, low, high)?);
    }
    path.reverse();
    Ok(path)
}

/// Checks an inclusion proof (RFC 9162 section 2.1.3.2).
///
/// # Errors
/// [`AuditError::OutOfRange`] when `index` is not below `size`, else [`AuditError::Proof`].
pub fn verify_inclusion(
    leaf_hash: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), AuditError> {
    expect_proof(root_above(leaf_hash, index, size, proof)? == *root)
}

/// The root to which an inclusion proof leads.
pub(crate) fn root_above(
    leaf_hash: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
) -> Result<Hash, AuditError> {
    if index >= size {
        return Err(AuditError::OutOfRange { value: index, size });
    }
    let mut place = Place { node: index, last: size - 1 };
    let mut hash = *leaf_hash;
    for sibling in proof {
        if place.last == 0 {
            return Err(AuditError::Proof);
        }
        hash = if place.is_right_child() {
            node_hash(sibling, &hash)
        } else {
            node_hash(&hash, sibling)
        };
        place.rise();
    }
    expect_proof(place.last == 0)?;
    Ok(hash)
}

/// Checks a consistency proof (RFC 9162 section 2.1.4.2) between `(old size, old root)` and
/// `(new size, new root)`. An old size of 0 is consistent with everything and needs no hashes.
///
/// # Errors
/// [`AuditError::OutOfRange`] when the old tree is larger, else [`AuditError::Proof`].
pub fn verify_consistency(
    old: (u64, &Hash),
    new: (u64, &Hash),
    proof: &[Hash],
) -> Result<(), AuditError> {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    check_range(old_size, new_size)?;
    if old_size == 0 {
        let new_fits = new_size > 0 || *new_root == empty_root();
        return expect_proof(proof.is_empty() && *old_root == empty_root() && new_fits);
    }
    if old_size == new_size {
        return expect_proof(proof.is_empty() && old_root == new_root);
    }
    if proof.is_empty() || proof.len() > PROOF_HASHES_MAX {
        return Err(AuditError::Proof);
    }
    let (start, path) =
        if old_size.is_power_of_two() { (old_root, proof) } else { (&proof[0], &proof[1..]) };
    let mut place = Place { node: old_size - 1, last: new_size - 1 };
    place.shift(place.node.trailing_ones());
    let (mut old_hash, mut new_hash) = (*start, *start);
    for sibling in path {
        if place.last == 0 {
            return Err(AuditError::Proof);
        }
        if place.is_right_child() {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        place.rise();
    }
    expect_proof(place.last == 0 && old_hash == *old_root && new_hash == *new_root)
}

/// A node's number and the last node's number on one level (`fn` and `sn` in the RFC).
struct Place {
    node: u64,
    last: u64,
}

impl Place {
    /// Whether the sibling is on the left; the last node without a partner rises until it has one.
    const fn is_right_child(&self) -> bool {
        self.node & 1 == 1 || self.node == self.last
    }

    fn rise(&mut self) {
        if self.node & 1 == 0 && self.node == self.last {
            self.shift(self.node.trailing_zeros());
        }
        self.shift(1);
    }

    fn shift(&mut self, levels: u32) {
        self.node = self.node.checked_shr(levels).unwrap_or(0);
        self.last = self.last.checked_shr(levels).unwrap_or(0);
    }
}

const fn expect_proof(holds: bool) -> Result<(), AuditError> {
    if holds { Ok(()) } else { Err(AuditError::Proof) }
}

const fn check_range(value: u64, size: u64) -> Result<(), AuditError> {
    if value <= size { Ok(()) } else { Err(AuditError::OutOfRange { value, size }) }
}

/// The largest power of two below `count` (at least two).
const fn split(count: u64) -> u64 {
    1 << (63 - (count - 1).leading_zeros())
}

/// Root over the leaves `low..high`, not empty; `low` is aligned by construction.
fn subtree(leaves: &impl LeafHashes, low: u64, high: u64) -> Result<Hash, AuditError> {
    let count = high - low;
    if count == 1 {
        return leaves.leaf_hash(low).ok_or(AuditError::LeafMissing { index: low });
    }
    let level = count.trailing_zeros();
    let is_perfect = count.is_power_of_two();
    if is_perfect && let Some(known) = leaves.subtree_hash(low, level) {
        return Ok(known);
    }
    let middle = low + split(count);
    let hash = node_hash(&subtree(leaves, low, middle)?, &subtree(leaves, middle, high)?);
    if is_perfect {
        leaves.note_subtree(low, level, hash);
    }
    Ok(hash)
}
