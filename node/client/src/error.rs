//! Why a call got no result: the server's stable code, or what happened on the way to it.

use schema_types::error_code::ErrorCode;

/// Why a call got no result. The text never carries patient data (PHI-1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The server refused or failed; the code says what to do.
    #[error("{code}: {message}")]
    Refused {
        /// The stable code.
        code: ErrorCode,
        /// For people.
        message: String,
        /// When to try again, milliseconds; 0: no hint.
        retry_after_ms: u64,
    },
    /// The server answered with a code that this client does not know (a newer server).
    #[error("{code}: {message}")]
    UnknownCode {
        /// The code as sent.
        code: String,
        /// For people.
        message: String,
        /// When to try again, milliseconds; 0: no hint.
        retry_after_ms: u64,
    },
    /// No connection could be made, or it was lost. The outcome of a write is unknown then: ask
    /// again with the same command id.
    #[error("not connected: {reason}")]
    Disconnected {
        /// What the system said.
        reason: String,
    },
    /// The deadline passed. The outcome of a write is unknown: ask again with the same command id.
    #[error("deadline exceeded, outcome unknown")]
    Deadline,
    /// What the server sent is not what the schema says.
    #[error("the answer does not fit the schema: {reason}")]
    Protocol {
        /// What is wrong with it.
        reason: String,
    },
    /// The client was closed.
    #[error("the client was closed")]
    Closed,
}

impl ClientError {
    /// The stable code; what happened on the way has the nearest one.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Refused { code, .. } => *code,
            Self::Disconnected { .. } | Self::Deadline => ErrorCode::DeadlineExceeded,
            Self::UnknownCode { .. } | Self::Protocol { .. } => ErrorCode::BadRequest,
            Self::Closed => ErrorCode::ShuttingDown,
        }
    }

    /// When to try again, milliseconds, if the server said so.
    #[must_use]
    pub const fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Refused { retry_after_ms, .. } | Self::UnknownCode { retry_after_ms, .. }
                if *retry_after_ms > 0 =>
            {
                Some(*retry_after_ms)
            }
            Self::Refused { .. }
            | Self::UnknownCode { .. }
            | Self::Disconnected { .. }
            | Self::Deadline
            | Self::Protocol { .. }
            | Self::Closed => None,
        }
    }

    /// Whether the same call may succeed later without any change.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Refused { code, .. } => matches!(
                code,
                ErrorCode::Overloaded | ErrorCode::EntityFailed | ErrorCode::ShuttingDown
            ),
            Self::Disconnected { .. } => true,
            Self::UnknownCode { .. } | Self::Deadline | Self::Protocol { .. } | Self::Closed => {
                false
            }
        }
    }
}
