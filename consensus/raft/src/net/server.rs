//! Takes connections of other nodes, checks their hello and hands their requests to a handler.
//! Connections, and requests of one connection, are bounded (LIM-1).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use node_env::BoxedDuplex;
use schema_types::cluster::NodeId;
use tokio::io::{AsyncWriteExt, BufWriter, WriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use super::frame::{self, Frame};
use super::hello::{self, HelloError, Me};
use super::message::{Refusal, Request, Response};
use crate::codec;
use crate::config::Incarnation;
use crate::error::IdReused;
use crate::limits::{ACCEPT_RETRY_PAUSE_MS, CONNECTION_REQUESTS_MAX, CONNECTIONS_MAX};
use crate::transport::{Connection, Transport};

pub(crate) type Handling = Pin<Box<dyn Future<Output = Response> + Send>>;

/// What a server asks of the node behind it.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Carries out a request.
    fn handle(&self, from: NodeId, request: Request) -> Handling;
    /// Which disk an id has had.
    fn known_incarnation(&self, node: NodeId) -> Option<Incarnation>;
    /// The cluster knows this node's id with another disk.
    fn reused(&self, reused: IdReused);
}

/// Accepts until it is dropped.
pub(crate) async fn serve(transport: Arc<dyn Transport>, me: Me, handler: Arc<dyn Handler>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let connection = match transport.accept().await {
            Ok(connection) => connection,
            Err(error) => {
                tracing::warn!(kind = ?error.kind(), "connection cannot be accepted");
                tokio::time::sleep(Duration::from_millis(ACCEPT_RETRY_PAUSE_MS)).await;
                continue;
            }
        };
        match Arc::clone(&room).try_acquire_owned() {
            Ok(place) => {
                connections.spawn(serve_connection(connection, me, Arc::clone(&handler), place));
            }
            Err(_full) => tracing::warn!("too many connections, one is refused"),
        }
    }
}

async fn serve_connection(
    mut connection: Connection,
    me: Me,
    handler: Arc<dyn Handler>,
    _place: OwnedSemaphorePermit,
) {
    let known = |node| handler.known_incarnation(node);
    let from = match hello::accept(&mut connection, &me, known).await {
        Ok(from) => from,
        Err(HelloError::IdReused(reused)) => {
            tracing::warn!(%reused, "connection refused");
            if reused.node == me.node.0 {
                handler.reused(reused);
            }
            return;
        }
        Err(error) => {
            tracing::warn!(%error, "connection refused");
            return;
        }
    };
    let (mut reader, writer) = tokio::io::split(connection.stream);
    let (answers, to_write) = mpsc::channel(CONNECTION_REQUESTS_MAX);
    let read = async {
        let mut requests = JoinSet::new();
        while let Ok(frame) = frame::read(&mut reader).await {
            while requests.try_join_next().is_some() {}
            let Ok(request) = codec::decode::<Request>(&frame.body) else { return };
            if requests.len() >= CONNECTION_REQUESTS_MAX {
                let refused = Response::Refused(Refusal::Overloaded);
                if answers.send((frame.id, refused)).await.is_err() {
                    return;
                }
                continue;
            }
            let (handling, answers) = (handler.handle(from, request), answers.clone());
            requests.spawn(async move {
                let response = handling.await;
                // A connection that is gone takes no answer.
                let _gone = answers.send((frame.id, response)).await;
            });
        }
    };
    tokio::select! {
        () = read => {}
        () = write_answers(writer, to_write) => {}
    }
}

async fn write_answers(
    writer: WriteHalf<BoxedDuplex>,
    mut answers: mpsc::Receiver<(u64, Response)>,
) {
    let mut writer = BufWriter::new(writer);
    while let Some((id, response)) = answers.recv().await {
        let Ok(body) = codec::encode(&response) else { return };
        let written = frame::write(&mut writer, &Frame { id, body }).await;
        let flushed = !answers.is_empty() || writer.flush().await.is_ok();
        if written.is_err() || !flushed {
            return;
        }
    }
}
