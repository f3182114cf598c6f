//! Connections of the node's network for the HTTP server.

use super::limits::ACCEPT_PAUSE_MS;
use node_env::{BoxedStream, Listener};
use std::io;
use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
use std::time::Duration;

/// A listener from which connections are taken until it is dropped.
pub(super) struct Accepting(pub(super) Box<dyn Listener>);

impl axum::serve::Listener for Accepting {
    type Io = BoxedStream;
    /// No answer depends on where a client is.
    type Addr = ();

    async fn accept(&mut self) -> (BoxedStream, ()) {
        loop {
            let error = match self.0.accept().await {
                Ok(stream) => return (stream, ()),
                Err(error) => error,
            };
            let is_clients = [ConnectionAborted, ConnectionRefused, ConnectionReset];
            if !is_clients.contains(&error.kind()) {
                // Most often there are too many open files: closing some takes a while.
                tracing::warn!(kind = ?error.kind(), "connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
            }
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        self.0.local_address().map(drop)
    }
}
