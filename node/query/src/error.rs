//! Why a query has no answer: stable code, place in the text, nothing of the text itself (PHI-1).

use crate::limits::RETRY_AFTER_MS;
use actors_runtime::SubmitError;
use actors_store::ReadError;
use schema_types::error_code::ErrorCode;

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The text is not a query.
    #[error("{reason}, at position {position}")]
    Text {
        /// What is wrong and what may have been meant.
        reason: String,
        /// The character of the text, from 1.
        position: usize,
    },
    /// The query goes past a limit.
    #[error("the query has more than {max} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        max: usize,
    },
    /// The query did not end in the time in which its version can be read.
    #[error("the query took too long; narrow it")]
    TooLong,
    /// Too many queries run.
    #[error("no room for more queries")]
    Overloaded {
        /// When to try again, milliseconds.
        retry_after_ms: u64,
    },
    /// The purpose of use is missing or not accepted.
    #[error("the purpose of use is missing or not accepted")]
    PurposeRefused,
    /// The store or the node refused.
    #[error(transparent)]
    Node(#[from] SubmitError),
}

impl QueryError {
    pub(crate) fn text(reason: impl Into<String>, position: usize) -> Self {
        Self::Text { reason: reason.into(), position }
    }

    pub(crate) const fn overloaded() -> Self {
        Self::Overloaded { retry_after_ms: RETRY_AFTER_MS }
    }

    /// The code that users see.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Text { .. } => ErrorCode::QueryText,
            Self::Limit { .. } => ErrorCode::QueryLimit,
            Self::TooLong => ErrorCode::QueryTooLong,
            Self::Overloaded { .. } => ErrorCode::Overloaded,
            Self::PurposeRefused => ErrorCode::PurposeRefused,
            Self::Node(error) => error.code(),
        }
    }
}

impl From<ReadError> for QueryError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::TooOld => Self::TooLong,
            ReadError::Corrupt { .. } | ReadError::Stopped { .. } | ReadError::Failed { .. } => {
                Self::Node(SubmitError::from(error))
            }
        }
    }
}
