//! Calls to one other node over one connection that is made again when it breaks. A call that
//! was never written is told apart from one whose answer was lost: only the first may be tried
//! again blindly.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use node_env::BoxedDuplex;
use schema_types::cluster::NodeId;
use tokio::io::{AsyncWriteExt, BufWriter, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::frame::{self, Frame};
use super::hello::{self, HelloError, Me};
use super::message::{Request, Response};
use crate::codec;
use crate::config::Incarnation;
use crate::limits::{
    HELLO_TIMEOUT_MS, PEER_PENDING_MAX, PEER_QUEUE_MAX, RECONNECT_PAUSE_MS, RECONNECT_PAUSE_MS_MAX,
    SILENCE_MS_MAX,
};
use crate::transport::{Connection, Transport};

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// It was not written; nothing happened.
    #[error("not sent: {0}")]
    NotSent(String),
    /// It was written and its answer was lost or is late.
    #[error("no answer")]
    NoAnswer,
}

struct Outgoing {
    body: Vec<u8>,
    answer: oneshot::Sender<Result<Response, CallError>>,
}

type Answers = BTreeMap<u64, oneshot::Sender<Result<Response, CallError>>>;

/// One other node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PeerAddress {
    pub(crate) node: NodeId,
    pub(crate) address: String,
    /// Disk that it has to have.
    pub(crate) incarnation: Incarnation,
}

struct Peer {
    address: PeerAddress,
    calls: mpsc::Sender<Outgoing>,
}

/// Connections to the other nodes. Dropping it ends them.
pub(crate) struct Peers {
    me: Me,
    transport: Arc<dyn Transport>,
    on_reused: Box<dyn Fn(crate::error::IdReused) + Send + Sync>,
    state: Mutex<PeersState>,
}

#[derive(Default)]
struct PeersState {
    peers: BTreeMap<NodeId, Peer>,
    tasks: JoinSet<()>,
}

impl Peers {
    /// `on_reused` hears when another node says that this node's id belongs to another disk.
    pub(crate) fn new(
        me: Me,
        transport: Arc<dyn Transport>,
        on_reused: impl Fn(crate::error::IdReused) + Send + Sync + 'static,
    ) -> Arc<Self> {
        let state = Mutex::default();
        Arc::new(Self { me, transport, on_reused: Box::new(on_reused), state })
    }

    fn state(&self) -> MutexGuard<'_, PeersState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls another node.
    pub(crate) async fn call(
        self: &Arc<Self>,
        to: &PeerAddress,
        request: &Request,
        timeout: Duration,
    ) -> Result<Response, CallError> {
        let body = codec::encode(request).map_err(|error| CallError::NotSent(error.to_string()))?;
        if body.len() > crate::limits::FRAME_BYTES_MAX {
            return Err(CallError::NotSent("request is over the limit".to_owned()));
        }
        let (answer, answered) = oneshot::channel();
        let queued = self.queue_of(to).try_send(Outgoing { body, answer });
        queued.map_err(|_full| CallError::NotSent("too many requests wait".to_owned()))?;
        let waited = tokio::time::timeout(timeout, answered).await;
        waited.unwrap_or(Ok(Err(CallError::NoAnswer))).unwrap_or(Err(CallError::NoAnswer))
    }

    /// Asks a node which disk it has.
    pub(crate) async fn ask(&self, node: NodeId, address: &str) -> Result<Incarnation, HelloError> {
        let mut connection = self.connect(node, address).await?;
        hello::dial(&mut connection, &self.me, node, None).await
    }

    /// Ends the connections to nodes that are no longer members.
    pub(crate) fn retain(&self, keep: impl Fn(NodeId) -> bool) {
        self.state().peers.retain(|&node, _| keep(node));
    }

    fn queue_of(self: &Arc<Self>, to: &PeerAddress) -> mpsc::Sender<Outgoing> {
        let mut state = self.state();
        if let Some(peer) = state.peers.get(&to.node).filter(|peer| peer.address == *to) {
            return peer.calls.clone();
        }
        let (calls, waiting) = mpsc::channel(PEER_QUEUE_MAX);
        let task = serve_peer(Arc::downgrade(self), to.clone(), waiting);
        while state.tasks.try_join_next().is_some() {}
        state.tasks.spawn(task);
        state.peers.insert(to.node, Peer { address: to.clone(), calls: calls.clone() });
        calls
    }

    async fn connect(&self, node: NodeId, address: &str) -> Result<Connection, HelloError> {
        let connecting = self.transport.connect(node, address);
        let timeout = Duration::from_millis(HELLO_TIMEOUT_MS);
        let connected = tokio::time::timeout(timeout, connecting).await;
        Ok(connected.map_err(|_elapsed| HelloError::Timeout)??)
    }

    async fn open(&self, to: &PeerAddress) -> Result<Connection, HelloError> {
        let mut connection = self.connect(to.node, &to.address).await?;
        let dialled = hello::dial(&mut connection, &self.me, to.node, Some(to.incarnation)).await;
        if let Err(HelloError::IdReused(reused)) = &dialled
            && reused.node == self.me.node.0
        {
            (self.on_reused)(*reused);
        }
        dialled.map(|_incarnation| connection)
    }
}

