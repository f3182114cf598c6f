//! One session with a peer: the calls that wait for their answers, the credits, what is ready to
//! be sent. Everything here is bounded by the window that both sides agreed on (LIM-1), and ends
//! with the session: an answer cannot meet a call of another session.

use super::assembly::Assembly;
use super::budget::{Budget, Room};
use super::envelope::{Batches, Cargo, Item, RefusalCode, Token};
use super::error::PeerError;
use super::fault::PeerFault;
use super::handler::{Place, Work};
use super::hello::Window;
use super::id::PeerId;
use super::limits::{BATCH_BYTES, PeerLimits, RETRY_AFTER_MS};
use super::metrics::Counters;
use super::stream::Meter;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot, watch};

/// What a call ends with.
pub(crate) type CallResult = Result<Answered, PeerError>;

/// An answer, and the room that it takes until its caller has it.
pub(crate) struct Answered {
    pub(crate) bytes: Vec<u8>,
    pub(crate) room: Room,
}

/// What the sessions of a network may hold together (LIM-1).
pub(crate) struct Totals {
    /// Bytes of calls in flight.
    pub(crate) calls: Arc<Budget>,
    /// Requests in work.
    pub(crate) work_requests: Arc<Budget>,
    /// Bytes of requests in work.
    pub(crate) work: Arc<Budget>,
    /// Bytes of replies that wait to be sent.
    pub(crate) replies: Arc<Budget>,
    /// Bytes of answers that nobody has taken yet.
    pub(crate) answers: Arc<Budget>,
}

impl Totals {
    pub(crate) fn new(limits: &PeerLimits) -> Self {
        Self {
            calls: Budget::new(limits.bytes_in_flight_total_max),
            work_requests: Budget::new(u64::from(limits.requests_in_work_total_max)),
            work: Budget::new(limits.bytes_in_flight_total_max),
            replies: Budget::new(limits.reply_bytes_waiting_total_max),
            answers: Budget::new(limits.reply_bytes_waiting_total_max),
        }
    }
}

/// What a session is made of.
pub(crate) struct SessionParts {
    pub(crate) peer: PeerId,
    /// The peer's incarnation.
    pub(crate) incarnation: u64,
    /// Who opened the connection.
    pub(crate) initiator: PeerId,
    /// Tells the sessions of this process apart; also the cluster crate's number of the node.
    pub(crate) number: u64,
    pub(crate) token: Token,
    /// What both sides allow.
    pub(crate) window: Window,
    /// Bytes of calls to this peer.
    pub(crate) calls: Arc<Budget>,
    /// Bytes of replies to this peer.
    pub(crate) replies: Arc<Budget>,
    pub(crate) reply_bytes_waiting_max: u32,
    pub(crate) meter: Arc<Meter>,
    pub(crate) wake: Arc<Notify>,
    pub(crate) work: Arc<Work>,
    pub(crate) counters: Arc<Counters>,
}

/// A session with a peer.
pub(crate) struct Session {
    parts: SessionParts,
    state: Mutex<State>,
    inbound: Mutex<Inbound>,
    next_id: AtomicU64,
    ended: watch::Sender<Option<PeerFault>>,
    round_trip_micros: AtomicU64,
}

impl std::ops::Deref for Session {
    type Target = SessionParts;

    fn deref(&self) -> &SessionParts {
        &self.parts
    }
}

/// How far a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Opening,
    Open {
        since_micros: u64,
    },
    /// The peer is shutting down: what is under way ends, nothing new begins.
    Leaving {
        since_micros: u64,
    },
    Ended(PeerFault),
}

struct State {
    phase: Phase,
    calls: BTreeMap<u64, Waiting>,
    batches: Batches,
    /// Batches that were handed to the cluster crate.
    handed: u64,
}

struct Waiting {
    answer: oneshot::Sender<CallResult>,
    room: Room,
}

impl Waiting {
    /// Gives the credit back before the caller hears of it: it may call again at once.
    fn finish(self, result: CallResult) {
        drop(self.room);
        // Nobody listens when the deadline was over, or the caller has gone.
        drop(self.answer.send(result));
    }
}

