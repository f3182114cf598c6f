//! The shard map of this node, and calls to the owners of shards. The map is the applied plan, so
//! it needs no cache beside it: it is exchanged when the plan's revision grows, and a call that
//! meets a node which is the owner no longer is sent again with the newer map.

use super::control::Control;
use actors_runtime::{Forward, ForwardError, Runtime};
use arc_swap::ArcSwapOption;
use bytes::Bytes;
use consensus_control::{ControlState, Life};
use futures::future::BoxFuture;
use node_env::trace::{self, Label, LabelValue, Operation, Outcome, SpanContext};
use node_rpc::peer::{CallOutcome, HandlerFuture, PeerError, PeerHandler, PeerId, PeerNetwork};
use schema_types::cluster::{NodeId, ShardMap};
use schema_types::ids::ShardId;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Calls to other nodes.
#[derive(Debug, Default)]
pub(crate) struct RouterCounters {
    pub(crate) calls: AtomicU64,
    pub(crate) unreached: AtomicU64,
    pub(crate) lost: AtomicU64,
}

/// The way to other nodes.
pub(crate) struct Router {
    node: NodeId,
    map: ArcSwapOption<ShardMap>,
    network: OnceLock<PeerNetwork>,
    peers: Mutex<BTreeMap<PeerId, String>>,
    pub(crate) counters: RouterCounters,
}

impl Router {
    pub(crate) fn new(node: NodeId) -> Arc<Self> {
        Arc::new(Self {
            node,
            map: ArcSwapOption::empty(),
            network: OnceLock::new(),
            peers: Mutex::default(),
            counters: RouterCounters::default(),
        })
    }

    /// Calls go over this network from now on. Set once.
    pub(crate) fn call_over(&self, network: PeerNetwork) {
        // A second network would be a programming error; the first one stays.
        drop(self.network.set(network));
    }

    pub(crate) fn network(&self) -> Option<&PeerNetwork> {
        self.network.get()
    }

    /// Takes over what the control plane says now.
    pub(crate) fn follow(&self, control: &Control) {
        let known = self.map.load().as_ref().map_or(0, |map| map.revision());
        let (map, peers) = control.read(|state| {
            let is_first = known == 0 || !node_env::planted!("route-kept-for-ever");
            let is_newer = state.map_revision() > known && is_first;
            (is_newer.then(|| state.shard_map()).flatten(), peers_of(state))
        });
        if let Some(map) = map {
            self.map.store(Some(Arc::new(map)));
        }
        let mut known = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != peers
            && let Some(network) = self.network.get()
        {
            network.set_peers(&peers);
            *known = peers;
        }
    }

    fn owner_of(&self, hash: u64) -> Option<NodeId> {
        let narrow = node_env::planted!("route-by-half-the-hash");
        let hash = if narrow { hash & u64::from(u32::MAX) } else { hash };
        self.map.load().as_ref().and_then(|map| map.place_of(hash).owner)
    }
}

/// Where the nodes that have not left are.
fn peers_of(state: &ControlState) -> BTreeMap<PeerId, String> {
    let staying = state.nodes().iter().filter(|(_, node)| node.life != Life::Left);
    let peers = staying.map(|(id, node)| (PeerId::new(id.0), node.spec.internal_address.clone()));
    peers.collect()
}

impl Forward for Router {
    fn call(
        &self,
        hash: u64,
        call: Bytes,
        deadline_ms: u64,
    ) -> BoxFuture<'_, Result<Vec<u8>, ForwardError>> {
        let owner = self.owner_of(hash).filter(|owner| *owner != self.node);
        let peer = owner.map(|owner| PeerId::new(owner.0));
        Box::pin(async move {
            let (Some(peer), Some(network)) = (peer, self.network.get()) else {
                return Err(ForwardError::Unreached);
            };
            self.counters.calls.fetch_add(1, Ordering::Relaxed);
            let deadline = Duration::from_millis(deadline_ms);
            let Some(mut span) = trace::child(Operation::Forward) else {
                let answer = network.call(peer, &call, deadline).await;
                return answer.map_err(|error| self.judge(&error));
            };
            span.label(Label::Peer, LabelValue::Number(peer.number()));
            let traced = [&span.context().header(), &call[..]].concat();
            let answer = network.call(peer, &traced, deadline).await;
            let answer = answer.map_err(|error| self.judge(&error));
            span.end(forwarded(&answer));
            answer
        })
    }

    fn shard_at(&self, hash: u64) -> Option<ShardId> {
        self.map.load().as_ref().map(|map| map.place_of(hash).shard)
    }
}

impl Router {
    fn judge(&self, error: &PeerError) -> ForwardError {
        if let PeerError::Overloaded { retry_after_ms } = error {
            return ForwardError::Overloaded { retry_after_ms: u64::from(*retry_after_ms) };
        }
        if let PeerError::TooLarge { bytes, .. } = error {
            return ForwardError::TooLarge { bytes: *bytes };
        }
        match error.outcome() {
            CallOutcome::NotExecuted => {
                self.counters.unreached.fetch_add(1, Ordering::Relaxed);
                ForwardError::Unreached
            }
            CallOutcome::Unknown if node_env::planted!("lost-call-taken-for-unreached") => {
                ForwardError::Unreached
            }
            CallOutcome::Unknown => {
                self.counters.lost.fetch_add(1, Ordering::Relaxed);
                ForwardError::Lost
            }
        }
    }
}

/// How a call to another node ended. What the other node did is in its own span.
fn forwarded(answer: &Result<Vec<u8>, ForwardError>) -> Outcome {
    match answer {
        Ok(_) => Outcome::Done("answered"),
        Err(ForwardError::Unreached) => Outcome::Failed("unreached"),
        Err(ForwardError::Overloaded { .. }) => Outcome::Failed("overloaded"),
        Err(ForwardError::TooLarge { .. }) => Outcome::Failed("too-large"),
        Err(ForwardError::Lost) => Outcome::Failed("lost"),
    }
}

/// Serves the calls of other nodes. They are proven members of the cluster. A call that belongs to
/// a trace of its sender is traced here as well.
pub(crate) struct Served(pub(crate) Runtime);

impl PeerHandler for Served {
    fn call(&self, _from: PeerId, request: Vec<u8>) -> HandlerFuture {
        let runtime = self.0.clone();
        Box::pin(async move {
            let (context, call) = SpanContext::split_header(&request);
            let tracer = runtime.tracer();
            let span = context.and_then(|context| tracer.continued(Operation::Serve, context));
            let Some(span) = span else { return Ok(runtime.serve_call(call).await) };
            let answer = span.around(Box::pin(runtime.serve_call(call))).await;
            span.end(Outcome::Done("answered"));
            Ok(answer)
        })
    }
}

#[cfg(test)]
#[path = "router_test.rs"]
mod tests;
