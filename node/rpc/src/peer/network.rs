//! The handle of a peer network: start, say who the peers are, call them, look at them, stop.

use super::config::{PeerConfig, PeerSecurity};
use super::connect;
use super::directory::{Directory, Record};
use super::envelope::Item;
use super::error::{PeerError, PeerStartError};
use super::fault::PeerFault;
use super::handler::{PeerHandler, Work};
use super::id::PeerId;
use super::limits::{CALL_DEADLINE_MS_MAX, DRAIN_LOOK_MS, NETWORK_NAME_BYTES_MAX, TASK_END_MS_MAX};
use super::link::{Gateway, GatewayMessage, NodeSlot};
use super::metrics::Counters;
use super::node::Node;
use super::session::{Answered, CallResult, Phase, Session, Totals};
use super::strangers::Strangers;
use super::tls::{Own, Protection};
use ractor::{Actor, ActorRef};
use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// The protocol inside TLS.
const PROTOCOL: &[u8] = b"medulla-peer/1";

/// A running peer network. Dropping it closes every session at once; see
/// [`shut_down`](Self::shut_down) for the orderly way.
pub struct PeerNetwork {
    node: Arc<Node>,
    gateway: ActorRef<GatewayMessage>,
    listener: AbortHandle,
    address: SocketAddr,
}

/// A peer as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// Who.
    pub peer: PeerId,
    /// Where it is dialled.
    pub address: String,
    /// Whether it can be called.
    pub state: PeerState,
    /// Requests of this peer that are worked on here.
    pub requests_in_work: u32,
}

/// Whether a peer can be called. Times are monotonic microseconds of the network's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerState {
    /// It can.
    Connected {
        /// Since when.
        since_micros: u64,
        /// When a byte of it came last.
        heard_at_micros: u64,
        /// The last measured time there and back; zero before the first heartbeat.
        round_trip_micros: u64,
        /// Calls that wait for its answers.
        calls_in_flight: usize,
        /// It said that it shuts down and takes no more calls.
        is_leaving: bool,
    },
    /// It cannot.
    Disconnected {
        /// Since when.
        since_micros: u64,
        /// Dials that failed since the last session.
        attempts: u32,
        /// Why: how the last session or the last dial ended.
        reason: PeerFault,
    },
}

impl PeerNetwork {
    /// Listens, and starts the gateway. Must be called on the runtime on which handlers are to
    /// run. Nobody is dialled or let in before [`set_peers`](Self::set_peers).
    ///
    /// # Errors
    /// [`PeerStartError`] when the configuration, the certificates or the address cannot be used.
    pub async fn start(
        config: PeerConfig,
        handler: Arc<dyn PeerHandler>,
    ) -> Result<Self, PeerStartError> {
        check(&config)?;
        let own = Own::Node(config.id);
        let protection = Protection::new(&config.security, own, PROTOCOL, &config.clock)?;
        let failed = |source| PeerStartError::Listen { address: config.listen, source };
        let wanted = config.listen.to_string();
        let listener = config.carrier.listen(&wanted).await.map_err(failed)?;
        let address = listener.local_address().map_err(failed)?;
        let slot = NodeSlot::default();
        let (gateway, _) = Actor::spawn(None, Gateway, Arc::clone(&slot))
            .await
            .map_err(|error| PeerStartError::Gateway(error.to_string()))?;
        let node = Arc::new(Node {
            protection,
            handler,
            counters: Arc::default(),
            totals: Arc::new(Totals::new(&config.limits)),
            directory: Directory::default(),
            incarnation: config.rng.next_u64(),
            gateway: gateway.get_id().pid(),
            is_draining: AtomicBool::new(false),
            strangers: Strangers::new(config.limits.handshakes_max),
            running: AtomicUsize::new(0),
            config,
        });
        // Set once, here; nobody knows the gateway yet.
        drop(slot.set(Arc::downgrade(&node)));
        let listening = tokio::spawn(connect::listen(Arc::clone(&node), listener));
        Ok(Self { node, gateway, listener: listening.abort_handle(), address })
    }

