//! Why a command ends without success, and the exit code that says so: 1 for a failed check or an
//! error on the way, 2 for bad usage.

use node_app::NodeError;
use schema_types::error_code::ErrorCode;
use std::process::ExitCode;

/// Why a command ends without success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The command was given wrongly.
    Usage { code: Option<ErrorCode>, message: String },
    /// Something did not work.
    Failed { code: Option<String>, message: String },
    /// A check failed, and everything was said about it already.
    Checked,
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage { code: None, message: message.into() }
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::Failed { code: None, message: message.into() }
    }

    /// The line for the person, if anything is left to say.
    pub(crate) fn line(&self) -> Option<String> {
        let coded = |code: &str, message: &str| {
            format!("{code}: {message} (see deploy/runbooks/errors/{code}.md)")
        };
        match self {
            Self::Usage { code: Some(code), message } => Some(coded(code.as_str(), message)),
            Self::Failed { code: Some(code), message } => Some(coded(code, message)),
            Self::Usage { code: None, message } | Self::Failed { code: None, message } => {
                Some(format!("error: {message}"))
            }
            Self::Checked => None,
        }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage { .. } => ExitCode::from(2),
            Self::Failed { .. } | Self::Checked => ExitCode::from(1),
        }
    }
}

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Self {
        let code = error.code();
        Self::Failed { code: Some(code.as_str().to_owned()), message: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coded_failures_name_their_page() {
        let failure = Failure::from(NodeError::AddressInUse { address: "127.0.0.1:1".to_owned() });
        let line = failure.line().unwrap();
        assert_eq!(
            line,
            "MED-NODE-006: address 127.0.0.1:1 is in use (see \
             deploy/runbooks/errors/MED-NODE-006.md)"
        );
        assert_eq!(Failure::Checked.line(), None);
        assert_eq!(Failure::usage("no").line().unwrap(), "error: no");
    }
}
