//! The listener and the RPC threads: each thread has an executor of its own, because capabilities
//! stay on one thread; connections go to the threads in turn.

use crate::auth::Authenticator;
use crate::connection::Connection;
use crate::gate::GatewayServer;
use crate::limits::{HANDOVER_QUEUE_MAX, RpcLimits};
use crate::service::{Counters, Service};
use capnp::message::ReaderOptions;
use capnp_rpc::{RpcSystem, rpc_twoparty_capnp, twoparty};
use futures::io::BufReader;
use node_client::transport::gather;
use node_env::net::Detached;
use node_env::{BoxedStream, Listener, SpawnError, Spawner};
use node_ingest::gateway::Gateway;
use schema_wire::rpc_capnp::gateway;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::LocalSet;
use tokio::time::Instant;
use tokio_util::compat::TokioAsyncReadCompatExt;

/// Bytes that a connection buffers in each direction.
const BUFFER_BYTES: usize = 64 * 1024;
/// How long calls in flight are waited for when the server stops, milliseconds.
const DRAIN_MS_MAX: u64 = 5_000;
/// How often a draining server looks.
const DRAIN_LOOK_MS: u64 = 5;

/// What the server stands on.
pub struct RpcParts {
    /// The actors, and whose data they hold.
    pub gateway: Gateway,
    /// Who may log in.
    pub authenticator: Arc<dyn Authenticator>,
    /// Limits.
    pub limits: RpcLimits,
    /// The node's name.
    pub node: String,
    /// Starts the RPC threads.
    pub spawner: Arc<dyn Spawner>,
    /// How many RPC threads; at least one is started.
    pub threads: usize,
}

/// A server whose threads wait for connections.
pub struct RpcServer {
    service: Arc<Service>,
    threads: Vec<RpcThread>,
}

struct RpcThread {
    connections: mpsc::Sender<Incoming>,
    ended: oneshot::Receiver<()>,
}

struct Incoming {
    stream: Box<dyn Detached>,
    /// The connection's place on the node.
    _permit: OwnedSemaphorePermit,
}

impl RpcServer {
    /// Starts the threads. Must be called on the runtime on which entities live.
    ///
    /// # Errors
    /// [`SpawnError`] when a thread cannot be started.
    pub fn start(parts: RpcParts) -> Result<Self, SpawnError> {
        let RpcParts { gateway, authenticator, limits, node, spawner, threads } = parts;
        let service = Arc::new(Service::new(gateway, authenticator, limits, node));
        let mut started = Vec::new();
        for number in 0..threads.max(1) {
            let (connections, incoming) = mpsc::channel(HANDOVER_QUEUE_MAX);
            let (end, ended) = oneshot::channel();
            let service = Arc::clone(&service);
            let body = Box::new(move || {
                run_thread(&service, incoming);
                drop(end);
            });
            // Ending is told by `end`: a thread that hangs must not hang its owner.
            drop(spawner.spawn_thread(&format!("rpc-{number}"), body)?);
            started.push(RpcThread { connections, ended });
        }
        Ok(Self { service, threads: started })
    }

    /// Names and values of the server's counters.
    #[must_use]
    pub fn metrics(&self) -> Arc<dyn Fn() -> Vec<(String, u64)> + Send + Sync> {
        let service = Arc::clone(&self.service);
        Arc::new(move || service.counters.snapshot())
    }

    /// Accepts connections until `stopped`; then finishes the calls in flight and closes.
    pub async fn serve(self, listener: Box<dyn Listener>, stopped: impl Future<Output = ()>) {
        let room = Arc::new(Semaphore::new(self.service.limits.connections_max));
        let mut stopped = std::pin::pin!(stopped);
        let mut turn = 0_usize;
        loop {
            let accepted = tokio::select! {
                () = &mut stopped => break,
                accepted = listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::warn!(error = %error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(DRAIN_LOOK_MS)).await;
                    continue;
                }
            };
            turn = turn.wrapping_add(1);
            self.hand_over(stream, &room, turn);
        }
        drop(listener);
        self.drain().await;
    }

    /// Gives a connection to a thread. Without room it is closed at once: the client backs off.
    fn hand_over(&self, stream: BoxedStream, room: &Arc<Semaphore>, turn: usize) {
        let thread = &self.threads[turn % self.threads.len()];
        let permit = Arc::clone(room).try_acquire_owned().ok();
        let stream = stream.detach().ok();
        let sent = match (permit, stream) {
            (Some(permit), Some(stream)) => {
                thread.connections.try_send(Incoming { stream, _permit: permit }).is_ok()
            }
            (_, _) => false,
        };
        let counters = &self.service.counters;
        Counters::add(if sent { &counters.connections } else { &counters.refused_connections });
    }

    async fn drain(self) {
        let idle = async {
            while self.service.in_flight.load(Ordering::Relaxed) > 0 {
                tokio::time::sleep(Duration::from_millis(DRAIN_LOOK_MS)).await;
            }
        };
        drop(tokio::time::timeout(Duration::from_millis(DRAIN_MS_MAX), idle).await);
        let ends = self.threads.into_iter().map(|thread| {
            drop(thread.connections);
            thread.ended
        });
        drop(futures::future::join_all(ends).await);
    }
}

/// The body of an RPC thread: ends, and with it every connection, when nobody can send it more.
fn run_thread(service: &Arc<Service>, mut incoming: mpsc::Receiver<Incoming>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(error = %error, "an RPC thread has no executor");
            return;
        }
    };
    LocalSet::new().block_on(&runtime, async move {
        while let Some(Incoming { stream, _permit }) = incoming.recv().await {
            let service = Arc::clone(service);
            tokio::task::spawn_local(async move {
                let _permit = _permit;
                let served = async { serve_connection(service, stream.attach()?).await };
                if let Err(error) = served.await {
                    // Everyday life: the other side left, or sent what no client sends.
                    tracing::debug!(error = %error, "a connection ended");
                }
            });
        }
    });
}

async fn serve_connection(service: Arc<Service>, stream: BoxedStream) -> Result<(), capnp::Error> {
    let opened_at = Instant::now();
    let (reader, writer) = stream.split();
    let options = ReaderOptions {
        traversal_limit_in_words: Some(service.limits.message_words_max),
        nesting_limit: service.limits.nesting_max,
    };
    let (gathered, writes) = gather();
    tokio::task::spawn_local(writes.run(writer));
    let network = twoparty::VatNetwork::new(
        BufReader::with_capacity(BUFFER_BYTES, reader.compat()),
        gathered,
        rpc_twoparty_capnp::Side::Server,
        options,
    );
    let connection = Connection::new(service);
    let bootstrap: gateway::Client = capnp_rpc::new_client(GatewayServer(Rc::clone(&connection)));
    let system = RpcSystem::new(Box::new(network), Some(bootstrap.client));
    tokio::select! {
        result = system => result,
        () = idle(&connection, opened_at) => Ok(()),
    }
}

/// Ends when the connection did nothing for too long, or did not log in.
async fn idle(connection: &Connection, opened_at: Instant) {
    loop {
        let end = connection.ends_at(opened_at);
        if Instant::now() >= end {
            return;
        }
        tokio::time::sleep_until(end).await;
    }
}
