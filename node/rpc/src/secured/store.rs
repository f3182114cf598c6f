//! The way to the development store: its server shows a certificate for
//! [`STORE_CERTIFICATE_NAME`], its clients prove that they are nodes of the cluster. A proven node
//! is trusted to greet under its own client id.

use super::listener::{Gate, Network, SecureListener, check_address, listen};
use super::{SecuredConfig, io_error};
use crate::peer::tls::Own;
use crate::peer::{PeerId, PeerStartError, STORE_CERTIFICATE_NAME};
use futures::FutureExt;
use futures::future::BoxFuture;
use node_env::BoxedDuplex;
use node_store_remote::{Acceptor, Connector};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

const NETWORK: Network = Network { name: "store", protocol: b"medulla-store/1" };

/// Connects a node to the development store.
pub struct StoreConnector {
    gate: Arc<Gate>,
    address: String,
}

impl StoreConnector {
    /// A node's way to `host:port`; the name is looked up anew for each connection.
    ///
    /// # Errors
    /// [`PeerStartError`] when the configuration or the certificates cannot be used.
    pub fn new(
        own: PeerId,
        address: impl Into<String>,
        config: SecuredConfig,
    ) -> Result<Self, PeerStartError> {
        let gate = Gate::new(NETWORK, Own::Node(own), config)?;
        Ok(Self { gate, address: address.into() })
    }
}

impl Connector for StoreConnector {
    fn connect(&self) -> BoxFuture<'_, io::Result<BoxedDuplex>> {
        async {
            let connected = self.gate.connect(&self.address, STORE_CERTIFICATE_NAME).await;
            Ok(connected.map_err(io_error)?.stream)
        }
        .boxed()
    }
}

/// Accepts connections of nodes to the development store.
pub struct StoreAcceptor {
    listener: SecureListener,
    gate: Arc<Gate>,
    address: SocketAddr,
}

impl StoreAcceptor {
    /// Listens; port 0 is any free one. Must be called on the runtime.
    ///
    /// # Errors
    /// [`PeerStartError`] when the configuration, the certificates or the address cannot be used.
    pub async fn bind(address: SocketAddr, config: SecuredConfig) -> Result<Self, PeerStartError> {
        check_address(&config.security, address)?;
        let gate = Gate::new(NETWORK, Own::Store, config)?;
        let bound = listen(&gate, address).await?;
        let listener = SecureListener::new(bound.listener, Arc::clone(&gate));
        Ok(Self { listener, gate, address: bound.address })
    }

    /// Where it listens.
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
}

impl Acceptor for StoreAcceptor {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<BoxedDuplex>> {
        async { Ok(self.listener.accept().await?.stream) }.boxed()
    }
}
