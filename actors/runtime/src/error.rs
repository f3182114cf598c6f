//! Why a command did not get its result, as values with stable codes.

use actors_core::{DecodeError, Rejection};
use actors_store::{CommitError, ReadError};
use schema_types::error_code::ErrorCode;

/// Why a command or a read did not get its result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The entity refused; audited, no effect.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// No room for more work now (LIM-1); nothing was done.
    #[error("no room for more work: {what}; retry after {retry_after_ms} ms")]
    Overloaded {
        /// Which limit was reached.
        what: &'static str,
        /// When to try again.
        retry_after_ms: u64,
    },
    /// The command's name was used before with other content (ONCE-1); no effect.
    #[error("command id was used before with other content")]
    CommandIdReused,
    /// A row that the command needs absent is there, or the other way round; no effect.
    #[error("a precondition of the command does not hold")]
    Precondition,
    /// The actor failed while it worked on the command; retry with the same id.
    #[error("entity failed and was restarted from the store")]
    EntityFailed,
    /// The command took longer than its deadline; retry with the same id to learn the outcome.
    #[error("deadline exceeded, outcome unknown")]
    OutcomeUnknown,
    /// The store stopped for good.
    #[error("store stopped: {reason}")]
    StoreStopped {
        /// First cause.
        reason: String,
    },
    /// The disk is full; nothing was done.
    #[error("disk is full")]
    DiskFull,
    /// Stored bytes are damaged; they are never served.
    #[error("stored data are damaged: {place}")]
    Damaged {
        /// Where, never a key.
        place: String,
    },
    /// The command is larger than one transaction can be.
    #[error("command is too large: {bytes} bytes")]
    TooLarge {
        /// Size of its mutations.
        bytes: usize,
    },
    /// The entity's shard is not served by this node, or no longer (OWN-1); nothing was done.
    /// Its owner takes the command.
    #[error("the shard is served elsewhere")]
    NotServed {
        /// The shard, as far as this node knows it.
        shard: Option<u16>,
    },
    /// The node is shutting down.
    #[error("node is shutting down")]
    ShuttingDown,
}

/// What is said when a commit met another one, above all the claim of another owner.
const CONFLICTING_COMMITS: &str = "conflicting commits";

impl SubmitError {
    /// Whether the command was not done because of who owns what: it can be submitted again at
    /// once, where the owner is now.
    pub(crate) fn has_met_another_owner(&self) -> bool {
        let is_conflict = |what: &str| what == CONFLICTING_COMMITS;
        matches!(self, Self::NotServed { .. })
            || matches!(self, Self::Overloaded { what, .. } if is_conflict(what))
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Rejected(rejection) => rejection.code,
            Self::Overloaded { .. } => ErrorCode::Overloaded,
            Self::CommandIdReused => ErrorCode::CommandIdReused,
            Self::Precondition => ErrorCode::Hl7ControlIdReused,
            Self::EntityFailed => ErrorCode::EntityFailed,
            Self::OutcomeUnknown => ErrorCode::DeadlineExceeded,
            Self::StoreStopped { .. } => ErrorCode::StoreStopped,
            Self::DiskFull => ErrorCode::DiskFull,
            Self::Damaged { .. } => ErrorCode::DataDamaged,
            Self::TooLarge { .. } => ErrorCode::EntityLimit,
            Self::NotServed { .. } => ErrorCode::ShardMoved,
            Self::ShuttingDown => ErrorCode::ShuttingDown,
        }
    }

    /// Whether the same command may succeed later without any change.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Overloaded { .. }
                | Self::EntityFailed
                | Self::OutcomeUnknown
                | Self::DiskFull
                | Self::NotServed { .. }
                | Self::ShuttingDown
                | Self::StoreStopped { .. }
        )
    }
}

impl From<ReadError> for SubmitError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::TooOld => Self::Overloaded {
                what: "snapshot age",
                retry_after_ms: crate::limits::RETRY_AFTER_MS,
            },
            ReadError::Corrupt { place } => Self::Damaged { place },
            ReadError::Stopped { reason } => Self::StoreStopped { reason },
            ReadError::Failed { .. } => Self::Overloaded {
                what: "store that cannot be read now",
                retry_after_ms: crate::limits::RETRY_AFTER_MS,
            },
        }
    }
}

impl From<CommitError> for SubmitError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict | CommitError::TooOld | CommitError::Abandoned => {
                Self::Overloaded {
                    what: CONFLICTING_COMMITS,
                    retry_after_ms: crate::limits::RETRY_AFTER_MS,
                }
            }
            CommitError::Overloaded { retry_after_ms } => {
                Self::Overloaded { what: "store queue", retry_after_ms }
            }
            CommitError::NoSpace => Self::DiskFull,
            CommitError::UnknownResult { .. } => Self::OutcomeUnknown,
            CommitError::Stopped { reason } => Self::StoreStopped { reason },
            CommitError::TooLarge { bytes, .. }
            | CommitError::KeyTooLarge { bytes, .. }
            | CommitError::ValueTooLarge { bytes, .. } => Self::TooLarge { bytes },
            CommitError::Invalid { reason } => Self::StoreStopped { reason: reason.to_owned() },
        }
    }
}

impl From<DecodeError> for SubmitError {
    fn from(error: DecodeError) -> Self {
        Self::Damaged { place: format!("{}: {}", error.what, error.reason) }
    }
}
