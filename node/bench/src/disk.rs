//! A disk that only pretends to make things durable, to see what is left when the disk costs
//! nothing. Everything else goes to the disk beneath.

use node_env::{DirectoryLock, Disk, DiskError, DiskFile, OpenMode};
use std::path::Path;
use std::sync::Arc;

/// A disk whose syncs do nothing: a power cut loses whatever it likes.
pub struct UnsyncedDisk(pub Arc<dyn Disk>);

struct UnsyncedFile(Arc<dyn DiskFile>);

impl DiskFile for UnsyncedFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, DiskError> {
        self.0.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.0.write_at(offset, bytes)
    }

    fn allocate(&self, length: u64) -> Result<(), DiskError> {
        self.0.allocate(length)
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        Ok(())
    }

    fn length(&self) -> Result<u64, DiskError> {
        self.0.length()
    }

    fn truncate(&self, length: u64) -> Result<(), DiskError> {
        self.0.truncate(length)
    }
}

impl Disk for UnsyncedDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn DiskFile>, DiskError> {
        Ok(Arc::new(UnsyncedFile(self.0.open(path, mode)?)))
    }

    fn list(&self, directory: &Path) -> Result<Vec<String>, DiskError> {
        self.0.list(directory)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        self.0.rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        self.0.remove(path)
    }

    fn sync_dir(&self, _directory: &Path) -> Result<(), DiskError> {
        Ok(())
    }

    fn create_dir(&self, directory: &Path) -> Result<(), DiskError> {
        self.0.create_dir(directory)
    }

    fn lock_dir(&self, directory: &Path) -> Result<Box<dyn DirectoryLock>, DiskError> {
        self.0.lock_dir(directory)
    }
}
