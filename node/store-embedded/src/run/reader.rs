//! Reading a run: one key, or entries in either direction. Index and filter stay in memory,
//! blocks are read and verified each time (the system's page cache keeps the hot ones).

use std::cmp::Ordering;
use std::path::Path;
use std::sync::Arc;

use actors_store::{KeyRange, ReadError};
use bytes::Bytes;
use node_env::{Disk, DiskError, DiskFile, OpenMode};

use super::{CLEARED, MAGIC, TRAILER_BYTES, file_name, filter, part_checksum};
use crate::codec::{Reader, to_usize};
use crate::merge::{Direction, Entry};

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
    first_key: Bytes,
    offset: u64,
    length: u32,
}

/// An open run.
pub(crate) struct Run {
    pub(crate) id: u64,
    pub(crate) bytes: u64,
    pub(crate) count: u64,
    file: Arc<dyn DiskFile>,
    blocks: Vec<BlockEntry>,
    filter: Bytes,
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
        if magic != MAGIC || found != id {
            return Err(Damage::Bytes { offset: at, what: "the trailer is not of this run" });
        }
        let count = number()?;
        let (index_at, index_bytes) = (number()?, number()?);
        let (filter_at, filter_bytes) = (number()?, number()?);
        let index = part(index_at, to_usize(index_bytes))?;
        let filter = part(filter_at, to_usize(filter_bytes))?;
        let blocks = parse_index(index)
            .ok_or(Damage::Bytes { offset: index_at, what: "the index makes no sense" })?;
        Ok(Self { id, bytes, count, file, blocks, filter })
    }

    /// Newest entry for a key in this run; the inner `None` is a cleared key.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Option<Bytes>>, ReadError> {
        if !filter::may_contain(&self.filter, key) {
            return Ok(None);
        }
        let after = self.blocks.partition_point(|block| block.first_key.as_ref() <= key);
        let Some(position) = after.checked_sub(1) else { return Ok(None) };
        let payload = self.payload(position).map_err(|damage| self.read_error(damage))?;
        find(&payload, key).map_err(|()| {
            let offset = self.blocks[position].offset;
            self.read_error(Damage::Bytes { offset, what: "a block makes no sense" })
        })
    }

    /// Entries of a range, cleared keys included. A damaged block is an error that ends the
    /// iteration; with `lenient` it is left out.
    pub(crate) fn entries<'a>(
        &'a self,
        range: &'a KeyRange,
        direction: Direction,
        lenient: bool,
    ) -> RunEntries<'a> {
        let begin = self.blocks.partition_point(|block| block.first_key <= range.begin);
        let end = self.blocks.partition_point(|block| block.first_key < range.end);
        let begin = begin.saturating_sub(1);
        let blocks = begin..end.max(begin);
        RunEntries { run: self, range, direction, lenient, blocks, pending: Vec::new() }
    }

    /// Verifies every block; gives each damaged one.
    pub(crate) fn verify(&self) -> Vec<Damage> {
        (0..self.blocks.len()).filter_map(|position| self.block(position).err()).collect()
    }

    fn payload(&self, position: usize) -> Result<Bytes, Damage> {
        let block = &self.blocks[position];
        let length = usize::try_from(block.length).unwrap_or(usize::MAX);
        read_part(self.file.as_ref(), (self.id, self.bytes), block.offset, length)
    }

    fn block(&self, position: usize) -> Result<Vec<Entry>, Damage> {
        let offset = self.blocks[position].offset;
        parse_block(self.payload(position)?)
            .ok_or(Damage::Bytes { offset, what: "a block makes no sense" })
    }

    fn read_error(&self, damage: Damage) -> ReadError {
        match damage {
            Damage::Disk(error) => ReadError::Failed { reason: error.to_string() },
            Damage::Bytes { offset, what } => ReadError::Corrupt {
                place: format!("{} at offset {offset}: {what}", file_name(self.id)),
            },
        }
    }
}

/// See [`Run::entries`].
pub(crate) struct RunEntries<'a> {
    run: &'a Run,
    range: &'a KeyRange,
    direction: Direction,
    lenient: bool,
    blocks: std::ops::Range<usize>,
    /// Entries of the present block, the next one last.
    pending: Vec<Entry>,
}

impl Iterator for RunEntries<'_> {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.pending.pop() {
                return Some(Ok(entry));
            }
            let position = match self.direction {
                Direction::Forward => self.blocks.next()?,
                Direction::Backward => self.blocks.next_back()?,
            };
            match self.run.block(position) {
                Ok(mut entries) => {
                    entries.retain(|(key, _)| self.range.contains(key));
                    if self.direction == Direction::Forward {
                        entries.reverse();
                    }
                    self.pending = entries;
                }
                Err(_damage) if self.lenient => {}
                Err(damage) => {
                    self.blocks = 0..0;
                    return Some(Err(self.run.read_error(damage)));
                }
            }
        }
    }
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
        blocks.push(BlockEntry { first_key: reader.take32(key_bytes)?, offset, length });
    }
    Some(blocks)
}

/// Entry of a key in a block, found without taking the other entries apart.
fn find(block: &Bytes, key: &[u8]) -> Result<Option<Option<Bytes>>, ()> {
    let mut reader = Reader::new(block.clone());
    while !reader.is_empty() {
        let (key_bytes, value_bytes) = reader.u32().zip(reader.u32()).ok_or(())?;
        let stored_bytes = if value_bytes == CLEARED { 0 } else { value_bytes };
        let name = reader.skip32(key_bytes).ok_or(())?;
        let value = reader.skip32(stored_bytes).ok_or(())?;
        match block[name].cmp(key) {
            Ordering::Less => {}
            Ordering::Equal if value_bytes == CLEARED => return Ok(Some(None)),
            Ordering::Equal => return Ok(Some(Some(block.slice(value)))),
            Ordering::Greater => return Ok(None),
        }
    }
    Ok(None)
}

fn parse_block(block: Bytes) -> Option<Vec<Entry>> {
    let mut reader = Reader::new(block);
    let mut entries = Vec::new();
    while !reader.is_empty() {
        let (key_bytes, value_bytes) = (reader.u32()?, reader.u32()?);
        let key = reader.take32(key_bytes)?;
        let value = match value_bytes {
            CLEARED => None,
            present => Some(reader.take32(present)?),
        };
        entries.push((key, value));
    }
    Some(entries)
}
