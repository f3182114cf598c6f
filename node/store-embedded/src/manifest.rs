//! The manifest: one small file that says which runs and log segments make up the store. It is
//! replaced as a whole (write, sync, rename, sync the directory), so it is always one or the
//! other. What is in the files it names is not known here.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use node_env::{Disk, DiskError, OpenMode};

use crate::codec::{Reader, checksum, length32, to_usize};
use crate::error::{OpenError, Problem};

/// Name of the manifest.
pub(crate) const MANIFEST: &str = "MANIFEST";
const MANIFEST_NEW: &str = "MANIFEST.new";
const MAGIC: u64 = 0x3146_494E_414D_4445;
/// Format of all files of a data directory, as written. Since 2 the filters of new runs lie in
/// blocks; a run says itself which kind it has.
pub(crate) const FORMAT: u32 = 2;
/// Oldest format that is read.
const FORMAT_OLDEST: u32 = 1;
/// Longest manifest that is read, in bytes.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;

/// What the store consists of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Manifest {
    /// Drawn once; in every log record.
    pub(crate) store_id: u64,
    /// How often the store was opened.
    pub(crate) epoch: u64,
    /// Newest version in the runs.
    pub(crate) base_version: u64,
    /// Number of the newest log record in the runs.
    pub(crate) base_sequence: u64,
    /// Oldest log segment that is still needed.
    pub(crate) lowest_segment: u64,
    /// Newest log segment that was made ready; lower than the lowest when there is none.
    pub(crate) highest_segment: u64,
    /// Id of the next run.
    pub(crate) next_run: u64,
    /// Runs, newest first.
    pub(crate) runs: Vec<u64>,
}

impl Manifest {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&MAGIC.to_le_bytes());
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&length32(self.runs.len()).to_le_bytes());
        let numbers = [
            self.store_id,
            self.epoch,
            self.base_version,
            self.base_sequence,
            self.lowest_segment,
            self.highest_segment,
            self.next_run,
        ];
        for number in numbers.iter().chain(&self.runs) {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let crc = checksum(&[&bytes]);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &Bytes) -> Result<Self, OpenError> {
        Self::parse(bytes).unwrap_or_else(|| Err(damaged("the manifest makes no sense").into()))
    }

    fn parse(bytes: &Bytes) -> Option<Result<Self, OpenError>> {
        let end = bytes.len().checked_sub(4)?;
        let crc = Reader::new(bytes.slice(end..)).u32()?;
        if crc != checksum(&[&bytes[..end]]) {
            return Some(Err(damaged("the checksum does not match").into()));
        }
        let mut reader = Reader::new(bytes.slice(..end));
        if reader.u64()? != MAGIC {
            return None;
        }
        let found = reader.u32()?;
        if !(FORMAT_OLDEST..=FORMAT).contains(&found) {
            return Some(Err(OpenError::UnknownFormat { found, known: FORMAT }));
        }
        let count = reader.u32()?;
        let mut manifest = Self {
            store_id: reader.u64()?,
            epoch: reader.u64()?,
            base_version: reader.u64()?,
            base_sequence: reader.u64()?,
            lowest_segment: reader.u64()?,
            highest_segment: reader.u64()?,
            next_run: reader.u64()?,
            runs: Vec::new(),
        };
        for _ in 0..count {
            manifest.runs.push(reader.u64()?);
        }
        reader.is_empty().then_some(Ok(manifest))
    }
}

fn damaged(what: &'static str) -> Problem {
    Problem { file: MANIFEST.to_owned(), offset: 0, version: 0, what }
}

/// Reads the manifest of a directory; nothing when the directory is new.
pub(crate) fn read(disk: &dyn Disk, directory: &Path) -> Result<Option<Manifest>, OpenError> {
    let file = match disk.open(&directory.join(MANIFEST), OpenMode::Read) {
        Ok(file) => file,
        Err(DiskError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let length = file.length()?;
    if length > MANIFEST_BYTES_MAX {
        return Err(damaged("the manifest is too long").into());
    }
    let mut buffer = vec![0; to_usize(length)];
    let read = file.read_at(0, &mut buffer)?;
    buffer.truncate(read);
    Manifest::decode(&Bytes::from(buffer)).map(Some)
}

/// The manifest in memory and on disk, changed together.
pub(crate) struct Catalog {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    manifest: Mutex<Manifest>,
}

impl Catalog {
    /// The catalogue of a directory whose manifest was read (or is still to be written).
    pub(crate) fn new(disk: Arc<dyn Disk>, directory: PathBuf, manifest: Manifest) -> Self {
        Self { disk, directory, manifest: Mutex::new(manifest) }
    }

    fn lock(&self) -> MutexGuard<'_, Manifest> {
        self.manifest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The manifest as it stands.
    pub(crate) fn get(&self) -> Manifest {
        self.lock().clone()
    }

    /// Changes the manifest, durably. After `NoSpace` nothing has changed; after another error
    /// either state may be on disk, and the store must stop.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Manifest)) -> Result<(), DiskError> {
        let mut manifest = self.lock();
        let mut changed = manifest.clone();
        change(&mut changed);
        let path = self.directory.join(MANIFEST_NEW);
        let file = self.disk.open(&path, OpenMode::CreateOrOpen)?;
        file.truncate(0)?;
        file.write_at(0, &changed.encode())?;
        if !node_env::planted!("manifest-renamed-before-sync") {
            file.sync_data()?;
        }
        self.disk.rename(&path, &self.directory.join(MANIFEST))?;
        if !node_env::planted!("manifest-directory-not-synced") {
            self.disk.sync_dir(&self.directory)?;
        }
        *manifest = changed;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use node_env::fake::FakeDisk;

    use super::*;

    fn sample() -> Manifest {
        Manifest { store_id: 1, epoch: 2, runs: vec![9, 8], next_run: 10, ..Manifest::default() }
    }

    #[test]
    fn comes_back_and_notices_every_flipped_bit() {
        let disk = Arc::new(FakeDisk::new(1));
        let directory = PathBuf::from("/data");
        disk.create_dir(&directory).unwrap();
        assert_eq!(read(disk.as_ref(), &directory), Ok(None));
        let catalog = Catalog::new(disk.clone(), directory.clone(), sample());
        catalog.update(|manifest| manifest.epoch = 3).unwrap();
        let stored = read(disk.as_ref(), &directory).unwrap().unwrap();
        assert_eq!(stored, Manifest { epoch: 3, ..sample() });
        let path = directory.join(MANIFEST);
        for offset in 0..disk.contents(&path).unwrap().len() {
            let damaged = disk.fork(1);
            damaged.flip_bit(&path, offset, 3);
            assert!(read(&damaged, &directory).is_err(), "{offset}");
        }
    }

    #[test]
    fn older_formats_are_read_and_newer_ones_are_named() {
        for (format, expected) in [
            (FORMAT_OLDEST, Ok(sample())),
            (FORMAT, Ok(sample())),
            (FORMAT + 1, Err(OpenError::UnknownFormat { found: FORMAT + 1, known: FORMAT })),
        ] {
            let mut bytes = sample().encode();
            bytes[8..12].copy_from_slice(&format.to_le_bytes());
            let end = bytes.len() - 4;
            let crc = checksum(&[&bytes[..end]]);
            bytes[end..].copy_from_slice(&crc.to_le_bytes());
            assert_eq!(Manifest::decode(&Bytes::from(bytes)), expected);
        }
    }
}
