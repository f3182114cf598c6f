//! The seam under the protocol: a stream of bytes, who makes one and who takes one. TCP is here;
//! TLS, a proxy or a simulated network go in its place.

use std::io;
use std::net::SocketAddr;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// A connection: ordered bytes both ways.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// A connection of any kind.
pub type BoxedStream = Box<dyn Stream>;

/// Makes connections to one server.
pub trait Connector: Send + Sync + 'static {
    /// A new connection. The caller gives up when it takes too long.
    ///
    /// # Errors
    /// When there is none; it is tried again later.
    fn connect(&self) -> BoxFuture<'_, io::Result<BoxedStream>>;
}

/// Takes connections of clients.
pub trait Acceptor: Send + 'static {
    /// The next connection. Dropping the future loses none.
    ///
    /// # Errors
    /// When one could not be taken; the next one may.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<BoxedStream>>;
}

/// Connects over TCP, without delaying small writes.
#[derive(Debug, Clone)]
pub struct TcpConnector {
    address: String,
}

impl TcpConnector {
    /// Connects to `host:port`; the name is looked up anew for each connection.
    #[must_use]
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: address.into() }
    }
}

impl Connector for TcpConnector {
    fn connect(&self) -> BoxFuture<'_, io::Result<BoxedStream>> {
        async {
            let stream = TcpStream::connect(&self.address).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as BoxedStream)
        }
        .boxed()
    }
}

/// Accepts over TCP, without delaying small writes.
#[derive(Debug)]
pub struct TcpAcceptor {
    listener: TcpListener,
}

impl TcpAcceptor {
    /// Listens at `host:port`; port 0 is any free one.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn bind(address: &str) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await? })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the operating system does not say.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Acceptor for TcpAcceptor {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<BoxedStream>> {
        async {
            let (stream, _) = self.listener.accept().await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as BoxedStream)
        }
        .boxed()
    }
}
