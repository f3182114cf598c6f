//! All shards, with the indexes that keep each question about one shard or one node cheap. The
//! indexes are never stored; they are built again from the records.

use crate::shard::Shard;
use schema_types::cluster::{HashRange, NodeId, ShardMap, ShardPlace};
use schema_types::ids::ShardId;
use std::collections::{BTreeMap, BTreeSet};

type ByNode = BTreeMap<NodeId, BTreeSet<ShardId>>;

/// The shards by id, by range and by node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ShardTable {
    records: BTreeMap<ShardId, Shard>,
    /// By the first hash of the range.
    by_first: BTreeMap<u64, ShardId>,
    /// The shards that a node owns, open or not.
    owned: ByNode,
    /// The shards at which it is a node's turn.
    turns: ByNode,
    /// The shards that a node has not let go of yet.
    sources: ByNode,
    not_open: BTreeSet<ShardId>,
}

fn insert(index: &mut ByNode, node: Option<NodeId>, shard: ShardId) {
    if let Some(node) = node {
        index.entry(node).or_default().insert(shard);
    }
}

fn remove(index: &mut ByNode, node: Option<NodeId>, shard: ShardId) {
    let Some(node) = node else { return };
    if let Some(shards) = index.get_mut(&node) {
        shards.remove(&shard);
        if shards.is_empty() {
            index.remove(&node);
        }
    }
}

fn of_node(index: &ByNode, node: NodeId) -> impl Iterator<Item = ShardId> {
    index.get(&node).into_iter().flatten().copied()
}

impl ShardTable {
    pub(crate) fn new(records: BTreeMap<ShardId, Shard>) -> Self {
        let mut table = Self::default();
        for (shard, record) in records {
            table.put(shard, record);
        }
        table
    }

    pub(crate) fn records(&self) -> &BTreeMap<ShardId, Shard> {
        &self.records
    }

    pub(crate) fn get(&self, shard: ShardId) -> Option<&Shard> {
        self.records.get(&shard)
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn owned_by(&self, node: NodeId) -> impl Iterator<Item = ShardId> {
        of_node(&self.owned, node)
    }

    pub(crate) fn turns_of(&self, node: NodeId) -> impl Iterator<Item = ShardId> {
        of_node(&self.turns, node)
    }

    pub(crate) fn sources_of(&self, node: NodeId) -> impl Iterator<Item = ShardId> {
        of_node(&self.sources, node)
    }

    /// The shards that a node owns or has not let go of, each once.
    pub(crate) fn concern(&self, node: NodeId) -> BTreeSet<ShardId> {
        self.owned_by(node).chain(self.sources_of(node)).collect()
    }

    pub(crate) fn not_open(&self) -> &BTreeSet<ShardId> {
        &self.not_open
    }

    pub(crate) fn at(&self, hash: u64) -> Option<ShardId> {
        self.by_first.range(..=hash).next_back().map(|(_, shard)| *shard)
    }

    /// In the order of the ranges.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = (ShardId, &Shard)> {
        let ids = self.by_first.values();
        ids.filter_map(|shard| self.records.get(shard).map(|record| (*shard, record)))
    }

    /// Adds or replaces a record: a few tree operations, however many shards there are.
    pub(crate) fn put(&mut self, shard: ShardId, record: Shard) {
        self.unindex(shard);
        self.by_first.insert(record.range.first(), shard);
        insert(&mut self.owned, record.owner, shard);
        insert(&mut self.turns, record.turn(), shard);
        insert(&mut self.sources, record.source().map(|source| source.node), shard);
        if !record.is_open() {
            self.not_open.insert(shard);
        }
        self.records.insert(shard, record);
    }

    pub(crate) fn remove(&mut self, shard: ShardId) {
        self.unindex(shard);
        self.records.remove(&shard);
    }

    fn unindex(&mut self, shard: ShardId) {
        let Some(old) = self.records.get(&shard) else { return };
        // A neighbour may have taken the place already: a merge writes the larger range first.
        if self.by_first.get(&old.range.first()) == Some(&shard) {
            self.by_first.remove(&old.range.first());
        }
        remove(&mut self.owned, old.owner, shard);
        remove(&mut self.turns, old.turn(), shard);
        remove(&mut self.sources, old.source().map(|source| source.node), shard);
        self.not_open.remove(&shard);
    }

    pub(crate) fn to_map(&self, revision: u64) -> Option<ShardMap> {
        let place = |(shard, record): (ShardId, &Shard)| ShardPlace {
            shard,
            range: record.range,
            epoch: record.epoch,
            owner: record.owner,
            is_open: record.is_open(),
        };
        ShardMap::new(revision, self.in_order().map(place).collect())
    }

    /// What is wrong with the table, if anything: a scan of all of it.
    pub(crate) fn fault(&self) -> Option<String> {
        for (shard, record) in &self.records {
            if let Some(fault) = record.fault() {
                return Some(format!("shard {}: {fault}", shard.0));
            }
            if let Some(fault) = self.tie_fault(*shard, record) {
                return Some(format!("shard {}: {fault}", shard.0));
            }
        }
        let mut covered: Option<HashRange> = None;
        for (shard, record) in self.in_order() {
            let joined = match covered {
                None => Some(record.range).filter(|range| range.first() == 0),
                Some(covered) => covered.join(record.range),
            };
            let Some(joined) = joined else {
                return Some(format!("shard {} leaves a gap or overlaps", shard.0));
            };
            covered = Some(joined);
        }
        if !self.records.is_empty() && covered != Some(HashRange::WHOLE) {
            return Some("the end of the space is not covered".to_owned());
        }
        let is_same = Self::new(self.records.clone()) == *self;
        (!is_same).then(|| "the indexes do not agree with the records".to_owned())
    }

    fn tie_fault(&self, shard: ShardId, record: &Shard) -> Option<&'static str> {
        let hand_off = record.hand_off.as_ref()?;
        let tied = |other: ShardId| self.get(other).and_then(|other| other.hand_off.as_ref());
        if let Some(other) = hand_off.waits_for
            && tied(other).and_then(|other| other.frees) != Some(shard)
        {
            return Some("waits for a shard that will not free it");
        }
        if let Some(other) = hand_off.frees
            && tied(other).and_then(|other| other.waits_for) != Some(shard)
        {
            return Some("frees a shard that does not wait");
        }
        let retires = hand_off.retires.is_some_and(|other| self.records.contains_key(&other));
        retires.then_some("retires a shard that is still in the map")
    }
}
