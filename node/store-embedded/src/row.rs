//! Rows: where a version of a key lies in memory, small and movable. The bytes themselves lie in
//! chunks, most of which are log records as they were written; a row only points into them.

use std::cmp::Ordering;

use actors_store::Version;
use bytes::Bytes;

use crate::codec::{hash64, index, length32};

/// Length of what stands before a key with a value, in bytes: the length of the value.
pub(crate) const LENGTH_BYTES: usize = 4;

/// First bytes of a key as numbers, so that most comparisons touch no other memory. A shorter
/// key is filled up with zeros, so equal prefixes say nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Prefix(u64, u64);

impl Prefix {
    pub(crate) fn of(key: &[u8]) -> Self {
        let filled = key.first_chunk::<16>().copied().unwrap_or_else(|| {
            let mut filled = [0; 16];
            filled[..key.len()].copy_from_slice(key);
            filled
        });
        let (words, _) = filled.as_chunks::<8>();
        Self(u64::from_be_bytes(words[0]), u64::from_be_bytes(words[1]))
    }
}

/// A key as it is looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) prefix: Prefix,
    pub(crate) hash: u64,
}

impl<'a> Wanted<'a> {
    pub(crate) fn new(key: &'a [u8]) -> Self {
        Self { key, prefix: Prefix::of(key), hash: hash64(key) }
    }

    /// The part of the hash that rows keep.
    pub(crate) fn short_hash(&self) -> u32 {
        short(self.hash)
    }
}

/// The part of a hash that rows keep.
fn short(hash: u64) -> u32 {
    u32::try_from(hash >> 32).unwrap_or(0)
}

/// One version of one key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) prefix: Prefix,
    pub(crate) version: Version,
    /// Chunk, and offset of the key in it. The length of the value (unless cleared) stands
    /// before the key, the value behind it.
    pub(crate) chunk: u32,
    pub(crate) at: u32,
    /// Part of the hash of the key.
    pub(crate) hash: u32,
    pub(crate) key_bytes: u16,
    pub(crate) cleared: bool,
    /// The row before has the same key and a newer version.
    pub(crate) again: bool,
}

const _: () = assert!(size_of::<Row>() == 40, "rows are what the overlay costs beside its data");
const _: () = assert!(actors_store::limits::KEY_BYTES_MAX <= 65_535, "lengths of keys fit");

impl Row {
    /// A row for a key that lies in a chunk; nothing when it does not fit the limits.
    pub(crate) fn new(
        version: Version,
        chunk: u32,
        at: usize,
        key: &[u8],
        cleared: bool,
    ) -> Option<Self> {
        Some(Self {
            prefix: Prefix::of(key),
            version,
            chunk,
            at: u32::try_from(at).ok()?,
            hash: short(hash64(key)),
            key_bytes: u16::try_from(key.len()).ok()?,
            cleared,
            again: false,
        })
    }

    /// The key, in the bytes of the row's chunk.
    pub(crate) fn key<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let at = index(self.at);
        &bytes[at..at + usize::from(self.key_bytes)]
    }

    /// The value, in the bytes of the row's chunk; nothing when cleared.
    pub(crate) fn value<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        if self.cleared {
            return None;
        }
        let at = index(self.at);
        let length = bytes[..at].last_chunk::<LENGTH_BYTES>().copied();
        let length = index(u32::from_le_bytes(length.unwrap_or_default()));
        let begin = at + usize::from(self.key_bytes);
        Some(&bytes[begin..begin + length])
    }

    /// Copies key and value to the end of another chunk and points there.
    pub(crate) fn moved(self, from: &[u8], to: &mut Vec<u8>, chunk: u32) -> Self {
        let value = self.value(from);
        append(to, self.key(from), value);
        let behind = usize::from(self.key_bytes) + value.map_or(0, <[u8]>::len);
        Self { chunk, at: length32(to.len() - behind), ..self }
    }
}

/// Appends a key and its value (nothing when cleared), as a row finds them.
pub(crate) fn append(to: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) {
    if let Some(value) = value {
        to.extend_from_slice(&length32(value.len()).to_le_bytes());
    }
    to.extend_from_slice(key);
    to.extend_from_slice(value.unwrap_or_default());
}

/// Order by key, of rows whose chunks are found by a function.
pub(crate) fn by_key<'a>(first: &Row, second: &Row, bytes: impl Fn(u32) -> &'a [u8]) -> Ordering {
    first
        .prefix
        .cmp(&second.prefix)
        .then_with(|| first.key(bytes(first.chunk)).cmp(second.key(bytes(second.chunk))))
}

/// Whether two rows have the same key.
pub(crate) fn same_key<'a>(first: &Row, second: &Row, bytes: impl Fn(u32) -> &'a [u8]) -> bool {
    first.hash == second.hash
        && first.prefix == second.prefix
        && first.key(bytes(first.chunk)) == second.key(bytes(second.chunk))
}

/// The bytes of a chunk.
pub(crate) fn chunk_of(chunks: &[Bytes], chunk: u32) -> &[u8] {
    &chunks[index(chunk)]
}
