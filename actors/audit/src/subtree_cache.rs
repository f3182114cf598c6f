//! Keeps the roots of perfect subtrees that proofs had to compute. A perfect subtree of an
//! append-only log never changes, so nothing ever has to be dropped.

use crate::hash::Hash;
use crate::limits::SUBTREES_CACHED_MAX;
use crate::proof::LeafHashes;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Smallest cached subtree: 2^6 leaves; smaller ones are cheaper to compute than to keep.
const LEVEL_MIN: u32 = 6;

/// A source of leaf hashes that remembers subtree roots. It must only be used while the leaves
/// beneath it are trusted: an altered leaf below a remembered root goes unseen.
#[derive(Debug)]
pub struct SubtreeCache<L> {
    leaves: L,
    known: RefCell<BTreeMap<(u32, u64), Hash>>,
}

impl<L: LeafHashes> SubtreeCache<L> {
    /// An empty cache over `leaves`.
    #[must_use]
    pub const fn new(leaves: L) -> Self {
        Self { leaves, known: RefCell::new(BTreeMap::new()) }
    }

    /// The leaves, for example to append to them.
    pub const fn leaves_mut(&mut self) -> &mut L {
        &mut self.leaves
    }

    /// How many subtree roots are kept.
    #[must_use]
    pub fn subtrees(&self) -> usize {
        self.known.borrow().len()
    }
}

impl<L: LeafHashes> LeafHashes for SubtreeCache<L> {
    fn size(&self) -> u64 {
        self.leaves.size()
    }

    fn leaf_hash(&self, index: u64) -> Option<Hash> {
        self.leaves.leaf_hash(index)
    }

    fn subtree_hash(&self, first: u64, level: u32) -> Option<Hash> {
        let known = self.known.borrow().get(&(level, first)).copied();
        known.or_else(|| self.leaves.subtree_hash(first, level))
    }

    fn note_subtree(&self, first: u64, level: u32, hash: Hash) {
        let mut known = self.known.borrow_mut();
        if level >= LEVEL_MIN && known.len() < SUBTREES_CACHED_MAX {
            known.insert((level, first), hash);
        }
    }
}
