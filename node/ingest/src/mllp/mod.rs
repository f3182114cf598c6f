//! The MLLP gateway: many connections, each strictly in order (ORD-1), bounded in number and in
//! bytes (LIM-1). What a message means is in [`crate::hl7`].

mod connection;
mod counters;
pub mod limits;
mod room;

use crate::gateway::Gateway;
use crate::hl7::{self, Failure};
use connection::{Connection, turn_away};
pub use counters::Counters;
use limits::{ACCEPT_PAUSE_MS, CONNECTION_FREE_BYTES_MAX, REFUSALS_MAX, UNFINISHED_BYTES_MAX};
use node_env::{BoxedStream, Listener};
use room::Room;
use schema_hl7::Position;
use schema_types::error_code::ErrorCode;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Serves connections until `shutdown` is ready, then lets each finish the message in hand and
/// answer it. Returns when all are closed.
pub async fn serve(
    listener: Box<dyn Listener>,
    gateway: Gateway,
    counters: Arc<Counters>,
    shutdown: impl Future<Output = ()>,
) {
    let mut server = Server {
        places: Arc::new(Semaphore::new(gateway.limits.mllp_connections_max)),
        refusals: Arc::new(Semaphore::new(REFUSALS_MAX)),
        room: Arc::new(Semaphore::new(UNFINISHED_BYTES_MAX / CONNECTION_FREE_BYTES_MAX)),
        tasks: JoinSet::new(),
        stop: watch::Sender::new(false),
        gateway,
        counters,
    };
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok(stream) => server.admit(stream),
                Err(error) => {
                    tracing::warn!(kind = ?error.kind(), "connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                }
            },
            Some(ended) = server.tasks.join_next() => note_end(&ended),
        }
    }
    drop(listener);
    server.stop.send_replace(true);
    while let Some(ended) = server.tasks.join_next().await {
        note_end(&ended);
    }
}

/// A connection that panicked took only itself along.
fn note_end(ended: &Result<(), tokio::task::JoinError>) {
    if ended.is_err() {
        tracing::warn!("a connection ended by a panic");
    }
}

struct Server {
    gateway: Gateway,
    counters: Arc<Counters>,
    places: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    room: Arc<Semaphore>,
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Server {
    fn admit(&mut self, stream: BoxedStream) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return self.refuse(stream);
        };
        let counters = Arc::clone(&self.counters);
        counters.connections_opened.add(1);
        let connection = Connection::new(
            stream,
            self.gateway.clone(),
            Arc::clone(&counters),
            Room::new(Arc::clone(&self.room)),
            self.stop.subscribe(),
        );
        self.tasks.spawn(async move {
            let _place = place;
            connection.run().await;
            counters.connections_closed.add(1);
        });
    }

    fn refuse(&mut self, stream: BoxedStream) {
        self.counters.connections_refused.add(1);
        let Ok(place) = Arc::clone(&self.refusals).try_acquire_owned() else { return };
        let reply = hl7::refusal(&self.gateway, &overloaded("connections"));
        self.tasks.spawn(async move {
            let _place = place;
            turn_away(stream, reply).await;
        });
    }
}

/// There are too many of something.
fn overloaded(what: &str) -> Failure {
    Failure {
        code: ErrorCode::Overloaded,
        position: Position::default(),
        reason: format!("too many {what}, try again later"),
        answer: schema_hl7::ack::AckCode::Reject,
        is_transient: true,
    }
}