    /// Where peers connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says who the peers are, and where. New ones are dialled, the sessions of others end with
    /// [`PeerFault::Removed`]; a new address is used at the next dial. This node's own entry is
    /// passed over. Must be called on the runtime.
    pub fn set_peers(&self, peers: &BTreeMap<PeerId, String>) {
        let node = &self.node;
        let now_micros = node.now_micros();
        let mut removed = Vec::new();
        let mut records = node.directory.peers_mut();
        if node.is_draining.load(Ordering::Acquire) {
            return;
        }
        records.retain(|peer, record| {
            let is_kept = peers.contains_key(peer);
            if !is_kept {
                removed.extend(record.session.take());
                if let Some(dialer) = record.dialer.take() {
                    dialer.abort();
                }
            }
            is_kept
        });
        for (peer, address) in peers.iter().filter(|(peer, _)| **peer != node.config.id) {
            let record = records.entry(*peer).or_insert_with(|| {
                let work = Work::new(&node.totals, &node.config.limits);
                Record::new(address.clone(), work, now_micros)
            });
            record.address.clone_from(address);
            if record.dialer.is_none() {
                let dialer = tokio::spawn(connect::keep_connected(Arc::clone(node), *peer));
                record.dialer = Some(dialer.abort_handle());
            }
        }
        drop(records);
        for session in removed {
            session.end(PeerFault::Removed);
        }
    }

    /// Calls a peer's handler. The request is put in line before this returns: requests reach the
    /// handler in the order of these calls while the session stands, whenever the futures are
    /// polled. Dropping the future drops the answer, not the request.
    ///
    /// The future must be polled on the runtime, and ends within `deadline` (cut to
    /// [`CALL_DEADLINE_MS_MAX`]).
    ///
    /// # Errors
    /// [`PeerError`]; its [`outcome`](PeerError::outcome) says whether the request may have had an
    /// effect.
    pub fn call(
        &self,
        peer: PeerId,
        request: &[u8],
        deadline: Duration,
    ) -> impl Future<Output = Result<Vec<u8>, PeerError>> + Send + 'static + use<> {
        let counters = Arc::clone(&self.node.counters);
        Counters::add(&counters.calls);
        let deadline_ms = u32::try_from(deadline.as_millis()).unwrap_or(u32::MAX);
        let deadline_ms = deadline_ms.clamp(1, CALL_DEADLINE_MS_MAX);
        let begun = self.begin(peer, request, deadline_ms);
        async move {
            let result = finish(begun?, Duration::from_millis(u64::from(deadline_ms))).await;
            Counters::add(match &result {
                Ok(_) => &counters.calls_answered,
                Err(PeerError::DeadlineExceeded) => &counters.calls_late,
                // Counted where the session ended.
                Err(PeerError::ConnectionLost(_)) => return result,
                Err(_) => &counters.calls_refused,
            });
            result
        }
    }

    fn begin(
        &self,
        peer: PeerId,
        request: &[u8],
        deadline_ms: u32,
    ) -> Result<oneshot::Receiver<CallResult>, PeerError> {
        if self.node.is_draining.load(Ordering::Acquire) {
            return Err(PeerError::ShuttingDown);
        }
        let session = {
            let peers = self.node.directory.peers();
            let record = peers.get(&peer).ok_or(PeerError::UnknownPeer(peer))?;
            let reason = record.fault;
            record.session.clone().ok_or(PeerError::NotConnected { peer, reason })?
        };
        session.call(request, deadline_ms)
    }

    /// The peers and their state.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerStatus> {
        let peers = self.node.directory.peers();
        let status = |(peer, record): (&PeerId, &Record)| PeerStatus {
            peer: *peer,
            address: record.address.clone(),
            state: state(record),
            requests_in_work: u32::try_from(record.work.requests()).unwrap_or(u32::MAX),
        };
        peers.iter().map(status).collect()
    }

    /// Names and values of the network's counters.
    #[must_use]
    pub fn metrics(&self) -> Arc<dyn Fn() -> Vec<(String, u64)> + Send + Sync> {
        let counters = Arc::clone(&self.node.counters);
        Arc::new(move || counters.snapshot())
    }

    /// Lets nobody in, tells the peers, waits up to `grace` for the calls and requests under way,
    /// then closes. Calls that remain end with an unknown outcome.
    pub async fn shut_down(&self, grace: Duration) {
        self.node.is_draining.store(true, Ordering::Release);
        self.listener.abort();
        self.stop_dialers();
        for session in self.node.directory.sessions() {
            session.send(Item::Leaving);
        }
        let look = Duration::from_millis(DRAIN_LOOK_MS);
        let idle = async {
            while !self.is_idle() {
                tokio::time::sleep(look).await;
            }
        };
        drop(tokio::time::timeout(grace, idle).await);
        self.end_sessions();
        let ended = async {
            while self.node.running.load(Ordering::Acquire) > 0 {
                tokio::time::sleep(look).await;
            }
        };
        drop(tokio::time::timeout(Duration::from_millis(TASK_END_MS_MAX), ended).await);
        self.gateway.stop(None);
    }

    fn is_idle(&self) -> bool {
        let peers = self.node.directory.peers();
        peers.values().all(|record| {
            let is_quiet = |session: &Arc<Session>| {
                let is_opening = session.phase() == Phase::Opening;
                is_opening || (session.calls_in_flight() == 0 && session.is_flushed())
            };
            record.work.requests() == 0 && record.session.as_ref().is_none_or(is_quiet)
        })
    }

    fn stop_dialers(&self) {
        for record in self.node.directory.peers_mut().values_mut() {
            if let Some(dialer) = record.dialer.take() {
                dialer.abort();
            }
        }
    }

    fn end_sessions(&self) {
        for session in self.node.directory.sessions() {
            session.end(PeerFault::ShuttingDown);
        }
    }
}

