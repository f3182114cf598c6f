//! What can go wrong outside the verifier; the verifier reports findings instead of failing.

use schema_types::error_code::ErrorCode;

/// Why an audit value was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// The stored or received bytes do not have the shape they must have.
    #[error("malformed {what}")]
    Malformed {
        /// Which value: `frontier`, `leaf row`, `tree head`, `public key`.
        what: &'static str,
    },
    /// The record is longer than [`crate::limits::RECORD_BYTES_MAX`].
    #[error("audit record of {bytes} bytes is longer than the limit")]
    RecordTooLarge {
        /// Length of the record, in bytes.
        bytes: usize,
    },
    /// The head was not signed by this key, or was altered after signing.
    #[error("signature of the tree head does not verify")]
    Signature,
    /// The head names another key than the one it is checked against.
    #[error("tree head was signed with another key")]
    KeyUnknown,
    /// The index or size asked for is not in the tree.
    #[error("index or size {value} is outside the tree of {size} leaves")]
    OutOfRange {
        /// What was asked for.
        value: u64,
        /// Leaves in the tree.
        size: u64,
    },
    /// The source of leaf hashes has no hash at an index below its size.
    #[error("leaf hash {index} is missing")]
    LeafMissing {
        /// The missing index.
        index: u64,
    },
    /// A proof does not lead to the root it should prove.
    #[error("proof does not verify")]
    Proof,
}

impl AuditError {
    /// The stable code for users.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Malformed { .. } | Self::LeafMissing { .. } => ErrorCode::DataDamaged,
            Self::RecordTooLarge { .. } | Self::OutOfRange { .. } => ErrorCode::BadRequest,
            Self::Signature | Self::KeyUnknown | Self::Proof => ErrorCode::AuditBroken,
        }
    }
}
