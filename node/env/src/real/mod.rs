//! The real clock, randomness, threads, files and TCP, on the standard library and tokio. Behind
//! the feature `real`, which only node/medulla, chaos and tests enable; everybody else sees the
//! traits.

mod net;

pub use net::TcpNetwork;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::clock::Clock;
use crate::disk::{DirectoryLock, Disk, DiskError, DiskFile, DiskOperation, OpenMode};
use crate::rng::Rng;
use crate::spawn::{JoinThread, SpawnError, Spawner, ThreadPanicked};

/// Size of one write of zeros while space is reserved, in bytes.
const ALLOCATE_CHUNK_BYTES: usize = 1 << 20;
/// Name of the file whose lock stands for its directory.
const LOCK_FILE_NAME: &str = "LOCK";

/// The clock of the machine.
#[derive(Debug, Clone, Copy)]
pub struct RealClock {
    started_at: Instant,
}

impl RealClock {
    /// A clock whose monotonic reading starts at zero now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one real clock")]
    pub fn new() -> Self {
        Self { started_at: Instant::now() }
    }
}

impl Default for RealClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for RealClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one real clock")]
    fn wall_unix_micros(&self) -> i64 {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(before) => {
                i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros)
            }
        }
    }

    fn monotonic_micros(&self) -> u64 {
        u64::try_from(self.started_at.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// Randomness of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealRng;

impl Rng for RealRng {
    /// # Panics
    /// When the operating system has no randomness to give: keys must never be made without it.
    #[expect(clippy::expect_used, reason = "a node without entropy must not go on")]
    fn next_u64(&self) -> u64 {
        getrandom::u64().expect("the operating system gives randomness")
    }

    #[expect(clippy::expect_used, reason = "a node without entropy must not go on")]
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the operating system gives randomness");
    }
}

/// Threads of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThreadSpawner;

struct RealThread(thread::JoinHandle<()>);

impl JoinThread for RealThread {
    fn join(self: Box<Self>) -> Result<(), ThreadPanicked> {
        self.0.join().map_err(|_| ThreadPanicked)
    }
}

impl Spawner for ThreadSpawner {
    fn spawn_thread(
        &self,
        name: &str,
        body: Box<dyn FnOnce() + Send>,
    ) -> Result<Box<dyn JoinThread>, SpawnError> {
        match thread::Builder::new().name(name.to_owned()).spawn(body) {
            Ok(handle) => Ok(Box::new(RealThread(handle))),
            Err(error) => {
                Err(SpawnError { name: name.to_owned(), reason: error.kind().to_string() })
            }
        }
    }
}

/// The file system of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

#[derive(Debug)]
struct RealFile {
    file: File,
    path: PathBuf,
}

impl RealFile {
    fn error(&self, operation: DiskOperation, error: &io::Error) -> DiskError {
        DiskError::from_io(operation, &self.path, error)
    }
}

impl DiskFile for RealFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, DiskError> {
        let mut filled = 0;
        let mut position = offset;
        while filled < buffer.len() {
            match self.file.read_at(&mut buffer[filled..], position) {
                Ok(0) => break,
                Ok(read) => {
                    filled += read;
                    position += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.error(DiskOperation::Read, &error)),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let result = self.file.write_all_at(bytes, offset);
        result.map_err(|error| self.error(DiskOperation::Write, &error))
    }

    fn allocate(&self, length: u64) -> Result<(), DiskError> {
        let zeros = vec![0_u8; ALLOCATE_CHUNK_BYTES];
        let mut position = self.length()?;
        while position < length {
            let wanted = usize::try_from(length - position).unwrap_or(usize::MAX);
            let count = wanted.min(zeros.len());
            let result = self.file.write_all_at(&zeros[..count], position);
            result.map_err(|error| self.error(DiskOperation::Allocate, &error))?;
            position += count as u64;
        }
        Ok(())
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        self.file.sync_data().map_err(|error| self.error(DiskOperation::SyncData, &error))
    }

    fn length(&self) -> Result<u64, DiskError> {
        let metadata = self.file.metadata();
        Ok(metadata.map_err(|error| self.error(DiskOperation::Read, &error))?.len())
    }

    fn truncate(&self, length: u64) -> Result<(), DiskError> {
        let result = self.file.set_len(length);
        result.map_err(|error| self.error(DiskOperation::Truncate, &error))
    }
}

struct RealLock {
    _file: File,
}

impl DirectoryLock for RealLock {}

impl Disk for RealDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn DiskFile>, DiskError> {
        let mut options = OpenOptions::new();
        options.read(true).write(mode != OpenMode::Read);
        options.create_new(mode == OpenMode::CreateNew).create(mode == OpenMode::CreateOrOpen);
        // Patient data and signing keys: nobody but the owner reads them (PHI-1).
        options.mode(0o600);
        let file = options
            .open(path)
            .map_err(|error| DiskError::from_io(DiskOperation::Open, path, &error))?;
        Ok(Arc::new(RealFile { file, path: path.to_path_buf() }))
    }

    fn list(&self, directory: &Path) -> Result<Vec<String>, DiskError> {
        let failed = |error: io::Error| DiskError::from_io(DiskOperation::List, directory, &error);
        let mut names = Vec::new();
        for entry in fs::read_dir(directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_type().map_err(failed)?.is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        fs::rename(from, to)
            .map_err(|error| DiskError::from_io(DiskOperation::Rename, from, &error))
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        fs::remove_file(path)
            .map_err(|error| DiskError::from_io(DiskOperation::Remove, path, &error))
    }

    fn sync_dir(&self, directory: &Path) -> Result<(), DiskError> {
        let result = File::open(directory).and_then(|file| file.sync_all());
        result.map_err(|error| DiskError::from_io(DiskOperation::SyncDir, directory, &error))
    }

    fn create_dir(&self, directory: &Path) -> Result<(), DiskError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|error| DiskError::from_io(DiskOperation::CreateDir, directory, &error))
    }

    fn lock_dir(&self, directory: &Path) -> Result<Box<dyn DirectoryLock>, DiskError> {
        let path = directory.join(LOCK_FILE_NAME);
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(true).create(true).truncate(false).open(&path);
        let file =
            opened.map_err(|error| DiskError::from_io(DiskOperation::Lock, &path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(RealLock { _file: file })),
            Err(TryLockError::WouldBlock) => {
                Err(DiskError::Locked { path: directory.to_path_buf() })
            }
            Err(TryLockError::Error(error)) => {
                Err(DiskError::from_io(DiskOperation::Lock, &path, &error))
            }
        }
    }
}
