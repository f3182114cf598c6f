//! Little helpers for fixed-width integers in bytes, and the checksum and hash used by all
//! files of the store. Formats themselves are with their files.

use bytes::Bytes;

/// Length of something in memory, as stored.
pub(crate) fn length32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Offset or length of a file, in memory; beyond the address space it is out of every buffer.
pub(crate) fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Position in memory, as stored.
pub(crate) fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Checksum of parts, as if they were one.
pub(crate) fn checksum(parts: &[&[u8]]) -> u32 {
    parts.iter().fold(0, |crc, part| crc32c::crc32c_append(crc, part))
}

/// Hash of a key for filters; not stable across formats, not for tables that must not be
/// attacked.
pub(crate) fn hash64(bytes: &[u8]) -> u64 {
    const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut hash = MULTIPLIER ^ bytes.len() as u64;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let word = chunk.try_into().map_or(0, u64::from_le_bytes);
        hash = (hash ^ word).wrapping_mul(MULTIPLIER);
        hash ^= hash >> 29;
    }
    let rest = chunks.remainder().iter().fold(0, |word, &byte| (word << 8) | u64::from(byte));
    hash = (hash ^ rest).wrapping_mul(MULTIPLIER);
    hash ^= hash >> 32;
    hash.wrapping_mul(0xBF58_476D_1CE4_E5B9) ^ (hash >> 27)
}

/// Finds fixed-width little-endian integers and byte strings in a slice; `None` past its end.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8], position: usize) -> Self {
        Self { bytes, position }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.position >= self.bytes.len()
    }

    /// Where the next field lies.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let array = self.bytes.get(self.position..)?.first_chunk::<N>().copied()?;
        self.position += N;
        Some(array)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    /// Passes a byte string; gives where it lies.
    pub(crate) fn skip(&mut self, count: usize) -> Option<usize> {
        let begin = self.position;
        let end = begin.checked_add(count).filter(|end| *end <= self.bytes.len())?;
        self.position = end;
        Some(begin)
    }
}

/// Reads fixed-width little-endian integers and byte strings off a buffer; `None` past its end.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    bytes: Bytes,
    position: usize,
}

impl Reader {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self { bytes, position: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.position >= self.bytes.len()
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<Bytes> {
        let end = self.position.checked_add(count).filter(|end| *end <= self.bytes.len())?;
        let taken = self.bytes.slice(self.position..end);
        self.position = end;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let end = self.position.checked_add(N)?;
        let array = self.bytes.get(self.position..end)?.try_into().ok()?;
        self.position = end;
        Some(array)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A byte string of a length that was read just before.
    pub(crate) fn take32(&mut self, count: u32) -> Option<Bytes> {
        self.take(usize::try_from(count).ok()?)
    }
}
