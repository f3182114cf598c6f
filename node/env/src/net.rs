//! Byte streams between machines as a value that is handed in: who listens, who connects, and
//! what a connection is. TLS and protocols are not here, they stand on it; a simulated network
//! or a proxy goes in its place.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};

/// A future of this module. Dropping it loses nothing: no connection, no byte.
pub type NetFuture<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// The reading half of a connection.
pub type BoxedReader = Box<dyn AsyncRead + Send + Unpin>;
/// The writing half of a connection. Dropping it sends the end of the stream.
pub type BoxedWriter = Box<dyn AsyncWrite + Send + Unpin>;
/// A connection of any kind.
pub type BoxedStream = Box<dyn Stream>;
/// A connection, or what protects one.
pub type BoxedDuplex = Box<dyn Duplex>;

/// Ordered bytes both ways: what protocols stand on, a connection or TLS over one.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Duplex for T {}

/// A connection: ordered bytes both ways, small writes not delayed.
pub trait Stream: Duplex {
    /// Where the other side is.
    ///
    /// # Errors
    /// When the connection has ended.
    fn peer_address(&self) -> io::Result<SocketAddr>;

    /// The two halves, for two tasks of one executor.
    fn split(self: Box<Self>) -> (BoxedReader, BoxedWriter);

    /// What is written from now on leaves together with the end of the stream, where that can be
    /// had. A hint: without it the end follows a moment later.
    fn hold_back(&self) {}

    /// Takes the connection from its executor, to give it to that of another thread.
    ///
    /// # Errors
    /// When the executor does not let it go.
    fn detach(self: Box<Self>) -> io::Result<Box<dyn Detached>>;
}

/// A connection on its way from one executor to another.
pub trait Detached: Send + 'static {
    /// Gives it to the executor that this is called on.
    ///
    /// # Errors
    /// When the executor does not take it.
    fn attach(self: Box<Self>) -> io::Result<BoxedStream>;
}

/// A bound address at which connections arrive. Dropping it frees the address.
pub trait Listener: Send + Sync + 'static {
    /// Where it listens.
    ///
    /// # Errors
    /// When the operating system does not say.
    fn local_address(&self) -> io::Result<SocketAddr>;

    /// The next connection. An error concerns this one; the next may succeed.
    fn accept(&self) -> NetFuture<'_, BoxedStream>;
}

/// Listens and connects. Called inside the executor that is to carry the connections.
pub trait Network: Send + Sync + 'static {
    /// Listens at `host:port`; port 0 is any free one.
    fn listen<'a>(&'a self, address: &'a str) -> NetFuture<'a, Box<dyn Listener>>;

    /// Connects to `host:port`; the name is looked up anew each time. Has no time limit of its
    /// own: the caller gives up when it takes too long.
    fn connect<'a>(&'a self, address: &'a str) -> NetFuture<'a, BoxedStream>;
}
