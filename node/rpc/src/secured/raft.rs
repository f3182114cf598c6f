//! The way of Raft messages between nodes: a listener and connections of its own, so that no
//! large message of the entities delays a heartbeat.

use super::SecuredConfig;
use super::listener::{Gate, Network, SecureListener, check_address, dial_node};
use crate::peer::tls::Own;
use crate::peer::{PeerId, PeerStartError};
use consensus_raft::{Connecting, Connection, Transport};
use schema_types::cluster::NodeId;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Mutex;

const NETWORK: Network = Network { name: "raft", protocol: b"medulla-raft/1" };

/// Connections between the Raft parts of nodes, in mutual TLS.
pub struct RaftTransport {
    gate: Arc<Gate>,
    bound: StdListener,
    /// Registered with the runtime that first accepts.
    listener: Mutex<Option<SecureListener>>,
}

impl RaftTransport {
    /// Binds the address of a node; port 0 takes any free one. Needs no runtime.
    ///
    /// # Errors
    /// [`PeerStartError`] when the configuration, the certificates or the address cannot be used.
    pub fn bind(
        own: NodeId,
        address: SocketAddr,
        config: SecuredConfig,
    ) -> Result<Self, PeerStartError> {
        check_address(&config.security, address)?;
        let gate = Gate::new(NETWORK, Own::Node(PeerId::from(own)), config)?;
        let failed = |source| PeerStartError::Listen { address, source };
        let bound = StdListener::bind(address).map_err(failed)?;
        bound.set_nonblocking(true).map_err(failed)?;
        Ok(Self { gate, bound, listener: Mutex::new(None) })
    }

    /// The address that was bound.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.bound.local_addr()
    }

    /// Names and values of the counters: connections that came to nothing, by cause.
    #[must_use]
    pub fn metrics(&self) -> Arc<dyn Fn() -> Vec<(String, u64)> + Send + Sync> {
        let gate = Arc::clone(&self.gate);
        Arc::new(move || gate.metrics())
    }

    async fn next(&self) -> io::Result<Connection> {
        let mut listener = self.listener.lock().await;
        let listener = match &mut *listener {
            Some(listener) => listener,
            none => {
                let bound = TcpListener::from_std(self.bound.try_clone()?)?;
                none.insert(SecureListener::new(bound, Arc::clone(&self.gate)))
            }
        };
        let proven = listener.accept().await?;
        let proved_peer = proven.peer.map(NodeId::from);
        Ok(Connection { stream: Box::new(proven.stream), proved_peer })
    }
}

impl Transport for RaftTransport {
    fn connect<'a>(&'a self, peer: NodeId, address: &'a str) -> Connecting<'a> {
        Box::pin(async move {
            let protected = dial_node(&self.gate, PeerId::from(peer), address).await?;
            // In plaintext nobody is proven.
            let proved_peer = protected.peer().ok().flatten().map(NodeId::from);
            Ok(Connection { stream: Box::new(protected.stream), proved_peer })
        })
    }

    fn accept(&self) -> Connecting<'_> {
        Box::pin(self.next())
    }
}
