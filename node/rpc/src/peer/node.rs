//! What all parts of a network share, what happens to a batch that comes in, and the life of a
//! session: open, send what is ready, beat, notice silence, put away.

use super::assembly::Part;
use super::budget::Room;
use super::config::PeerConfig;
use super::directory::Directory;
use super::envelope::{BatchReader, Item, Malformed, RefusalCode};
use super::error::PeerError;
use super::fault::PeerFault;
use super::handler::{self, Arrived, Desk, PeerHandler};
use super::hello::Window;
use super::limits::{BATCHES_UNWRITTEN_MAX, LINK_END_MS_MAX};
use super::link::{GatewayMessage, HostStart, SessionHost};
use super::metrics::Counters;
use super::session::{Answered, Session, Totals};
use super::strangers::Strangers;
use super::tls::Protection;
use ractor::{Actor, ActorRef};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior};

/// Shared by all parts of a network.
pub(crate) struct Node {
    pub(crate) config: PeerConfig,
    pub(crate) protection: Protection,
    pub(crate) handler: Arc<dyn PeerHandler>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) directory: Directory,
    pub(crate) totals: Arc<Totals>,
    /// Drawn when the network started.
    pub(crate) incarnation: u64,
    /// The actor id of our gateway.
    pub(crate) gateway: u64,
    pub(crate) is_draining: AtomicBool,
    pub(crate) strangers: Arc<Strangers>,
    /// Sessions that are not yet put away.
    pub(crate) running: AtomicUsize,
}

/// A session that both sides agreed on and whose cluster part has yet to start.
pub(crate) struct Agreed {
    pub(crate) session: Arc<Session>,
    pub(crate) start: HostStart,
    pub(crate) ready: oneshot::Receiver<ActorRef<GatewayMessage>>,
    /// When the handshake as a whole must be over.
    pub(crate) open_by: Instant,
}

impl Node {
    pub(crate) fn now_micros(&self) -> u64 {
        self.config.clock.monotonic_micros()
    }

    /// What we allow each peer.
    pub(crate) fn window(&self) -> Window {
        let limits = &self.config.limits;
        Window {
            requests_max: limits.requests_in_flight_max,
            bytes_max: limits.bytes_in_flight_max,
            message_bytes_max: limits.message_bytes_max,
        }
    }

    /// Counts a connection that came to nothing, or a session's end, and logs it once.
    pub(crate) fn note(&self, fault: PeerFault, whom: &dyn std::fmt::Display) {
        self.counters.faults.note(fault, (&self.config.network, whom), self.now_micros());
    }

    /// Takes a batch from the gateway.
    pub(crate) fn receive(&self, batch: &[u8]) {
        Counters::add(&self.counters.batches_received);
        let Ok((token, reader)) = BatchReader::new(batch) else {
            return Counters::add(&self.counters.batches_stale);
        };
        // Of a session that is over, or of nobody: there is no one to answer.
        let Some(session) = self.directory.session_of(token) else {
            return Counters::add(&self.counters.batches_stale);
        };
        // A panic must not take the gateway, and with it all peers, along (LIVE-1).
        let take = AssertUnwindSafe(|| self.take_items(&session, reader));
        if !matches!(catch_unwind(take), Ok(Ok(()))) {
            session.end(PeerFault::MalformedFrame);
        }
        session.meter.take_batch();
    }

    fn take_items(
        &self,
        session: &Arc<Session>,
        mut reader: BatchReader<'_>,
    ) -> Result<(), Malformed> {
        let is_draining = self.is_draining.load(Ordering::Acquire);
        let desk = Desk { handler: &*self.handler, counters: &self.counters, is_draining };
        while let Some(item) = reader.next()? {
            match item {
                Item::RequestPart(part) => self.take_request_part(session, part)?,
                Item::Request { id, deadline_ms, bytes } => {
                    let admit = |bytes| session.work.enter(bytes);
                    let kept = session.inbound().requests.finish(id, bytes, admit)?;
                    handler::take(&desk, session, Arrived { id, deadline_ms, kept });
                }
                Item::ReplyPart(part) => self.take_reply_part(session, part)?,
                Item::Reply { id, bytes } => {
                    let admit = |bytes| self.totals.answers.enter(bytes as u64);
                    let kept = session.inbound().replies.finish(id, bytes, admit)?;
                    self.take_reply(session, id, kept);
                }
                Item::Refusal { id, code, retry_after_ms } => {
                    session.answered(id, Err(refusal(code, retry_after_ms)));
                }
                Item::Ping { sent_at_micros } => session.send(Item::Pong { sent_at_micros }),
                Item::Pong { sent_at_micros } => {
                    session.set_round_trip(self.now_micros().saturating_sub(sent_at_micros));
                }
                Item::Leaving => session.set_leaving(),
            }
        }
        Ok(())
    }

    fn take_request_part(&self, session: &Session, part: Part<'_>) -> Result<(), Malformed> {
        let admit = |bytes| session.work.enter(bytes);
        let bytes_max = self.config.limits.message_bytes_max;
        session.inbound().requests.part(part, bytes_max, admit)
    }

    fn take_reply_part(&self, session: &Session, part: Part<'_>) -> Result<(), Malformed> {
        let admit = |bytes| self.totals.answers.enter(bytes as u64);
        let bytes_max = self.config.limits.message_bytes_max;
        session.inbound().replies.part(part, bytes_max, admit)
    }

