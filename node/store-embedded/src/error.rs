//! Why the store does not open, and what is damaged. Texts name files, offsets and versions,
//! never keys (PHI-1).

use std::path::PathBuf;

use node_env::{DiskError, SpawnError};

/// Something in the data directory that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file} is damaged at offset {offset}, after version {version}: {what}")]
pub struct Problem {
    /// Name of the file in the data directory.
    pub file: String,
    /// Offset in bytes at which the damage was noticed.
    pub offset: u64,
    /// Last version known to be good before it; zero when there is none.
    pub version: u64,
    /// What is wrong.
    pub what: &'static str,
}

/// Why the store does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Another process uses the data directory.
    #[error("data directory {path} is in use by another process", path = path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// The data directory cannot be written.
    #[error("data directory {path} is read-only or not permitted", path = path.display())]
    ReadOnly {
        /// What could not be opened or changed.
        path: PathBuf,
    },
    /// No space for the first files.
    #[error("no space left for {path}", path = path.display())]
    NoSpace {
        /// What could not be created.
        path: PathBuf,
    },
    /// Acknowledged data is damaged. The store refuses to open rather than lose it silently.
    #[error(transparent)]
    Damaged(#[from] Problem),
    /// The directory was written by a version of this software that is not known here.
    #[error("data directory has format {found}, this software knows {known}")]
    UnknownFormat {
        /// Format found.
        found: u32,
        /// Format known.
        known: u32,
    },
    /// The disk failed.
    #[error("disk failed: {0}")]
    Disk(DiskError),
    /// The first sync of the log failed.
    #[error("store could not be started: {reason}")]
    Stopped {
        /// First cause.
        reason: String,
    },
    /// A thread of the store could not be started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
}

impl From<DiskError> for OpenError {
    fn from(error: DiskError) -> Self {
        match error {
            DiskError::Locked { path } => Self::Locked { path },
            DiskError::Permission { path } => Self::ReadOnly { path },
            DiskError::NoSpace { path } => Self::NoSpace { path },
            other @ (DiskError::NotFound { .. }
            | DiskError::AlreadyExists { .. }
            | DiskError::Io { .. }) => Self::Disk(other),
        }
    }
}
