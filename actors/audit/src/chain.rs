//! The running digest over the leaf hashes of one shard. It needs no key, so it proves nothing
//! against somebody who recomputes it; it says where a careless change begins, and makes a careful
//! one rewrite every later row.

use crate::hash::{Hash, tagged_pair};
use schema_types::ids::ShardId;
use sha2::{Digest, Sha256};

const GENESIS_DOMAIN: &[u8] = b"medulla/audit/chain/1\0";
const LINK_PREFIX: u8 = 2;

/// The running digest before or after a row: SHA-256 of a two byte, the digest before, and the
/// leaf hash. It starts with the shard's number, so that rows of another shard do not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain(Hash);

impl Chain {
    /// The digest before the first row of a shard.
    #[must_use]
    pub fn genesis(shard: ShardId) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(GENESIS_DOMAIN);
        hasher.update(shard.0.to_be_bytes());
        Self(hasher.finalize().into())
    }

    /// Continues from a stored digest, for example that of the last row.
    #[must_use]
    pub const fn from_digest(digest: Hash) -> Self {
        Self(digest)
    }

    /// The digest after a row with this leaf hash.
    #[must_use]
    pub fn next(&self, leaf_hash: &Hash) -> Self {
        Self(tagged_pair(LINK_PREFIX, &self.0, leaf_hash))
    }

    /// The digest.
    #[must_use]
    pub const fn digest(&self) -> &Hash {
        &self.0
    }
}