/// Serves the calls to one node until nobody can make any more. Holds the set of connections
/// only weakly, or dropping it would end nothing.
async fn serve_peer(
    peers: std::sync::Weak<Peers>,
    to: PeerAddress,
    mut calls: mpsc::Receiver<Outgoing>,
) {
    let mut pause = Duration::from_millis(RECONNECT_PAUSE_MS);
    while let Some(first) = calls.recv().await {
        let Some(strong) = peers.upgrade() else { return };
        let opened = strong.open(&to).await;
        drop(strong);
        match opened {
            Ok(connection) => {
                pause = Duration::from_millis(RECONNECT_PAUSE_MS);
                use_connection(connection, first, &mut calls).await;
            }
            Err(error) => {
                tracing::debug!(peer = %to.node, %error, "peer cannot be reached");
                refuse_for(pause, &error, first, &mut calls).await;
                pause = (pause * 2).min(Duration::from_millis(RECONNECT_PAUSE_MS_MAX));
            }
        }
    }
}

/// Refuses every call for a while.
async fn refuse_for(
    pause: Duration,
    error: &HelloError,
    first: Outgoing,
    calls: &mut mpsc::Receiver<Outgoing>,
) {
    let refuse = |call: Outgoing| {
        // A caller that gave up hears nothing.
        let _gone = call.answer.send(Err(CallError::NotSent(error.to_string())));
    };
    refuse(first);
    let until = Instant::now() + pause;
    while let Ok(Some(call)) = tokio::time::timeout_at(until, calls.recv()).await {
        refuse(call);
    }
}

/// What both directions of a connection share.
struct Shared {
    answers: Mutex<Answers>,
    heard_at: Mutex<Instant>,
}

impl Shared {
    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn heard_at(&self) -> MutexGuard<'_, Instant> {
        self.heard_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Uses a connection until it breaks; answers that are open then are lost.
async fn use_connection(
    connection: Connection,
    first: Outgoing,
    calls: &mut mpsc::Receiver<Outgoing>,
) {
    let (reader, writer) = tokio::io::split(connection.stream);
    let shared = Shared { answers: Mutex::default(), heard_at: Mutex::new(Instant::now()) };
    tokio::select! {
        biased;
        () = write_calls(writer, first, calls, &shared) => {}
        () = read_answers(reader, &shared) => {}
    }
    for answer in std::mem::take(&mut *shared.answers()).into_values() {
        let _gone = answer.send(Err(CallError::NoAnswer));
    }
}

async fn read_answers(mut reader: ReadHalf<BoxedDuplex>, shared: &Shared) {
    while let Ok(frame) = frame::read(&mut reader).await {
        *shared.heard_at() = Instant::now();
        let in_order = node_env::planted!("raft-answers-in-order");
        let oldest = || shared.answers().pop_first().map(|(_, waiting)| waiting);
        let waiting = if in_order { oldest() } else { shared.answers().remove(&frame.id) };
        let Ok(response) = codec::decode::<Response>(&frame.body) else { return };
        if let Some(waiting) = waiting {
            let _gone = waiting.send(Ok(response));
        }
    }
}

async fn write_calls(
    writer: WriteHalf<BoxedDuplex>,
    first: Outgoing,
    calls: &mut mpsc::Receiver<Outgoing>,
    shared: &Shared,
) {
    let mut writer = BufWriter::new(writer);
    let mut next = Some(first);
    let mut id = 0;
    loop {
        let call = match next.take() {
            Some(call) => call,
            None => match calls.recv().await {
                Some(call) => call,
                None => return,
            },
        };
        id += 1;
        if !admit(id, call.answer, shared) {
            continue;
        }
        if frame::write(&mut writer, &Frame { id, body: call.body }).await.is_err() {
            return;
        }
        next = calls.try_recv().ok();
        let flushed = next.is_some() || writer.flush().await.is_ok();
        if !flushed || is_silent(shared) {
            return;
        }
    }
}

/// Notes who waits for the answer; false, and told so, when too many do.
fn admit(id: u64, answer: oneshot::Sender<Result<Response, CallError>>, shared: &Shared) -> bool {
    let mut answers = shared.answers();
    if answers.is_empty() {
        // Silence counts from the first question that is open.
        *shared.heard_at() = Instant::now();
    }
    if answers.len() >= PEER_PENDING_MAX {
        answers.retain(|_, waiting| !waiting.is_closed());
    }
    if answers.len() >= PEER_PENDING_MAX {
        let _gone = answer.send(Err(CallError::NotSent("too many requests are open".to_owned())));
        return false;
    }
    answers.insert(id, answer);
    true
}

fn is_silent(shared: &Shared) -> bool {
    let open = !shared.answers().is_empty();
    open && shared.heard_at().elapsed() > Duration::from_millis(SILENCE_MS_MAX)
}
