//! What a commit does to keys, and the ranges in which conflicts are looked for. Applying
//! mutations to stored data is the adapters' work; the arithmetic they share is here.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::error::CommitError;
use crate::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};

/// Commit version (8 bytes, big-endian) and order within it (2 bytes, big-endian): unique and
/// ordered as the commits took effect.
pub type Versionstamp = [u8; VERSIONSTAMP_BYTES];

/// Length of a versionstamp in bytes.
pub const VERSIONSTAMP_BYTES: usize = 10;

/// Builds a versionstamp from its two parts.
#[must_use]
pub fn versionstamp(version: u64, order: u16) -> Versionstamp {
    let mut stamp = [0; VERSIONSTAMP_BYTES];
    stamp[..8].copy_from_slice(&version.to_be_bytes());
    stamp[8..].copy_from_slice(&order.to_be_bytes());
    stamp
}

/// Keys from `begin` (included) to `end` (excluded), in byte order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeyRange {
    /// First key.
    pub begin: Bytes,
    /// Key after the last one.
    pub end: Bytes,
}

impl KeyRange {
    /// A range; empty when `begin >= end`.
    #[must_use]
    pub fn new(begin: impl Into<Bytes>, end: impl Into<Bytes>) -> Self {
        Self { begin: begin.into(), end: end.into() }
    }

    /// Exactly one key. The two ends share one allocation.
    #[must_use]
    pub fn single(key: &[u8]) -> Self {
        let mut end = Vec::with_capacity(key.len() + 1);
        end.extend_from_slice(key);
        end.push(0);
        let end = Bytes::from(end);
        Self { begin: end.slice(..key.len()), end }
    }

    /// All keys that start with `prefix`; an empty or all-0xFF prefix reaches to the last key.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        Self { begin: Bytes::copy_from_slice(prefix), end: prefix_end(prefix) }
    }

    /// Whether the key lies inside.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.begin.as_ref() <= key && key < self.end.as_ref()
    }

    /// Whether the two ranges have a key in common; an empty range never has.
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        let meet = self.begin < other.end && other.begin < self.end;
        meet && !self.is_empty() && !other.is_empty()
    }

    /// Whether no key lies inside.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.begin >= self.end
    }

    /// Whether the range is exactly one key, as [`KeyRange::single`] makes it.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.end.len() == self.begin.len() + 1
            && self.end.last() == Some(&0)
            && self.end.starts_with(&self.begin)
    }
}

/// First key after all keys that start with `prefix`. For a prefix without one (empty or all
/// 0xFF) it is a key above every legal key.
#[must_use]
pub fn prefix_end(prefix: &[u8]) -> Bytes {
    match prefix.iter().rposition(|&byte| byte != 0xFF) {
        Some(last) => {
            let mut end = prefix[..=last].to_vec();
            end[last] += 1;
            Bytes::from(end)
        }
        None => Bytes::from_static(&[0xFF; KEY_BYTES_MAX + 1]),
    }
}

/// One change. All mutations of a commit take effect together, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mutation {
    /// Sets a key to a value.
    Set {
        /// The key.
        key: Bytes,
        /// Its new value.
        value: Bytes,
    },
    /// Removes a key, if present.
    Clear {
        /// The key.
        key: Bytes,
    },
    /// Removes all keys of a range.
    ClearRange {
        /// The range.
        range: KeyRange,
    },
    /// Adds to a little-endian 64-bit integer, wrapping; a missing key counts as zero, a shorter
    /// value as zero-extended, a longer one as cut to 8 bytes. Reads nothing, so never conflicts.
    Add {
        /// The key.
        key: Bytes,
        /// What to add.
        delta: i64,
    },
    /// Sets a key in which 10 bytes at `offset` are replaced by the commit's versionstamp.
    SetVersionstampedKey {
        /// The key with a placeholder of 10 bytes.
        key: Bytes,
        /// Where the placeholder starts.
        offset: usize,
        /// The value.
        value: Bytes,
    },
    /// Sets a value in which 10 bytes at `offset` are replaced by the commit's versionstamp.
    SetVersionstampedValue {
        /// The key.
        key: Bytes,
        /// The value with a placeholder of 10 bytes.
        value: Bytes,
        /// Where the placeholder starts.
        offset: usize,
    },
}

impl Mutation {
    /// A [`Mutation::Set`].
    #[must_use]
    pub fn set(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        Self::Set { key: key.into(), value: value.into() }
    }

