//! The seam to the network: something that connects and accepts streams of bytes. TLS goes under
//! it; frames, hello and requests are in `net`.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use node_env::{BoxedDuplex, Listener, Network};
use schema_types::cluster::NodeId;

/// One connection.
pub struct Connection {
    /// The stream.
    pub stream: BoxedDuplex,
    /// Who the transport proved the other side to be (the name in its certificate), if it did.
    /// The hello of the other side has to agree.
    pub proved_peer: Option<NodeId>,
}

/// What [`Transport`] answers.
pub type Connecting<'a> = Pin<Box<dyn Future<Output = io::Result<Connection>> + Send + 'a>>;

/// Connects and accepts. Both are called inside the node's runtime and may be dropped at any
/// time.
pub trait Transport: Send + Sync + 'static {
    /// Connects to a node.
    fn connect<'a>(&'a self, peer: NodeId, address: &'a str) -> Connecting<'a>;

    /// Waits for the next connection of another node.
    fn accept(&self) -> Connecting<'_>;
}

/// Without protection: for one machine and for networks that protect themselves. It proves
/// nobody.
pub struct PlainTransport {
    network: Arc<dyn Network>,
    listener: Box<dyn Listener>,
}

impl PlainTransport {
    /// Binds the address; port 0 draws a free one. Called inside the node's runtime.
    ///
    /// # Errors
    /// What the network says.
    pub async fn bind(network: Arc<dyn Network>, address: &str) -> io::Result<Self> {
        let listener = network.listen(address).await?;
        Ok(Self { network, listener })
    }

    /// The address that was bound.
    ///
    /// # Errors
    /// What the network says.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_address()
    }
}

fn unproven(stream: BoxedDuplex) -> Connection {
    Connection { stream, proved_peer: None }
}

impl Transport for PlainTransport {
    fn connect<'a>(&'a self, _peer: NodeId, address: &'a str) -> Connecting<'a> {
        Box::pin(async move { Ok(unproven(self.network.connect(address).await?)) })
    }

    fn accept(&self) -> Connecting<'_> {
        Box::pin(async move { Ok(unproven(self.listener.accept().await?)) })
    }
}
