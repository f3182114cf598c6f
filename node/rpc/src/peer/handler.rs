//! Who answers the requests of peers, and how a request goes through it: bounded, in order, with a
//! negative reply for everything that yields no answer.

use super::envelope::RefusalCode;
use super::hello::Window;
use super::id::PeerId;
use super::limits::RETRY_AFTER_MS;
use super::metrics::Counters;
use super::session::{Answer, Session};
use futures::FutureExt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
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
#[derive(Debug, Default)]
pub(crate) struct Work {
    requests: AtomicU32,
    bytes: AtomicU32,
}

impl Work {
    /// Requests that are worked on.
    pub(crate) fn requests(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }

    fn enter(self: &Arc<Self>, bytes: usize, window: Window) -> Option<Place> {
        let bytes = u32::try_from(bytes).ok()?;
        let place = |counter: &AtomicU32, add: u32, max: u32| {
            let more = |now: u32| now.checked_add(add).filter(|sum| *sum <= max);
            counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
        };
        if !place(&self.requests, 1, window.requests_max) {
            return None;
        }
        if !place(&self.bytes, bytes, window.bytes_max) {
            self.requests.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Place { work: Arc::clone(self), bytes })
    }
}

/// A request's place; given back when it is answered.
struct Place {
    work: Arc<Work>,
    bytes: u32,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.work.requests.fetch_sub(1, Ordering::Relaxed);
        self.work.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A request on its way through the handler. Dropped without an answer (its task was cancelled
/// with the runtime) it says so, unless the session is over.
struct Request {
    session: Arc<Session>,
    counters: Arc<Counters>,
    id: u64,
    _place: Place,
    is_answered: bool,
}

impl Request {
    fn refuse(mut self, code: RefusalCode, retry_after_ms: u32) {
        self.is_answered = true;
        self.session.answer(self.id, Answer::Refusal { code, retry_after_ms });
    }

    fn finish(mut self, result: std::thread::Result<HandlerResult>) {
        match result {
            Ok(Ok(bytes)) => {
                self.is_answered = true;
                self.session.answer(self.id, Answer::Reply(&bytes));
            }
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
        if !self.is_answered {
            let code = RefusalCode::HandlerFailed;
            self.session.answer(self.id, Answer::Refusal { code, retry_after_ms: 0 });
        }
    }
}

/// What a request is handled with.
pub(crate) struct Desk<'a> {
    pub(crate) handler: &'a dyn PeerHandler,
    pub(crate) counters: &'a Arc<Counters>,
    pub(crate) is_draining: bool,
}

/// Takes a request of a peer, or refuses it.
pub(crate) fn take(
    desk: &Desk<'_>,
    session: &Arc<Session>,
    id: u64,
    (deadline_ms, bytes): (u32, &[u8]),
) {
    let counters = desk.counters;
    Counters::add(&counters.requests);
    let refuse = |code, retry_after_ms| {
        Counters::add(&counters.requests_refused);
        session.answer(id, Answer::Refusal { code, retry_after_ms });
    };
    if desk.is_draining {
        return refuse(RefusalCode::ShuttingDown, 0);
    }
    let Some(place) = session.work.enter(bytes.len(), session.own_window) else {
        return refuse(RefusalCode::Overloaded, RETRY_AFTER_MS);
    };
    let request = Request {
        session: Arc::clone(session),
        counters: Arc::clone(counters),
        id,
        _place: place,
        is_answered: false,
    };
    let begin = AssertUnwindSafe(|| desk.handler.call(session.peer, bytes.to_vec()));
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
    request: Request,
    future: impl Future<Output = std::thread::Result<HandlerResult>>,
    deadline_ms: u32,
) {
    let deadline = Duration::from_millis(u64::from(deadline_ms));
    match tokio::time::timeout(deadline, future).await {
        Ok(result) => request.finish(result),
        Err(_) => {
            // The caller has given up; this gives its credit back.
            Counters::add(&request.counters.requests_late);
            request.refuse(RefusalCode::DeadlineExceeded, 0);
        }
    }
}
