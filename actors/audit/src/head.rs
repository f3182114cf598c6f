//! Tree heads and their signatures: what a shard's log was at one size, stated by a key that is not
//! in the store (AUD-2). Ed25519 over a domain-separated fixed form.

use crate::cursor::Cursor;
use crate::error::AuditError;
use crate::hash::{Hash, empty_root, leaf_hash, node_hash};
use crate::proof::root_above;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use schema_types::ids::ShardId;
use schema_types::time::Timestamp;
use sha2::{Digest, Sha256};
use std::fmt;

const FORMAT: u8 = 1;
const FORMAT_TOGETHER: u8 = 2;
const SIGNING_DOMAIN: &[u8] = b"medulla/audit/tree-head/1\0";
const TOGETHER_DOMAIN: &[u8] = b"medulla/audit/tree-heads-together/1\0";
const KEY_ID_DOMAIN: &[u8] = b"medulla/audit/key-id/1\0";
const HEAD_BYTES: usize = 1 + 2 + 8 + 32 + 8 + 8;

/// Which key signed: the first eight bytes of a digest of the public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(pub [u8; 8]);

impl KeyId {
    /// The id of a public key.
    #[must_use]
    pub fn of(public: &[u8; 32]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(KEY_ID_DOMAIN);
        hasher.update(public);
        let digest: Hash = hasher.finalize().into();
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        Self(id)
    }
}

/// What a shard's log was at one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeHead {
    /// Whose log.
    pub shard: ShardId,
    /// Records in the log.
    pub size: u64,
    /// Root of the Merkle tree over them.
    pub root: Hash,
    /// When the head was made, by the node's clock.
    pub at: Timestamp,
    /// The key that signs or signed it.
    pub key_id: KeyId,
}

impl TreeHead {
    fn encode(&self) -> [u8; HEAD_BYTES] {
        let mut bytes = [FORMAT; HEAD_BYTES];
        bytes[1..3].copy_from_slice(&self.shard.0.to_be_bytes());
        bytes[3..11].copy_from_slice(&self.size.to_be_bytes());
        bytes[11..43].copy_from_slice(&self.root);
        bytes[43..51].copy_from_slice(&self.at.unix_micros().to_be_bytes());
        bytes[51..].copy_from_slice(&self.key_id.0);
        bytes
    }

    fn signed_message(&self) -> Vec<u8> {
        [SIGNING_DOMAIN, self.encode().as_slice()].concat()
    }
}

/// Where a head stands among heads that one signature covers: the signature is over the root of a
/// Merkle tree (RFC 9162 section 2.1.1) whose leaves are the heads.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Together {
    index: u16,
    count: u16,
    /// Inclusion proof, nearest sibling first.
    siblings: Vec<Hash>,
}

/// A tree head with its signature, as the store holds it under `ah/{shard}/{size}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedTreeHead {
    /// What was signed.
    pub head: TreeHead,
    /// Ed25519 signature over the domain-separated form of the head, or over the root of the heads
    /// that were signed together.
    pub signature: [u8; 64],
    /// `None` when the head was signed alone.
    together: Option<Together>,
}

impl SignedTreeHead {
    /// Length of [`Self::encode`]'s form for a head that was signed alone, in bytes.
    pub const ENCODED_ALONE_BYTES: usize = HEAD_BYTES + 64;

    /// Binary form: format, shard, size, root, time in microseconds, key id, signature; of a head
    /// that was signed with others also its index, their count and the inclusion proof. Numbers
    /// are big-endian.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::ENCODED_ALONE_BYTES);
        bytes.extend_from_slice(&self.head.encode());
        bytes.extend_from_slice(&self.signature);
        if let Some(together) = &self.together {
            bytes[0] = FORMAT_TOGETHER;
            bytes.extend_from_slice(&together.index.to_be_bytes());
            bytes.extend_from_slice(&together.count.to_be_bytes());
            bytes.extend(together.siblings.iter().flatten());
        }
        bytes
    }

    /// Reads [`Self::encode`]'s form; the signature is not checked.
    ///
    /// # Errors
    /// [`AuditError::Malformed`] when the length or format is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, AuditError> {
        match Self::decode_first(bytes)? {
            (signed, []) => Ok(signed),
            (_, _) => Err(AuditError::Malformed { what: "tree head" }),
        }
    }

    /// Reads a head from the begin of `bytes` and gives what follows it.
    ///
    /// # Errors
    /// [`AuditError::Malformed`] when there is none.
    pub fn decode_first(bytes: &[u8]) -> Result<(Self, &[u8]), AuditError> {
        let mut cursor = Cursor::new(bytes, "tree head");
        let [format] = cursor.take()?;
        if format != FORMAT && format != FORMAT_TOGETHER {
            return Err(AuditError::Malformed { what: "tree head" });
        }
        let head = TreeHead {
            shard: ShardId(u16::from_be_bytes(cursor.take()?)),
            size: u64::from_be_bytes(cursor.take()?),
            root: cursor.take()?,
            at: Timestamp::from_unix_micros(i64::from_be_bytes(cursor.take()?)),
            key_id: KeyId(cursor.take()?),
        };
        let signature = cursor.take()?;
        let together = match format {
            FORMAT => None,
            _ => Some(Together::decode(&mut cursor)?),
        };
        Ok((Self { head, signature, together }, cursor.rest()))
    }

    /// Checks the signature against a public key.
    ///
    /// # Errors
    /// [`AuditError::Malformed`] when `public` is no key, [`AuditError::KeyUnknown`] when the head
    /// names another key, [`AuditError::Signature`] when the signature is not by this key.
    pub fn verify(&self, public: &[u8; 32]) -> Result<(), AuditError> {
        let key = VerifyingKey::from_bytes(public)
            .map_err(|_invalid| AuditError::Malformed { what: "public key" })?;
        if self.head.key_id != KeyId::of(public) {
            return Err(AuditError::KeyUnknown);
        }
        self.verify_with(&key)
    }

    pub(crate) fn verify_with(&self, key: &VerifyingKey) -> Result<(), AuditError> {
        let message = match &self.together {
            None => self.head.signed_message(),
            Some(together) => together.signed_message(&self.head)?,
        };
        key.verify_strict(&message, &Signature::from_bytes(&self.signature))
            .map_err(|_invalid| AuditError::Signature)
    }
}

