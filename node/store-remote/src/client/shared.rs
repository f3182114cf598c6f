//! What calls and connections of a client share: the requests in flight, the bytes that wait for
//! the socket, and the lanes. All under one lock, so that the order of calls is the order on the
//! wire, and a lost connection is one event for everything that was in flight.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actors_store::limits::KEY_BYTES_MAX;
use actors_store::{CommitError, CommitRequest, Lanes, ReadError};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot, watch};

use crate::client::pending::{Answer, Answered, CommitAnswer, NoAnswer, Pending, PendingCommit};
use crate::client::snapshot::RemoteSnapshot;
use crate::config::ClientConfig;
use crate::error::{Farewell, ProtocolError};
use crate::frame::FrameReader;
use crate::gather::{Outgoing, Taken};
use crate::limits::{FRAME_BYTES_MAX, ITEMS_MAX, READS_IN_FLIGHT_MAX, RETRY_AFTER_MS};
use crate::message::{self, Reply, Welcome};
use crate::server::{item_count, memory_bytes};

/// Whether there is a server to talk to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Link {
    /// No connection; one is being made. The reason of the last loss.
    Down(Arc<str>),
    /// Greeted. Counts the connections of this client.
    Up(u64),
    /// For good.
    Stopped(Arc<str>),
}

/// Which snapshot of which connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SnapshotName {
    pub(crate) connection: u64,
    /// Id of the request that began it.
    pub(crate) id: u64,
}

struct State {
    link: Link,
    next_id: u64,
    /// Frames that wait for the socket.
    outgoing: Vec<u8>,
    /// Requests below this id were given to the socket, whole or in part.
    taken_below: u64,
    /// A `begin` that waits for the socket: later calls may share it.
    begin: Option<u64>,
    pending: BTreeMap<u64, Pending>,
    commits: usize,
    commit_bytes: usize,
    room: Welcome,
    lanes: Lanes,
    /// Connections that were greeted.
    connections: u64,
}

/// See the module.
pub(crate) struct Shared {
    pub(crate) config: ClientConfig,
    state: Mutex<State>,
    /// There are frames for the socket.
    ready: Notify,
    link: watch::Sender<Link>,
    reads: Arc<Semaphore>,
}