/// What came of the peer in parts and is not whole yet.
#[derive(Default)]
pub(crate) struct Inbound {
    pub(crate) requests: Assembly<Place>,
    pub(crate) replies: Assembly<Room>,
}

/// What goes back for a request.
pub(crate) enum Answer<'a> {
    Reply(&'a [u8]),
    Refusal { code: RefusalCode, retry_after_ms: u32 },
}

impl Session {
    pub(crate) fn new(parts: SessionParts) -> Self {
        let state = State {
            phase: Phase::Opening,
            calls: BTreeMap::new(),
            batches: Batches::new(parts.token),
            handed: 0,
        };
        Self {
            parts,
            state: Mutex::new(state),
            inbound: Mutex::default(),
            next_id: AtomicU64::new(1),
            ended: watch::Sender::new(None),
            round_trip_micros: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What came in parts. Only the gateway asks, and whoever ends the session.
    pub(crate) fn inbound(&self) -> MutexGuard<'_, Inbound> {
        self.inbound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn phase(&self) -> Phase {
        self.lock().phase
    }

    /// Calls that wait for their answers.
    pub(crate) fn calls_in_flight(&self) -> usize {
        self.lock().calls.len()
    }

    /// Whether everything that was ready has been written.
    pub(crate) fn is_flushed(&self) -> bool {
        let state = self.lock();
        state.batches.is_empty() && self.meter.batches_written() >= state.handed
    }

    /// Batches that are on their way to the connection.
    pub(crate) fn batches_unwritten(&self) -> u64 {
        self.lock().handed.saturating_sub(self.meter.batches_written())
    }

    /// The last measured time to the peer and back; zero before the first.
    pub(crate) fn round_trip_micros(&self) -> u64 {
        self.round_trip_micros.load(Ordering::Relaxed)
    }

    pub(crate) fn set_round_trip(&self, micros: u64) {
        self.round_trip_micros.store(micros, Ordering::Relaxed);
    }

    /// Lets calls in. False when the session is over already.
    pub(crate) fn open(&self, since_micros: u64) -> bool {
        let mut state = self.lock();
        if state.phase == Phase::Opening {
            state.phase = Phase::Open { since_micros };
        }
        matches!(state.phase, Phase::Open { .. } | Phase::Leaving { .. })
    }

    /// Notes that the peer is leaving.
    pub(crate) fn set_leaving(&self) {
        let mut state = self.lock();
        if let Phase::Open { since_micros } = state.phase {
            state.phase = Phase::Leaving { since_micros };
        }
    }

    /// Puts a request in line. Requests are sent in the order in which this is called.
    pub(crate) fn call(
        &self,
        request: &[u8],
        deadline_ms: u32,
    ) -> Result<oneshot::Receiver<CallResult>, PeerError> {
        let window = self.window;
        if request.len() > usize::try_from(window.message_bytes_max).unwrap_or(usize::MAX) {
            let bytes_max = window.message_bytes_max;
            return Err(PeerError::TooLarge { bytes: request.len(), bytes_max });
        }
        let overloaded = || {
            Counters::add(&self.counters.calls_overloaded);
            PeerError::Overloaded { retry_after_ms: RETRY_AFTER_MS }
        };
        let room = self.parts.calls.enter(request.len() as u64).ok_or_else(overloaded)?;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let item = Item::Request { id, deadline_ms, bytes: request };
        let cargo = Cargo::new(self.token, item, None);
        let mut state = self.lock();
        let not_connected = |reason| Err(PeerError::NotConnected { peer: self.peer, reason });
        match state.phase {
            Phase::Open { .. } => {}
            Phase::Opening => return not_connected(PeerFault::Opening),
            Phase::Leaving { .. } => return not_connected(PeerFault::Leaving),
            Phase::Ended(fault) => return not_connected(fault),
        }
        if state.calls.len() as u64 >= u64::from(window.requests_max) {
            return Err(overloaded());
        }
        let (answer, answered) = oneshot::channel();
        state.calls.insert(id, Waiting { answer, room });
        state.batches.push(cargo);
        drop(state);
        self.wake.notify_one();
        Ok(answered)
    }

    /// Ends a call by what the peer answered, and gives its credit back.
    pub(crate) fn answered(&self, id: u64, result: CallResult) {
        let waiting = self.lock().calls.remove(&id);
        match waiting {
            Some(waiting) => waiting.finish(result),
            None => Counters::add(&self.counters.answers_unmatched),
        }
    }

    /// Puts an answer in line; one for which there is no room becomes a refusal.
    pub(crate) fn answer(&self, id: u64, answer: Answer<'_>, place: Option<Place>) {
        let refusal = |code, retry_after_ms| {
            let item = Item::Refusal { id, code, retry_after_ms };
            Cargo::new(self.token, item, None)
        };
        let cargo = match answer {
            Answer::Refusal { code, retry_after_ms } => refusal(code, retry_after_ms),
            Answer::Reply(bytes) => match self.reply_room(bytes.len()) {
                Some(room) => Cargo::new(self.token, Item::Reply { id, bytes }, Some(room)),
                None => {
                    Counters::add(&self.counters.replies_refused);
                    refusal(RefusalCode::ReplyRefused, RETRY_AFTER_MS)
                }
            },
        };
        self.put(cargo, place);
    }

    fn reply_room(&self, bytes: usize) -> Option<Room> {
        let max = usize::try_from(self.window.message_bytes_max).unwrap_or(usize::MAX);
        if bytes > max { None } else { self.replies.enter(bytes as u64) }
    }

    /// Puts a small item in line.
    pub(crate) fn send(&self, item: Item<'_>) {
        self.put(Cargo::new(self.token, item, None), None);
    }

    /// Puts an item in line. A peer that makes us answer and reads nothing is cut (LIM-1).
    fn put(&self, cargo: Cargo<'_>, place: Option<Place>) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Ended(_)) {
            return;
        }
        state.batches.push(cargo);
        let is_flooded = state.batches.bytes() > self.flood_bytes();
        // Before the answer can leave, or the peer's next request might find the place taken;
        // not before it is in line, or a network that shuts down would think that all is done.
        drop(place);
        drop(state);
        if is_flooded {
            self.end(PeerFault::NoRoom);
        }
        self.wake.notify_one();
    }

    /// More than well-behaved sides can ever have waiting: all calls and all replies, and what
    /// goes with each of them and with each of their parts.
    fn flood_bytes(&self) -> usize {
        let bytes = u64::from(self.window.bytes_max) + u64::from(self.reply_bytes_waiting_max);
        let items = (u64::from(self.window.requests_max) * 128).max(BATCH_BYTES as u64);
        usize::try_from(bytes + bytes / 512 + items).unwrap_or(usize::MAX)
    }

    /// Says that we live, unless so much waits that the peer will hear from us anyway.
    pub(crate) fn ping(&self, now_micros: u64) {
        let is_idle = self.lock().batches.is_empty();
        if is_idle {
            self.send(Item::Ping { sent_at_micros: now_micros });
        }
    }

    /// The next batch to send.
    pub(crate) fn next_batch(&self) -> Option<Vec<u8>> {
        let mut state = self.lock();
        let batch = state.batches.pop()?;
        state.handed += 1;
        Some(batch)
    }

    /// Ends the session; the first reason stays. Calls end with an unknown outcome.
    pub(crate) fn end(&self, fault: PeerFault) {
        // The stream knows better why it was closed.
        let fault = self.meter.fault().unwrap_or(fault);
        let calls = {
            let mut state = self.lock();
            if matches!(state.phase, Phase::Ended(_)) {
                return;
            }
            state.phase = Phase::Ended(fault);
            state.batches.clear();
            std::mem::take(&mut state.calls)
        };
        for waiting in calls.into_values() {
            Counters::add(&self.counters.calls_lost);
            waiting.finish(Err(PeerError::ConnectionLost(fault)));
        }
        *self.inbound() = Inbound::default();
        self.meter.cut();
        self.ended.send_replace(Some(fault));
    }

    /// Waits until the session has ended.
    pub(crate) async fn ended(&self) -> PeerFault {
        let mut ended = self.ended.subscribe();
        let fault = ended.wait_for(Option::is_some).await.map(|fault| *fault);
        fault.ok().flatten().unwrap_or(PeerFault::Closed)
    }
}
