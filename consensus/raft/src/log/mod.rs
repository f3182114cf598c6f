//! The log on disk: append-only segments of checked blocks. Truncations and purges are blocks
//! too, so nothing that was acknowledged is ever overwritten. Votes are in `files`; what openraft
//! wants of a log is in `log_store`.

mod block;
mod index;
mod recovery;
mod writer;

#[cfg(test)]
mod crash_test;
#[cfg(test)]
mod log_test;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use node_env::{Disk, DiskError, DiskFile, DiskOperation, OpenMode, always};

use self::block::{BlockBody, Draft};
use self::index::{Index, Slot};
pub(crate) use self::writer::number_of as segment_number;
use self::writer::{Writer, file_name};
use crate::codec;
use crate::error::StartError;
use crate::files::{Note, NoteFile};
use crate::records::{EntryRecord, Position};

/// Length of the only segment of an empty log, in bytes.
pub(crate) const EMPTY_BYTES: u64 = crate::limits::BLOCK_ALIGNMENT_BYTES as u64;

/// Makes an empty log.
pub(crate) fn create(disk: &Arc<dyn Disk>, directory: &Path, log_id: u64) -> Result<(), DiskError> {
    Writer::create(Arc::clone(disk), directory, log_id)
}

/// The log of one node. Every change is durable when its method returns.
pub(crate) struct Log {
    directory: PathBuf,
    index: Index,
    writer: Writer,
    note: NoteFile,
    committed: Option<Position>,
    files: BTreeMap<u64, Arc<dyn DiskFile>>,
    lowest_segment: u64,
}

/// An entry to read: from memory, or from a file.
pub(crate) enum Found {
    Bytes(Arc<[u8]>),
    Stored { file: Arc<dyn DiskFile>, slot: Slot },
}

impl Log {
    /// Opens the log of a directory.
    pub(crate) fn open(
        disk: &Arc<dyn Disk>,
        directory: &Path,
        log_id: u64,
        segment_bytes: u64,
    ) -> Result<Self, StartError> {
        let (note_file, note) = NoteFile::open(disk.as_ref(), directory)?;
        let found = recovery::recover(disk, directory, log_id, note)?;
        let lowest_segment = found.lowest_segment;
        let mut files = BTreeMap::new();
        for number in lowest_segment..=found.end.segment {
            let path = directory.join(file_name(number));
            files.insert(number, disk.open(&path, OpenMode::Read)?);
        }
        let writer = Writer::open(Arc::clone(disk), directory, log_id, found.end)?
            .with_segment_bytes(segment_bytes);
        Ok(Self {
            directory: directory.to_path_buf(),
            index: found.index,
            writer,
            note: note_file,
            committed: note.committed,
            files,
            lowest_segment,
        })
    }

    pub(crate) fn last(&self) -> Option<Position> {
        self.index.last()
    }

    pub(crate) fn purged(&self) -> Option<Position> {
        self.index.purged
    }

    /// Bytes of all entries.
    pub(crate) fn bytes(&self) -> u64 {
        self.index.bytes()
    }

    /// Last entry that was noted as committed, if it is still what the log has there.
    pub(crate) fn committed(&self) -> Option<Position> {
        self.committed.filter(|committed| {
            let present = self.index.get(committed.index);
            present.is_some_and(|slot| slot.position == *committed)
        })
    }

    /// Appends entries behind the last one.
    pub(crate) fn append(&mut self, records: &[EntryRecord]) -> Result<(), DiskError> {
        if records.is_empty() {
            return Ok(());
        }
        let follows = (self.index.next..).zip(records).all(|(i, r)| r.position.index == i);
        if !follows {
            return Err(self.refused(&"entries do not follow the log"));
        }
        let (draft, stored) = Draft::entries(records).map_err(|error| self.refused(&error))?;
        self.put(&draft, &BlockBody::Entries(stored.clone()))?;
        for entry in stored {
            let bytes = &draft.payload[entry.offset..entry.offset + entry.length];
            self.index.cache(entry.position.index, Arc::from(bytes));
        }
        Ok(())
    }

