//! Why stored bytes do not decode. No text here carries a stored value (PHI-1).

use thiserror::Error;

/// Stored bytes do not decode: they are damaged, or a newer version wrote them.
#[derive(Debug, Clone, Error)]
pub enum WireError {
    /// There are no bytes.
    #[error("no bytes")]
    Empty,
    /// The first byte names no known format.
    #[error("format {0} is not known")]
    Format(u8),
    /// The Cap'n Proto structure is damaged or exceeds a limit.
    #[error("structure: {0}")]
    Structure(#[from] capnp::Error),
    /// The record is followed by more bytes.
    #[error("{0} bytes follow the record")]
    Trailing(usize),
    /// The record is split, which this crate never writes.
    #[error("{0} segments instead of one")]
    Segments(usize),
    /// A text is not UTF-8.
    #[error("a text is not utf-8")]
    Text(#[from] std::str::Utf8Error),
    /// A union or an enum that must have a value has none.
    #[error("{0} is not set")]
    Unset(&'static str),
    /// A number stands for nothing here: a newer version may know it.
    #[error("{what} {number} is not known")]
    Unknown {
        /// What the number is of, for example `measure`.
        what: &'static str,
        /// The number.
        number: u32,
    },
    /// An error code that the registry does not have.
    #[error("the error code is not in the registry")]
    ErrorCode,
    /// A digest is not 32 bytes long.
    #[error("a digest has {0} bytes")]
    Digest(usize),
    /// A decimal has more digits after the point than a decimal can have.
    #[error("a decimal has scale {0}")]
    Scale(u8),
    /// An entity's key is not in the form in which keys are stored.
    #[error("an entity key is not in stored form")]
    EntityKey,
    /// A name that must be unique occurs twice.
    #[error("{0} occurs twice")]
    Repeated(&'static str),
}

impl WireError {
    /// The error of a number that the schema does not have.
    pub(crate) fn not_in_schema(what: &'static str) -> impl FnOnce(capnp::NotInSchema) -> Self {
        move |error| Self::Unknown { what, number: u32::from(error.0) }
    }
}
