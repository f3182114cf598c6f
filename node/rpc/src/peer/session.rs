//! One session with a peer: the calls that wait for their answers, the credits, what is ready to
//! be sent. Everything here is bounded by the window that both sides agreed on (LIM-1), and ends
//! with the session: an answer cannot meet a call of another session.

use super::envelope::{Batches, Item, RefusalCode, Token};
use super::error::PeerError;
use super::fault::PeerFault;
use super::handler::Work;
use super::hello::Window;
use super::id::PeerId;
use super::limits::{BATCH_BYTES, RETRY_AFTER_MS};
use super::metrics::Counters;
use super::stream::Meter;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot, watch};

/// What a call ends with.
pub(crate) type CallResult = Result<Vec<u8>, PeerError>;

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
    /// What we allow the peer.
    pub(crate) own_window: Window,
    /// What both sides allow.
    pub(crate) window: Window,
    pub(crate) waiting_bytes_max: usize,
    pub(crate) meter: Arc<Meter>,
    pub(crate) wake: Arc<Notify>,
    pub(crate) work: Arc<Work>,
    pub(crate) counters: Arc<Counters>,
}

/// A session with a peer.
pub(crate) struct Session {
    parts: SessionParts,
    state: Mutex<State>,
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
    call_bytes: u64,
    next_id: u64,
    batches: Batches,
    /// Batches that were handed to the cluster crate.
    handed: u64,
}

struct Waiting {
    answer: oneshot::Sender<CallResult>,
    bytes: u64,
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
            call_bytes: 0,
            next_id: 1,
            batches: Batches::new(parts.token),
            handed: 0,
        };
        Self {
            parts,
            state: Mutex::new(state),
            ended: watch::Sender::new(None),
            round_trip_micros: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        let bytes = request.len() as u64;
        let mut state = self.lock();
        let not_connected = |reason| Err(PeerError::NotConnected { peer: self.peer, reason });
        match state.phase {
            Phase::Open { .. } => {}
            Phase::Opening => return not_connected(PeerFault::Opening),
            Phase::Leaving { .. } => return not_connected(PeerFault::Leaving),
            Phase::Ended(fault) => return not_connected(fault),
        }
        let is_full = state.calls.len() as u64 >= u64::from(window.requests_max)
            || state.call_bytes + bytes > u64::from(window.bytes_max);
        if is_full {
            Counters::add(&self.counters.calls_overloaded);
            return Err(PeerError::Overloaded { retry_after_ms: RETRY_AFTER_MS });
        }
        let id = state.next_id;
        state.next_id += 1;
        let (answer, answered) = oneshot::channel();
        state.calls.insert(id, Waiting { answer, bytes });
        state.call_bytes += bytes;
        state.batches.push(&Item::Request { id, deadline_ms, bytes: request });
        drop(state);
        self.wake.notify_one();
        Ok(answered)
    }

    /// Ends a call by what the peer answered, and gives its credit back.
    pub(crate) fn answered(&self, id: u64, result: CallResult) {
        let waiting = {
            let mut state = self.lock();
            let waiting = state.calls.remove(&id);
            if let Some(waiting) = &waiting {
                state.call_bytes -= waiting.bytes;
            }
            waiting
        };
        match waiting {
            // Nobody listens when the deadline was over, or the caller has gone.
            Some(waiting) => drop(waiting.answer.send(result)),
            None => Counters::add(&self.counters.answers_unmatched),
        }
    }

    /// Puts an answer in line; too large a one becomes a refusal.
    pub(crate) fn answer(&self, id: u64, answer: Answer<'_>) {
        let refused =
            Item::Refusal { id, code: RefusalCode::ReplyRefused, retry_after_ms: RETRY_AFTER_MS };
        match answer {
            Answer::Reply(bytes) => {
                let max = usize::try_from(self.window.message_bytes_max).unwrap_or(usize::MAX);
                let fits = bytes.len() <= max
                    && self.lock().batches.bytes() + bytes.len() <= self.waiting_bytes_max;
                if fits {
                    self.send(&Item::Reply { id, bytes });
                } else {
                    Counters::add(&self.counters.replies_refused);
                    self.send(&refused);
                }
            }
            Answer::Refusal { code, retry_after_ms } => {
                self.send(&Item::Refusal { id, code, retry_after_ms });
            }
        }
    }

    /// Puts an item in line. A peer that makes us answer and reads nothing is cut (LIM-1).
    pub(crate) fn send(&self, item: &Item<'_>) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Ended(_)) {
            return;
        }
        state.batches.push(item);
        let is_flooded = state.batches.bytes() > self.flood_bytes();
        drop(state);
        if is_flooded {
            self.end(PeerFault::NoRoom);
        }
        self.wake.notify_one();
    }

    /// More than well-behaved sides can ever have waiting.
    fn flood_bytes(&self) -> usize {
        let calls = usize::try_from(self.window.bytes_max).unwrap_or(usize::MAX);
        let requests = usize::try_from(self.window.requests_max).unwrap_or(usize::MAX);
        let items = requests.saturating_mul(64).max(BATCH_BYTES);
        self.waiting_bytes_max.saturating_add(calls).saturating_add(items)
    }

    /// Says that we live, unless so much waits that the peer will hear from us anyway.
    pub(crate) fn ping(&self, now_micros: u64) {
        let is_idle = self.lock().batches.is_empty();
        if is_idle {
            self.send(&Item::Ping { sent_at_micros: now_micros });
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
        let calls = {
            let mut state = self.lock();
            if matches!(state.phase, Phase::Ended(_)) {
                return;
            }
            state.phase = Phase::Ended(fault);
            state.batches.clear();
            state.call_bytes = 0;
            std::mem::take(&mut state.calls)
        };
        for waiting in calls.into_values() {
            Counters::add(&self.counters.calls_lost);
            drop(waiting.answer.send(Err(PeerError::ConnectionLost(fault))));
        }
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
