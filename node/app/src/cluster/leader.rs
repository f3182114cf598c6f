//! What only the leader of the control plane does: it lets nodes into the Raft log, chooses
//! voters, proposes that leases are over, helps hand-offs that do not get on, and places shards.
//! All of it is read from the applied state and from what this node saw itself, so a new leader
//! goes on where the last one stopped (LIVE-1).

use super::control::Control;
use super::lease::Observer;
use super::loads::Loads;
use actors_store::Store;
use consensus_control::{Command, ControlState, Drain, Feature, Life, Node, Watchdog};
use consensus_placement::{Observed, Plan, Rules, plan};
use consensus_raft::{Role, Status};
use schema_types::cluster::NodeId;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How often the leader looks, milliseconds.
const LOOK_MS: u64 = 100;
/// How often shards are placed although nothing waits for an owner, milliseconds.
const PLACE_MS: u64 = 500;
/// How often the Raft log's members are compared with the nodes, milliseconds.
const MEMBERS_MS: u64 = 500;
/// A leader that no majority answered for so long plans nothing, milliseconds.
const QUORUM_MS_MAX: u64 = 2_000;

/// What the leader needs beside the control plane.
pub(crate) struct LeaderParts {
    pub(crate) control: Control,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) observer: Arc<Observer>,
    /// Renewals of this node's own lease so far.
    pub(crate) renewals: Arc<AtomicU64>,
    pub(crate) voters_max: usize,
    pub(crate) balances: bool,
}

/// The leader's work, on every node; it rests where the node does not lead.
pub(crate) struct Leader {
    parts: LeaderParts,
    rules: Rules,
    /// The last plan, for operators.
    shown: Mutex<Option<Plan>>,
    pub(crate) proposals_refused: AtomicU64,
}

/// When the leader did what last, by its monotonic clock.
#[derive(Debug, Default)]
struct Turns {
    placed_ms: u64,
    members_ms: u64,
    loads: Loads,
    watchdog: Watchdog,
}

impl Leader {
    pub(crate) fn new(parts: LeaderParts) -> Arc<Self> {
        let mut rules = Rules::default();
        if !parts.balances {
            // Nothing is ever so much better that a shard moves for it.
            rules.gain_percent_min = u64::from(u32::MAX);
            (rules.hot_load_min, rules.shards_min) = (u64::MAX, Some(usize::MAX));
        }
        let shown = Mutex::default();
        Arc::new(Self { parts, rules, shown, proposals_refused: AtomicU64::new(0) })
    }

