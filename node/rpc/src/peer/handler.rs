//! Who answers the requests of peers, and how a request goes through it: bounded, in order, with a
//! negative reply for everything that yields no answer.

use super::budget::{Budget, Room};
use super::envelope::RefusalCode;
use super::id::PeerId;
use super::limits::{CALL_DEADLINE_MS_MAX, PeerLimits, RETRY_AFTER_MS};
use super::metrics::Counters;
use super::session::{Answer, Session, Totals};
use futures::FutureExt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// What a handler's future ends with.
pub type HandlerResult = Result<Vec<u8>, HandlerRefusal>;
/// The future of a handler.
pub type HandlerFuture = Pin<Box<dyn Future<Output = HandlerResult> + Send>>;

/// Why a handler does not answer. Both say that the request had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandlerRefusal {
    /// There is no room.
    Overloaded {
        /// When to try again.
        retry_after_ms: u32,
    },
    /// The bytes mean nothing.
    Malformed,
}

/// Answers the requests of peers.
///
/// `call` is invoked for the requests of one session in the order in which the peer called, and
/// the future is polled once before the next request is taken: what a handler does before its
/// first wait happens in order. It must not block: all peers wait for it. Futures then run side by
/// side, and are dropped when the deadline of their request is over: work that must go on then
/// belongs in a task of its own.
pub trait PeerHandler: Send + Sync + 'static {
    /// Begins to answer a request of `from`, whose identity is proven.
    fn call(&self, from: PeerId, request: Vec<u8>) -> HandlerFuture;
}

/// The requests of one peer that are worked on, over all of its sessions: a peer that reconnects
/// gets no second window while the work of the first goes on (LIM-1).
pub(crate) struct Work {
    requests: Arc<Budget>,
    bytes: Arc<Budget>,
}

impl Work {
    pub(crate) fn new(totals: &Totals, limits: &PeerLimits) -> Self {
        Self {
            requests: totals.work_requests.part(u64::from(limits.requests_in_flight_max)),
            bytes: totals.work.part(u64::from(limits.bytes_in_flight_max)),
        }
    }

    /// Requests that are worked on.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.used()
    }

    /// A place for a request of so many bytes.
    pub(crate) fn enter(&self, bytes: usize) -> Option<Place> {
        let rooms = [self.requests.enter(1)?, self.bytes.enter(bytes as u64)?];
        Some(Place { _rooms: rooms })
    }
}

/// A request's place; given back when it is answered.
pub(crate) struct Place {
    _rooms: [Room; 2],
}

/// A request on its way through the handler. Dropped without an answer (its task was cancelled
/// with the runtime) it says so, unless the session is over.
struct Request {
    session: Arc<Session>,
    counters: Arc<Counters>,
    id: u64,
    /// Until it is answered.
    place: Option<Place>,
}

impl Request {
    fn answer(&mut self, answer: Answer<'_>) {
        self.session.answer(self.id, answer, self.place.take());
    }

    fn refuse(&mut self, code: RefusalCode, retry_after_ms: u32) {
        self.answer(Answer::Refusal { code, retry_after_ms });
    }

    fn finish(mut self, result: std::thread::Result<HandlerResult>) {
        match result {
            Ok(Ok(bytes)) => self.answer(Answer::Reply(&bytes)),
            Ok(Err(HandlerRefusal::Overloaded { retry_after_ms })) => {
                self.refuse(RefusalCode::Overloaded, retry_after_ms);
            }
            Ok(Err(HandlerRefusal::Malformed)) => self.refuse(RefusalCode::Malformed, 0),
            Err(_) => {
                // What the panic said may quote the request and is not logged (PHI-1).
                Counters::add(&self.counters.handlers_failed);
                tracing::warn!(peer = %self.session.peer, "the handler of a peer's request failed");
                self.refuse(RefusalCode::HandlerFailed, 0);
            }
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if self.place.is_some() {
            self.refuse(RefusalCode::HandlerFailed, 0);
        }
    }
}

/// What a request is handled with.
pub(crate) struct Desk<'a> {
    pub(crate) handler: &'a dyn PeerHandler,
    pub(crate) counters: &'a Arc<Counters>,
    pub(crate) is_draining: bool,
}

/// A request as it came, whole.
pub(crate) struct Arrived {
    pub(crate) id: u64,
    pub(crate) deadline_ms: u32,
    /// Its bytes and its place; nothing when there was no room for it.
    pub(crate) kept: Option<(Vec<u8>, Place)>,
}

/// Takes a request of a peer, or refuses it.
pub(crate) fn take(desk: &Desk<'_>, session: &Arc<Session>, arrived: Arrived) {
    let Arrived { id, deadline_ms, kept } = arrived;
    let counters = desk.counters;
    Counters::add(&counters.requests);
    let refuse = |code, retry_after_ms| {
        Counters::add(&counters.requests_refused);
        session.answer(id, Answer::Refusal { code, retry_after_ms }, None);
    };
    if desk.is_draining {
        return refuse(RefusalCode::ShuttingDown, 0);
    }
    let Some((bytes, place)) = kept else {
        return refuse(RefusalCode::Overloaded, RETRY_AFTER_MS);
    };
    let request = Request {
        session: Arc::clone(session),
        counters: Arc::clone(counters),
        id,
        place: Some(place),
    };
    let begin = AssertUnwindSafe(|| desk.handler.call(session.peer, bytes));
    let mut future = match catch_unwind(begin) {
        Ok(future) => AssertUnwindSafe(future).catch_unwind(),
        Err(panic) => return request.finish(Err(panic)),
    };
    // In order up to the first wait (ORD-1 of the layer above), and no task for what never waits.
    match Pin::new(&mut future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => request.finish(result),
        Poll::Pending => drop(tokio::spawn(finish_later(request, future, deadline_ms))),
    }
}

async fn finish_later(
    mut request: Request,
    future: impl Future<Output = std::thread::Result<HandlerResult>>,
    deadline_ms: u32,
) {
    // Whatever a peer says: its place is not taken for longer (LIM-1).
    let deadline = Duration::from_millis(u64::from(deadline_ms.min(CALL_DEADLINE_MS_MAX)));
    match tokio::time::timeout(deadline, future).await {
        Ok(result) => request.finish(result),
        Err(_) => {
            // The caller has given up; this gives its credit back.
            Counters::add(&request.counters.requests_late);
            request.refuse(RefusalCode::DeadlineExceeded, 0);
        }
    }
}
