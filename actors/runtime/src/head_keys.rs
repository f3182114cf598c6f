//! Whose signatures under audit heads count (AUD-2): this node's, and those of the nodes that may
//! have held its shards before.

use actors_audit::{HeadSigner, SignedTreeHead};
use arc_swap::ArcSwap;
use std::sync::Arc;

/// This node's signer and the public keys of the others.
pub(crate) struct HeadKeys {
    pub(crate) signer: Arc<HeadSigner>,
    others: ArcSwap<Vec<[u8; 32]>>,
}

impl HeadKeys {
    pub(crate) fn new(signer: Arc<HeadSigner>, others: Vec<[u8; 32]>) -> Self {
        Self { signer, others: ArcSwap::from_pointee(others) }
    }

    pub(crate) fn trust(&self, key: [u8; 32]) {
        if self.others.load().contains(&key) {
            return;
        }
        self.others.rcu(|others| {
            let mut others = Vec::clone(others);
            if !others.contains(&key) {
                others.push(key);
            }
            others
        });
    }

    /// Every key that counts, this node's first.
    pub(crate) fn all(&self) -> Vec<[u8; 32]> {
        let mut keys = vec![self.signer.public()];
        keys.extend(self.others.load().iter());
        keys
    }

    pub(crate) fn accepts(&self, head: &SignedTreeHead) -> bool {
        self.all().iter().any(|key| head.verify(key).is_ok())
    }
}
