//! The state of the control plane: the fold of its events (DET-1), with `BTreeMap`s only, so that
//! the same commands give the same bytes everywhere.

use crate::bytes::JoinKey;
use crate::decide::{self, Decision, No};
use crate::event::{Event, Outcome, ShardChange};
use crate::feature::Feature;
use crate::limits::{
    LEASE_MS_MAX, LEASE_MS_MIN, NODES_LEFT_MAX, NODES_MAX, SHARD_IDS_MAX, SHARDS_MAX,
    STEP_PATIENCE_MS_MAX, STEP_PATIENCE_MS_MIN,
};
use crate::node::{Life, Node};
use crate::registry::{AuditHead, Policy, Tenant};
use crate::shard::Shard;
use crate::table::ShardTable;
use crate::{Proposal, stored};
use schema_types::cluster::{NodeId, ShardMap};
use schema_types::ids::{ShardId, TenantId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How long to wait for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// How long a lease must be seen to stand still before it is over, in milliseconds.
    pub lease_ms: u64,
    /// After how long a step of a hand-off is overdue, in milliseconds.
    pub step_patience_ms: u64,
}

impl Timeouts {
    pub(crate) fn is_within_limits(self) -> bool {
        (LEASE_MS_MIN..=LEASE_MS_MAX).contains(&self.lease_ms)
            && (STEP_PATIENCE_MS_MIN..=STEP_PATIENCE_MS_MAX).contains(&self.step_patience_ms)
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { lease_ms: 1_500, step_patience_ms: 5_000 }
    }
}

/// What was fixed when the cluster was formed, and what holds for all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Names the request that formed it.
    pub join_key: JoinKey,
    /// Equal shards at the beginning.
    pub shards_at_first: u16,
    /// How long to wait for whom.
    pub timeouts: Timeouts,
    /// Counts the changes of the shard map.
    pub map_revision: u64,
    /// The id of the next node.
    pub(crate) node_next: u64,
    /// The id of the next shard; past the last number when there is none left.
    pub(crate) shard_next: u32,
}

/// The replicated state machine of the control plane.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ControlState {
    pub(crate) cluster: Option<Cluster>,
    pub(crate) features: BTreeSet<Feature>,
    pub(crate) nodes: BTreeMap<NodeId, Node>,
    pub(crate) shards: ShardTable,
    pub(crate) tenants: BTreeMap<TenantId, Tenant>,
    pub(crate) policies: BTreeMap<String, Policy>,
    pub(crate) audit_heads: BTreeMap<ShardId, AuditHead>,
}

/// The stored form of the state: everything but the indexes.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredState {
    cluster: Option<Cluster>,
    features: BTreeSet<Feature>,
    #[serde(with = "stored::rows")]
    nodes: BTreeMap<NodeId, Node>,
    #[serde(with = "stored::rows")]
    shards: BTreeMap<ShardId, Shard>,
    #[serde(with = "stored::rows")]
    tenants: BTreeMap<TenantId, Tenant>,
    policies: BTreeMap<String, Policy>,
    #[serde(with = "stored::rows")]
    audit_heads: BTreeMap<ShardId, AuditHead>,
}

impl StoredState {
    pub(crate) fn of(state: &ControlState) -> Self {
        Self {
            cluster: state.cluster.clone(),
            features: state.features.clone(),
            nodes: state.nodes.clone(),
            shards: state.shards.records().clone(),
            tenants: state.tenants.clone(),
            policies: state.policies.clone(),
            audit_heads: state.audit_heads.clone(),
        }
    }

    pub(crate) fn into_state(self) -> ControlState {
        ControlState {
            cluster: self.cluster,
            features: self.features,
            nodes: self.nodes,
            shards: ShardTable::new(self.shards),
            tenants: self.tenants,
            policies: self.policies,
            audit_heads: self.audit_heads,
        }
    }
}

