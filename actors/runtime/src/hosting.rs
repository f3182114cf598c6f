//! Shards come and go: opening one that the plan gives to this node, closing one that it takes
//! away, and stopping at once with one that another owner already has (OWN-1).

use crate::audit_log::load_shard;
use crate::directory::{HostedEntity, Removal, Slot};
use crate::error::SubmitError;
use crate::limits::CLOSE_PAUSE_MS;
use crate::node::{NodeInner, Runtime};
use crate::ownership::{self, Held};
use crate::timers;
use actors_device::Device;
use actors_facility::Facility;
use actors_patient::Patient;
use bytes::Bytes;
use schema_types::cluster::{Epoch, HashRange};
use schema_types::ids::ShardId;
use std::sync::Arc;
use tokio::sync::mpsc;

/// What the plan gives to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardGrant {
    /// The shard.
    pub shard: ShardId,
    /// The hashes in it.
    pub range: HashRange,
    /// The epoch in which the node is to own it.
    pub epoch: Epoch,
    /// The shards to which its hashes belonged before a split or a merge.
    pub inherits: Vec<ShardId>,
    /// Those of them that are no more: nobody can commit under them once this one is claimed.
    pub retires: Vec<ShardId>,
}

impl Runtime {
    /// Claims a shard in an epoch and takes commands for the hashes of its range. Doing it again
    /// in the same epoch changes nothing.
    ///
    /// # Errors
    /// [`SubmitError::NotServed`] when another owner has that epoch or a newer one;
    /// [`SubmitError`] when the store cannot be used or the shard's audit log is damaged.
    pub async fn open_shard(&self, grant: &ShardGrant) -> Result<(), SubmitError> {
        let node = &self.inner;
        let ShardGrant { shard, range, epoch, inherits, retires } = grant;
        let (name, wanted) = (&node.config.node, [(*shard, Some(*epoch))]);
        let mark = node.groups.marks.fresh();
        for held in ownership::claim(&node.store, name, &wanted, retires, &mark).await? {
            let left_behind = node_env::planted!("timers-not-inherited");
            for former in inherits.iter().filter(|_| !left_behind) {
                timers::inherit(node, &held, (*former, *range)).await?;
            }
            node.host(held, *range, &mark).await?;
        }
        Ok(())
    }

    /// Takes no further commands for a shard from now on; what it took goes on. The first half of
    /// [`Runtime::close_shard`].
    pub fn fence_shard(&self, shard: ShardId) {
        self.inner.served.close(shard);
    }

    /// The newest epoch of a shard that the store knows and whether it is this node's, for a
    /// claim that was refused.
    ///
    /// # Errors
    /// [`SubmitError`] when the store cannot be read.
    pub async fn stored_epoch(&self, shard: ShardId) -> Result<Option<(Epoch, bool)>, SubmitError> {
        let snapshot = self.snapshot().await?;
        let stored = ownership::stored(&*snapshot, shard).await?;
        Ok(stored.map(|(epoch, node)| (epoch, node == self.inner.config.node)))
    }

    /// Takes no further commands for a shard, waits until those that it took are settled, at most
    /// `grace_ms`, and lets go of it. What is not settled by then fails or is left to the store;
    /// the next owner has all that was acknowledged. `true` when everything was settled.
    pub async fn close_shard(&self, shard: ShardId, grace_ms: u64) -> bool {
        self.inner.leave(shard, grace_ms).await
    }

    /// The shards whose commands this node takes.
    #[must_use]
    pub fn open_shards(&self) -> Vec<ShardId> {
        self.inner.served.open_shards()
    }

