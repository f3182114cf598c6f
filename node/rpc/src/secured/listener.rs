//! Connections made and taken with proof of who is on the other side. Accepting shakes hands with
//! many strangers at once and gives out who is done first.

use super::{SecuredConfig, io_error};
use crate::peer::metrics::FaultCounters;
use crate::peer::strangers::{Stranger, Strangers};
use crate::peer::tls::{Own, Protected, Protection};
use crate::peer::{PeerFault, PeerId, PeerSecurity, PeerStartError};
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use node_env::{BoxedDuplex, BoxedStream, Clock, Listener};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Which network connections are for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Network {
    /// For logs and counters.
    pub(super) name: &'static str,
    /// The protocol inside TLS.
    pub(super) protocol: &'static [u8],
}

/// A connection whose other side is proven.
pub(super) struct Proven {
    pub(super) stream: BoxedDuplex,
    /// Nothing in plaintext, and for what is no node.
    pub(super) peer: Option<PeerId>,
}

/// What shaking hands takes, on either side.
pub(super) struct Gate {
    network: Network,
    protection: Protection,
    handshake: Duration,
    strangers: Arc<Strangers>,
    faults: FaultCounters,
    clock: Arc<dyn Clock>,
    carrier: Arc<dyn node_env::Network>,
}

impl Gate {
    pub(super) fn new(
        network: Network,
        own: Own,
        config: SecuredConfig,
    ) -> Result<Arc<Self>, PeerStartError> {
        let times = config.handshake_ms_max;
        if times == 0 || config.handshakes_max == 0 {
            return Err(PeerStartError::Config("no time or place for a handshake"));
        }
        Ok(Arc::new(Self {
            network,
            protection: Protection::new(&config.security, own, network.protocol, &config.clock)?,
            handshake: Duration::from_millis(u64::from(times)),
            strangers: Strangers::new(config.handshakes_max),
            faults: FaultCounters::default(),
            clock: config.clock,
            carrier: config.carrier,
        }))
    }

    /// Connects to whoever has this name.
    pub(super) async fn connect(&self, address: &str, name: &str) -> Result<Protected, PeerFault> {
        let connecting = async {
            let dialled = self.carrier.connect(address).await;
            let stream = dialled.map_err(|_| PeerFault::Unreachable)?;
            let reached = stream.peer_address().map_err(|_| PeerFault::Closed)?;
            self.protection.check_reach(reached)?;
            self.protection.connect(stream, name).await
        };
        let connected = timeout(self.handshake, connecting).await;
        let connected = connected.unwrap_or(Err(PeerFault::Timeout));
        connected.inspect_err(|fault| self.note(*fault, &address))
    }

    /// Counts and logs a connection that came to nothing.
    pub(super) fn note(&self, fault: PeerFault, whom: &dyn std::fmt::Display) {
        self.faults.note(fault, (self.network.name, whom), self.clock.monotonic_micros());
    }

    /// Names and values of the counters.
    pub(super) fn metrics(&self) -> Vec<(String, u64)> {
        let name = |word| format!("medulla_{}_fault_{word}_total", self.network.name);
        self.faults.snapshot().map(|(word, count)| (name(word), count)).collect()
    }

    async fn shake(
        self: Arc<Self>,
        (stream, address): (BoxedStream, SocketAddr),
        mut stranger: Stranger,
    ) -> Result<Proven, (PeerFault, SocketAddr)> {
        let proving = async {
            self.protection.check_reach(address)?;
            let protected = self.protection.accept(stream).await?;
            let peer = protected.peer()?;
            Ok(Proven { stream: protected.stream, peer })
        };
        let proven = tokio::select! {
            proven = timeout(self.handshake, proving) => proven.unwrap_or(Err(PeerFault::Timeout)),
            () = stranger.put_out() => Err(PeerFault::NoRoom),
        };
        proven.map_err(|fault| (fault, address))
    }
}

/// Refuses plaintext on an address that others can reach.
pub(super) fn check_address(
    security: &PeerSecurity,
    address: SocketAddr,
) -> Result<(), PeerStartError> {
    let is_plain = matches!(security, PeerSecurity::InsecureDevelopment);
    if is_plain && !address.ip().is_loopback() {
        return Err(PeerStartError::NotLoopback(address));
    }
    Ok(())
}

/// Listens where it is told to.
pub(super) async fn listen(gate: &Gate, address: SocketAddr) -> Result<Bound, PeerStartError> {
    let failed = |source| PeerStartError::Listen { address, source };
    let listener = gate.carrier.listen(&address.to_string()).await.map_err(failed)?;
    let address = listener.local_address().map_err(failed)?;
    Ok(Bound { listener, address })
}

/// A listener and where it listens.
pub(super) struct Bound {
    pub(super) listener: Box<dyn Listener>,
    pub(super) address: SocketAddr,
}

/// Accepts. Handshakes go on only while [`accept`](Self::accept) is waited for.
pub(super) struct SecureListener {
    listener: Box<dyn Listener>,
    gate: Arc<Gate>,
    shaking: FuturesUnordered<BoxFuture<'static, Result<Proven, (PeerFault, SocketAddr)>>>,
}

impl SecureListener {
    pub(super) fn new(listener: Box<dyn Listener>, gate: Arc<Gate>) -> Self {
        Self { listener, gate, shaking: FuturesUnordered::new() }
    }

    /// The next connection whose other side is proven. Dropping the future loses none.
    pub(super) async fn accept(&mut self) -> io::Result<Proven> {
        loop {
            let shaken = tokio::select! {
                Some(shaken) = self.shaking.next() => shaken,
                accepted = self.listener.accept() => {
                    let stream = accepted?;
                    // One that is gone already is nobody.
                    let Ok(address) = stream.peer_address() else { continue };
                    let stranger = self.gate.strangers.enter();
                    let shaking = Arc::clone(&self.gate).shake((stream, address), stranger);
                    self.shaking.push(Box::pin(shaking));
                    continue;
                }
            };
            match shaken {
                Ok(proven) => return Ok(proven),
                Err((fault, address)) => self.gate.note(fault, &address),
            }
        }
    }
}

/// What a dialled connection has to be proven to be.
pub(super) async fn dial_node(gate: &Gate, peer: PeerId, address: &str) -> io::Result<Protected> {
    let protected = gate.connect(address, &peer.certificate_name()).await.map_err(io_error)?;
    protected.is(peer).map_err(|fault| {
        gate.note(fault, &peer);
        io_error(fault)
    })?;
    Ok(protected)
}
