//! All that a run leaves behind for the checkers. The world fills it; whoever cannot see a part
//! (chaos sees no Raft state) leaves it empty, and the checkers that need it say so.

use crate::commits::CommitEntry;
use crate::durable::Durable;
use crate::history::{Micros, Operation};
use actors_audit::SignedTreeHead;
use schema_types::cluster::{Epoch, NodeId};
use schema_types::ids::{AlertId, EntityId, ShardId, SourceId};
use schema_types::patient::AlertCondition;
use schema_types::phi::Phi;
use schema_types::time::{MICROS_PER_SECOND, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// What a run left behind.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// What clients saw, one entry per attempt, in any order.
    pub history: Vec<Operation>,
    /// What the nodes were seen doing, by ascending time.
    pub samples: Vec<ClusterSample>,
    /// Commits as the store took them, from a [`crate::CommitLog`].
    pub commits: Vec<CommitEntry>,
    /// Whether every commit that took effect is among them.
    pub commits_complete: bool,
    /// The faults, with the nodes that they concern.
    pub faults: Vec<Fault>,
    /// When the last fault that ends was over. 0 in a run without faults.
    pub healed_at: Micros,
    /// When the run was over: no sample and no answer is later.
    pub ended_at: Micros,
    /// What the clocks of the nodes that fire timers said then.
    pub ended_wall: Timestamp,
    /// The nodes that are up after healing; those that stay broken for ever are not among them.
    pub counting: BTreeSet<NodeId>,
    /// The store, read after every node was cut from power and recovered from the disks alone.
    pub durable: Durable,
    /// What else is needed to check the audit logs.
    pub audit: AuditEvidence,
    /// Alerts as somebody on duty got them; absent when nobody was listening.
    pub pages: Option<Vec<Page>>,
    /// Answers to census questions.
    pub census: Vec<CensusSeen>,
    /// Everything that left the node in words: trace and log lines, error texts, metrics.
    pub texts: Vec<CollectedText>,
    /// Strings that are patient data and occur nowhere else.
    pub canaries: Vec<Phi<String>>,
    /// The promises in numbers.
    pub bounds: Bounds,
}

/// For the audit logs.
#[derive(Debug, Clone, Default)]
pub struct AuditEvidence {
    /// Public keys that may sign heads, from outside the store.
    pub public_keys: Vec<[u8; 32]>,
    /// Heads from outside the store (Raft state, files); each must be a prefix of its log.
    pub anchors: Vec<SignedTreeHead>,
    /// Sources whose records stand for no operation of the history: the harness's own questions.
    /// Those of the product itself (outbox, timers) are known.
    pub sources_apart: BTreeSet<SourceId>,
}

/// The cluster at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterSample {
    /// When.
    pub at: Micros,
    /// The nodes that ran; one that is down or stands still is left out.
    pub nodes: Vec<NodeSample>,
}

/// One node at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSample {
    /// Which.
    pub node: NodeId,
    /// Which of its runs; grows with every start.
    pub incarnation: u64,
    /// The shards that it believes to own, open or not.
    pub owned: BTreeMap<ShardId, Epoch>,
    /// Where the node believes each shard to be.
    pub view: BTreeMap<ShardId, Place>,
    /// Its part in consensus, if it has one.
    pub raft: Option<RaftSample>,
    /// Whatever is bounded: queue lengths, resident entities, bytes.
    pub gauges: Vec<Gauge>,
}

/// Where a shard is, in one node's view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Epoch of the owner.
    pub epoch: Epoch,
    /// Owner, if there is one.
    pub owner: Option<NodeId>,
    /// Whether it takes commands; otherwise it is in hand-off.
    pub is_open: bool,
}