    /// A [`Mutation::Clear`].
    #[must_use]
    pub fn clear(key: impl Into<Bytes>) -> Self {
        Self::Clear { key: key.into() }
    }

    /// Bytes that count towards the size of the transaction.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        match self {
            Self::Set { key, value }
            | Self::SetVersionstampedKey { key, value, .. }
            | Self::SetVersionstampedValue { key, value, .. } => key.len() + value.len(),
            Self::Clear { key } => key.len(),
            Self::ClearRange { range } => range.begin.len() + range.end.len(),
            Self::Add { key, .. } => key.len() + 8,
        }
    }

    /// Checks sizes and offsets.
    ///
    /// # Errors
    /// [`CommitError::KeyTooLarge`], [`CommitError::ValueTooLarge`], [`CommitError::Invalid`].
    pub fn validate(&self) -> Result<(), CommitError> {
        match self {
            Self::Set { key, value } => check_key(key).and_then(|()| check_value(value)),
            Self::Clear { key } | Self::Add { key, .. } => check_key(key),
            Self::ClearRange { range } => check_range(range),
            Self::SetVersionstampedKey { key, offset, value } => {
                check_key(key)?;
                check_value(value)?;
                check_offset(key, *offset)
            }
            Self::SetVersionstampedValue { key, value, offset } => {
                check_key(key)?;
                check_value(value)?;
                check_offset(value, *offset)
            }
        }
    }

    /// The same change with the versionstamp filled in, so that only `Set`, `Clear`,
    /// `ClearRange` and `Add` remain. The offsets must have passed [`Mutation::validate`].
    #[must_use]
    pub fn resolved(self, stamp: &Versionstamp) -> Self {
        match self {
            Self::SetVersionstampedKey { key, offset, value } => {
                Self::Set { key: stamped(&key, offset, stamp), value }
            }
            Self::SetVersionstampedValue { key, value, offset } => {
                Self::Set { key, value: stamped(&value, offset, stamp) }
            }
            unchanged @ (Self::Set { .. }
            | Self::Clear { .. }
            | Self::ClearRange { .. }
            | Self::Add { .. }) => unchanged,
        }
    }
}

/// Result of adding `delta` to a stored little-endian integer (see [`Mutation::Add`]).
#[must_use]
pub fn add_little_endian(stored: Option<&[u8]>, delta: i64) -> [u8; 8] {
    let mut bytes = [0; 8];
    if let Some(stored) = stored {
        let count = stored.len().min(8);
        bytes[..count].copy_from_slice(&stored[..count]);
    }
    i64::from_le_bytes(bytes).wrapping_add(delta).to_le_bytes()
}

/// Checks the size of a key.
///
/// # Errors
/// [`CommitError::KeyTooLarge`].
pub fn check_key(key: &[u8]) -> Result<(), CommitError> {
    if key.len() > KEY_BYTES_MAX {
        return Err(CommitError::KeyTooLarge { bytes: key.len(), bytes_max: KEY_BYTES_MAX });
    }
    Ok(())
}

/// Checks the ends of a range; the end may be one byte longer than a key.
///
/// # Errors
/// [`CommitError::KeyTooLarge`], [`CommitError::Invalid`] when the end is before the begin.
pub fn check_range(range: &KeyRange) -> Result<(), CommitError> {
    check_key(&range.begin)?;
    if range.end.len() > KEY_BYTES_MAX + 1 {
        return Err(CommitError::KeyTooLarge { bytes: range.end.len(), bytes_max: KEY_BYTES_MAX });
    }
    if range.begin > range.end {
        return Err(CommitError::Invalid { reason: "a range ends before it begins" });
    }
    Ok(())
}

fn check_value(value: &[u8]) -> Result<(), CommitError> {
    if value.len() > VALUE_BYTES_MAX {
        return Err(CommitError::ValueTooLarge { bytes: value.len(), bytes_max: VALUE_BYTES_MAX });
    }
    Ok(())
}

fn check_offset(bytes: &[u8], offset: usize) -> Result<(), CommitError> {
    match offset.checked_add(VERSIONSTAMP_BYTES) {
        Some(end) if end <= bytes.len() => Ok(()),
        Some(_) | None => {
            Err(CommitError::Invalid { reason: "a versionstamp does not fit at its offset" })
        }
    }
}

fn stamped(bytes: &[u8], offset: usize, stamp: &Versionstamp) -> Bytes {
    let mut filled = bytes.to_vec();
    filled[offset..offset + VERSIONSTAMP_BYTES].copy_from_slice(stamp);
    Bytes::from(filled)
}