impl Shared {
    pub(crate) fn new(config: ClientConfig) -> Self {
        let link = Link::Down("not connected yet".into());
        let state = State {
            link: link.clone(),
            next_id: 1,
            outgoing: Vec::new(),
            taken_below: 1,
            begin: None,
            pending: BTreeMap::new(),
            commits: 0,
            commit_bytes: 0,
            room: Welcome { commits_max: 0, commit_bytes_max: 0 },
            lanes: Lanes::default(),
            connections: 0,
        };
        Self {
            config,
            state: Mutex::new(state),
            ready: Notify::new(),
            link: watch::Sender::new(link),
            reads: Arc::new(Semaphore::new(READS_IN_FLIGHT_MAX)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn link(&self) -> Link {
        self.link.borrow().clone()
    }

    /// How many connections were greeted so far.
    pub(crate) fn connections(&self) -> u64 {
        self.state().connections
    }

    /// Ends when the link is as wanted.
    pub(crate) async fn link_is(&self, wanted: impl FnMut(&Link) -> bool) -> Link {
        let mut link = self.link.subscribe();
        let found = link.wait_for(wanted).await.map(|link| link.clone());
        found.unwrap_or_else(|_| self.link())
    }

    /// A connection is there and greeted.
    pub(crate) fn connected(&self, connection: u64, welcome: &Welcome) {
        let mut state = self.state();
        if matches!(state.link, Link::Stopped(_)) {
            return;
        }
        state.room = Welcome {
            commits_max: welcome.commits_max.min(self.config.commits_max),
            commit_bytes_max: welcome.commit_bytes_max.min(self.config.commit_bytes_max),
        };
        if node_env::planted!("store-request-ids-restart") {
            state.next_id = 1;
        }
        state.connections += 1;
        state.link = Link::Up(connection);
        self.link.send_replace(state.link.clone());
    }

    /// The connection is lost, or is given up for good. Everything in flight ends here.
    pub(crate) fn disconnected(&self, link: Link) {
        let mut state = self.state();
        if matches!(state.link, Link::Stopped(_)) {
            return;
        }
        let reason = match &link {
            Link::Down(reason) | Link::Stopped(reason) => Arc::clone(reason),
            Link::Up(_) => return,
        };
        let answered = state.lose_all(&reason, self.retry_after_ms());
        state.link = link;
        self.link.send_replace(state.link.clone());
        drop(state);
        // The writer sees that there is no connection.
        self.ready.notify_one();
        answered.into_iter().for_each(Answered::tell);
    }

    fn retry_after_ms(&self) -> u64 {
        self.config.backoff_ms_max
    }

    /// A place among the reads in flight (LIM-1).
    pub(crate) async fn place(&self) -> Answer<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        Arc::clone(&self.reads).acquire_owned().await.map_err(|_| NoAnswer::Lost)
    }

    /// Gives up on a read after its time.
    pub(crate) async fn within_deadline<T>(
        &self,
        read: impl Future<Output = T>,
    ) -> Result<T, ReadError> {
        let ms = self.config.read_ms_max;
        tokio::time::timeout(Duration::from_millis(ms), read).await.map_err(|_| {
            let reason = match self.link() {
                Link::Up(_) => format!("no answer within {ms} ms"),
                Link::Down(reason) | Link::Stopped(reason) => {
                    format!("no connection to the store server for {ms} ms: {reason}")
                }
            };
            ReadError::Failed { reason }
        })
    }

    /// What a read is told whose connection is gone.
    pub(crate) fn lost_read(&self) -> ReadError {
        match self.link() {
            Link::Stopped(reason) => ReadError::Stopped { reason: reason.as_ref().to_owned() },
            Link::Up(_) | Link::Down(_) => ReadError::Failed {
                reason: "the connection to the store server was lost".to_owned(),
            },
        }
    }

    /// Asks for a snapshot, in a request that is not yet in the socket: one that is may show too
    /// little.
    pub(crate) fn queue_begin(&self) -> Answer<oneshot::Receiver<Answer<Arc<RemoteSnapshot>>>> {
        let (reply, answer) = oneshot::channel();
        let mut state = self.state();
        let Link::Up(_) = state.link else { return Err(NoAnswer::Lost) };
        let shared = state.begin.and_then(|id| state.pending.get_mut(&id));
        if let Some(Pending::Begin(waiting)) = shared {
            waiting.push(reply);
            return Ok(answer);
        }
        let id = state.take_id();
        message::put_begin(&mut state.outgoing, id);
        state.pending.insert(id, Pending::Begin(vec![reply]));
        state.begin = Some(id);
        drop(state);
        self.ready.notify_one();
        Ok(answer)
    }

    pub(crate) fn queue_read<T>(
        &self,
        snapshot: SnapshotName,
        pending: impl FnOnce(oneshot::Sender<Answer<T>>) -> Pending,
        put: impl FnOnce(&mut Vec<u8>, u64),
    ) -> Answer<oneshot::Receiver<Answer<T>>> {
        let (reply, answer) = oneshot::channel();
        let mut state = self.state();
        match &state.link {
            Link::Stopped(_) => return Err(NoAnswer::Lost),
            // The server has forgotten it with the connection.
            Link::Down(_) => return Err(NoAnswer::Read(ReadError::TooOld)),
            Link::Up(connection) if *connection != snapshot.connection => {
                return Err(NoAnswer::Read(ReadError::TooOld));
            }
            Link::Up(_) => {}
        }
        let id = state.take_id();
        put(&mut state.outgoing, id);
        state.pending.insert(id, pending(reply));
        drop(state);
        self.ready.notify_one();
        Ok(answer)
    }

    /// Gives a snapshot back; leaves with the next request or heartbeat.
    pub(crate) fn release(&self, snapshot: SnapshotName) {
        let mut state = self.state();
        if state.link == Link::Up(snapshot.connection) {
            message::put_release(&mut state.outgoing, snapshot.id);
        }
    }

    pub(crate) fn heartbeat(&self) {
        message::put_heartbeat(&mut self.state().outgoing);
        self.ready.notify_one();
    }

    /// Queues a commit, or refuses it at once; a refusal ends the generation of its lane.
    pub(crate) fn queue_commit(
        &self,
        request: &CommitRequest,
    ) -> Result<oneshot::Receiver<CommitAnswer>, CommitError> {
        let checked = request.validate().and_then(|()| check_items(request));
        let (lane, bytes) = (request.lane, memory_bytes(request));
        let mut state = self.state();
        if let Link::Stopped(reason) = &state.link {
            return Err(CommitError::Stopped { reason: reason.as_ref().to_owned() });
        }
        state.lanes.admit(lane)?;
        let taken = checked.and_then(|()| state.room_for(bytes, self.retry_after_ms()));
        state.lanes.settle(lane, taken)?;
        let (reply, answer) = oneshot::channel();
        let id = state.take_id();
        message::put_commit(&mut state.outgoing, id, request);
        state.pending.insert(id, Pending::Commit(PendingCommit { reply, lane, bytes }));
        state.commits += 1;
        state.commit_bytes += bytes;
        drop(state);
        self.ready.notify_one();
        Ok(answer)
    }

    /// Pairs the replies that have come with their requests. Gives the server's farewell, if it
    /// said one.
    pub(crate) fn take_replies(
        self: &Arc<Self>,
        connection: u64,
        reader: &mut FrameReader,
    ) -> Result<Option<Farewell>, ProtocolError> {
        let mut answered = Vec::new();
        let end = self.pair_replies(connection, reader, &mut answered);
        // Outside of the lock: a snapshot that nobody waits for any more takes it.
        answered.into_iter().for_each(Answered::tell);
        end
    }

    fn pair_replies(
        self: &Arc<Self>,
        connection: u64,
        reader: &mut FrameReader,
        answered: &mut Vec<Answered>,
    ) -> Result<Option<Farewell>, ProtocolError> {
        let mut state = self.state();
        while let Some(frame) = reader.next()? {
            let (id, reply) = message::reply(frame)?;
            match reply {
                Reply::Heartbeat => continue,
                Reply::Farewell(farewell) => return Ok(Some(farewell)),
                Reply::Began { .. }
                | Reply::Value(_)
                | Reply::Page(_)
                | Reply::ReadFailed(_)
                | Reply::Committed(_)
                | Reply::CommitFailed(_) => {}
            }
            let pending = state
                .take_pending(id)
                .ok_or(ProtocolError::Malformed { what: "a reply to no request" })?;
            state.settle(&pending, &reply);
            let name = SnapshotName { connection, id };
            let snapshot =
                |version| Arc::new(RemoteSnapshot { shared: Arc::clone(self), name, version });
            answered.push(pending.answered(reply, snapshot)?);
        }
        Ok(None)
    }
}

impl Outgoing for Shared {
    fn ready(&self) -> &Notify {
        &self.ready
    }

    fn take(&self, batch: &mut Vec<u8>) -> Taken {
        let mut state = self.state();
        if !matches!(state.link, Link::Up(_)) {
            return Taken::Closed;
        }
        if state.outgoing.is_empty() {
            return Taken::Nothing;
        }
        std::mem::swap(batch, &mut state.outgoing);
        state.taken_below = state.next_id;
        state.begin = None;
        Taken::Bytes
    }

    fn written(&self) {}
}

impl State {
    fn take_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    fn take_pending(&mut self, id: u64) -> Option<Pending> {
        // Nobody answers what was not sent.
        if id >= self.taken_below {
            return None;
        }
        let pending = self.pending.remove(&id)?;
        if let Pending::Commit(commit) = &pending {
            self.commits = self.commits.saturating_sub(1);
            self.commit_bytes = self.commit_bytes.saturating_sub(commit.bytes);
        }
        Some(pending)
    }

    /// A commit that failed ends the generation of its lane here too: the server forgets it with
    /// the connection.
    fn settle(&mut self, pending: &Pending, reply: &Reply) {
        if let (Pending::Commit(commit), Reply::CommitFailed(_)) = (pending, reply) {
            self.lanes.fail(commit.lane);
        }
    }

    fn room_for(&self, bytes: usize, retry_after_ms: u64) -> Result<(), CommitError> {
        let Link::Up(_) = self.link else {
            // Nothing was sent, so nothing was written.
            return Err(CommitError::Overloaded { retry_after_ms });
        };
        let fits = self.commits == 0 || self.commit_bytes + bytes <= self.room.commit_bytes_max;
        if self.commits < self.room.commits_max && fits {
            return Ok(());
        }
        Err(CommitError::Overloaded { retry_after_ms: RETRY_AFTER_MS })
    }

    /// Ends everything in flight. A commit of which the socket has seen a byte may take effect;
    /// one that it has not seen will not. Either way its lane goes on with a higher generation.
    fn lose_all(&mut self, reason: &str, retry_after_ms: u64) -> Vec<Answered> {
        self.outgoing.clear();
        self.begin = None;
        self.commits = 0;
        self.commit_bytes = 0;
        let mut answered = Vec::new();
        for (id, pending) in std::mem::take(&mut self.pending) {
            match pending {
                Pending::Commit(commit) => {
                    let was_sent = id < self.taken_below;
                    let result = self.lose_commit(&commit, was_sent, reason, retry_after_ms);
                    answered.push(Answered::Commit(commit.reply, Err(result)));
                }
                read @ (Pending::Begin(_) | Pending::Get(_) | Pending::Range(_)) => {
                    answered.extend(read.unanswered(NoAnswer::Lost));
                }
            }
        }
        answered
    }

    fn lose_commit(
        &mut self,
        commit: &PendingCommit,
        was_sent: bool,
        reason: &str,
        retry_after_ms: u64,
    ) -> CommitError {
        let admitted = self.lanes.admit(commit.lane);
        self.lanes.fail(commit.lane);
        match (was_sent, admitted) {
            (true, Ok(())) if node_env::planted!("store-lost-commit-called-refused") => {
                CommitError::Overloaded { retry_after_ms }
            }
            (true, _) => CommitError::UnknownResult { reason: reason.to_owned() },
            (false, Err(abandoned)) => abandoned,
            (false, Ok(())) => CommitError::Overloaded { retry_after_ms },
        }
    }
}

/// What the port has no limit for, but a frame has.
fn check_items(request: &CommitRequest) -> Result<(), CommitError> {
    let items = item_count(request);
    if items > ITEMS_MAX {
        let bytes = request.size_bytes().saturating_add(items.saturating_mul(KEY_BYTES_MAX));
        return Err(CommitError::TooLarge { bytes, bytes_max: FRAME_BYTES_MAX });
    }
    Ok(())
}
