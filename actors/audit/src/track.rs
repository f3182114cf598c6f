//! One hypothesis about what the leaf hashes of the log were: the tree and the running digest that
//! follow from it.

use crate::chain::Chain;
use crate::frontier::Frontier;
use crate::hash::Hash;
use schema_types::ids::ShardId;

#[derive(Debug, Clone)]
pub(crate) struct Track {
    pub(crate) frontier: Frontier,
    pub(crate) chain: Chain,
}

impl Track {
    pub(crate) fn new(shard: ShardId) -> Self {
        Self { frontier: Frontier::new(), chain: Chain::genesis(shard) }
    }

    pub(crate) fn push(&mut self, leaf_hash: &Hash, chain: Chain) {
        self.frontier.append_hash(*leaf_hash);
        self.chain = chain;
    }
}
