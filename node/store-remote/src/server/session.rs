//! One session: requests in the order in which they came, replies as they get ready, and an end
//! that leaves nothing of it under way.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use actors_store::{
    CommitError, CommitFuture, CommitLane, CommitRequest, Committed, RangePage, RangeQuery,
    ReadError, Snapshot, Version,
};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};

use crate::error::ProtocolError;
use crate::frame::FrameReader;
use crate::gather::Replies;
use crate::limits::{ITEM_MEMORY_BYTES, READS_AT_ONCE_MAX, RETRY_AFTER_MS};
use crate::message::{self, Request};
use crate::server::ServerShared;
use crate::server::counters::add;
use crate::server::lanes::SessionLanes;
use crate::server::reads::{self, Snapshots};
use crate::server::served::Admission;

/// Bytes that a commit is reckoned at while it is in flight, on both sides.
pub(crate) fn memory_bytes(request: &CommitRequest) -> usize {
    request.size_bytes() + item_count(request).saturating_mul(ITEM_MEMORY_BYTES)
}

/// Mutations and conflict ranges together.
pub(crate) fn item_count(request: &CommitRequest) -> usize {
    request.mutations.len() + request.read_conflicts.len() + request.write_conflicts.len()
}

/// A commit that the store has.
struct InFlight {
    id: u64,
    lane: Option<CommitLane>,
    bytes: usize,
    future: CommitFuture,
}

struct Finished {
    id: u64,
    lane: Option<CommitLane>,
    bytes: usize,
    result: Result<Committed, CommitError>,
}

impl Future for InFlight {
    type Output = Finished;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Finished> {
        self.future.as_mut().poll(cx).map(|result| {
            let Self { id, lane, bytes, .. } = *self;
            Finished { id, lane, bytes, result }
        })
    }
}

/// What a read found.
enum Found {
    Snapshot(Result<Arc<dyn Snapshot>, ReadError>),
    Value(Result<Option<Bytes>, ReadError>),
    Page(Result<RangePage, ReadError>),
}

/// See the module.
pub(crate) struct Session {
    shared: Arc<ServerShared>,
    admission: Admission,
    replies: Arc<Replies>,
    snapshots: Snapshots,
    lanes: SessionLanes,
    reads: FuturesUnordered<BoxFuture<'static, (u64, Found)>>,
    commits: FuturesUnordered<InFlight>,
    commit_bytes: usize,
}

impl Session {
    pub(crate) fn new(
        shared: Arc<ServerShared>,
        admission: Admission,
        replies: Arc<Replies>,
    ) -> Self {
        Self {
            shared,
            admission,
            replies,
            snapshots: Snapshots::default(),
            lanes: SessionLanes::default(),
            reads: FuturesUnordered::new(),
            commits: FuturesUnordered::new(),
            commit_bytes: 0,
        }
    }

    /// Whether one more request may be taken; what is not taken stays in the socket (LIM-1).
    pub(crate) fn has_room(&self) -> bool {
        self.has_room_for_reads() && self.replies.has_room()
    }

    pub(crate) fn has_room_for_reads(&self) -> bool {
        self.reads.len() < READS_AT_ONCE_MAX
    }

    /// Takes the requests that have come, as far as there is room.
    pub(crate) fn take_requests(&mut self, reader: &mut FrameReader) -> Result<(), ProtocolError> {
        while self.has_room() {
            let Some(frame) = reader.next()? else { return Ok(()) };
            let (id, request) = message::request(frame)?;
            self.take(id, request);
        }
        Ok(())
    }

    fn take(&mut self, id: u64, request: Request) {
        match request {
            Request::Begin => self.begin(id),
            Request::Get { snapshot, key } => self.get(id, snapshot, key),
            Request::Range { snapshot, query } => self.range(id, snapshot, query),
            Request::Commit(request) => self.commit(id, request),
            Request::Release { snapshot } => self.snapshots.release(snapshot),
            Request::Heartbeat => {}
        }
    }

    fn begin(&mut self, id: u64) {
        add(&self.shared.counters.snapshots);
        let store = Arc::clone(&self.shared.served.store);
        self.read(async move { (id, Found::Snapshot(store.begin().await)) }.boxed());
    }

    fn get(&mut self, id: u64, snapshot: u64, key: Bytes) {
        add(&self.shared.counters.reads);
        match self.snapshots.find(snapshot) {
            Ok(snapshot) => {
                self.read(async move { (id, Found::Value(snapshot.get(&key).await)) }.boxed());
            }
            Err(error) => self.answer(id, Found::Value(Err(error))),
        }
    }

    fn range(&mut self, id: u64, snapshot: u64, query: RangeQuery) {
        add(&self.shared.counters.reads);
        match self.snapshots.find(snapshot) {
            Ok(snapshot) => {
                let page = async move { reads::page(snapshot.as_ref(), query).await };
                self.read(page.map(move |page| (id, Found::Page(page))).boxed());
            }
            Err(error) => self.answer(id, Found::Page(Err(error))),
        }
    }

    /// Answers at once when the store does, later otherwise.
    fn read(&mut self, mut read: BoxFuture<'static, (u64, Found)>) {
        match (&mut read).now_or_never() {
            Some((id, found)) => self.answer(id, found),
            None => self.reads.push(read),
        }
    }

