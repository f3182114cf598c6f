//! Tree heads and their signatures: what a shard's log was at one size, stated by a key that is not
//! in the store (AUD-2). Ed25519 over a domain-separated fixed form.

use crate::cursor::Cursor;
use crate::error::AuditError;
use crate::hash::Hash;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use schema_types::ids::ShardId;
use schema_types::time::Timestamp;
use sha2::{Digest, Sha256};
use std::fmt;

const FORMAT: u8 = 1;
const SIGNING_DOMAIN: &[u8] = b"medulla/audit/tree-head/1\0";
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

/// A tree head with its signature, as the store holds it under `ah/{shard}/{size}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedTreeHead {
    /// What was signed.
    pub head: TreeHead,
    /// Ed25519 signature over the domain-separated form of the head.
    pub signature: [u8; 64],
}

impl SignedTreeHead {
    /// Length of [`Self::encode`]'s form, in bytes.
    pub const ENCODED_BYTES: usize = HEAD_BYTES + 64;

    /// Fixed binary form: format, shard, size, root, time in microseconds, key id, signature;
    /// numbers big-endian.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::ENCODED_BYTES] {
        let mut bytes = [0; Self::ENCODED_BYTES];
        bytes[..HEAD_BYTES].copy_from_slice(&self.head.encode());
        bytes[HEAD_BYTES..].copy_from_slice(&self.signature);
        bytes
    }

    /// Reads [`Self::encode`]'s form; the signature is not checked.
    ///
    /// # Errors
    /// [`AuditError::Malformed`] when the length or format is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, AuditError> {
        let mut cursor = Cursor::new(bytes, "tree head");
        cursor.expect_byte(FORMAT)?;
        let head = TreeHead {
            shard: ShardId(u16::from_be_bytes(cursor.take()?)),
            size: u64::from_be_bytes(cursor.take()?),
            root: cursor.take()?,
            at: Timestamp::from_unix_micros(i64::from_be_bytes(cursor.take()?)),
            key_id: KeyId(cursor.take()?),
        };
        let signature = cursor.take()?;
        cursor.end()?;
        Ok(Self { head, signature })
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
        key.verify_strict(&self.head.signed_message(), &Signature::from_bytes(&self.signature))
            .map_err(|_invalid| AuditError::Signature)
    }
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
        SignedTreeHead { head, signature: self.key.sign(&head.signed_message()).to_bytes() }
    }
}

impl fmt::Debug for HeadSigner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HeadSigner").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}
