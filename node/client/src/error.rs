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
                ErrorCode::Overloaded
                    | ErrorCode::EntityFailed
                    | ErrorCode::ShardMoved
                    | ErrorCode::ShuttingDown
            ),
            Self::Disconnected { .. } => true,
            Self::UnknownCode { .. } | Self::Deadline | Self::Protocol { .. } | Self::Closed => {
                false
            }
        }
    }
}

impl ClientError {
    /// Whether the session is over: another login mends that.
    pub(crate) const fn is_of_session(&self) -> bool {
        matches!(
            self,
            Self::Refused { code: ErrorCode::CapabilityExpired | ErrorCode::CapabilityRevoked, .. }
        )
    }

    /// Whether a subscription can go on by itself after this.
    pub(crate) const fn is_mendable(&self) -> bool {
        let is_slow = matches!(self, Self::Refused { code: ErrorCode::SubscriberSlow, .. });
        is_slow || self.is_transient() || matches!(self, Self::Deadline)
    }
}

/// Reads `<code> retryAfterMs=<n>: <text>` out of a reason, whatever stands before it.
fn refusal(reason: &str) -> Option<ClientError> {
    let (_, rest) = reason.split_once("MED-")?;
    let (code, rest) = rest.split_once(" retryAfterMs=")?;
    let (retry_after_ms, message) = rest.split_once(": ")?;
    let retry_after_ms = retry_after_ms.parse().ok()?;
    Some(crate::read::refused(&format!("MED-{code}"), message.to_owned(), retry_after_ms))
}

impl From<capnp::Error> for ClientError {
    fn from(error: capnp::Error) -> Self {
        if let Some(refusal) = refusal(&error.extra) {
            return refusal;
        }
        // A message that ends early is what a connection looks like that was cut.
        let is_lost = matches!(
            error.kind,
            capnp::ErrorKind::Disconnected
                | capnp::ErrorKind::PrematureEndOfFile
                | capnp::ErrorKind::MessageEndsPrematurely(..)
        );
        if is_lost {
            return Self::Disconnected { reason: error.extra };
        }
        Self::Protocol { reason: error.to_string() }
    }
}

impl From<capnp::NotInSchema> for ClientError {
    fn from(error: capnp::NotInSchema) -> Self {
        Self::Protocol { reason: error.to_string() }
    }
}

impl From<std::str::Utf8Error> for ClientError {
    fn from(_: std::str::Utf8Error) -> Self {
        Self::Protocol { reason: "a text is not UTF-8".to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_read_wherever_the_layers_put_them() {
        let reason = "remote exception: MED-NODE-001 retryAfterMs=50: no room: none";
        let error = ClientError::from(capnp::Error::overloaded(reason.to_owned()));
        assert_eq!(error.code(), ErrorCode::Overloaded);
        assert_eq!(error.retry_after_ms(), Some(50));
        assert!(error.is_transient());
        let newer = "MED-FUTURE-009 retryAfterMs=0: something new";
        let error = ClientError::from(capnp::Error::failed(newer.to_owned()));
        assert!(
            matches!(&error, ClientError::UnknownCode { code, .. } if code == "MED-FUTURE-009")
        );
        assert!(!error.is_transient());
        for other in ["", "MED-", "MED-NODE-001", "MED-NODE-001 retryAfterMs=x: y"] {
            let error = ClientError::from(capnp::Error::failed(other.to_owned()));
            assert!(matches!(error, ClientError::Protocol { .. }), "{other}");
        }
    }
}
