//! What a peer network is started with.

use super::id::PeerId;
use super::limits::{PeerLimits, PeerTimes};
use node_env::{Clock, Network, Rng};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// How the connections between nodes are protected.
#[derive(Debug, Clone)]
pub enum PeerSecurity {
    /// TLS 1.3 with certificates on both sides. The only mode for anything but development.
    MutualTls(TlsFiles),
    /// No protection, and ids are believed. Only on loopback addresses; anything else is refused.
    InsecureDevelopment,
}

/// The contents of the certificate files, PEM.
#[derive(Clone)]
pub struct TlsFiles {
    /// The authorities of this cluster, and of nothing else: who has a certificate of theirs for
    /// `medulla-node-<id>` is that node.
    pub authorities_pem: String,
    /// The node's own certificate, then what lies between it and an authority. It must be for
    /// [`PeerId::certificate_name`] and, if it restricts its use, for server and client.
    pub certificate_chain_pem: String,
    /// The key of the certificate.
    pub private_key_pem: String,
}

impl fmt::Debug for TlsFiles {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TlsFiles(..)")
    }
}

/// What a peer network is started with.
#[derive(Clone)]
pub struct PeerConfig {
    /// The id of this node.
    pub id: PeerId,
    /// The network's name, at most [`super::NETWORK_NAME_BYTES_MAX`] bytes. Networks of other
    /// names do not connect: the one for Raft never ends up at the one for entities.
    pub network: String,
    /// Carries the connections.
    pub carrier: Arc<dyn Network>,
    /// Where peers connect; port 0 takes any free one.
    pub listen: SocketAddr,
    /// How connections are protected.
    pub security: PeerSecurity,
    /// Times.
    pub times: PeerTimes,
    /// Limits.
    pub limits: PeerLimits,
    /// Readings for the state of peers, and for the validity of certificates.
    pub clock: Arc<dyn Clock>,
    /// Draws incarnations, nonces and the jitter of pauses.
    pub rng: Arc<dyn Rng>,
}