impl ControlState {
    /// The state before the cluster is formed.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies one proposal of the log: decides again, whatever the proposer checked, and folds
    /// what happened. Never fails; what must not be done is an outcome too. Costs a few tree
    /// operations, but for commands about a node, which cost as many as it has shards.
    pub fn apply(&mut self, proposal: &Proposal) -> Outcome {
        match decide::decide(self, proposal) {
            Ok(Decision { answer, events }) => {
                for event in &events {
                    self.evolve(event);
                }
                debug_assert!(!changes_ranges(&events) || self.validate().is_ok());
                Outcome::Done { answer, events }
            }
            Err(No::Ignored(reason)) => Outcome::Ignored(reason),
            Err(No::Refused(refusal)) => Outcome::Refused(*refusal),
        }
    }

    /// Folds one event.
    fn evolve(&mut self, event: &Event) {
        match event {
            Event::ClusterFormed { join_key, shards, timeouts } => {
                self.cluster = Some(Cluster {
                    join_key: *join_key,
                    shards_at_first: *shards,
                    timeouts: *timeouts,
                    map_revision: 0,
                    node_next: 1,
                    shard_next: 0,
                });
            }
            Event::FeatureActivated(feature) => {
                self.features.insert(*feature);
            }
            Event::NodeForgotten { node } => {
                self.nodes.remove(node);
            }
            Event::TenantChanged { tenant, record } => {
                self.tenants.insert(tenant.clone(), record.clone());
            }
            Event::PolicyChanged { name, record } => {
                self.policies.insert(name.clone(), record.clone());
            }
            Event::AuditHeadAnchored { shard, head } => {
                self.audit_heads.insert(*shard, head.clone());
            }
            Event::TimeoutsSet(timeouts) => self.evolve_cluster(|it| it.timeouts = *timeouts),
            Event::NodeChanged { node, record, .. } => {
                self.nodes.insert(*node, (**record).clone());
                let next = node.0.saturating_add(1);
                self.evolve_cluster(|cluster| cluster.node_next = cluster.node_next.max(next));
            }
            Event::ShardChanged { shard, record, .. } => self.evolve_shard(*shard, record),
            Event::ShardRetired { shard, .. } => {
                self.shards.remove(*shard);
                self.evolve_cluster(|cluster| cluster.map_revision += 1);
            }
        }
    }

    fn evolve_cluster(&mut self, change: impl FnOnce(&mut Cluster)) {
        if let Some(cluster) = &mut self.cluster {
            change(cluster);
        }
    }

    fn evolve_shard(&mut self, shard: ShardId, record: &Shard) {
        debug_assert!(record.fault().is_none(), "{:?}", record.fault());
        let before = self.shards.get(shard);
        debug_assert!(
            before.is_none_or(|before| before.epoch < record.epoch
                || (before.epoch == record.epoch
                    && (before.owner == record.owner || record.owner.is_none()))),
            "an epoch has one owner, and epochs grow (OWN-1)"
        );
        let next = u32::from(shard.0) + 1;
        self.shards.put(shard, record.clone());
        self.evolve_cluster(|cluster| {
            cluster.map_revision += 1;
            cluster.shard_next = cluster.shard_next.max(next);
        });
    }

    /// What was fixed when the cluster was formed; nothing before.
    #[must_use]
    pub fn cluster(&self) -> Option<&Cluster> {
        self.cluster.as_ref()
    }

    /// How long to wait for whom.
    #[must_use]
    pub fn timeouts(&self) -> Timeouts {
        self.cluster.as_ref().map_or_else(Timeouts::default, |cluster| cluster.timeouts)
    }

    /// Whether commands of the feature may be asked for.
    #[must_use]
    pub fn is_active(&self, feature: Feature) -> bool {
        feature == Feature::BASE || self.features.contains(&feature)
    }

    /// The active features beyond the base.
    #[must_use]
    pub fn features(&self) -> &BTreeSet<Feature> {
        &self.features
    }

    /// Every node that is listed, those that left among them.
    #[must_use]
    pub fn nodes(&self) -> &BTreeMap<NodeId, Node> {
        &self.nodes
    }

