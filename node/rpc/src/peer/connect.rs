//! From a socket to an agreed session, on both sides: protect the connection, prove who is there,
//! greet, elect. Everything before that is bounded in number and in time; what fails is one word
//! in a counter and in the log.

use super::directory::Turn;
use super::envelope::Token;
use super::fault::PeerFault;
use super::hello::{self, Greeting, Hello};
use super::id::PeerId;
use super::limits::{ACCEPT_PAUSE_MS, FRAME_BYTES_MAX};
use super::link::HostStart;
use super::metrics::Counters;
use super::node::{Agreed, Node};
use super::session::{Session, SessionParts};
use super::strangers::Stranger;
use super::stream::{Meter, MeteredStream};
use super::tls::Protected;
use node_env::{BoxedDuplex, BoxedStream, Listener};
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

/// Sessions of this process are numbered over all networks: the cluster crate's actors are too.
static SESSION_NUMBER: AtomicU64 = AtomicU64::new(1);

/// The two sides' greetings over a proven connection.
struct Greeted {
    stream: BoxedDuplex,
    secret: [u8; 32],
    /// Whoever dialled.
    offer: Hello,
    /// Whoever was dialled.
    accept: Hello,
}

/// Accepts connections until the task is aborted.
pub(crate) async fn listen(node: Arc<Node>, listener: Box<dyn Listener>) {
    loop {
        let stream = match listener.accept().await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(error = %error, "a peer connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                continue;
            }
        };
        // One that is gone already is nobody.
        let Ok(address) = stream.peer_address() else { continue };
        let node = Arc::clone(&node);
        let stranger = node.strangers.enter();
        tokio::spawn(async move {
            match welcome(&node, (stream, address), stranger).await {
                Ok(agreed) => Box::pin(node.run(agreed)).await,
                Err(fault) => node.note(fault, &address),
            }
        });
    }
}

fn handshake_end(node: &Node) -> Instant {
    Instant::now() + Duration::from_millis(u64::from(node.config.times.handshake_ms_max))
}

async fn welcome(
    node: &Arc<Node>,
    (stream, address): (BoxedStream, SocketAddr),
    mut stranger: Stranger,
) -> Result<Agreed, PeerFault> {
    let open_by = handshake_end(node);
    let (mut protected, offer) = tokio::select! {
        read = timeout_at(open_by, read_offer(node, stream, address)) => {
            read.map_err(|_| PeerFault::Timeout)??
        }
        () = stranger.put_out() => return Err(PeerFault::NoRoom),
    };
    // No stranger any more: it has proven who it is.
    drop(stranger);
    let accept = own_hello(node, offer.from);
    let session = match judge(node, &offer, &accept, &protected.secret) {
        Ok(session) => session,
        Err(fault) => {
            let refuse = Greeting::Refuse(fault);
            drop(timeout_at(open_by, hello::write(&mut protected.stream, &refuse)).await);
            return Err(fault);
        }
    };
    let greeting = Greeting::Accept(accept.clone());
    let written = timeout_at(open_by, hello::write(&mut protected.stream, &greeting)).await;
    let written = written.unwrap_or(Err(PeerFault::Timeout));
    if let Err(fault) = written {
        session.end(fault);
        node.directory.closed(&session, fault, node.now_micros());
        return Err(fault);
    }
    let Protected { stream, secret, .. } = protected;
    let greeted = Greeted { stream, secret, offer, accept };
    Ok(agree(node, session, greeted, open_by))
}

async fn read_offer(
    node: &Node,
    stream: BoxedStream,
    address: SocketAddr,
) -> Result<(Protected, Hello), PeerFault> {
    node.protection.check_reach(address)?;
    let mut protected = node.protection.accept(stream).await?;
    let Greeting::Offer(offer) = hello::read(&mut protected.stream).await? else {
        return Err(PeerFault::MalformedHello);
    };
    protected.is(offer.from)?;
    Ok((protected, offer))
}

/// Decides about an offer, and makes the session that it leads to.
fn judge(
    node: &Arc<Node>,
    offer: &Hello,
    accept: &Hello,
    secret: &[u8; 32],
) -> Result<Arc<Session>, PeerFault> {
    if node.is_draining.load(Ordering::Acquire) {
        return Err(PeerFault::ShuttingDown);
    }
    if offer.network != node.config.network || offer.to != node.config.id {
        return Err(PeerFault::OtherNetwork);
    }
    let session = session(node, offer, offer.from, token(secret, offer, accept))?;
    if let Some(replaced) = node.directory.incoming(node.config.id, &session)? {
        replaced.end(PeerFault::Replaced);
    }
    Ok(session)
}

/// Keeps a peer connected until it is taken from the list.
pub(crate) async fn keep_connected(node: Arc<Node>, peer: PeerId) {
    let mut last_fault = None;
    loop {
        match node.directory.turn(peer) {
            Turn::Stop => return,
            Turn::Wait(session) => {
                session.ended().await;
                last_fault = None;
                tokio::time::sleep(pause(&node, 1)).await;
            }
            Turn::Dial(address) => {
                Counters::add(&node.counters.dials);
                let open_by = handshake_end(&node);
                let dialed = timeout_at(open_by, dial(&node, peer, &address, open_by)).await;
                match dialed.unwrap_or(Err(PeerFault::Timeout)) {
                    Ok(agreed) => drop(tokio::spawn(Arc::clone(&node).run(agreed))),
                    Err(fault) => {
                        let attempts = node.directory.dial_failed(peer, fault);
                        if last_fault.replace(fault) == Some(fault) {
                            node.counters.faults.add(fault);
                        } else {
                            node.note(fault, &peer);
                        }
                        tokio::time::sleep(pause(&node, attempts)).await;
                    }
                }
            }
        }
    }
}

