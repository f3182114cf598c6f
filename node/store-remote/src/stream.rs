//! The seam under the protocol: who makes a connection and who takes one. Unprotected connections
//! of a network are here; TLS or a proxy go in their place.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use node_env::{BoxedDuplex, Listener, Network};

/// Makes connections to one server.
pub trait Connector: Send + Sync + 'static {
    /// A new connection. The caller gives up when it takes too long.
    ///
    /// # Errors
    /// When there is none; it is tried again later.
    fn connect(&self) -> BoxFuture<'_, io::Result<BoxedDuplex>>;
}

/// Takes connections of clients.
pub trait Acceptor: Send + 'static {
    /// The next connection. Dropping the future loses none.
    ///
    /// # Errors
    /// When one could not be taken; the next one may.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<BoxedDuplex>>;
}

/// Connects without protection.
pub struct PlainConnector {
    network: Arc<dyn Network>,
    address: String,
}

impl PlainConnector {
    /// Connects to `host:port`; the name is looked up anew for each connection.
    #[must_use]
    pub fn new(network: Arc<dyn Network>, address: impl Into<String>) -> Self {
        Self { network, address: address.into() }
    }
}

impl Connector for PlainConnector {
    fn connect(&self) -> BoxFuture<'_, io::Result<BoxedDuplex>> {
        async { Ok(self.network.connect(&self.address).await? as BoxedDuplex) }.boxed()
    }
}

/// Accepts without protection.
pub struct PlainAcceptor {
    listener: Box<dyn Listener>,
}

impl PlainAcceptor {
    /// Listens at `host:port`; port 0 is any free one.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn bind(network: &dyn Network, address: &str) -> io::Result<Self> {
        Ok(Self { listener: network.listen(address).await? })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the operating system does not say.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_address()
    }
}

impl Acceptor for PlainAcceptor {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<BoxedDuplex>> {
        async { Ok(self.listener.accept().await? as BoxedDuplex) }.boxed()
    }
}
