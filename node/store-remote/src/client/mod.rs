//! The client: a store that is somewhere else.

mod link;
mod pending;
mod shared;
mod snapshot;

use std::sync::Arc;
use std::time::Duration;

use actors_store::{
    CommitError, CommitFuture, CommitRequest, ReadError, ReadFuture, Snapshot, Store,
};
use futures::FutureExt;
use futures::future::ready;
use node_env::Network;
use tokio::task::JoinHandle;

use crate::client::pending::NoAnswer;
use crate::client::shared::{Link, Shared};
use crate::config::ClientConfig;
use crate::error::ConnectError;
use crate::stream::{Connector, PlainConnector};

/// A store at the other end of a connection that mends itself. Reads must be polled on a tokio
/// runtime with timers; `commit` may be called from anywhere. Dropping it ends the connection:
/// the results of commits in flight are unknown then.
pub struct RemoteStore {
    shared: Arc<Shared>,
    connecting: JoinHandle<()>,
}

impl RemoteStore {
    /// Connects to `host:port` without protection and waits for the first greeting. Must be called
    /// on the tokio runtime that carries the network.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(
        (network, address): (Arc<dyn Network>, &str),
        config: ClientConfig,
    ) -> Result<Arc<Self>, ConnectError> {
        let store = Self::start(Arc::new(PlainConnector::new(network, address)), config);
        store.wait_connected().await?;
        Ok(store)
    }

    /// Begins to connect, by any kind of stream, and does not wait. Must be called on a tokio
    /// runtime with timers.
    #[must_use]
    pub fn start(connector: Arc<dyn Connector>, config: ClientConfig) -> Arc<Self> {
        let shared = Arc::new(Shared::new(config));
        let connecting = tokio::spawn(link::keep(Arc::clone(&shared), connector));
        Arc::new(Self { shared, connecting })
    }

    /// Waits until there is a connection.
    ///
    /// # Errors
    /// [`ConnectError`] after `first_connect_ms_max`, or when the server refuses for good.
    pub async fn wait_connected(&self) -> Result<(), ConnectError> {
        let waited_ms = self.shared.config.first_connect_ms_max;
        let settled = self.shared.link_is(|link| !matches!(link, Link::Down(_)));
        let waited = tokio::time::timeout(Duration::from_millis(waited_ms), settled).await;
        match waited.unwrap_or_else(|_| self.shared.link()) {
            Link::Up(_) => Ok(()),
            Link::Stopped(reason) => {
                Err(ConnectError::Refused { reason: reason.as_ref().to_owned() })
            }
            Link::Down(reason) => {
                Err(ConnectError::Unreachable { waited_ms, reason: reason.as_ref().to_owned() })
            }
        }
    }

    /// Whether there is a connection right now.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(self.shared.link(), Link::Up(_))
    }

    /// How many connections the server has greeted so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.connections()
    }

    /// Why this client has stopped for good (the server refuses it), if it has. That the store
    /// behind the server has stopped is told to each call.
    #[must_use]
    pub fn stopped(&self) -> Option<String> {
        match self.shared.link() {
            Link::Stopped(reason) => Some(reason.as_ref().to_owned()),
            Link::Up(_) | Link::Down(_) => None,
        }
    }

    async fn begin_within_deadline(&self) -> Result<Arc<dyn Snapshot>, ReadError> {
        self.shared.within_deadline(self.begin_when_connected()).await?
    }

    async fn begin_when_connected(&self) -> Result<Arc<dyn Snapshot>, ReadError> {
        loop {
            let link = self.shared.link_is(|link| !matches!(link, Link::Down(_))).await;
            if let Link::Stopped(reason) = link {
                return Err(ReadError::Stopped { reason: reason.as_ref().to_owned() });
            }
            let _place = self.shared.place().await;
            let answer = match self.shared.queue_begin() {
                Ok(answer) => answer.await.unwrap_or(Err(NoAnswer::Lost)),
                Err(why) => Err(why),
            };
            match answer {
                Ok(snapshot) => return Ok(snapshot),
                Err(NoAnswer::Read(error)) => return Err(error),
                // It had no effect: it is asked for again on the next connection.
                Err(NoAnswer::Lost) => {}
            }
        }
    }
}

impl Drop for RemoteStore {
    fn drop(&mut self) {
        self.connecting.abort();
        self.shared.disconnected(Link::Stopped("the client is closed".into()));
    }
}

impl Store for RemoteStore {
    fn begin(&self) -> ReadFuture<'_, Arc<dyn Snapshot>> {
        self.begin_within_deadline().boxed()
    }

    fn commit(&self, request: CommitRequest) -> CommitFuture {
        match self.shared.queue_commit(&request) {
            Ok(answer) => answer.map(|answer| answer.unwrap_or_else(|_| Err(lost()))).boxed(),
            Err(error) => ready(Err(error)).boxed(),
        }
    }
}

/// Whoever owed the answer is gone.
fn lost() -> CommitError {
    CommitError::UnknownResult { reason: "the client ended before the server answered".to_owned() }
}
