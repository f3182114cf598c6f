//! Log segments: preallocated, zero-filled files made ready before they are needed and reused
//! after the checkpoint. The manifest names the segments that count; what is in a segment is
//! the log's business.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use node_env::{Disk, DiskError, DiskFile, OpenMode};

use crate::codec::{Reader, checksum};
use crate::limits::{COPY_CHUNK_BYTES, READY_SEGMENTS, RECORD_ALIGNMENT_BYTES, SPARE_SEGMENTS_MAX};
use crate::manifest::Catalog;

const MAGIC: u64 = 0x3147_4553_4C55_4445;
/// Bytes before the first record.
pub(crate) const SEGMENT_HEADER_BYTES: usize = RECORD_ALIGNMENT_BYTES;
const HEADER_USED_BYTES: usize = 32;
const PREFIX: &str = "log-";
const SPARE_PREFIX: &str = "spare-";

/// Name of the file of a segment.
pub(crate) fn file_name(segment: u64) -> String {
    format!("{PREFIX}{segment:016x}")
}

fn spare_name(segment: u64) -> String {
    format!("{SPARE_PREFIX}{segment:016x}")
}

/// Number of a segment from the name of its file.
pub(crate) fn parse_name(name: &str) -> Option<u64> {
    u64::from_str_radix(name.strip_prefix(PREFIX)?, 16).ok()
}

/// Whether the file is a segment kept for reuse (or one that was being made).
pub(crate) fn is_spare(name: &str) -> bool {
    name.starts_with(SPARE_PREFIX)
}

/// Its presence says that a sync of the log failed: what the system shows of the log may not be on
/// the disk. It need not outlive the system itself, whose restart shows what is on the disk.
const DOUBT: &str = "sync-failed";
const COPY_PREFIX: &str = "copy-";

/// Notes that what the system shows of the log can no longer be trusted to be on the disk.
pub(crate) fn doubt(disk: &dyn Disk, directory: &Path) -> Result<(), DiskError> {
    disk.open(&directory.join(DOUBT), OpenMode::CreateOrOpen).map(drop)
}

/// After a failed sync: writes the segments into new files, since the system may take their old
/// ones for clean and have nothing to sync (Rebello et al., "Can Applications Recover from fsync
/// Failures?", USENIX ATC 2020). Writing in place could tear what is durable.
pub(crate) fn dispel_doubt(disk: &dyn Disk, directory: &Path) -> Result<(), DiskError> {
    let names = disk.list(directory)?;
    if !names.iter().any(|name| name == DOUBT) {
        return Ok(());
    }
    for name in names.iter().filter(|name| parse_name(name).is_some()) {
        let copy = directory.join(format!("{COPY_PREFIX}{name}"));
        if names.iter().any(|other| directory.join(other) == copy) {
            disk.remove(&copy)?;
        }
        let from = disk.open(&directory.join(name), OpenMode::Read)?;
        copy_to(from.as_ref(), disk.open(&copy, OpenMode::CreateNew)?.as_ref())?;
        disk.rename(&copy, &directory.join(name))?;
        disk.sync_dir(directory)?;
    }
    disk.remove(&directory.join(DOUBT))?;
    disk.sync_dir(directory)
}

fn copy_to(from: &dyn DiskFile, to: &dyn DiskFile) -> Result<(), DiskError> {
    let mut buffer = vec![0; COPY_CHUNK_BYTES];
    let mut offset = 0;
    loop {
        let read = from.read_at(offset, &mut buffer)?;
        if read == 0 {
            return to.sync_data();
        }
        to.write_at(offset, &buffer[..read])?;
        offset += read as u64;
    }
}

/// A segment that is ready for records.
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) length: u64,
    pub(crate) file: Arc<dyn DiskFile>,
}

fn encode_header(store_id: u64, number: u64, length: u64) -> Vec<u8> {
    let mut header = Vec::with_capacity(SEGMENT_HEADER_BYTES);
    for value in [MAGIC, store_id, number, length] {
        header.extend_from_slice(&value.to_le_bytes());
    }
    let crc = checksum(&[&header]);
    header.extend_from_slice(&crc.to_le_bytes());
    header.resize(SEGMENT_HEADER_BYTES, 0);
    header
}

/// Length that a segment was made with, or nothing when its header is damaged.
pub(crate) fn parse_header(segment: &Bytes, store_id: u64, number: u64) -> Option<u64> {
    if segment.len() < SEGMENT_HEADER_BYTES {
        return None;
    }
    let mut reader = Reader::new(segment.clone());
    let (magic, store, found) = (reader.u64()?, reader.u64()?, reader.u64()?);
    let length = reader.u64()?;
    let crc = reader.u32()?;
    let sound = crc == checksum(&[&segment[..HEADER_USED_BYTES]]);
    (sound && magic == MAGIC && store == store_id && found == number).then_some(length)
}

/// A segment that takes no more records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sealed {
    pub(crate) number: u64,
    pub(crate) length: u64,
    /// Last record in it; zero when there is none.
    pub(crate) last_sequence: u64,
}

#[derive(Default)]
struct PoolState {
    ready: VecDeque<Segment>,
    /// Segments that may still be needed, by number.
    sealed: VecDeque<Sealed>,
    /// Segment that is being written.
    current: u64,
    /// Numbers in the names of files kept for reuse.
    spares: Vec<u64>,
}

