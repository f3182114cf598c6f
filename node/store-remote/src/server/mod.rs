//! The server: takes connections, greets, and runs a session for each.

mod connection;
mod counters;
mod gate;
mod lanes;
mod reads;
mod served;
mod session;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use node_env::Network;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

pub use counters::ServerStats;
pub use served::ServedStore;
pub(crate) use session::{item_count, memory_bytes};

use crate::config::ServerConfig;
use crate::limits::ACCEPT_PAUSE_MS;
use crate::server::counters::Counters;
use crate::stream::{Acceptor, PlainAcceptor};

/// What the sessions of a server share.
pub(crate) struct ServerShared {
    pub(crate) served: Arc<ServedStore>,
    pub(crate) config: ServerConfig,
    pub(crate) counters: Counters,
    /// Bytes of all commits in flight.
    pub(crate) commit_bytes: AtomicUsize,
}

/// A running server. Dropping it ends it as [`RemoteServer::shut_down`] does, without waiting.
pub struct RemoteServer {
    shared: Arc<ServerShared>,
    address: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    /// One permit for each session that may be.
    room: Arc<Semaphore>,
    accepting: JoinHandle<()>,
}

impl RemoteServer {
    /// Listens at `host:port` of a network (port 0 is any free one) and serves, without
    /// protection. Must be called on the tokio runtime that carries the network.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn listen(
        served: Arc<ServedStore>,
        (network, address): (&dyn Network, &str),
        config: ServerConfig,
    ) -> io::Result<Self> {
        let acceptor = PlainAcceptor::bind(network, address).await?;
        let address = acceptor.local_address()?;
        let mut server = Self::start(served, acceptor, config);
        server.address = Some(address);
        tracing::info!(%address, "the store is served; it is not highly available");
        Ok(server)
    }

    /// Serves whoever comes by any kind of stream. Must be called on a tokio runtime with timers.
    #[must_use]
    pub fn start(served: Arc<ServedStore>, acceptor: impl Acceptor, config: ServerConfig) -> Self {
        let room = Arc::new(Semaphore::new(config.sessions_max));
        let shared = Arc::new(ServerShared {
            served,
            config,
            counters: Counters::default(),
            commit_bytes: AtomicUsize::new(0),
        });
        let (stop, stopped) = watch::channel(false);
        let accepting = accept(Arc::clone(&shared), acceptor, Arc::clone(&room), stopped);
        let accepting = tokio::spawn(accepting);
        Self { shared, address: None, stop, room, accepting }
    }

    /// Where it listens; nothing when it was started on an acceptor.
    #[must_use]
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> ServerStats {
        self.shared.counters.stats()
    }

    /// Counters of a server that may be shut down meanwhile.
    #[must_use]
    pub fn stats_source(&self) -> Arc<dyn Fn() -> ServerStats + Send + Sync> {
        let shared = Arc::clone(&self.shared);
        Arc::new(move || shared.counters.stats())
    }

    /// The store that is served; it says whether it has stopped.
    #[must_use]
    pub fn served(&self) -> &Arc<ServedStore> {
        &self.shared.served
    }

    /// Takes no more connections and requests, answers the commits that the store has, and ends.
    /// Gives whether all sessions ended within `drain_ms_max`; the store's work of the others
    /// goes on, and holds back the next sessions of their clients.
    pub async fn shut_down(self) -> bool {
        self.stop.send_replace(true);
        let all = u32::try_from(self.shared.config.sessions_max).unwrap_or(u32::MAX);
        let ended = self.room.acquire_many(all);
        let wait = Duration::from_millis(self.shared.config.drain_ms_max);
        tokio::time::timeout(wait, ended).await.is_ok()
    }
}

impl Drop for RemoteServer {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.accepting.abort();
    }
}

async fn accept(
    shared: Arc<ServerShared>,
    mut acceptor: impl Acceptor,
    room: Arc<Semaphore>,
    stopped: watch::Receiver<bool>,
) {
    let mut stopping = stopped.clone();
    let mut stopping = std::pin::pin!(until_stopped(&mut stopping));
    loop {
        let accepted = tokio::select! {
            () = &mut stopping => return,
            accepted = acceptor.accept() => accepted,
        };
        match accepted {
            Ok(stream) => {
                let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
                    connection::turn_away(&shared, stream);
                    continue;
                };
                let serving = connection::serve(Arc::clone(&shared), stream, stopped.clone());
                tokio::spawn(async move {
                    serving.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
            }
        }
    }
}

/// Ends when the server is to stop.
pub(crate) async fn until_stopped(stopped: &mut watch::Receiver<bool>) {
    // An error is a server that was dropped.
    drop(stopped.wait_for(|stopped| *stopped).await);
}
