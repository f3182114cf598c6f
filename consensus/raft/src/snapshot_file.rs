//! The newest snapshot as one file under one checksum, replaced as a whole.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use node_env::{Disk, DiskError};

use crate::codec;
use crate::error::StartError;
use crate::files::{damaged, read_file, replace_file};
use crate::records::{Position, SnapshotRecord};

pub(crate) const SNAPSHOT_FILE: &str = "snapshot";
const MAGIC: u32 = u32::from_le_bytes(*b"MRSN");
const FORMAT: u32 = 1;
const HEADER_BYTES: usize = 16;

/// A snapshot as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) record: SnapshotRecord,
    pub(crate) data: Vec<u8>,
}

/// The place of the snapshot.
#[derive(Clone)]
pub(crate) struct SnapshotFile {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    /// How far the stored one reaches. Clones share it.
    newest: Arc<Mutex<Option<Position>>>,
}

impl SnapshotFile {
    pub(crate) fn new(disk: Arc<dyn Disk>, directory: &Path) -> Self {
        Self { disk, directory: directory.to_path_buf(), newest: Arc::default() }
    }

    /// Replaces the snapshot; the old one stays until the new one is durable. One that reaches
    /// less far than what is stored is left out: the log behind the newer one may be purged. That
    /// happens when a snapshot of the leader is taken in while one of our own is being made.
    pub(crate) fn write(&self, stored: &Stored) -> Result<(), DiskError> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if stored.record.last < *newest {
            return Ok(());
        }
        self.replace(stored)?;
        *newest = stored.record.last;
        Ok(())
    }

    fn replace(&self, stored: &Stored) -> Result<(), DiskError> {
        let record = codec::encode(&stored.record).unwrap_or_default();
        let record_length = u32::try_from(record.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(HEADER_BYTES + record.len() + stored.data.len());
        bytes.extend_from_slice(&MAGIC.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&record_length.to_le_bytes());
        bytes.extend_from_slice(&record);
        bytes.extend_from_slice(&stored.data);
        let crc = crc32c::crc32c(&bytes[8..]);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        replace_file(self.disk.as_ref(), &self.directory, SNAPSHOT_FILE, &bytes)
    }

    /// The snapshot, if there is one.
    pub(crate) fn read(&self) -> Result<Option<Stored>, StartError> {
        let Some(bytes) = read_file(self.disk.as_ref(), &self.directory.join(SNAPSHOT_FILE))?
        else {
            return Ok(None);
        };
        let what = "the snapshot does not match its checksum";
        let stored = parse(&bytes).ok_or_else(|| damaged(SNAPSHOT_FILE, what))?;
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        *newest = (*newest).max(stored.record.last);
        Ok(Some(stored))
    }
}

fn parse(bytes: &[u8]) -> Option<Stored> {
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let whole =
        word(0)? == MAGIC && word(4)? == crc32c::crc32c(bytes.get(8..)?) && word(8)? == FORMAT;
    if !whole {
        return None;
    }
    let record_end = HEADER_BYTES.checked_add(usize::try_from(word(12)?).ok()?)?;
    let record = codec::decode(bytes.get(HEADER_BYTES..record_end)?).ok()?;
    Some(Stored { record, data: bytes.get(record_end..)?.to_vec() })
}

#[cfg(test)]
mod tests {
    use node_env::fake::FakeDisk;

    use super::*;

    fn stored(index: u64) -> Stored {
        let last = Some(Position { term: 1, leader: 2, index });
        let record = SnapshotRecord { last, id: format!("s{index}"), ..Default::default() };
        Stored { record, data: vec![7; 5_000] }
    }

    #[test]
    fn a_crash_leaves_the_old_or_the_new_snapshot() {
        let directory = Path::new("/raft");
        for cut in 1..=6 {
            for seed in 0..32 {
                let disk = FakeDisk::new(seed);
                disk.create_dir(directory).unwrap();
                let file = SnapshotFile::new(Arc::new(disk.clone()), directory);
                assert_eq!(file.read(), Ok(None));
                file.write(&stored(1)).unwrap();
                disk.cut_power_after(cut);
                assert!(file.write(&stored(2)).is_err());
                disk.restart();
                let found = file.read().unwrap().unwrap();
                assert!(found == stored(1) || found == stored(2), "cut {cut} seed {seed}");
            }
        }
    }

    #[test]
    fn an_older_snapshot_does_not_replace_a_newer_one() {
        let disk = FakeDisk::new(1);
        let directory = Path::new("/raft");
        disk.create_dir(directory).unwrap();
        let file = SnapshotFile::new(Arc::new(disk.clone()), directory);
        file.clone().write(&stored(2)).unwrap();
        file.write(&stored(1)).unwrap();
        assert_eq!(file.read().unwrap(), Some(stored(2)));
        let reopened = SnapshotFile::new(Arc::new(disk), directory);
        assert_eq!(reopened.read().unwrap(), Some(stored(2)));
        reopened.write(&stored(1)).unwrap();
        assert_eq!(reopened.read().unwrap(), Some(stored(2)), "known from the file");
        reopened.write(&stored(3)).unwrap();
        assert_eq!(reopened.read().unwrap(), Some(stored(3)));
    }

    #[test]
    fn a_flipped_bit_is_refused() {
        let disk = FakeDisk::new(1);
        let directory = Path::new("/raft");
        disk.create_dir(directory).unwrap();
        let file = SnapshotFile::new(Arc::new(disk.clone()), directory);
        file.write(&stored(1)).unwrap();
        disk.flip_bit(&directory.join(SNAPSHOT_FILE), 3_000, 2);
        assert!(matches!(file.read(), Err(StartError::Damaged { .. })));
    }
}
