//! One block of the log: what one append, truncation or purge writes, under one checksum and one
//! sync. Where blocks lie in files is in `writer`, what they mean in `index`.

use crate::codec;
use crate::limits::BLOCK_ALIGNMENT_BYTES;
use crate::records::{EntryRecord, Position};

/// Bytes before the payload.
pub(crate) const HEADER_BYTES: usize = 48;
const MAGIC: u32 = u32::from_le_bytes(*b"MRLB");
const CHECKED_FROM: usize = 8;

const KIND_START: u32 = 1;
const KIND_ENTRIES: u32 = 2;
const KIND_TRUNCATE: u32 = 3;
const KIND_PURGE: u32 = 4;
/// Bytes before each entry in a block of entries: length and checksum.
const ENTRY_HEADER_BYTES: usize = 8;

/// Where a block belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockHeader {
    pub(crate) log_id: u64,
    pub(crate) segment: u64,
    /// Number of the block; dense over all segments. A block is durable before the next one is
    /// written, so a later block proves that all before it were acknowledged.
    pub(crate) sequence: u64,
    /// Checksum of the block before: a missing or exchanged block breaks the chain.
    pub(crate) previous_crc: u32,
}

/// An encoded entry inside a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredEntry {
    pub(crate) position: Position,
    /// Offset in the payload of the block.
    pub(crate) offset: usize,
    pub(crate) length: usize,
    pub(crate) crc: u32,
}

/// What a block says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BlockBody {
    /// First block of each segment: what holds before it.
    Start {
        purged: Option<Position>,
        next: u64,
    },
    Entries(Vec<StoredEntry>),
    /// The entries from this index on are void.
    Truncate {
        from: u64,
    },
    /// The entries up to this one are in a snapshot.
    Purge {
        through: Position,
    },
}

/// A block that passed its checksum.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) header: BlockHeader,
    pub(crate) crc: u32,
    /// Length in the file, padding included.
    pub(crate) stored_bytes: usize,
    pub(crate) body: BlockBody,
}

/// A payload that is not in a file yet.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    kind: u32,
    pub(crate) payload: Vec<u8>,
}

impl Draft {
    pub(crate) fn start(purged: Option<Position>, next: u64) -> Result<Self, codec::CodecError> {
        Ok(Self { kind: KIND_START, payload: codec::encode(&(purged, next))? })
    }

    pub(crate) fn truncate(from: u64) -> Self {
        Self { kind: KIND_TRUNCATE, payload: from.to_le_bytes().to_vec() }
    }

    pub(crate) fn purge(through: Position) -> Result<Self, codec::CodecError> {
        Ok(Self { kind: KIND_PURGE, payload: codec::encode(&through)? })
    }

    /// A block of entries, and where each of them is in it.
    pub(crate) fn entries(
        records: &[EntryRecord],
    ) -> Result<(Self, Vec<StoredEntry>), codec::CodecError> {
        let mut payload = Vec::new();
        let mut stored = Vec::with_capacity(records.len());
        for record in records {
            let bytes = codec::encode(record)?;
            let crc = crc32c::crc32c(&bytes);
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            payload.extend_from_slice(&length.to_le_bytes());
            payload.extend_from_slice(&crc.to_le_bytes());
            let offset = payload.len();
            stored.push(StoredEntry {
                position: record.position,
                offset,
                length: bytes.len(),
                crc,
            });
            payload.extend_from_slice(&bytes);
        }
        Ok((Self { kind: KIND_ENTRIES, payload }, stored))
    }

    /// The block as it is written, padded, and its checksum.
    pub(crate) fn seal(&self, header: &BlockHeader) -> (Vec<u8>, u32) {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[8..16].copy_from_slice(&header.log_id.to_le_bytes());
        bytes[16..24].copy_from_slice(&header.segment.to_le_bytes());
        bytes[24..32].copy_from_slice(&header.sequence.to_le_bytes());
        let length = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        bytes[32..36].copy_from_slice(&length.to_le_bytes());
        bytes[36..40].copy_from_slice(&header.previous_crc.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.kind.to_le_bytes());
        bytes.extend_from_slice(&self.payload);
        let crc = crc32c::crc32c(&bytes[CHECKED_FROM..]);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        bytes.resize(bytes.len().next_multiple_of(BLOCK_ALIGNMENT_BYTES), 0);
        (bytes, crc)
    }
}