    /// Every shard by id.
    #[must_use]
    pub fn shards(&self) -> &BTreeMap<ShardId, Shard> {
        self.shards.records()
    }

    /// Every shard in the order of the ranges.
    pub fn shards_in_order(&self) -> impl Iterator<Item = (ShardId, &Shard)> {
        self.shards.in_order()
    }

    /// The shard that holds the hash; nothing before the cluster is formed.
    #[must_use]
    pub fn shard_at(&self, hash: u64) -> Option<ShardId> {
        self.shards.at(hash)
    }

    /// The shards that a node owns, open or not, without looking at any other.
    pub fn owned_by(&self, node: NodeId) -> impl Iterator<Item = ShardId> {
        self.shards.owned_by(node)
    }

    /// The shards that are not open.
    #[must_use]
    pub fn not_open(&self) -> &BTreeSet<ShardId> {
        self.shards.not_open()
    }

    /// The plan as a value for routing; nothing before the cluster is formed. Costs a pass over
    /// all shards: ask when [`Self::map_revision`] has grown.
    #[must_use]
    pub fn shard_map(&self) -> Option<ShardMap> {
        self.shards.to_map(self.map_revision())
    }

    /// Grows with each change of the shard map.
    #[must_use]
    pub fn map_revision(&self) -> u64 {
        self.cluster.as_ref().map_or(0, |cluster| cluster.map_revision)
    }

    /// The tenants.
    #[must_use]
    pub fn tenants(&self) -> &BTreeMap<TenantId, Tenant> {
        &self.tenants
    }

    /// The policies by name, withdrawn ones among them.
    #[must_use]
    pub fn policies(&self) -> &BTreeMap<String, Policy> {
        &self.policies
    }

    /// The newest known head of each audit log, also of shards that were merged away.
    #[must_use]
    pub fn audit_heads(&self) -> &BTreeMap<ShardId, AuditHead> {
        &self.audit_heads
    }

    /// Checks everything that must hold between commands: a scan of all of it, for tests, for
    /// loading and for the planner's lint.
    ///
    /// # Errors
    /// The first fault that was found.
    pub fn validate(&self) -> Result<(), String> {
        if self.cluster.is_none() && (!self.nodes.is_empty() || self.shards.len() > 0) {
            return Err("there are nodes or shards, and no cluster was formed".to_owned());
        }
        if let Some(fault) = self.shards.fault() {
            return Err(fault);
        }
        for (shard, record) in self.shards.records() {
            let source = record.source().map(|source| source.node);
            let is_alive = |node: &NodeId| self.nodes.get(node).is_some_and(Node::is_alive);
            if record.owner.iter().chain(&source).any(|node| !is_alive(node)) {
                return Err(format!("shard {} depends on a node that is not up", shard.0));
            }
        }
        self.validate_limits()
    }

    fn validate_limits(&self) -> Result<(), String> {
        let left = self.nodes.values().filter(|node| node.life == Life::Left).count();
        let (staying, shards) = (self.nodes.len() - left, self.shards.len());
        if staying > NODES_MAX || left > NODES_LEFT_MAX || shards > SHARDS_MAX {
            return Err("more nodes or shards than the limits allow".to_owned());
        }
        let Some(cluster) = &self.cluster else { return Ok(()) };
        let last_node = self.nodes.keys().next_back().map_or(0, |node| node.0);
        let last_shard = self.shards.records().keys().next_back().map_or(0, |shard| shard.0);
        let is_past = cluster.node_next > last_node && cluster.shard_next > u32::from(last_shard);
        if shards == 0 || !is_past || cluster.shard_next > SHARD_IDS_MAX {
            return Err("an id could be given out twice".to_owned());
        }
        Ok(())
    }
}

fn changes_ranges(events: &[Event]) -> bool {
    use ShardChange::{Merged, Split};
    events.iter().any(|event| {
        matches!(
            event,
            Event::ClusterFormed { .. } | Event::ShardChanged { change: Split | Merged, .. }
        )
    })
}