    /// The last plan; nothing where this node does not lead.
    pub(crate) fn plan(&self) -> Option<Plan> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn show(&self, plan: Option<Plan>) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = plan;
    }

    /// Works until it is told to stop.
    pub(crate) async fn run(self: Arc<Self>, mut stopping: watch::Receiver<bool>) {
        let mut turns = Turns::default();
        loop {
            let look = tokio::time::sleep(Duration::from_millis(LOOK_MS));
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stop| *stop) => return,
                () = look => {}
            }
            match self.parts.control.plane.status().await {
                Ok(status) if leads(&status) => self.turn(&status, &mut turns).await,
                Ok(_) | Err(_) => {
                    self.show(None);
                    turns = Turns::default();
                }
            }
        }
    }

    async fn turn(&self, status: &Status, turns: &mut Turns) {
        let now_ms = self.parts.control.monotonic_ms();
        self.end_leases().await;
        self.help(&mut turns.watchdog, now_ms).await;
        if now_ms.saturating_sub(turns.members_ms) >= MEMBERS_MS {
            turns.members_ms = now_ms;
            self.activate_features().await;
            self.fit_members(status).await;
        }
        if let Err(error) = turns.loads.look(&self.parts.store, now_ms).await {
            tracing::debug!(code = %error.code(), "loads could not be read");
        }
        let is_waiting = self.parts.control.read(|state| {
            state
                .not_open()
                .iter()
                .any(|shard| state.shards().get(shard).is_some_and(|record| record.owner.is_none()))
        });
        if is_waiting || now_ms.saturating_sub(turns.placed_ms) >= PLACE_MS {
            turns.placed_ms = now_ms;
            self.place(&turns.loads).await;
        }
    }

    /// Proposes; what is refused is looked at again at the next turn.
    async fn propose(&self, command: Command) -> bool {
        let name = command.name();
        match self.parts.control.propose(command).await {
            Ok(_) => true,
            Err(refused) => {
                self.proposals_refused.fetch_add(1, Ordering::Relaxed);
                let (word, reason) = (refused.word, refused.message);
                tracing::debug!(command = name, word, reason, "the leader proposed in vain");
                false
            }
        }
    }

    /// Tells of nodes whose lease stood still for long enough, and of those that came back. What
    /// is proposed is judged again when it is applied.
    async fn end_leases(&self) {
        let renewals = self.parts.renewals.load(Ordering::Relaxed);
        let observed = self.parts.control.read(|state| {
            let lease_ms = state.timeouts().lease_ms;
            let mut observed = Vec::new();
            for (node, record) in state.nodes() {
                let Some(seen) = self.parts.observer.observation(*node, renewals) else { continue };
                let is_news = seen.counter > record.lease_counter;
                match record.life {
                    Life::Up if seen.unchanged_ms >= lease_ms => observed.push((seen, is_news)),
                    Life::Down if is_news => observed.push((seen, false)),
                    Life::Up | Life::Down | Life::Joining | Life::Stopped | Life::Left => {}
                }
            }
            observed
        });
        for (seen, is_news) in observed {
            // The counter that stands still has to be known before it can be found standing.
            let told = self.propose(Command::ObserveLease(seen)).await;
            if is_news && told && self.propose(Command::ObserveLease(seen)).await {
                tracing::warn!(
                    node = seen.node.0,
                    unchanged_ms = seen.unchanged_ms,
                    "a lease is over"
                );
            }
        }
    }

    /// Helps hand-offs on that took longer than the cluster's patience.
    async fn help(&self, watchdog: &mut Watchdog, now_ms: u64) {
        for overdue in self.parts.control.read(|state| watchdog.look(state, now_ms)) {
            let Some(remedy) = overdue.remedy else { continue };
            let (shard, waited_ms) = (overdue.paused.holding.shard.0, overdue.waited_ms);
            tracing::warn!(shard, waited_ms, remedy = remedy.name(), "a hand-off does not get on");
            self.propose(remedy).await;
        }
    }

    async fn activate_features(&self) {
        let missing = self.parts.control.read(|state| {
            let has = |feature: &Feature| {
                let staying = state.nodes().values().filter(|node| node.life != Life::Left);
                staying.into_iter().all(|node| node.spec.features.contains(feature))
            };
            let supported = Feature::supported().into_iter();
            let wanted = supported.filter(|feature| !state.is_active(*feature) && has(feature));
            wanted.collect::<Vec<_>>()
        });
        for feature in missing {
            self.propose(Command::ActivateFeature(feature)).await;
        }
    }

    /// Adds nodes to the Raft log, takes those that left out of it, and chooses voters.
    async fn fit_members(&self, status: &Status) {
        let plane = &self.parts.control.plane;
        let (wanted, left, voters) = self.parts.control.read(|state| {
            let wanted = addresses(state, status);
            let is_left = |node: &NodeId| {
                state.nodes().get(node).is_none_or(|record| record.life == Life::Left)
            };
            let left: Vec<NodeId> = status.members.keys().copied().filter(is_left).collect();
            (wanted, left, voters(state, status, self.parts.voters_max))
        });
        for (node, address) in wanted {
            if let Err(error) = plane.add_learner(node, &address).await {
                tracing::debug!(node = node.0, %error, "a node is not in the Raft log yet");
            }
        }
        let present: BTreeSet<NodeId> = status.voters().collect();
        if !voters.is_empty() && voters != present && !status.voters_change {
            if let Err(error) = plane.set_voters(voters).await {
                tracing::debug!(%error, "the voters could not be changed now");
            }
            return;
        }
        for node in left.into_iter().filter(|node| !present.contains(node)) {
            if let Err(error) = plane.remove(node).await {
                tracing::debug!(node = node.0, %error, "a node is still in the Raft log");
            }
        }
    }

    async fn place(&self, loads: &Loads) {
        let planned = self.parts.control.read(|state| {
            let figures = loads.figures(state);
            plan(Observed { state, figures: &figures, has_quorum: true }, &self.rules)
        });
        for planned in &planned.commands {
            self.propose(planned.command.clone()).await;
        }
        self.show(Some(planned));
    }
}

/// Whether a majority follows this node.
fn leads(status: &Status) -> bool {
    let is_followed = status.quorum_heard_ms_ago.is_some_and(|ago| ago <= QUORUM_MS_MAX);
    let is_alone = status.voters().count() == 1;
    status.role == Role::Leader && (is_followed || is_alone)
}

/// Nodes that the Raft log does not know, or not at their address.
fn addresses(state: &ControlState, status: &Status) -> Vec<(NodeId, String)> {
    let staying = state.nodes().iter().filter(|(_, node)| node.life != Life::Left);
    let missing = staying.filter(|(id, node)| {
        let member = status.members.get(id);
        member.is_none_or(|member| member.address != node.spec.raft_address)
    });
    missing.map(|(id, node)| (*id, node.spec.raft_address.clone())).collect()
}

/// The voters to strive for: an odd number of living nodes, those that vote already first, so
/// that nothing changes without a reason. A voter that is down stays until another can take its
/// place.
fn voters(state: &ControlState, status: &Status, voters_max: usize) -> BTreeSet<NodeId> {
    let is_member = |node: &NodeId| status.members.contains_key(node);
    let stays = |node: &Node| node.is_alive() && node.drain != Some(Drain::ForGood);
    let able = state.nodes().iter().filter(|(id, node)| is_member(id) && stays(node));
    let mut able: Vec<NodeId> = able.map(|(id, _)| *id).collect();
    let present: BTreeSet<NodeId> = status.voters().collect();
    able.sort_by_key(|node| (!present.contains(node), *node));
    let count = able.len().min(voters_max);
    let count = if count.is_multiple_of(2) { count.saturating_sub(1) } else { count };
    if count < present.len() {
        let gone =
            |node: &NodeId| state.nodes().get(node).is_none_or(|record| record.life == Life::Left);
        // Fewer than now, for want of living ones: only those that left for ever are given up.
        return if present.iter().any(gone) {
            able.into_iter().take(count).collect()
        } else {
            present
        };
    }
    able.into_iter().take(count).collect()
}
