//! Reading a run: one key, or entries in either direction. Index and filter stay in memory,
//! blocks are read and verified each time (the system's page cache keeps the hot ones).

use std::cmp::Ordering;
use std::path::Path;
use std::sync::Arc;

use actors_store::{KeyRange, ReadError};
use bytes::Bytes;
use node_env::{Disk, DiskError, DiskFile, OpenMode};

use super::cursor::{self, RunCursor};
use super::filter::{self, Layout};
use super::{CLEARED, MAGIC, MAGIC_FIRST, TRAILER_BYTES, file_name, part_checksum};
use crate::codec::{Fields, Reader, index, to_usize};
use crate::merge::Direction;
use crate::row::{Prefix, Wanted};

const CRC_BYTES: usize = 4;

/// What is wrong with a run, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Damage {
    /// The disk failed.
    Disk(DiskError),
    /// Bytes are not what was written.
    Bytes {
        /// Offset in the file.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
}

#[derive(Debug, Clone)]
struct BlockEntry {
    prefix: Prefix,
    first_key: Bytes,
    offset: u64,
    length: u32,
}

impl BlockEntry {
    /// How its first key compares to a key.
    fn starts(&self, prefix: Prefix, key: &[u8]) -> Ordering {
        self.prefix.cmp(&prefix).then_with(|| (*self.first_key).cmp(key))
    }
}

/// An open run.
pub(crate) struct Run {
    pub(crate) id: u64,
    pub(crate) bytes: u64,
    pub(crate) count: u64,
    file: Arc<dyn DiskFile>,
    blocks: Vec<BlockEntry>,
    filter: Bytes,
    layout: Layout,
}

impl Run {
    /// Opens a run and verifies everything but its blocks.
    pub(crate) fn open(disk: &dyn Disk, directory: &Path, id: u64) -> Result<Self, Damage> {
        let path = directory.join(file_name(id));
        let file = disk.open(&path, OpenMode::Read).map_err(Damage::Disk)?;
        let bytes = file.length().map_err(Damage::Disk)?;
        let stored = TRAILER_BYTES as u64;
        let at = bytes
            .checked_sub(stored)
            .ok_or(Damage::Bytes { offset: bytes, what: "the run is too short" })?;
        let part = |offset, length| read_part(file.as_ref(), (id, bytes), offset, length);
        let trailer = part(at, TRAILER_BYTES - CRC_BYTES)?;
        let mut reader = Reader::new(trailer);
        let mut number =
            || reader.u64().ok_or(Damage::Bytes { offset: at, what: "the trailer is too short" });
        let (magic, found) = (number()?, number()?);
        let layout = match magic {
            MAGIC => Layout::Blocked,
            MAGIC_FIRST => Layout::Scattered,
            _other => return Err(not_of_this_run(at)),
        };
        if found != id {
            return Err(not_of_this_run(at));
        }
        let count = number()?;
        let (index_at, index_bytes) = (number()?, number()?);
        let (filter_at, filter_bytes) = (number()?, number()?);
        let index_part = part(index_at, to_usize(index_bytes))?;
        let filter = part(filter_at, to_usize(filter_bytes))?;
        let blocks = parse_index(index_part)
            .ok_or(Damage::Bytes { offset: index_at, what: "the index makes no sense" })?;
        Ok(Self { id, bytes, count, file, blocks, filter, layout })
    }

    /// Newest entry for a key in this run; the inner `None` is a cleared key.
    pub(crate) fn get(&self, wanted: &Wanted<'_>) -> Result<Option<Option<Bytes>>, ReadError> {
        if !filter::may_contain(&self.filter, self.layout, wanted.hash) {
            return Ok(None);
        }
        let after =
            self.blocks.partition_point(|block| block.starts(wanted.prefix, wanted.key).is_le());
        let Some(position) = after.checked_sub(1) else { return Ok(None) };
        let payload = self.payload(position).map_err(|damage| self.read_error(damage))?;
        find(&payload, wanted.key).map_err(|()| self.read_error(self.senseless(position)))
    }

