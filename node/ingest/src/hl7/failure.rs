//! Why a message was not taken, in the words of the answer: code, place, `AE` or `AR`, and
//! whether the sender should simply send it again.

use actors_runtime::SubmitError;
use schema_hl7::ack::AckCode;
use schema_hl7::{Hl7Error, Position};
use schema_types::error_code::ErrorCode;

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: ErrorCode,
    pub(crate) position: Position,
    /// Without patient data (PHI-1).
    pub(crate) reason: String,
    /// `AE` or `AR`.
    pub(crate) answer: AckCode,
    /// The same bytes may be taken later: they are not kept, the sender must send them again.
    pub(crate) is_transient: bool,
}

impl Failure {
    /// The message itself is wrong.
    pub(crate) fn content(code: ErrorCode, position: Position, reason: &'static str) -> Self {
        Hl7Error::new(code, position, reason).into()
    }

    /// MSH-10 names another message already (ONCE-1).
    pub(crate) fn reused() -> Self {
        let position = Position::segment("MSH", 1).with_field(10);
        let reason = "the control id was used before with other content";
        Self::content(ErrorCode::Hl7ControlIdReused, position, reason)
    }

    /// Segment and field, or nothing.
    pub(crate) fn location(&self) -> String {
        if self.position == Position::default() { String::new() } else { self.position.to_string() }
    }
}

impl From<Hl7Error> for Failure {
    fn from(error: Hl7Error) -> Self {
        let Hl7Error { code, position, reason, refusal } = error;
        let reason = reason.to_owned();
        Self { code, position, reason, answer: refusal.into(), is_transient: false }
    }
}

impl From<SubmitError> for Failure {
    fn from(error: SubmitError) -> Self {
        if matches!(error, SubmitError::CommandIdReused) {
            return Self::reused();
        }
        // A twin that is gone again: nothing is known but that nothing was done.
        let is_twin = matches!(error, SubmitError::Precondition);
        let code = if is_twin { ErrorCode::Overloaded } else { error.code() };
        let is_transient = is_twin || error.is_transient();
        let reason = if is_transient { format!("retry: {error}") } else { error.to_string() };
        Self { code, position: Position::default(), reason, answer: AckCode::Error, is_transient }
    }
}