impl PoolState {
    /// The next ready segment, if it is long enough.
    fn take_ready(&mut self, needed: u64, full: Option<Sealed>) -> Option<Segment> {
        self.ready.front().filter(|ready| ready.length >= needed)?;
        let segment = self.ready.pop_front()?;
        self.sealed.extend(full);
        self.current = segment.number;
        Some(segment)
    }
}

/// Makes segments ready and takes them back.
pub(crate) struct SegmentPool {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    catalog: Arc<Catalog>,
    segment_bytes: u64,
    state: Mutex<PoolState>,
    /// Held while a segment is made, which takes long; the state is not.
    making: Mutex<()>,
}

impl SegmentPool {
    /// Notes that what the system shows of the log can no longer be trusted to be on the disk.
    pub(crate) fn doubt(&self) -> Result<(), DiskError> {
        doubt(self.disk.as_ref(), &self.directory)
    }

    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        directory: &Path,
        catalog: Arc<Catalog>,
        segment_bytes: u64,
    ) -> Self {
        let directory = directory.to_path_buf();
        let state = Mutex::new(PoolState::default());
        Self { disk, directory, catalog, segment_bytes, state, making: Mutex::new(()) }
    }

    fn state(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over the segments that recovery found: those with records, and unused ones.
    pub(crate) fn adopt(&self, sealed: Vec<Sealed>, ready: Vec<Segment>) {
        let mut state = self.state();
        state.sealed.extend(sealed);
        state.ready.extend(ready);
    }

    /// A segment with room for a record of this length, usually one that is ready; the one that
    /// is full is sealed in the same step. After `NoSpace` nothing has changed.
    pub(crate) fn take(
        &self,
        record_bytes: u64,
        full: Option<Sealed>,
    ) -> Result<Segment, DiskError> {
        let needed = record_bytes + SEGMENT_HEADER_BYTES as u64;
        if let Some(segment) = self.state().take_ready(needed, full) {
            return Ok(segment);
        }
        let _making = self.making();
        if let Some(segment) = self.state().take_ready(needed, full) {
            return Ok(segment);
        }
        let segment = self.make(needed)?;
        let mut state = self.state();
        state.sealed.extend(full);
        let skipped: Vec<Segment> = state.ready.drain(..).collect();
        for Segment { number, length, .. } in skipped {
            state.sealed.push_back(Sealed { number, length, last_sequence: 0 });
        }
        state.current = segment.number;
        Ok(segment)
    }

    /// Makes segments ready until there are enough; whoever takes one does not wait for it.
    pub(crate) fn make_ready(&self) -> Result<(), DiskError> {
        let _making = self.making();
        while self.state().ready.len() < READY_SEGMENTS {
            let segment = self.make(0)?;
            self.state().ready.push_back(segment);
        }
        Ok(())
    }

    fn making(&self) -> MutexGuard<'_, ()> {
        self.making.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a segment; one at a time.
    fn make(&self, needed: u64) -> Result<Segment, DiskError> {
        let manifest = self.catalog.get();
        let number = manifest.highest_segment + 1;
        let length = needed.max(self.segment_bytes);
        let length = length.next_multiple_of(RECORD_ALIGNMENT_BYTES as u64);
        let spare = if needed <= self.segment_bytes { self.state().spares.pop() } else { None };
        let temporary = self.directory.join(spare_name(spare.unwrap_or(number)));
        let path = self.directory.join(file_name(number));
        match self.fill(&temporary, manifest.store_id, number, length) {
            Ok(file) => {
                self.disk.rename(&temporary, &path)?;
                self.disk.sync_dir(&self.directory)?;
                self.catalog.update(|manifest| manifest.highest_segment = number)?;
                Ok(Segment { number, length, file })
            }
            Err(error @ DiskError::NoSpace { .. }) => {
                let _removed = self.disk.remove(&temporary);
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    fn fill(
        &self,
        path: &Path,
        store_id: u64,
        number: u64,
        length: u64,
    ) -> Result<Arc<dyn DiskFile>, DiskError> {
        let file = self.disk.open(path, OpenMode::CreateOrOpen)?;
        if file.length()? > length {
            file.truncate(length)?;
        }
        file.allocate(length)?;
        file.write_at(0, &encode_header(store_id, number, length))?;
        file.sync_data()?;
        Ok(file)
    }

    /// Lowest segment that is still needed when everything up to a record is in the runs.
    pub(crate) fn lowest_needed(&self, sequence: u64) -> u64 {
        let state = self.state();
        let needed = state.sealed.iter().find(|sealed| sealed.last_sequence > sequence);
        needed.map_or(state.current, |sealed| sealed.number)
    }

    /// Takes back the segments below `lowest`, which the manifest no longer names.
    pub(crate) fn release(&self, lowest: u64) -> Result<(), DiskError> {
        let mut state = self.state();
        while let Some(Sealed { number, length, .. }) = state.sealed.front().copied() {
            if number >= lowest {
                break;
            }
            state.sealed.pop_front();
            let path = self.directory.join(file_name(number));
            if length == self.segment_bytes && state.spares.len() < SPARE_SEGMENTS_MAX {
                self.disk.rename(&path, &self.directory.join(spare_name(number)))?;
                state.spares.push(number);
            } else {
                self.disk.remove(&path)?;
            }
        }
        Ok(())
    }

    /// How many segments are sealed and not taken back.
    pub(crate) fn sealed_count(&self) -> u64 {
        self.state().sealed.len() as u64
    }
}