/// The block at an offset of a segment, if there is a whole one.
pub(crate) fn parse(segment: &[u8], at: usize) -> Option<Block> {
    let bytes = segment.get(at..)?;
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let long = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    if word(0)? != MAGIC {
        return None;
    }
    let length = usize::try_from(word(32)?).ok()?;
    let end = HEADER_BYTES.checked_add(length)?;
    let crc = word(4)?;
    if crc != crc32c::crc32c(bytes.get(CHECKED_FROM..end)?) {
        return None;
    }
    let header = BlockHeader {
        log_id: long(8)?,
        segment: long(16)?,
        sequence: long(24)?,
        previous_crc: word(36)?,
    };
    let body = parse_body(word(40)?, &bytes[HEADER_BYTES..end])?;
    let stored_bytes = end.next_multiple_of(BLOCK_ALIGNMENT_BYTES);
    Some(Block { header, crc, stored_bytes, body })
}

fn parse_body(kind: u32, payload: &[u8]) -> Option<BlockBody> {
    match kind {
        KIND_START => {
            let (purged, next) = codec::decode(payload).ok()?;
            Some(BlockBody::Start { purged, next })
        }
        KIND_ENTRIES => parse_entries(payload).map(BlockBody::Entries),
        KIND_TRUNCATE => {
            Some(BlockBody::Truncate { from: u64::from_le_bytes(payload.try_into().ok()?) })
        }
        KIND_PURGE => Some(BlockBody::Purge { through: codec::decode(payload).ok()? }),
        _unknown => None,
    }
}

fn parse_entries(payload: &[u8]) -> Option<Vec<StoredEntry>> {
    let mut stored = Vec::new();
    let mut at = 0;
    while at < payload.len() {
        let word = |at: usize| Some(u32::from_le_bytes(payload.get(at..at + 4)?.try_into().ok()?));
        let (length, crc) = (usize::try_from(word(at)?).ok()?, word(at + 4)?);
        let offset = at + ENTRY_HEADER_BYTES;
        let bytes = payload.get(offset..offset.checked_add(length)?)?;
        let record: EntryRecord = codec::decode(bytes).ok()?;
        stored.push(StoredEntry { position: record.position, offset, length, crc });
        at = offset + length;
    }
    Some(stored)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Blob;
    use crate::records::Payload;

    fn header(sequence: u64) -> BlockHeader {
        BlockHeader { log_id: 5, segment: 2, sequence, previous_crc: 77 }
    }

    fn record(index: u64, bytes: usize) -> EntryRecord {
        let position = Position { term: 3, leader: 1, index };
        EntryRecord { position, payload: Payload::Commands(Blob(vec![9; bytes])) }
    }

    #[test]
    fn every_kind_comes_back() {
        let records = [record(4, 10), record(5, 9_000)];
        let (entries, stored) = Draft::entries(&records).unwrap();
        let through = records[0].position;
        let cases = [
            (
                Draft::start(Some(through), 5).unwrap(),
                BlockBody::Start { purged: Some(through), next: 5 },
            ),
            (entries, BlockBody::Entries(stored)),
            (Draft::truncate(8), BlockBody::Truncate { from: 8 }),
            (Draft::purge(through).unwrap(), BlockBody::Purge { through }),
        ];
        for (draft, body) in cases {
            let (bytes, crc) = draft.seal(&header(6));
            assert_eq!(bytes.len() % BLOCK_ALIGNMENT_BYTES, 0);
            let block = parse(&bytes, 0).unwrap();
            assert_eq!((block.header, block.crc, block.body), (header(6), crc, body));
            assert_eq!(block.stored_bytes, bytes.len());
        }
    }

    #[test]
    fn a_flipped_bit_or_a_missing_end_is_seen() {
        let (draft, _) = Draft::entries(&[record(4, 20)]).unwrap();
        let whole = HEADER_BYTES + draft.payload.len();
        let (bytes, _) = draft.seal(&header(6));
        for at in 0..whole {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            let found = parse(&flipped, 0).map(|block| block.body);
            assert_eq!(found, None, "byte {at}");
            assert!(parse(&bytes[..at], 0).is_none(), "cut at {at}");
        }
    }
}
