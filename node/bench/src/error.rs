//! Why a measurement could not be made.

use actors_runtime::SubmitError;
use node_app::NodeError;

/// Why a measurement could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The node does not start.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Patients could not be prepared.
    #[error("patients could not be prepared: {0}")]
    Submit(#[from] SubmitError),
    /// A file or folder of the measurement itself.
    #[error("{what}: {reason}")]
    Outside {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        reason: String,
    },
    /// What was asked for is not possible.
    #[error("{0}")]
    Usage(String),
}

impl BenchError {
    pub(crate) fn outside(what: &'static str, error: impl std::fmt::Display) -> Self {
        Self::Outside { what, reason: error.to_string() }
    }
}