impl Drop for PeerNetwork {
    fn drop(&mut self) {
        self.node.is_draining.store(true, Ordering::Release);
        self.listener.abort();
        self.stop_dialers();
        self.end_sessions();
        self.gateway.stop(None);
    }
}

async fn finish(
    answered: oneshot::Receiver<CallResult>,
    deadline: Duration,
) -> Result<Vec<u8>, PeerError> {
    match tokio::time::timeout(deadline, answered).await {
        Ok(Ok(result)) => result.map(|Answered { bytes, room }| {
            // From here on it is the caller's.
            drop(room);
            bytes
        }),
        Ok(Err(_)) => Err(PeerError::ConnectionLost(PeerFault::Closed)),
        // The credit stays taken until the peer says that it has given up too.
        Err(_) => Err(PeerError::DeadlineExceeded),
    }
}

fn state(record: &Record) -> PeerState {
    let phase = record.session.as_ref().map(|session| (session, session.phase()));
    let (session, since_micros, is_leaving) = match phase {
        Some((session, Phase::Open { since_micros })) => (session, since_micros, false),
        Some((session, Phase::Leaving { since_micros })) => (session, since_micros, true),
        Some((_, Phase::Opening)) => return disconnected(record, PeerFault::Opening),
        Some((_, Phase::Ended(fault))) => return disconnected(record, fault),
        None => return disconnected(record, record.fault),
    };
    PeerState::Connected {
        since_micros,
        heard_at_micros: session.meter.heard_at_micros(),
        round_trip_micros: session.round_trip_micros(),
        calls_in_flight: session.calls_in_flight(),
        is_leaving,
    }
}

fn disconnected(record: &Record, reason: PeerFault) -> PeerState {
    PeerState::Disconnected { since_micros: record.since_micros, attempts: record.attempts, reason }
}

fn check(config: &PeerConfig) -> Result<(), PeerStartError> {
    let is_plain = matches!(config.security, PeerSecurity::InsecureDevelopment);
    if is_plain && !config.listen.ip().is_loopback() {
        return Err(PeerStartError::NotLoopback(config.listen));
    }
    let (limits, times) = (&config.limits, &config.times);
    let faults = [
        (config.network.is_empty(), "the network needs a name"),
        (config.network.len() > NETWORK_NAME_BYTES_MAX, "the network's name is too long"),
        (limits.requests_in_flight_max == 0, "no requests in flight are allowed"),
        (limits.message_bytes_max == 0, "no bytes of a message are allowed"),
        (
            limits.message_bytes_max > limits.bytes_in_flight_max,
            "a message may be larger than all that may be in flight",
        ),
        (
            limits.message_bytes_max > limits.reply_bytes_waiting_max,
            "a message may be larger than all replies that may wait",
        ),
        (
            u64::from(limits.bytes_in_flight_max) > limits.bytes_in_flight_total_max,
            "more bytes may be in flight with one peer than with all",
        ),
        (
            u64::from(limits.reply_bytes_waiting_max) > limits.reply_bytes_waiting_total_max,
            "more bytes of replies may wait for one peer than for all",
        ),
        (limits.requests_in_work_total_max == 0, "no requests may be worked on"),
        (limits.handshakes_max == 0, "no handshakes are allowed"),
        (times.ping_every_ms == 0, "heartbeats need a pause"),
        (
            times.dead_after_ms < times.ping_every_ms.saturating_mul(2),
            "a peer would be dead before it missed two heartbeats",
        ),
        (times.handshake_ms_max == 0, "no time for a handshake"),
        (times.redial_ms == 0, "dialling again needs a pause"),
    ];
    match faults.into_iter().find(|(is_wrong, _)| *is_wrong) {
        Some((_, text)) => Err(PeerStartError::Config(text)),
        None => Ok(()),
    }
}
