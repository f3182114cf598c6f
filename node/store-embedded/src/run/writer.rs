//! Writing a run: blocks in key order, then index, filter and trailer, then one sync. The file
//! is not part of the store before the manifest names it.

use std::path::Path;
use std::sync::Arc;

use actors_store::ReadError;
use node_env::{Disk, DiskError, DiskFile, OpenMode};

use super::filter::FilterBuilder;
use super::{CLEARED, MAGIC, TRAILER_BYTES, file_name, part_checksum};
use crate::codec::length32;
use crate::limits::RUN_BLOCK_BYTES;
use crate::merge::Merge;

/// Bytes gathered before they are handed to the disk.
const WRITE_BYTES: usize = 1 << 20;
/// Bytes written between two syncs, so that the last one does not hold up the log for long.
const SYNC_EVERY_BYTES: u64 = 16 << 20;

/// Why a run could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WriteError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

struct Writer {
    id: u64,
    file: Arc<dyn DiskFile>,
    buffer: Vec<u8>,
    written: u64,
    synced: u64,
}

impl Writer {
    fn position(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Appends a part and its checksum.
    fn part(&mut self, payload: &[u8]) -> Result<u64, DiskError> {
        let offset = self.position();
        let crc = part_checksum(self.id, offset, payload);
        self.buffer.extend_from_slice(payload);
        self.buffer.extend_from_slice(&crc.to_le_bytes());
        if self.buffer.len() >= WRITE_BYTES {
            self.flush()?;
        }
        Ok(offset)
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        self.file.write_at(self.written, &self.buffer)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        if self.written - self.synced >= SYNC_EVERY_BYTES {
            self.file.sync_data()?;
            self.synced = self.written;
        }
        Ok(())
    }
}

/// Writes and syncs a run of all entries of a merge that are left, with or without the marks of
/// cleared keys. The directory is not synced. Gives the length of the file; nothing when there
/// was no entry (and no file is left then). After an error the file may be there, unfinished.
pub(crate) fn write_run(
    disk: &dyn Disk,
    directory: &Path,
    id: u64,
    entries: &mut Merge<'_>,
    keep_cleared: bool,
) -> Result<Option<u64>, WriteError> {
    let unwanted = |entries: &Merge<'_>| {
        !keep_cleared && entries.entry().is_some_and(|(_, value)| value.is_none())
    };
    while unwanted(entries) {
        entries.advance()?;
    }
    if entries.entry().is_none() {
        return Ok(None);
    }
    let file = disk.open(&directory.join(file_name(id)), OpenMode::CreateOrOpen)?;
    file.truncate(0)?;
    let mut writer = Writer { id, file, buffer: Vec::new(), written: 0, synced: 0 };
    let mut filter = FilterBuilder::default();
    let mut index = Vec::new();
    let mut block = Block::default();
    let mut count = 0_u64;
    while let Some((key, value)) = entries.entry() {
        if value.is_some() || keep_cleared {
            filter.add(key);
            block.push(key, value);
            count += 1;
        }
        entries.advance()?;
        if block.bytes.len() >= RUN_BLOCK_BYTES {
            block.finish(&mut writer, &mut index)?;
        }
    }
    block.finish(&mut writer, &mut index)?;
    let index_at = writer.part(&index)?;
    let filter = filter.finish();
    let filter_at = writer.part(&filter)?;
    let mut trailer = Vec::with_capacity(TRAILER_BYTES);
    let numbers = [MAGIC, id, count, index_at, index.len() as u64, filter_at, filter.len() as u64];
    for number in numbers {
        trailer.extend_from_slice(&number.to_le_bytes());
    }
    trailer.extend_from_slice(&[0; 4]);
    writer.part(&trailer)?;
    writer.flush()?;
    if !node_env::planted!("run-not-synced") {
        writer.file.sync_data()?;
    }
    Ok(Some(writer.written))
}

#[derive(Default)]
struct Block {
    first_key: Vec<u8>,
    bytes: Vec<u8>,
}

impl Block {
    fn push(&mut self, key: &[u8], value: Option<&[u8]>) {
        if self.bytes.is_empty() {
            self.first_key.clear();
            self.first_key.extend_from_slice(key);
        }
        self.bytes.extend_from_slice(&length32(key.len()).to_le_bytes());
        let value_bytes = value.map_or(CLEARED, |value| length32(value.len()));
        self.bytes.extend_from_slice(&value_bytes.to_le_bytes());
        self.bytes.extend_from_slice(key);
        if let Some(value) = value {
            self.bytes.extend_from_slice(value);
        }
    }

    fn finish(&mut self, writer: &mut Writer, index: &mut Vec<u8>) -> Result<(), DiskError> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        let offset = writer.part(&self.bytes)?;
        index.extend_from_slice(&length32(self.first_key.len()).to_le_bytes());
        index.extend_from_slice(&offset.to_le_bytes());
        index.extend_from_slice(&length32(self.bytes.len()).to_le_bytes());
        index.extend_from_slice(&self.first_key);
        self.bytes.clear();
        Ok(())
    }
}
