//! Marks: how an owner makes sure that a group which it no longer waits for takes no effect.
//!
//! Every shard has a mark in the store, written anew with every claim and whenever its owner stops
//! waiting. A group commits only if the marks of its members elsewhere are those under which they
//! were held. So after a renewal it took effect before, or never will: no clock decides that
//! (TIME-1), and nothing has to be kept for groups that failed.

use crate::error::SubmitError;
use crate::limits::GROUP_PAUSE_MS;
use crate::node::NodeInner;
use crate::ownership::{Fence, Held};
use actors_store::tuple::TupleWriter;
use actors_store::{KeyRange, Store, Transaction, keys};
use bytes::Bytes;
use schema_types::ids::ShardId;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A shard that is open here, and its mark.
#[derive(Clone)]
struct Marked {
    held: Held,
    mark: Bytes,
}

/// What a shard's rows must say for a group with a member in it to commit (OWN-1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Guard {
    pub(crate) shard: ShardId,
    /// Node and epoch that held the member.
    pub(crate) owner_row: Bytes,
    /// The mark under which it did.
    pub(crate) mark: Bytes,
}

impl Guard {
    /// The rows, each with what it must hold.
    pub(crate) fn rows(&self) -> [(Bytes, &Bytes); 2] {
        let ShardId(shard) = self.shard;
        [(keys::owner(shard), &self.owner_row), (keys::hold_mark(shard), &self.mark)]
    }
}

/// The marks of the shards that are open here.
pub(crate) struct Marks {
    node: String,
    incarnation: u64,
    numbers: AtomicU64,
    shards: Mutex<BTreeMap<ShardId, Marked>>,
    /// Held while a mark is renewed: one at a time.
    renewal: tokio::sync::Mutex<()>,
}

impl Marks {
    pub(crate) fn new(node: &str, incarnation: u64) -> Self {
        Self {
            node: node.to_owned(),
            incarnation,
            numbers: AtomicU64::new(0),
            shards: Mutex::default(),
            renewal: tokio::sync::Mutex::default(),
        }
    }

    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// A mark that nobody had before: the incarnation is this run's own.
    pub(crate) fn fresh(&self) -> Bytes {
        let writer = TupleWriter::with_capacity(48).text(&self.node);
        writer.unsigned(self.incarnation).unsigned(self.number()).finish()
    }

    /// A name that no hold had before.
    pub(crate) fn fresh_name(&self) -> String {
        format!("{}:{}:{}", self.node, self.incarnation, self.number())
    }

    fn shards(&self) -> MutexGuard<'_, BTreeMap<ShardId, Marked>> {
        // The map is consistent between statements.
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the mark with which a shard was claimed.
    pub(crate) fn open(&self, held: Held, mark: Bytes) {
        self.shards().insert(held.shard, Marked { held, mark });
    }

    /// Holds nothing in a shard any more; its next claim writes another mark.
    pub(crate) fn close(&self, shard: ShardId) {
        self.shards().remove(&shard);
    }

    /// Whether a shard is open here, but in another epoch than this one.
    pub(crate) fn holds_otherwise(&self, held: &Held) -> bool {
        self.shards().get(&held.shard).is_some_and(|marked| marked.held.row() != held.row())
    }

    /// What a group must find in the store to commit for a member of this shard.
    pub(crate) fn guard(&self, shard: ShardId) -> Option<Guard> {
        let shards = self.shards();
        let Marked { held, mark } = shards.get(&shard)?;
        Some(Guard { shard, owner_row: held.row().clone(), mark: mark.clone() })
    }

    /// Gives a shard a new mark, unless it has another one than `given` already. Afterwards no
    /// group commits that relies on the given one.
    async fn renew(
        &self,
        store: &Arc<dyn Store>,
        shard: ShardId,
        given: Option<&Bytes>,
    ) -> Result<Renewal, SubmitError> {
        let _alone = self.renewal.lock().await;
        let Some(Marked { held, mark }) = self.shards().get(&shard).cloned() else {
            return Ok(Renewal::NotOurs);
        };
        if given.is_some_and(|given| *given != mark) {
            return Ok(Renewal::Done);
        }
        let snapshot = store.begin().await?;
        let Fence::Ours(owner) = held.fence(&*snapshot).await? else {
            return Ok(Renewal::NotOurs);
        };
        let (key, next) = (keys::hold_mark(shard.0), self.fresh());
        let mut transaction = Transaction::at(store, snapshot);
        transaction.add_read_conflict(owner);
        transaction.add_read_conflict(KeyRange::single(&key));
        transaction.set(key, next.clone());
        store.commit(transaction.into_request()).await?;
        if let Some(marked) = self.shards().get_mut(&shard)
            && marked.mark == mark
        {
            marked.mark = next;
        }
        Ok(Renewal::Done)
    }
}

/// What became of a renewal.
enum Renewal {
    Done,
    /// The shard is closed here, or another owner's: the next claim writes a mark, or did.
    NotOurs,
}

impl NodeInner {
    /// Makes sure that no group commits that relies on a mark, trying until it is so. Without a
    /// `given` mark, on any. `false` when the node ends first.
    pub(crate) async fn stop_waiting(&self, shard: ShardId, given: Option<&Bytes>) -> bool {
        loop {
            match self.groups.marks.renew(&self.store, shard, given).await {
                Ok(Renewal::Done) => {
                    self.metrics.group_marks_renewed.add(1);
                    return true;
                }
                Ok(Renewal::NotOurs) => return true,
                Err(error) => {
                    self.note(&error);
                    tracing::debug!(code = %error.code(), "the mark of a shard is not renewed yet");
                }
            }
            if !self.wait_ms(GROUP_PAUSE_MS).await {
                return false;
            }
        }
    }
}
