//! Why reads and commits fail, as values that callers act on. No text here holds a key or a
//! value: keys can name patients (PHI-1).

/// Why a read failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The snapshot is older than the transaction window; begin again.
    #[error("read version is older than the transaction window")]
    TooOld,
    /// Stored bytes do not match their checksum; they are never served.
    #[error("stored data is damaged: {place}")]
    Corrupt {
        /// File and position, never the key.
        place: String,
    },
    /// The store has stopped for good and must be opened again.
    #[error("store has stopped: {reason}")]
    Stopped {
        /// First cause.
        reason: String,
    },
    /// The store could not be reached or its disk failed; the read may be tried again.
    #[error("read failed: {reason}")]
    Failed {
        /// What happened.
        reason: String,
    },
}

/// Why a commit failed. Only [`CommitError::UnknownResult`] leaves open whether it took effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Something that the transaction read was written after its read version; run it again.
    #[error("transaction conflicts with a later write")]
    Conflict,
    /// The read version is older than the window; run it again with a new one.
    #[error("read version is older than the transaction window")]
    TooOld,
    /// More bytes than a transaction may have.
    #[error("transaction of {bytes} bytes exceeds {bytes_max}")]
    TooLarge {
        /// Size of the transaction.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// A key is longer than a key may be.
    #[error("key of {bytes} bytes exceeds {bytes_max}")]
    KeyTooLarge {
        /// Size of the key.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// A value is longer than a value may be.
    #[error("value of {bytes} bytes exceeds {bytes_max}")]
    ValueTooLarge {
        /// Size of the value.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The request makes no sense; a programming error of the caller.
    #[error("commit request is invalid: {reason}")]
    Invalid {
        /// What is wrong.
        reason: &'static str,
    },
    /// The queue of waiting commits is full (LIM-1); try again later.
    #[error("store is overloaded, retry after {retry_after_ms} ms")]
    Overloaded {
        /// When to try again, in milliseconds.
        retry_after_ms: u64,
    },
    /// The disk is full; nothing was written. Reads go on, commits resume when space returns.
    #[error("no space left on the disk of the store")]
    NoSpace,
    /// An earlier commit of the same lane and generation failed; nothing was written. Begin a
    /// higher generation and run again what was not acknowledged.
    #[error("an earlier commit of the same lane failed")]
    Abandoned,
    /// The commit may or may not have taken effect; look for its idempotency key.
    #[error("result of the commit is unknown: {reason}")]
    UnknownResult {
        /// What happened.
        reason: String,
    },
    /// The store has stopped for good and must be opened again; this commit had no effect.
    #[error("store has stopped: {reason}")]
    Stopped {
        /// First cause.
        reason: String,
    },
}

impl CommitError {
    /// Whether running the whole transaction again (new read version, new reads, in a lane also
    /// a higher generation) can help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Conflict
            | Self::TooOld
            | Self::Overloaded { .. }
            | Self::NoSpace
            | Self::Abandoned
            | Self::UnknownResult { .. } => true,
            Self::TooLarge { .. }
            | Self::KeyTooLarge { .. }
            | Self::ValueTooLarge { .. }
            | Self::Invalid { .. }
            | Self::Stopped { .. } => false,
        }
    }
}

/// Either half of a transaction failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// A read failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The commit failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
}