/// The pause after so many failures: doubles up to its maximum, half of it drawn.
fn pause(node: &Node, attempts: u32) -> Duration {
    let times = &node.config.times;
    let doubled = u64::from(times.redial_ms) << attempts.saturating_sub(1).min(16);
    let half = doubled.clamp(1, u64::from(times.redial_ms_max).max(1)).div_ceil(2);
    Duration::from_millis(half + node.config.rng.next_u64() % half.max(1))
}

async fn dial(
    node: &Arc<Node>,
    peer: PeerId,
    address: &str,
    open_by: Instant,
) -> Result<Agreed, PeerFault> {
    let dialled = node.config.carrier.connect(address).await;
    let stream = dialled.map_err(|_| PeerFault::Unreachable)?;
    node.protection.check_reach(stream.peer_address().map_err(|_| PeerFault::Closed)?)?;
    let mut protected = node.protection.connect(stream, &peer.certificate_name()).await?;
    protected.is(peer)?;
    let offer = own_hello(node, peer);
    node.directory.offer(peer)?;
    hello::write(&mut protected.stream, &Greeting::Offer(offer.clone())).await?;
    let accept = match hello::read(&mut protected.stream).await? {
        Greeting::Accept(accept) => accept,
        Greeting::Refuse(fault) => return Err(refused(fault)),
        Greeting::Offer(_) => return Err(PeerFault::MalformedHello),
    };
    if accept.from != peer || accept.to != node.config.id {
        return Err(PeerFault::WrongIdentity);
    }
    if accept.network != node.config.network {
        return Err(PeerFault::OtherNetwork);
    }
    let token = token(&protected.secret, &offer, &accept);
    let session = session(node, &accept, node.config.id, token)?;
    node.directory.dialed(&session)?;
    let Protected { stream, secret, .. } = protected;
    Ok(agree(node, session, Greeted { stream, secret, offer, accept }, open_by))
}

/// What a refusal means to the one who dialled.
fn refused(fault: PeerFault) -> PeerFault {
    // That *we* are unknown to the peer is no fault of the peer's.
    if fault == PeerFault::UnknownPeer { PeerFault::RefusedByPeer } else { fault }
}

fn own_hello(node: &Node, to: PeerId) -> Hello {
    let mut nonce = [0; 16];
    node.config.rng.fill(&mut nonce);
    Hello {
        from: node.config.id,
        to,
        incarnation: node.incarnation,
        gateway: node.gateway,
        nonce,
        window: node.window(),
        network: node.config.network.clone(),
    }
}

fn digest(label: &[u8], secret: &[u8; 32], offer: &Hello, accept: &Hello) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [label, secret, &offer.nonce, &accept.nonce] {
        hash.update(part);
    }
    hash.finalize().into()
}

fn token(secret: &[u8; 32], offer: &Hello, accept: &Hello) -> Token {
    let digest = digest(b"medulla-peer-token", secret, offer, accept);
    let mut token = [0; 16];
    token.copy_from_slice(&digest[..16]);
    Token(token)
}

fn cookie(secret: &[u8; 32], offer: &Hello, accept: &Hello) -> String {
    let digest = digest(b"medulla-peer-cookie", secret, offer, accept);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn session(
    node: &Arc<Node>,
    theirs: &Hello,
    initiator: PeerId,
    token: Token,
) -> Result<Arc<Session>, PeerFault> {
    let work = node.directory.work_of(theirs.from).ok_or(PeerFault::UnknownPeer)?;
    let wake = Arc::new(Notify::new());
    let clock = Arc::clone(&node.config.clock);
    let meter = Meter::new(clock, FRAME_BYTES_MAX, Arc::clone(&wake));
    let own_window = node.window();
    let window = own_window.smaller(theirs.window);
    let reply_bytes_waiting_max = node.config.limits.reply_bytes_waiting_max;
    Ok(Arc::new(Session::new(SessionParts {
        peer: theirs.from,
        incarnation: theirs.incarnation,
        initiator,
        number: SESSION_NUMBER.fetch_add(1, Ordering::Relaxed),
        token,
        window,
        calls: node.totals.calls.part(u64::from(window.bytes_max)),
        replies: node.totals.replies.part(u64::from(reply_bytes_waiting_max)),
        reply_bytes_waiting_max,
        meter: Arc::new(meter),
        wake,
        work,
        counters: Arc::clone(&node.counters),
    })))
}

fn agree(node: &Node, session: Arc<Session>, greeted: Greeted, open_by: Instant) -> Agreed {
    let Greeted { stream, secret, offer, accept } = greeted;
    let is_server = session.initiator != node.config.id;
    let theirs = if is_server { &offer } else { &accept };
    let (ready, opened) = oneshot::channel();
    let start = HostStart {
        number: session.number,
        own: node.config.id,
        is_server,
        cookie: cookie(&secret, &offer, &accept),
        stream: MeteredStream { stream, meter: Arc::clone(&session.meter) },
        frame_bytes_max: FRAME_BYTES_MAX,
        gateway: theirs.gateway,
        ready,
    };
    node.running.fetch_add(1, Ordering::AcqRel);
    Agreed { session, start, ready: opened, open_by }
}
