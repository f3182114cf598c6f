//! The listener and those who serve: each has an executor of its own, because capabilities stay
//! on one thread; connections go to them in turn. In production they are threads; where there may
//! be none, one serves among the tasks of the caller.

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
    /// Who serves the connections.
    pub execution: RpcExecution,
}

/// Who serves the connections.
#[derive(Clone)]
pub enum RpcExecution {
    /// Threads of their own. For production.
    Threads {
        /// Starts them.
        spawner: Arc<dyn Spawner>,
        /// How many; at least one is started.
        count: usize,
    },
    /// A local task of the caller: for simulation, where everything is on one thread.
    Inline,
}

/// A server that waits for connections.
pub struct RpcServer {
    service: Arc<Service>,
    lanes: Vec<Lane>,
}

/// The way to a thread, or to the task in its place.
struct Lane {
    connections: mpsc::Sender<Incoming>,
    ended: oneshot::Receiver<()>,
}

struct Incoming {
    stream: Box<dyn Detached>,
    /// The connection's place on the node.
    _permit: OwnedSemaphorePermit,
}

impl RpcServer {
    /// Starts those who serve. Must be called on the runtime on which entities live.
    ///
    /// # Errors
    /// [`SpawnError`] when a thread cannot be started.
    ///
    /// # Panics
    /// With [`RpcExecution::Inline`] outside a [`LocalSet`].
    pub fn start(parts: RpcParts) -> Result<Self, SpawnError> {
        let RpcParts { gateway, authenticator, limits, node, execution } = parts;
        let service = Arc::new(Service::new(gateway, authenticator, limits, node));
        let count = match &execution {
            RpcExecution::Threads { count, .. } => (*count).max(1),
            RpcExecution::Inline => 1,
        };
        let lanes = (0..count).map(|number| Lane::start(number, &service, &execution));
        Ok(Self { lanes: lanes.collect::<Result<_, _>>()?, service })
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

    /// Gives a connection to who serves. Without room it is closed at once: the client backs off.
    fn hand_over(&self, stream: BoxedStream, room: &Arc<Semaphore>, turn: usize) {
        let lane = &self.lanes[turn % self.lanes.len()];
        let permit = Arc::clone(room).try_acquire_owned().ok();
        let stream = stream.detach().ok();
        let sent = match (permit, stream) {
            (Some(permit), Some(stream)) => {
                lane.connections.try_send(Incoming { stream, _permit: permit }).is_ok()
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
        let ends = self.lanes.into_iter().map(|lane| {
            drop(lane.connections);
            lane.ended
        });
        drop(futures::future::join_all(ends).await);
    }
}

impl Lane {
    fn start(
        number: usize,
        service: &Arc<Service>,
        execution: &RpcExecution,
    ) -> Result<Self, SpawnError> {
        let (connections, incoming) = mpsc::channel(HANDOVER_QUEUE_MAX);
        let (end, ended) = oneshot::channel();
        let service = Arc::clone(service);
        match execution {
            RpcExecution::Threads { spawner, .. } => {
                let body = Box::new(move || {
                    run_thread(service, incoming);
                    drop(end);
                });
                // Ending is told by `end`: a thread that hangs must not hang its owner.
                drop(spawner.spawn_thread(&format!("rpc-{number}"), body)?);
            }
            RpcExecution::Inline => drop(tokio::task::spawn_local(async move {
                // A set of its own, so that connections end with their lane as on a thread.
                LocalSet::new().run_until(serve_all(service, incoming)).await;
                drop(end);
            })),
        }
        Ok(Self { connections, ended })
    }
}

fn run_thread(service: Arc<Service>, incoming: mpsc::Receiver<Incoming>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(error = %error, "an RPC thread has no executor");
            return;
        }
    };
    LocalSet::new().block_on(&runtime, serve_all(service, incoming));
}

/// Serves connections as tasks of the local set around it, until nobody can send it more; with
/// that set every connection ends.
async fn serve_all(service: Arc<Service>, mut incoming: mpsc::Receiver<Incoming>) {
    while let Some(Incoming { stream, _permit }) = incoming.recv().await {
        let service = Arc::clone(&service);
        tokio::task::spawn_local(async move {
            let _permit = _permit;
            let served = async { serve_connection(service, stream.attach()?).await };
            if let Err(error) = served.await {
                // Everyday life: the other side left, or sent what no client sends.
                tracing::debug!(error = %error, "a connection ended");
            }
        });
    }
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
