//! Why a call to a peer failed, what that says about its effect, and why a network cannot start.

use super::fault::PeerFault;
use super::id::PeerId;

/// Whether a failed call may have had an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallOutcome {
    /// The peer's handler was never given the request: it may be sent again, anywhere.
    NotExecuted,
    /// The request may have had its effect: repeat it only under the same command id (ONCE-1).
    Unknown,
}

/// Why a call to a peer failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// Nobody was told of such a peer.
    #[error("peer {0} is unknown")]
    UnknownPeer(PeerId),
    /// There is no open session.
    #[error("peer {peer} is not connected: {reason}")]
    NotConnected {
        /// Whom the call was for.
        peer: PeerId,
        /// Why there is none.
        reason: PeerFault,
    },
    /// The credits of the session are used up, or the peer has no room.
    #[error("overloaded, retry after {retry_after_ms} ms")]
    Overloaded {
        /// When to try again.
        retry_after_ms: u32,
    },
    /// The request is larger than one of the two sides takes.
    #[error("a request of {bytes} bytes, at most {bytes_max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit of the session.
        bytes_max: u32,
    },
    /// The peer's handler could not read the request.
    #[error("the peer could not read the request")]
    Malformed,
    /// This network, or the peer's, is shutting down.
    #[error("shutting down")]
    ShuttingDown,
    /// No answer came in time.
    #[error("no answer within the deadline")]
    DeadlineExceeded,
    /// The session ended before the answer came.
    #[error("the session ended before the answer: {0}")]
    ConnectionLost(PeerFault),
    /// The peer's handler panicked.
    #[error("the peer's handler failed")]
    HandlerFailed,
    /// The peer could not send its answer: it was too large, or too many answers were waiting.
    #[error("the peer could not send its answer")]
    ReplyRefused,
}

impl PeerError {
    /// Whether the request may have had an effect.
    #[must_use]
    pub fn outcome(&self) -> CallOutcome {
        match self {
            Self::UnknownPeer(_)
            | Self::NotConnected { .. }
            | Self::Overloaded { .. }
            | Self::TooLarge { .. }
            | Self::Malformed
            | Self::ShuttingDown => CallOutcome::NotExecuted,
            Self::DeadlineExceeded
            | Self::ConnectionLost(_)
            | Self::HandlerFailed
            | Self::ReplyRefused => CallOutcome::Unknown,
        }
    }
}

/// Why a network cannot start.
#[derive(Debug, thiserror::Error)]
pub enum PeerStartError {
    /// The configuration contradicts itself.
    #[error("the configuration of the peer network: {0}")]
    Config(&'static str),
    /// Plaintext on an address that others can reach.
    #[error("plaintext peers are for development on loopback, and {0} is not")]
    NotLoopback(std::net::SocketAddr),
    /// A certificate or key cannot be used. Says nothing of its content.
    #[error("the peer certificates: {0}")]
    Certificates(String),
    /// The address cannot be listened on.
    #[error("{address} cannot be listened on")]
    Listen {
        /// Which address.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The gateway actor does not start.
    #[error("the gateway actor does not start: {0}")]
    Gateway(String),
}
