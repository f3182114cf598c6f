//! Files as a value that is handed in: synchronous, positioned, explicit about durability. What
//! a crash keeps is only what `sync_data` (contents and length) and `sync_dir` (names) covered.
//! Memory maps are deliberately not here: simulation could not stand under them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What was being done when a file operation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiskOperation {
    /// Opening or creating a file.
    Open,
    /// Reading at an offset, or asking for the length.
    Read,
    /// Writing at an offset.
    Write,
    /// Reserving zero-filled space.
    Allocate,
    /// Changing the length.
    Truncate,
    /// Making a file's contents durable.
    SyncData,
    /// Making a directory's names durable.
    SyncDir,
    /// Listing a directory.
    List,
    /// Renaming a file.
    Rename,
    /// Removing a file.
    Remove,
    /// Creating a directory.
    CreateDir,
    /// Taking the exclusive lock of a directory.
    Lock,
}

/// Why a file operation failed; told apart because the answers differ (wait for space, give
/// rights, stop the other process, stop for good).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiskError {
    /// The file or directory does not exist.
    #[error("{path} does not exist", path = path.display())]
    NotFound {
        /// What was looked for.
        path: PathBuf,
    },
    /// The file exists and the caller asked for a new one.
    #[error("{path} exists already", path = path.display())]
    AlreadyExists {
        /// What was to be created.
        path: PathBuf,
    },
    /// No space left, or over quota (ENOSPC, EDQUOT).
    #[error("no space left for {path}", path = path.display())]
    NoSpace {
        /// What was written or created.
        path: PathBuf,
    },
    /// Read-only file system or missing rights (EROFS, EACCES, EPERM).
    #[error("{path} is read-only or not permitted", path = path.display())]
    Permission {
        /// What was to be opened or changed.
        path: PathBuf,
    },
    /// Another process holds the directory.
    #[error("{path} is locked by another process", path = path.display())]
    Locked {
        /// The locked directory.
        path: PathBuf,
    },
    /// Anything else (EIO above all). After a failed write or sync the contents are unknown.
    #[error("{operation:?} of {path} failed: {kind}", path = path.display())]
    Io {
        /// What was being done.
        operation: DiskOperation,
        /// Which file or directory.
        path: PathBuf,
        /// Class of the failure.
        kind: io::ErrorKind,
    },
}

impl DiskError {
    /// Classifies an error of the standard library.
    #[must_use]
    pub fn from_io(operation: DiskOperation, path: &Path, error: &io::Error) -> Self {
        let path = path.to_path_buf();
        let kind = error.kind();
        if kind == io::ErrorKind::NotFound {
            Self::NotFound { path }
        } else if kind == io::ErrorKind::AlreadyExists {
            Self::AlreadyExists { path }
        } else if kind == io::ErrorKind::StorageFull || kind == io::ErrorKind::QuotaExceeded {
            Self::NoSpace { path }
        } else if kind == io::ErrorKind::PermissionDenied
            || kind == io::ErrorKind::ReadOnlyFilesystem
        {
            Self::Permission { path }
        } else {
            Self::Io { operation, path, kind }
        }
    }
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// Existing file, reads only.
    Read,
    /// Existing file, reads and writes.
    ReadWrite,
    /// New empty file; fails when it exists.
    CreateNew,
    /// Existing file, or a new empty one.
    CreateOrOpen,
}

/// One open file, shared between threads.
pub trait DiskFile: Send + Sync {
    /// Reads up to the buffer's length at `offset`; fewer bytes only at the end of the file.
    ///
    /// # Errors
    /// [`DiskError::Io`].
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, DiskError>;

    /// Writes the whole buffer at `offset`, growing the file when needed. Not durable before
    /// [`DiskFile::sync_data`]; a crash may keep any part of it, in any order.
    ///
    /// # Errors
    /// [`DiskError::NoSpace`], [`DiskError::Permission`], [`DiskError::Io`].
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError>;

    /// Fills the file with written zeros from its present end to `length` bytes, so that later
    /// overwrites need no new space and no metadata. Never shortens. Not durable by itself.
    ///
    /// # Errors
    /// [`DiskError::NoSpace`], [`DiskError::Permission`], [`DiskError::Io`].
    fn allocate(&self, length: u64) -> Result<(), DiskError>;

    /// Makes everything written so far durable (contents and length).
    ///
    /// # Errors
    /// [`DiskError::Io`]; after that what is durable is unknown and a retry proves nothing.
    fn sync_data(&self) -> Result<(), DiskError>;

    /// Length in bytes.
    ///
    /// # Errors
    /// [`DiskError::Io`].
    fn length(&self) -> Result<u64, DiskError>;

    /// Sets the length, dropping what is beyond it or extending with zeros.
    ///
    /// # Errors
    /// [`DiskError::NoSpace`], [`DiskError::Permission`], [`DiskError::Io`].
    fn truncate(&self, length: u64) -> Result<(), DiskError>;
}

/// Exclusive hold of a directory, released on drop.
pub trait DirectoryLock: Send + Sync {}

/// A file system.
pub trait Disk: Send + Sync + 'static {
    /// Opens or creates a file. A created name is durable only after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// Any [`DiskError`] except `Locked`.
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn DiskFile>, DiskError>;

    /// Names of the files directly in a directory, sorted.
    ///
    /// # Errors
    /// [`DiskError::NotFound`], [`DiskError::Permission`], [`DiskError::Io`].
    fn list(&self, directory: &Path) -> Result<Vec<String>, DiskError>;

    /// Renames a file, replacing an existing target. Durable after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// Any [`DiskError`] except `Locked`.
    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError>;

    /// Removes a file. Durable after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// [`DiskError::NotFound`], [`DiskError::Permission`], [`DiskError::Io`].
    fn remove(&self, path: &Path) -> Result<(), DiskError>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// [`DiskError::NotFound`], [`DiskError::Io`].
    fn sync_dir(&self, directory: &Path) -> Result<(), DiskError>;

    /// Creates a directory and its parents; an existing one is fine.
    ///
    /// # Errors
    /// [`DiskError::Permission`], [`DiskError::NoSpace`], [`DiskError::Io`].
    fn create_dir(&self, directory: &Path) -> Result<(), DiskError>;

    /// Takes the exclusive lock of an existing directory, until the result is dropped.
    ///
    /// # Errors
    /// [`DiskError::Locked`] when another holder exists, also in this process;
    /// [`DiskError::Permission`] for a read-only directory.
    fn lock_dir(&self, directory: &Path) -> Result<Box<dyn DirectoryLock>, DiskError>;
}
