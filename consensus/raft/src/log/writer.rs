//! Writes blocks: one write and one sync each, the next only after the one before is durable. A
//! segment that is full is followed by a new one. After any failure nothing is written again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use node_env::{Disk, DiskError, DiskFile, OpenMode};

use super::block::{BlockHeader, Draft, HEADER_BYTES};
use crate::records::Position;

const PREFIX: &str = "log-";

/// Name of the file of a segment.
pub(crate) fn file_name(segment: u64) -> String {
    format!("{PREFIX}{segment:016x}")
}

/// The number of a segment from the name of its file.
pub(crate) fn number_of(name: &str) -> Option<u64> {
    u64::from_str_radix(name.strip_prefix(PREFIX)?, 16).ok()
}

/// Where a block was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) segment: u64,
    /// Offset of the payload in the file.
    pub(crate) payload_at: u64,
    pub(crate) sequence: u64,
}

pub(crate) struct Writer {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    segment_bytes: u64,
    log_id: u64,
    pub(crate) segment: u64,
    file: Arc<dyn DiskFile>,
    offset: u64,
    next_sequence: u64,
    previous_crc: u32,
    failed: Option<DiskError>,
}

/// Where the next block goes.
pub(crate) struct End {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    pub(crate) next_sequence: u64,
    pub(crate) previous_crc: u32,
}

impl Writer {
    /// Makes the first segment of a new log.
    pub(crate) fn create(
        disk: Arc<dyn Disk>,
        directory: &Path,
        log_id: u64,
    ) -> Result<(), DiskError> {
        let path = directory.join(file_name(0));
        let file = disk.open(&path, OpenMode::CreateOrOpen)?;
        file.truncate(0)?;
        let end = End { segment: 0, offset: 0, next_sequence: 0, previous_crc: 0 };
        let mut writer = Self::with_file(disk, directory, log_id, end, file);
        let draft = start_draft(&path, None, 0)?;
        writer.put(&draft).map(|_written| ())
    }

    /// Opens the last segment for writing at its end.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        directory: &Path,
        log_id: u64,
        end: End,
    ) -> Result<Self, DiskError> {
        let file = disk.open(&directory.join(file_name(end.segment)), OpenMode::ReadWrite)?;
        Ok(Self::with_file(disk, directory, log_id, end, file))
    }

    fn with_file(
        disk: Arc<dyn Disk>,
        directory: &Path,
        log_id: u64,
        end: End,
        file: Arc<dyn DiskFile>,
    ) -> Self {
        Self {
            disk,
            directory: directory.to_path_buf(),
            segment_bytes: u64::MAX,
            log_id,
            segment: end.segment,
            file,
            offset: end.offset,
            next_sequence: end.next_sequence,
            previous_crc: end.previous_crc,
            failed: None,
        }
    }

    pub(crate) fn with_segment_bytes(mut self, segment_bytes: u64) -> Self {
        self.segment_bytes = segment_bytes;
        self
    }

    /// The file of the segment that is written.
    pub(crate) fn file(&self) -> Arc<dyn DiskFile> {
        Arc::clone(&self.file)
    }

    /// Number of the last block that is durable.
    pub(crate) fn last_sequence(&self) -> u64 {
        self.next_sequence.saturating_sub(1)
    }

    /// Writes a block and makes it durable. `purged` and `next` describe the log before it, for
    /// the case that a new segment begins.
    pub(crate) fn append(
        &mut self,
        draft: &Draft,
        purged: Option<Position>,
        next: u64,
    ) -> Result<Written, DiskError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let written = self.roll_when_full(purged, next).and_then(|()| self.put(draft));
        if let Err(error) = &written {
            // What is on the disk is unknown now; a second try could hide a lost first one.
            self.failed = Some(error.clone());
        }
        written
    }

    fn put(&mut self, draft: &Draft) -> Result<Written, DiskError> {
        let header = BlockHeader {
            log_id: self.log_id,
            segment: self.segment,
            sequence: self.next_sequence,
            previous_crc: self.previous_crc,
        };
        let (bytes, crc) = draft.seal(&header);
        self.file.write_at(self.offset, &bytes)?;
        if !node_env::planted!("raft-append-not-synced") {
            self.file.sync_data()?;
        }
        let payload_at = self.offset + HEADER_BYTES as u64;
        self.offset += bytes.len() as u64;
        self.previous_crc = crc;
        self.next_sequence += 1;
        Ok(Written { segment: self.segment, payload_at, sequence: header.sequence })
    }

    fn roll_when_full(&mut self, purged: Option<Position>, next: u64) -> Result<(), DiskError> {
        if self.offset < self.segment_bytes {
            return Ok(());
        }
        let path = self.directory.join(file_name(self.segment + 1));
        self.file = self.disk.open(&path, OpenMode::CreateNew)?;
        self.segment += 1;
        self.offset = 0;
        let draft = start_draft(&path, purged, next)?;
        self.put(&draft)?;
        if node_env::planted!("raft-segment-directory-not-synced") {
            return Ok(());
        }
        self.disk.sync_dir(&self.directory)
    }

    /// Removes the segments below this one.
    pub(crate) fn remove_below(&self, segment: u64, lowest: u64) -> Result<(), DiskError> {
        for number in lowest..segment {
            self.disk.remove(&self.directory.join(file_name(number)))?;
        }
        if lowest < segment { self.disk.sync_dir(&self.directory) } else { Ok(()) }
    }
}

fn start_draft(path: &Path, purged: Option<Position>, next: u64) -> Result<Draft, DiskError> {
    Draft::start(purged, next).map_err(|_codec| DiskError::Io {
        operation: node_env::DiskOperation::Write,
        path: path.to_path_buf(),
        kind: std::io::ErrorKind::InvalidData,
    })
}