    /// Claims and opens every shard of a store that belongs to this node alone.
    pub(crate) async fn open_all(&self) -> Result<(), SubmitError> {
        let node = &self.inner;
        let wanted: Vec<_> = (0..node.shards.0).map(|shard| (ShardId(shard), None)).collect();
        let (name, mark) = (&node.config.node, node.groups.marks.fresh());
        for held in ownership::claim(&node.store, name, &wanted, &[], &mark).await? {
            let range = HashRange::equal(node.shards, held.shard);
            let range = range.ok_or(SubmitError::NotServed { shard: Some(held.shard.0) })?;
            node.host(held, range, &mark).await?;
        }
        Ok(())
    }
}

impl NodeInner {
    /// The claim is durable: from now on nobody else writes to the shard's log, so what a snapshot
    /// shows of it is its end (AUD-2).
    async fn host(&self, held: Held, range: HashRange, mark: &Bytes) -> Result<(), SubmitError> {
        let shard = held.shard;
        if self.groups.marks.holds_otherwise(&held) {
            // Others may have had the shard since: what is resident may be of the past.
            self.leave(shard, 0).await;
        }
        let snapshot = self.store.begin().await?;
        let log = load_shard(&*snapshot, shard, &self.head_keys).await?;
        self.groups.marks.open(held.clone(), mark.clone());
        if !self.committer.open(held, log).await {
            return Err(SubmitError::ShuttingDown);
        }
        // Messages of the shard that its last owner did not deliver: they come before those of this
        // owner (ORD-1), and can be found once the shard is served.
        let sweep = || {
            if !node_env::planted!("outbox-not-swept-after-claim") {
                self.outbox.sweep();
            }
        };
        sweep();
        self.served.open(shard, range);
        sweep();
        Ok(())
    }

    async fn leave(&self, shard: ShardId, grace_ms: u64) -> bool {
        let Some(range) = self.served.range_of(shard) else { return true };
        self.served.close(shard);
        let patients = self.empty::<Patient>(range, grace_ms).await;
        let devices = self.empty::<Device>(range, grace_ms).await;
        let facilities = self.empty::<Facility>(range, grace_ms).await;
        // What belongs to no entity's state ends with the last batch.
        let is_open = self.committer.close(shard).await;
        self.groups.marks.close(shard);
        self.served.remove(shard);
        patients && devices && facilities && is_open
    }

    /// Lets the residents of a range go, each once it is idle; after `grace_ms` whatever they do.
    async fn empty<E: HostedEntity>(&self, range: HashRange, grace_ms: u64) -> bool {
        let directory = E::directory(self);
        let mut left = directory.in_range(range);
        let mut waited_ms = 0;
        loop {
            left.retain(|slot| match directory.remove_idle(slot) {
                Removal::Done => {
                    self.stop(slot);
                    false
                }
                Removal::Needed => true,
                Removal::Gone => false,
            });
            if left.is_empty() || waited_ms >= grace_ms {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(CLOSE_PAUSE_MS)).await;
            waited_ms += CLOSE_PAUSE_MS;
        }
        for slot in &left {
            // Units that still wait fail: they were decided on a state that is not ours any more.
            slot.residency.abandon();
            directory.remove_any(slot);
            self.stop(slot);
        }
        left.is_empty()
    }

    fn stop<E: HostedEntity>(&self, slot: &Arc<Slot<E>>) {
        if let Some(actor) = slot.started() {
            self.forget_failure_hook(actor.get_id());
            actor.stop(None);
        }
    }
}

/// Stops what this node has of shards that another owner took.
pub(crate) async fn follow_losses(node: Arc<NodeInner>, mut lost: mpsc::Receiver<ShardId>) {
    let mut ending = node.ending();
    loop {
        let shard = tokio::select! {
            biased;
            _ = ending.wait_for(|ending| *ending) => return,
            shard = lost.recv() => shard,
        };
        let Some(shard) = shard else { return };
        // It came back, and what was resident went then.
        let is_back = node.served.open_shards().contains(&shard);
        if is_back || node_env::planted!("lost-shard-stays-resident") {
            continue;
        }
        node.leave(shard, 0).await;
    }
}