    /// Entries of a range, cleared keys included, from the first one on. A damaged block is an
    /// error; with `lenient` it is left out.
    pub(crate) fn cursor<'a>(
        &'a self,
        range: &'a KeyRange,
        direction: Direction,
        lenient: bool,
    ) -> Result<RunCursor<'a>, ReadError> {
        let (first, last) = (Prefix::of(&range.begin), Prefix::of(&range.end));
        let begin = self.blocks.partition_point(|block| block.starts(first, &range.begin).is_le());
        let end = self.blocks.partition_point(|block| block.starts(last, &range.end).is_lt());
        let begin = begin.saturating_sub(1);
        let mut cursor = RunCursor::new(self, range, begin..end.max(begin), lenient);
        cursor.advance(direction)?;
        Ok(cursor)
    }

    /// Verifies every block; gives each damaged one.
    pub(crate) fn verify(&self) -> Vec<Damage> {
        (0..self.blocks.len()).filter_map(|position| self.check_block(position).err()).collect()
    }

    pub(super) fn payload(&self, position: usize) -> Result<Bytes, Damage> {
        let block = &self.blocks[position];
        let length = usize::try_from(block.length).unwrap_or(usize::MAX);
        read_part(self.file.as_ref(), (self.id, self.bytes), block.offset, length)
    }

    fn check_block(&self, position: usize) -> Result<(), Damage> {
        let payload = self.payload(position)?;
        cursor::parse(&payload, &mut Vec::new()).ok_or_else(|| self.senseless(position))
    }

    /// A block whose checksum holds although it is none.
    pub(super) fn senseless(&self, position: usize) -> Damage {
        Damage::Bytes { offset: self.blocks[position].offset, what: "a block makes no sense" }
    }

    pub(super) fn read_error(&self, damage: Damage) -> ReadError {
        match damage {
            Damage::Disk(error) => ReadError::Failed { reason: error.to_string() },
            Damage::Bytes { offset, what } => ReadError::Corrupt {
                place: format!("{} at offset {offset}: {what}", file_name(self.id)),
            },
        }
    }
}

fn not_of_this_run(offset: u64) -> Damage {
    Damage::Bytes { offset, what: "the trailer is not of this run" }
}

fn read_part(
    file: &dyn DiskFile,
    (id, file_bytes): (u64, u64),
    offset: u64,
    length: usize,
) -> Result<Bytes, Damage> {
    let end = offset.checked_add((length as u64).saturating_add(CRC_BYTES as u64));
    if end.is_none_or(|end| end > file_bytes) {
        return Err(Damage::Bytes { offset, what: "the file ends before this part" });
    }
    let mut buffer = vec![0; length + CRC_BYTES];
    let read = file.read_at(offset, &mut buffer).map_err(Damage::Disk)?;
    if read < buffer.len() {
        return Err(Damage::Bytes { offset, what: "the file ends before this part" });
    }
    let payload = Bytes::from(buffer);
    let crc = Reader::new(payload.slice(length..)).u32();
    let payload = payload.slice(..length);
    if crc != Some(part_checksum(id, offset, &payload)) {
        return Err(Damage::Bytes { offset, what: "the checksum does not match" });
    }
    Ok(payload)
}

fn parse_index(index: Bytes) -> Option<Vec<BlockEntry>> {
    let mut reader = Reader::new(index);
    let mut blocks = Vec::new();
    while !reader.is_empty() {
        let key_bytes = reader.u32()?;
        let (offset, length) = (reader.u64()?, reader.u32()?);
        let first_key = reader.take32(key_bytes)?;
        blocks.push(BlockEntry { prefix: Prefix::of(&first_key), first_key, offset, length });
    }
    blocks.shrink_to_fit();
    Some(blocks)
}

/// Entry of a key in a block, found without taking the other entries apart.
fn find(block: &Bytes, key: &[u8]) -> Result<Option<Option<Bytes>>, ()> {
    let mut fields = Fields::new(block, 0);
    while !fields.is_empty() {
        let (key_bytes, value_bytes) = fields.u32().zip(fields.u32()).ok_or(())?;
        let stored_bytes = if value_bytes == CLEARED { 0 } else { index(value_bytes) };
        let key_at = fields.skip(index(key_bytes)).ok_or(())?;
        let value_at = fields.skip(stored_bytes).ok_or(())?;
        match block[key_at..value_at].cmp(key) {
            Ordering::Less => {}
            Ordering::Equal if value_bytes == CLEARED => return Ok(Some(None)),
            Ordering::Equal => return Ok(Some(Some(block.slice(value_at..fields.position())))),
            Ordering::Greater => return Ok(None),
        }
    }
    Ok(None)
}