    fn take_reply(&self, session: &Session, id: u64, kept: Option<(Vec<u8>, Room)>) {
        let result = match kept {
            Some((bytes, room)) => Ok(Answered { bytes, room }),
            None => {
                Counters::add(&self.counters.answers_refused);
                Err(PeerError::ReplyRefused)
            }
        };
        session.answered(id, result);
    }

    /// Runs a session until it has ended and is put away.
    pub(crate) async fn run(self: Arc<Self>, agreed: Agreed) {
        let Agreed { session, start, ready, open_by } = agreed;
        let host = Actor::spawn(None, SessionHost, start).await;
        let fault = match host {
            Ok((host, mut link)) => {
                let opened = tokio::time::timeout_at(open_by, ready).await;
                match opened {
                    Ok(Ok(gateway)) => self.carry(&session, &gateway, &mut link).await,
                    Ok(Err(_)) => session.end(PeerFault::Closed),
                    Err(_) => session.end(PeerFault::Timeout),
                }
                let fault = session.ended().await;
                let patience = Duration::from_millis(LINK_END_MS_MAX);
                // Cutting the stream ends the actors in order; killing them is the last resort.
                if !link.is_finished() && tokio::time::timeout(patience, &mut link).await.is_err() {
                    host.kill();
                }
                fault
            }
            Err(_) => {
                session.end(PeerFault::Closed);
                PeerFault::Closed
            }
        };
        self.directory.closed(&session, fault, self.now_micros());
        Counters::add(&self.counters.sessions_ended);
        self.note(fault, &session.peer);
        let (number, reason) = (session.number, fault.word());
        tracing::info!(peer = %session.peer, session = number, reason, "peer session ended");
        self.running.fetch_sub(1, Ordering::AcqRel);
    }

    /// Sends and beats until the session ends.
    async fn carry(
        &self,
        session: &Arc<Session>,
        gateway: &ActorRef<GatewayMessage>,
        link: &mut tokio::task::JoinHandle<()>,
    ) {
        if self.is_draining.load(Ordering::Acquire) {
            // Let in just before the network began to end.
            return session.end(PeerFault::ShuttingDown);
        }
        if !session.open(self.now_micros()) {
            return;
        }
        self.directory.opened(session);
        Counters::add(&self.counters.sessions_opened);
        tracing::info!(peer = %session.peer, session = session.number, "peer session opened");
        let every = Duration::from_millis(u64::from(self.config.times.ping_every_ms.max(1)));
        let mut beats = tokio::time::interval(every);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut silence = Silence::new(session, self.config.times.silent_ticks_max());
        let mut ended = std::pin::pin!(session.ended());
        session.wake.notify_one();
        loop {
            tokio::select! {
                _ = &mut ended => return,
                _ = &mut *link => return session.end(PeerFault::Closed),
                () = session.wake.notified() => {
                    // Whoever else is about to call in this turn joins the batch.
                    tokio::task::yield_now().await;
                    if !self.send_ready(session, gateway) {
                        return session.end(PeerFault::Closed);
                    }
                }
                _ = beats.tick() => {
                    if silence.is_over(session) {
                        return session.end(silence.cause(session));
                    }
                    session.ping(self.now_micros());
                }
            }
        }
    }

    /// Hands batches over while few are on their way. False when the link is down.
    fn send_ready(&self, session: &Session, gateway: &ActorRef<GatewayMessage>) -> bool {
        while session.batches_unwritten() < BATCHES_UNWRITTEN_MAX {
            let Some(batch) = session.next_batch() else { return true };
            Counters::add(&self.counters.batches_sent);
            self.counters.batch_bytes_sent.fetch_add(batch.len() as u64, Ordering::Relaxed);
            if gateway.cast(GatewayMessage(batch)).is_err() {
                return false;
            }
        }
        true
    }
}

fn refusal(code: RefusalCode, retry_after_ms: u32) -> PeerError {
    match code {
        RefusalCode::Overloaded => PeerError::Overloaded { retry_after_ms },
        RefusalCode::Malformed => PeerError::Malformed,
        RefusalCode::ShuttingDown => PeerError::ShuttingDown,
        RefusalCode::HandlerFailed => PeerError::HandlerFailed,
        RefusalCode::DeadlineExceeded => PeerError::DeadlineExceeded,
        RefusalCode::ReplyRefused => PeerError::ReplyRefused,
    }
}

/// Counts the beats since something was heard.
struct Silence {
    reads: u64,
    ticks: u32,
    ticks_max: u32,
}

impl Silence {
    fn new(session: &Session, ticks_max: u32) -> Self {
        Self { reads: session.meter.reads(), ticks: 0, ticks_max }
    }

    /// Nothing came, or nothing could be taken.
    fn cause(&self, session: &Session) -> PeerFault {
        if session.meter.is_behind() { PeerFault::NoRoom } else { PeerFault::Dead }
    }

    fn is_over(&mut self, session: &Session) -> bool {
        let reads = session.meter.reads();
        if reads == self.reads {
            self.ticks += 1;
        } else {
            self.reads = reads;
            self.ticks = 0;
        }
        self.ticks > self.ticks_max
    }
}
