//! The way of Raft messages between nodes: a listener and connections of its own, so that no
//! large message of the entities delays a heartbeat.

use super::SecuredConfig;
use super::listener::{Gate, Network, SecureListener, check_address, dial_node, listen};
use crate::peer::tls::Own;
use crate::peer::{PeerId, PeerStartError};
use consensus_raft::{Connecting, Connection, Transport};
use schema_types::cluster::NodeId;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::Mutex;

const NETWORK: Network = Network { name: "raft", protocol: b"medulla-raft/1" };

/// Connections between the Raft parts of nodes, in mutual TLS.
pub struct RaftTransport {
    gate: Arc<Gate>,
    address: SocketAddr,
    listener: Mutex<SecureListener>,
}

impl RaftTransport {
    /// Binds the address of a node; port 0 takes any free one. Must be called on the runtime.
    ///
    /// # Errors
    /// [`PeerStartError`] when the configuration, the certificates or the address cannot be used.
    pub async fn bind(
        own: NodeId,
        address: SocketAddr,
        config: SecuredConfig,
    ) -> Result<Self, PeerStartError> {
        check_address(&config.security, address)?;
        let gate = Gate::new(NETWORK, Own::Node(PeerId::from(own)), config)?;
        let bound = listen(&gate, address).await?;
        let listener = Mutex::new(SecureListener::new(bound.listener, Arc::clone(&gate)));
        Ok(Self { gate, address: bound.address, listener })
    }

    /// The address that was bound.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Names and values of the counters: connections that came to nothing, by cause.
    #[must_use]
    pub fn metrics(&self) -> Arc<dyn Fn() -> Vec<(String, u64)> + Send + Sync> {
        let gate = Arc::clone(&self.gate);
        Arc::new(move || gate.metrics())
    }

    async fn next(&self) -> io::Result<Connection> {
        let proven = self.listener.lock().await.accept().await?;
        let proved_peer = proven.peer.map(NodeId::from);
        Ok(Connection { stream: proven.stream, proved_peer })
    }
}

impl Transport for RaftTransport {
    fn connect<'a>(&'a self, peer: NodeId, address: &'a str) -> Connecting<'a> {
        Box::pin(async move {
            let protected = dial_node(&self.gate, PeerId::from(peer), address).await?;
            // In plaintext nobody is proven.
            let proved_peer = protected.peer().ok().flatten().map(NodeId::from);
            Ok(Connection { stream: protected.stream, proved_peer })
        })
    }

    fn accept(&self) -> Connecting<'_> {
        Box::pin(self.next())
    }
}
