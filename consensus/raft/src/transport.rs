//! The seam to the network: something that connects and accepts streams of bytes. TLS and
//! simulation go under it; frames, hello and requests are in `net`.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::pin::Pin;

use schema_types::cluster::NodeId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OnceCell;

/// A stream of bytes in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// One connection.
pub struct Connection {
    /// The stream.
    pub stream: Box<dyn Stream>,
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

/// Plain TCP: for one machine and for networks that protect themselves. It proves nobody.
pub struct TcpTransport {
    bound: StdListener,
    listener: OnceCell<TcpListener>,
}

impl TcpTransport {
    /// Binds the address; port 0 draws a free one. Needs no runtime.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn bind(address: &str) -> io::Result<Self> {
        let bound = StdListener::bind(address)?;
        bound.set_nonblocking(true)?;
        Ok(Self { bound, listener: OnceCell::new() })
    }

    /// The address that was bound.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.bound.local_addr()
    }

    /// The listener, registered with the runtime that first asks.
    async fn listener(&self) -> io::Result<&TcpListener> {
        self.listener
            .get_or_try_init(|| async { TcpListener::from_std(self.bound.try_clone()?) })
            .await
    }
}

fn prepared(stream: TcpStream) -> io::Result<Connection> {
    stream.set_nodelay(true)?;
    Ok(Connection { stream: Box::new(stream), proved_peer: None })
}

impl Transport for TcpTransport {
    fn connect<'a>(&'a self, _peer: NodeId, address: &'a str) -> Connecting<'a> {
        Box::pin(async move { prepared(TcpStream::connect(address).await?) })
    }

    fn accept(&self) -> Connecting<'_> {
        Box::pin(async move { prepared(self.listener().await?.accept().await?.0) })
    }
}