    fn answer(&mut self, id: u64, found: Found) {
        match found {
            Found::Snapshot(result) => self.answer_begin(id, result),
            Found::Value(result) => {
                self.replies.put(|out| {
                    message::put_read_reply(out, id, &result, message::put_value);
                });
                self.note_read_error(result.err());
            }
            Found::Page(result) => {
                self.replies.put(|out| {
                    message::put_read_reply(out, id, &result, message::put_page);
                });
                self.note_read_error(result.err());
            }
        }
    }

    fn answer_begin(&mut self, id: u64, result: Result<Arc<dyn Snapshot>, ReadError>) {
        let version: Result<Version, ReadError> = result.map(|snapshot| {
            let version = snapshot.version();
            if self.snapshots.hold(id, snapshot, self.shared.config.snapshots_max) {
                add(&self.shared.counters.snapshots_evicted);
            }
            version
        });
        self.replies.put(|out| message::put_read_reply(out, id, &version, message::put_began));
        self.note_read_error(version.err());
    }

    fn note_read_error(&self, error: Option<ReadError>) {
        if let Some(ReadError::Stopped { reason }) = error {
            self.shared.served.note_stopped(&reason);
        }
    }

    fn commit(&mut self, id: u64, mut request: CommitRequest) {
        let (lane, bytes) = (request.lane, memory_bytes(&request));
        let served = Arc::clone(&self.shared.served);
        let admitted = self.lanes.admit(lane, || served.lend_lane());
        let admitted = admitted.and_then(|lane| self.check_room(bytes).map(|()| lane));
        match admitted {
            Ok(store_lane) => request.lane = store_lane,
            Err(error) => return self.answer_commit(id, lane, Err(error)),
        }
        let (gate, session) = (&self.admission.gate, self.admission.session);
        let Some(future) = gate.submit(session, || served.store.commit(request)) else {
            // The session is about to end: its client has come again. Nobody hears this.
            return self.answer_commit(id, lane, Err(CommitError::Abandoned));
        };
        add(&self.shared.counters.commits);
        self.commit_bytes += bytes;
        self.shared.commit_bytes.fetch_add(bytes, Ordering::Relaxed);
        let mut commit = InFlight { id, lane, bytes, future };
        match (&mut commit).now_or_never() {
            Some(finished) => self.finish(finished),
            None => self.commits.push(commit),
        }
    }

    fn check_room(&self, bytes: usize) -> Result<(), CommitError> {
        let config = &self.shared.config;
        let total = self.shared.commit_bytes.load(Ordering::Relaxed);
        let fits = |in_flight: usize, max: usize| in_flight == 0 || in_flight + bytes <= max;
        let has_room = self.commits.len() < config.commits_max
            && fits(self.commit_bytes, config.commit_bytes_max)
            && fits(total, config.commit_bytes_total_max);
        if has_room {
            return Ok(());
        }
        add(&self.shared.counters.overloaded);
        Err(CommitError::Overloaded { retry_after_ms: RETRY_AFTER_MS })
    }

    /// The store has answered: the commit is durable, or it failed (ACK-1).
    fn finish(&mut self, finished: Finished) {
        let Finished { id, lane, bytes, result } = finished;
        let finished_well = result.is_ok();
        self.admission.gate.finished();
        self.commit_bytes = self.commit_bytes.saturating_sub(bytes);
        if finished_well || !node_env::planted!("remote-store-bytes-not-returned") {
            self.shared.commit_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        if let Err(CommitError::Stopped { reason }) = &result {
            self.shared.served.note_stopped(reason);
        }
        self.answer_commit(id, lane, result);
    }

    fn answer_commit(
        &mut self,
        id: u64,
        lane: Option<CommitLane>,
        result: Result<Committed, CommitError>,
    ) {
        if result.is_err() {
            add(&self.shared.counters.commits_failed);
        }
        let result = self.lanes.settle(lane, result);
        self.replies.put(|out| message::put_commit_reply(out, id, &result));
    }

    /// Whether the store works on something for this session.
    pub(crate) fn is_busy(&self) -> bool {
        !self.reads.is_empty() || !self.commits.is_empty()
    }

    /// Waits for something to get ready and answers it, with all that is ready by then.
    pub(crate) async fn progress(&mut self) {
        futures::future::poll_fn(|cx| {
            let mut has_progressed = false;
            while let Poll::Ready(Some(finished)) = self.commits.poll_next_unpin(cx) {
                self.finish(finished);
                has_progressed = true;
            }
            while let Poll::Ready(Some((id, found))) = self.reads.poll_next_unpin(cx) {
                self.answer(id, found);
                has_progressed = true;
            }
            if has_progressed { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// What is to be done from time to time.
    pub(crate) fn tick(&mut self) {
        self.snapshots.sweep();
        self.replies.put(message::put_heartbeat);
    }

    /// Waits for the commits that the store has, answers them, and gives the lanes back.
    pub(crate) async fn drain(mut self) -> Admission {
        self.reads.clear();
        self.snapshots = Snapshots::default();
        while let Some(finished) = self.commits.next().await {
            add(&self.shared.counters.orphaned);
            self.finish(finished);
        }
        self.shared.served.release_lanes(&mut self.lanes);
        self.admission
    }
}