/// One node's part in consensus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaftSample {
    /// Current term.
    pub term: u64,
    /// For whom it voted in this term.
    pub voted_for: Option<NodeId>,
    /// Whether it believes to lead this term.
    pub is_leader: bool,
    /// Highest committed index that it knows.
    pub committed_index: u64,
    /// Highest applied index.
    pub applied_index: u64,
    /// Digest of the state machine after that index, if it can be had.
    pub applied_digest: Option<[u8; 32]>,
}

/// A number with a named limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gauge {
    /// The name of the limit.
    pub name: &'static str,
    /// Now.
    pub value: u64,
    /// At most.
    pub limit: u64,
}

/// Something that was done to the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which kind, in a word.
    pub label: &'static str,
    /// The nodes that it keeps from working or from hearing of others; all, when none is named.
    pub nodes: BTreeSet<NodeId>,
    /// From when.
    pub from: Micros,
    /// Until when; absent for ever.
    pub until: Option<Micros>,
    /// Whether it takes away what the node had on its disk.
    pub wipes_disk: bool,
}

impl Fault {
    /// Whether it concerns a node.
    pub(crate) fn concerns(&self, node: NodeId) -> bool {
        self.nodes.is_empty() || self.nodes.contains(&node)
    }

    /// Whether it was active at any time of an interval.
    pub(crate) fn overlaps(&self, from: Micros, to: Micros) -> bool {
        self.from <= to && self.until.is_none_or(|until| from <= until)
    }
}

/// An alert as somebody on duty got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Whose.
    pub entity: EntityId,
    /// Which alert.
    pub alert: AlertId,
    /// About what.
    pub condition: AlertCondition,
    /// When it arrived.
    pub at: Micros,
}

/// What a facility answered to a question for its present census.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CensusSeen {
    /// Which facility.
    pub facility: EntityId,
    /// When it was asked; it counts when nothing was moved from then on.
    pub asked_at: Micros,
    /// Occupied beds per ward; wards without patients may be left out.
    pub occupied: BTreeMap<String, u32>,
}

/// Words that left the node.
#[derive(Clone)]
pub struct CollectedText {
    /// Where they were collected, for example `trace of n1`.
    pub origin: String,
    /// The words.
    pub text: String,
}

impl std::fmt::Debug for CollectedText {
    /// The words may be what they must not be (PHI-1).
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} ({} bytes)", self.origin, self.text.len())
    }
}

/// The promises in numbers; times in microseconds of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// From the acknowledgement of a critical result, or from healing, to the page.
    pub alert_micros: Micros,
    /// From healing until every shard has one open owner and all views agree.
    pub placement_micros: Micros,
    /// How long nothing moves from then on.
    pub rest_micros: Micros,
    /// By how many shards the busiest node may then surpass the idlest.
    pub spread_max: usize,
    /// From healing until clients' commands are done again.
    pub service_micros: Micros,
    /// Longest time of a command once service is back.
    pub command_micros: Micros,
    /// From healing until outboxes are empty and due timers fired.
    pub drain_micros: Micros,
    /// How long a node that hears of the others may believe to own what another one claimed.
    pub stale_owner_micros: Micros,
    /// Attempts of one command.
    pub attempts_max: usize,
    /// Goodput after healing in percent of that before the first fault.
    pub goodput_percent_min: u64,
}

const SECOND: Micros = MICROS_PER_SECOND.unsigned_abs();

impl Default for Bounds {
    fn default() -> Self {
        Self {
            alert_micros: 10 * SECOND,
            placement_micros: 30 * SECOND,
            rest_micros: 30 * SECOND,
            spread_max: 1,
            service_micros: 30 * SECOND,
            command_micros: 10 * SECOND,
            drain_micros: 30 * SECOND,
            stale_owner_micros: 10 * SECOND,
            attempts_max: 64,
            goodput_percent_min: 90,
        }
    }
}

impl Evidence {
    /// Whether no fault was active at any time of an interval.
    pub(crate) fn is_undisturbed(&self, from: Micros, to: Micros) -> bool {
        !self.faults.iter().any(|fault| fault.overlaps(from, to))
    }
}