    /// Voids the entries from this index on.
    pub(crate) fn truncate(&mut self, from: u64) -> Result<(), DiskError> {
        if self.purged().is_some_and(|purged| from <= purged.index) {
            return Err(self.refused(&"purged entries are truncated"));
        }
        if node_env::planted!("raft-truncation-not-stored") {
            let followed = self.index.follow(&BlockBody::Truncate { from }, self.writer.segment, 0);
            return followed.map_err(|impossible| self.refused(&impossible.0));
        }
        self.put(&Draft::truncate(from), &BlockBody::Truncate { from })
    }

    /// Gives up the entries up to this one, which a snapshot holds, and removes segments that
    /// hold nothing else. The log may end before it.
    pub(crate) fn purge(&mut self, through: Position) -> Result<(), DiskError> {
        let is_early = node_env::planted!("raft-purge-beyond-snapshot");
        let through = self.last().filter(|_| is_early).unwrap_or(through);
        let draft = Draft::purge(through).map_err(|error| self.refused(&error))?;
        self.put(&draft, &BlockBody::Purge { through })?;
        let lowest = self.index.lowest_segment().unwrap_or(self.writer.segment);
        self.writer.remove_below(lowest, self.lowest_segment)?;
        self.files = self.files.split_off(&lowest);
        self.lowest_segment = lowest;
        Ok(())
    }

    /// Notes what is committed and how far the log is durable. Not synced: a note that is lost
    /// costs nothing.
    pub(crate) fn note_committed(&mut self, committed: Option<Position>) -> Result<(), DiskError> {
        self.committed = committed;
        self.note.write(Note { sequence: self.writer.last_sequence(), committed })
    }

    /// Entries from `start` to before `end`, until `bytes_max` are reached; at least one when
    /// there is one.
    pub(crate) fn find(&self, start: u64, end: u64, bytes_max: usize) -> Vec<Found> {
        let mut found = Vec::new();
        let mut bytes = 0;
        for slot in self.index.range(start, end) {
            bytes += slot.length;
            if bytes > bytes_max && !found.is_empty() {
                break;
            }
            if let Some(cached) = &slot.cached {
                found.push(Found::Bytes(Arc::clone(cached)));
            } else if let Some(file) = self.files.get(&slot.segment) {
                found.push(Found::Stored { file: Arc::clone(file), slot: slot.clone() });
            }
        }
        found
    }

    fn put(&mut self, draft: &Draft, body: &BlockBody) -> Result<(), DiskError> {
        let (purged, next) = (self.index.purged, self.index.next);
        let before = self.writer.segment;
        let written = self.writer.append(draft, purged, next)?;
        if written.segment != before || !self.files.contains_key(&written.segment) {
            self.files.insert(written.segment, self.writer.file());
        }
        let followed = self.index.follow(body, written.segment, written.payload_at);
        always!(followed.is_ok(), "DET-1", "a written block does not follow the log");
        followed.map_err(|impossible| self.refused(&impossible.0))
    }

    fn refused(&self, reason: &dyn std::fmt::Display) -> DiskError {
        tracing::error!(%reason, "log entry cannot be written");
        DiskError::Io {
            operation: DiskOperation::Write,
            path: self.directory.clone(),
            kind: std::io::ErrorKind::InvalidData,
        }
    }
}

impl Found {
    /// The entry, read and checked.
    pub(crate) fn read(&self) -> Result<EntryRecord, String> {
        match self {
            Self::Bytes(bytes) => codec::decode(bytes).map_err(|error| error.to_string()),
            Self::Stored { file, slot } => {
                let mut bytes = vec![0; slot.length];
                let read = file.read_at(slot.offset, &mut bytes).map_err(|e| e.to_string())?;
                if read != slot.length || crc32c::crc32c(&bytes) != slot.crc {
                    return Err(format!(
                        "entry {} in {} does not match its checksum",
                        slot.position.index,
                        file_name(slot.segment)
                    ));
                }
                codec::decode(&bytes).map_err(|error| error.to_string())
            }
        }
    }
}
