//! The heads that a log is checked against: stored ones whose signature verifies, and anchors that
//! the caller knows from elsewhere (consensus state, another cluster, paper).

use crate::error::AuditError;
use crate::hash::Hash;
use crate::head::{KeyId, SignedTreeHead};
use crate::limits::FINDINGS_MAX;
use crate::report::{FindingKind, Findings};
use ed25519_dalek::VerifyingKey;
use schema_types::ids::ShardId;
use std::collections::BTreeMap;

/// A head that the verifier may rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TrustedHead {
    pub(crate) size: u64,
    pub(crate) root: Hash,
    pub(crate) is_anchor: bool,
}

/// The trusted heads of one shard (48 bytes of memory each) and what was wrong with the others.
#[derive(Debug, Clone)]
pub struct HeadSet {
    pub(crate) shard: ShardId,
    keys: BTreeMap<KeyId, VerifyingKey>,
    pub(crate) heads: Vec<TrustedHead>,
    pub(crate) findings: Findings,
}

impl HeadSet {
    /// No heads yet; stored ones count when signed with one of `public_keys`, which must come from
    /// outside the store.
    ///
    /// # Errors
    /// [`AuditError::Malformed`] when a public key is none.
    pub fn new(shard: ShardId, public_keys: &[[u8; 32]]) -> Result<Self, AuditError> {
        let mut keys = BTreeMap::new();
        for public in public_keys {
            let key = VerifyingKey::from_bytes(public)
                .map_err(|_invalid| AuditError::Malformed { what: "public key" })?;
            keys.insert(KeyId::of(public), key);
        }
        Ok(Self { shard, keys, heads: Vec::new(), findings: Findings::new(FINDINGS_MAX / 2) })
    }

    /// Adds a head row: the size in the row's key and the row's bytes, see
    /// [`SignedTreeHead::encode`]. A head that cannot be trusted becomes a finding.
    pub fn add_stored(&mut self, size_in_key: u64, bytes: &[u8]) {
        let Ok(signed) = SignedTreeHead::decode(bytes) else {
            let detail = "stored head cannot be decoded";
            return self.findings.add(FindingKind::HeadMalformed, size_in_key, detail);
        };
        let head = &signed.head;
        let Some(key) = self.keys.get(&head.key_id) else {
            let detail = "stored head names a key that is not trusted";
            return self.findings.add(FindingKind::HeadKeyUnknown, size_in_key, detail);
        };
        if signed.verify_with(key).is_err() {
            let detail = "signature of the stored head does not verify";
            return self.findings.add(FindingKind::HeadSignature, size_in_key, detail);
        }
        if head.shard != self.shard {
            let detail = format!("stored head is of shard {}", head.shard.0);
            return self.findings.add(FindingKind::HeadShard, size_in_key, detail);
        }
        if head.size != size_in_key {
            let detail = format!("head of size {} is stored in this place", head.size);
            self.findings.add(FindingKind::HeadPlace, size_in_key, detail);
        }
        self.heads.push(TrustedHead { size: head.size, root: head.root, is_anchor: false });
    }

    /// Adds a head that the caller trusts because it does not come from the store under test.
    /// Only an anchor can show that the whole shard was replaced by an older copy.
    pub fn add_anchor(&mut self, size: u64, root: Hash) {
        self.heads.push(TrustedHead { size, root, is_anchor: true });
    }
}
