//! Why a call got no result, with its stable code, in the two forms of the wire: an exception with
//! a reason that programs can read, and a struct for items of a batch.

use crate::limits::RETRY_AFTER_MS;
use actors_runtime::SubmitError;
use schema_types::error_code::ErrorCode;
use schema_wire::rpc_capnp as wire;
use std::borrow::Cow;

/// Why a call got no result. The text carries no patient data (PHI-1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The stable code.
    pub code: ErrorCode,
    /// For people.
    pub message: Cow<'static, str>,
    /// When to try again, milliseconds; 0: no hint.
    pub retry_after_ms: u64,
}

impl Failure {
    /// A failure with a fixed text.
    #[must_use]
    pub const fn new(code: ErrorCode, message: &'static str) -> Self {
        Self { code, message: Cow::Borrowed(message), retry_after_ms: 0 }
    }

    /// The request does not make sense.
    #[must_use]
    pub const fn bad_request(message: &'static str) -> Self {
        Self::new(ErrorCode::BadRequest, message)
    }

    /// A limit of the connection is reached (LIM-1).
    #[must_use]
    pub const fn overloaded(message: &'static str) -> Self {
        Self {
            code: ErrorCode::Overloaded,
            message: Cow::Borrowed(message),
            retry_after_ms: RETRY_AFTER_MS,
        }
    }

    /// The caller's time is over; the outcome is unknown.
    #[must_use]
    pub const fn deadline() -> Self {
        Self::new(ErrorCode::DeadlineExceeded, "deadline exceeded, outcome unknown")
    }

    /// An entity answered something else than it was asked.
    #[must_use]
    pub const fn unexpected() -> Self {
        Self::new(ErrorCode::EntityFailed, "the entity answered something else")
    }

    /// Fills the struct form.
    pub(crate) fn write(&self, mut builder: wire::failure::Builder<'_>) {
        builder.set_code(self.code.as_str());
        builder.set_message(&self.message[..]);
        builder.set_retry_after_ms(self.retry_after_ms);
    }
}

impl From<SubmitError> for Failure {
    fn from(error: SubmitError) -> Self {
        let hint_ms = if error.is_transient() { RETRY_AFTER_MS } else { 0 };
        let retry_after_ms = if let SubmitError::Overloaded { retry_after_ms, .. } = &error {
            *retry_after_ms
        } else {
            hint_ms
        };
        let code = error.code();
        let message = if let SubmitError::Rejected(rejection) = error {
            rejection.reason
        } else {
            error.to_string()
        };
        Self { code, message: Cow::Owned(message), retry_after_ms }
    }
}

/// `<code> retryAfterMs=<n>: <text>`, as `rpc.capnp` promises.
impl From<Failure> for capnp::Error {
    fn from(failure: Failure) -> Self {
        let Failure { code, message, retry_after_ms } = failure;
        let reason = format!("{code} retryAfterMs={retry_after_ms}: {message}");
        if code == ErrorCode::Overloaded { Self::overloaded(reason) } else { Self::failed(reason) }
    }
}

/// A message that does not read as the schema says: a broken or hostile client.
impl From<capnp::Error> for Failure {
    fn from(_: capnp::Error) -> Self {
        Self::bad_request("the message does not fit the schema")
    }
}

impl From<std::str::Utf8Error> for Failure {
    fn from(_: std::str::Utf8Error) -> Self {
        Self::bad_request("a text is not UTF-8")
    }
}

impl From<capnp::NotInSchema> for Failure {
    fn from(_: capnp::NotInSchema) -> Self {
        Self::bad_request("a choice is unknown to this node")
    }
}
