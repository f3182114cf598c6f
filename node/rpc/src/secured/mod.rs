//! Mutual TLS under what brings a protocol of its own: Raft between nodes and the development
//! store. The certificates are those of [`crate::peer`]. Here are streams whose other side is
//! proven; who may do what, frames and retries are the business of the protocols above.
//!
//! # What is guaranteed
//!
//! - A dialled stream ends at the node, or at the store, that was meant; an accepted one comes from
//!   the node that [`PeerId`](crate::peer::PeerId) names: one authority, one node per certificate,
//!   TLS 1.3, both sides, and a protocol name inside TLS, so that no connection ends up in another
//!   network.
//! - Whoever is silent, slow or a stranger keeps nobody out (LIVE-1): handshakes run side by side,
//!   each has `handshake_ms_max`, and of more than `handshakes_max` the oldest is closed (LIM-1).
//! - Without certificates, for development, both ends must be loopback addresses.
//! - What fails is one word in a counter and in the log, at most one warning a second; nothing of
//!   what a stranger sent is in either.
//!
//! Certificates are judged by the wall clock; nothing else here reads it (TIME-1).

mod listener;
mod raft;
mod store;

use crate::peer::{PeerFault, PeerSecurity};
use node_env::{Clock, Network};
use std::io;
use std::sync::Arc;

pub use raft::RaftTransport;
pub use store::{StoreAcceptor, StoreConnector};

/// What a secured listener or connector is made with.
#[derive(Clone)]
pub struct SecuredConfig {
    /// How connections are protected.
    pub security: PeerSecurity,
    /// Time for a TLS handshake, and for connecting before it, milliseconds. Default 5 000.
    pub handshake_ms_max: u32,
    /// Strangers that shake hands at the same time; one more puts out the oldest. Default 64.
    pub handshakes_max: u32,
    /// For the validity of certificates.
    pub clock: Arc<dyn Clock>,
    /// Carries the connections.
    pub carrier: Arc<dyn Network>,
}

impl SecuredConfig {
    /// The defaults.
    #[must_use]
    pub fn new(
        security: PeerSecurity,
        (clock, carrier): (Arc<dyn Clock>, Arc<dyn Network>),
    ) -> Self {
        Self { security, handshake_ms_max: 5_000, handshakes_max: 64, clock, carrier }
    }
}

/// A fault as the protocols above see it.
fn io_error(fault: PeerFault) -> io::Error {
    let kinds = [
        (fault == PeerFault::Unreachable, io::ErrorKind::ConnectionRefused),
        (fault == PeerFault::Timeout, io::ErrorKind::TimedOut),
        (fault == PeerFault::Closed, io::ErrorKind::ConnectionReset),
        (fault.is_alarming(), io::ErrorKind::PermissionDenied),
    ];
    let known = kinds.into_iter().find(|(is_this, _)| *is_this);
    let kind = known.map_or(io::ErrorKind::ConnectionAborted, |(_, kind)| kind);
    io::Error::new(kind, fault.to_string())
}