impl Together {
    fn decode(cursor: &mut Cursor<'_>) -> Result<Self, AuditError> {
        let index = u16::from_be_bytes(cursor.take()?);
        let count = u16::from_be_bytes(cursor.take()?);
        if index >= count {
            return Err(AuditError::Malformed { what: "tree head" });
        }
        let mut siblings = Vec::new();
        for _ in 0..proof_hashes(index, count) {
            siblings.push(cursor.take()?);
        }
        Ok(Self { index, count, siblings })
    }

    fn signed_message(&self, head: &TreeHead) -> Result<Vec<u8>, AuditError> {
        let leaf = leaf_hash(&head.signed_message());
        let (index, count) = (u64::from(self.index), u64::from(self.count));
        let root = root_above(&leaf, index, count, &self.siblings)
            .map_err(|_unfit| AuditError::Signature)?;
        Ok(together_message(self.count, &root))
    }
}

fn together_message(count: u16, root: &Hash) -> Vec<u8> {
    [TOGETHER_DOMAIN, count.to_be_bytes().as_slice(), root.as_slice()].concat()
}

/// Hashes in the inclusion proof of a leaf: one per level at which it has a sibling.
fn proof_hashes(index: u16, count: u16) -> usize {
    let (mut node, mut last, mut hashes) = (index, count.saturating_sub(1), 0);
    while last > 0 {
        hashes += usize::from(node < last || node % 2 == 1);
        node /= 2;
        last /= 2;
    }
    hashes
}

/// The levels of the Merkle tree over some leaves, leaves first. A node without a sibling rises
/// unchanged, which is the tree of RFC 9162.
fn levels(leaves: Vec<Hash>) -> Vec<Vec<Hash>> {
    let mut levels = vec![leaves];
    while let Some(below) = levels.last().filter(|level| level.len() > 1) {
        let pair = |pair: &[Hash]| match pair {
            [left, right, ..] => node_hash(left, right),
            [alone] => *alone,
            [] => empty_root(),
        };
        let above = below.chunks(2).map(pair).collect();
        levels.push(above);
    }
    levels
}

/// Signs heads. The secret is wiped from memory on drop and never shown.
pub struct HeadSigner {
    key: SigningKey,
    key_id: KeyId,
}

impl HeadSigner {
    /// A signer of a 32-byte Ed25519 secret; the caller wipes its own copy.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(secret);
        let key_id = KeyId::of(key.verifying_key().as_bytes());
        Self { key, key_id }
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    /// The id of the key.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// Signs a head; its `key_id` becomes this signer's.
    #[must_use]
    pub fn sign(&self, head: TreeHead) -> SignedTreeHead {
        let head = TreeHead { key_id: self.key_id, ..head };
        let signature = self.key.sign(&head.signed_message()).to_bytes();
        SignedTreeHead { head, signature, together: None }
    }

    /// Signs heads with one signature: a signature costs as much as a hundred hashes, and a batch
    /// of commands touches many shards. Their `key_id` becomes this signer's. At most 65,535.
    #[must_use]
    pub fn sign_together(&self, heads: Vec<TreeHead>) -> Vec<SignedTreeHead> {
        let (Ok(count), true) = (u16::try_from(heads.len()), heads.len() > 1) else {
            return heads.into_iter().map(|head| self.sign(head)).collect();
        };
        let heads = heads.into_iter().map(|head| TreeHead { key_id: self.key_id, ..head });
        let heads: Vec<TreeHead> = heads.collect();
        let levels = levels(heads.iter().map(|head| leaf_hash(&head.signed_message())).collect());
        let root = levels.last().and_then(|top| top.first()).copied().unwrap_or_else(empty_root);
        let signature = self.key.sign(&together_message(count, &root)).to_bytes();
        let sign = |(index, head): (u16, TreeHead)| {
            let place = usize::from(index);
            let sibling =
                |(level, nodes): (usize, &Vec<Hash>)| nodes.get((place >> level) ^ 1).copied();
            let siblings = levels.iter().enumerate().filter_map(sibling).collect();
            let together = Some(Together { index, count, siblings });
            SignedTreeHead { head, signature, together }
        };
        (0..count).zip(heads).map(sign).collect()
    }
}

impl fmt::Debug for HeadSigner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HeadSigner").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}
