//! Ownership of shards as the store knows it (OWN-1): who holds which shard in which epoch.

use crate::error::SubmitError;
use actors_store::tuple::{TupleReader, TupleWriter};
use actors_store::{CommitError, KeyRange, ReadError, Snapshot, Store, Transaction, keys};
use bytes::Bytes;
use schema_types::cluster::Epoch;
use schema_types::ids::ShardId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Claims of one shard that met another node's claim before they give up.
const CLAIM_TRIES_MAX: usize = 8;

/// The epoch of a shard that is no more: above every one that is given out.
const RETIRED: Epoch = Epoch(u64::MAX);

/// A shard that this node holds.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) shard: ShardId,
    key: Bytes,
    /// The owner row as it must be.
    row: Bytes,
}

/// The shards that this node holds and the epochs in which it does.
#[derive(Debug, Default)]
pub(crate) struct Ownership {
    held: BTreeMap<ShardId, Held>,
}

/// What the store says about a shard.
pub(crate) enum Fence {
    /// It is ours; the range must be in the read set.
    Ours(KeyRange),
    /// Another owner, or another epoch.
    Lost,
}

fn encode(epoch: Epoch, node: &str) -> Bytes {
    TupleWriter::with_capacity(32).unsigned(epoch.0).text(node).finish()
}

fn decode(value: &[u8]) -> Option<(Epoch, String)> {
    let mut reader = TupleReader::new(value);
    let epoch = Epoch(reader.unsigned().ok()?);
    Some((epoch, reader.text().ok()?))
}

/// What the store says: the newest epoch of a shard and who has it.
///
/// # Errors
/// [`SubmitError`] when the row cannot be read or does not decode.
pub(crate) async fn stored(
    snapshot: &dyn Snapshot,
    shard: ShardId,
) -> Result<Option<(Epoch, String)>, SubmitError> {
    let damaged = || SubmitError::Damaged { place: "owner row".to_owned() };
    let row = snapshot.get(&keys::owner(shard.0)).await?;
    row.map(|row| decode(&row).ok_or_else(damaged)).transpose()
}

/// A shard as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredShard {
    /// The shard.
    pub shard: u16,
    /// The newest epoch in which it was claimed.
    pub epoch: Epoch,
    /// Who claimed it; nobody when it is part of another shard now.
    pub owner: Option<String>,
    /// Records in its audit log.
    pub audit_records: u64,
}

/// Every shard that ever had an owner, as the store has it.
///
/// # Errors
/// [`SubmitError`] when the store cannot be read or a row does not decode.
pub async fn stored_shards(snapshot: &dyn Snapshot) -> Result<Vec<StoredShard>, SubmitError> {
    let mut shown = Vec::new();
    for shard in crate::trail::shards(snapshot).await? {
        let Some((epoch, owner)) = stored(snapshot, ShardId(shard)).await? else { continue };
        let head = crate::trail::newest_head(snapshot, shard).await?;
        let audit_records = head.map_or(0, |head| head.head.size);
        let owner = (epoch != RETIRED).then_some(owner);
        shown.push(StoredShard { shard, epoch, owner, audit_records });
    }
    Ok(shown)
}

impl Held {
    /// Whether the store still says that the shard is ours, and what must be in the read set of a
    /// commit that relies on it: a read-conflict range alone does not fence, because a stale owner
    /// with a fresh read version would pass (OWN-1).
    pub(crate) async fn fence(&self, snapshot: &dyn Snapshot) -> Result<Fence, ReadError> {
        let value = snapshot.get(&self.key).await?;
        let is_ours = self.is_row(value.as_ref()) || node_env::planted!("fence-not-compared");
        Ok(if is_ours { Fence::Ours(KeyRange::single(&self.key)) } else { Fence::Lost })
    }

    /// The owner row as it must be.
    fn is_row(&self, stored: Option<&Bytes>) -> bool {
        if node_env::planted!("fence-compares-node-only") {
            let owner = |row: &Bytes| decode(row).map(|(_, node)| node);
            return stored.and_then(owner) == owner(&self.row);
        }
        stored == Some(&self.row)
    }

    pub(crate) fn row(&self) -> &Bytes {
        &self.row
    }

    fn new(shard: ShardId, epoch: Epoch, node: &str) -> Self {
        Self { shard, key: keys::owner(shard.0), row: encode(epoch, node) }
    }
}

/// Claims shards by compare-and-set, all or none: each epoch grows, earlier owners are fenced.
/// With a wanted epoch that one, which must be above the stored one or ours already. Shards that
/// these came from by a split or a merge are retired: nobody can commit under them again. The mark
/// is a new one: what was held under an earlier one is held no more, also in the same epoch.
///
/// # Errors
/// [`SubmitError::NotServed`] when another owner has that epoch or a newer one.
pub(crate) async fn claim(
    store: &Arc<dyn Store>,
    node: &str,
    wanted: &[(ShardId, Option<Epoch>)],
    retired: &[ShardId],
    mark: &Bytes,
) -> Result<Vec<Held>, SubmitError> {
    for _ in 0..CLAIM_TRIES_MAX {
        let snapshot = store.begin().await?;
        let mut transaction = Transaction::at(store, Arc::clone(&snapshot));
        let mut held = Vec::with_capacity(wanted.len());
        for (shard, epoch) in wanted {
            let stored = stored(&*snapshot, *shard).await?;
            let claimed = Held::new(*shard, judge(*shard, stored.as_ref(), *epoch, node)?, node);
            if !node_env::planted!("claim-without-conflict") {
                transaction.add_read_conflict(KeyRange::single(&claimed.key));
            }
            transaction.set(claimed.key.clone(), claimed.row.clone());
            transaction.set(keys::hold_mark(shard.0), mark.clone());
            held.push(claimed);
        }
        for shard in retired {
            transaction.set(keys::owner(shard.0), encode(RETIRED, ""));
        }
        match store.commit(transaction.into_request()).await {
            Ok(_) => return Ok(held),
            // Somebody claimed meanwhile, or it is not known whether we did: look again. A claim
            // of ours that took effect is found as ours.
            Err(
                CommitError::Conflict | CommitError::TooOld | CommitError::UnknownResult { .. },
            ) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(SubmitError::OutcomeUnknown)
}

/// A number for this run of the node, above those of all its earlier runs: commits of an earlier
/// run that are still on their way come under a lower one.
///
/// # Errors
/// [`SubmitError`] when the store cannot be used.
pub(crate) async fn next_incarnation(
    store: &Arc<dyn Store>,
    node: &str,
) -> Result<u64, SubmitError> {
    let damaged = || SubmitError::Damaged { place: "incarnation row".to_owned() };
    let key = keys::meta(&format!("incarnation:{node}"));
    for _ in 0..CLAIM_TRIES_MAX {
        let snapshot = store.begin().await?;
        let before = match snapshot.get(&key).await? {
            None => 0,
            Some(value) => u64::from_be_bytes((&value[..]).try_into().map_err(|_| damaged())?),
        };
        let mut transaction = Transaction::at(store, snapshot);
        transaction.add_read_conflict(KeyRange::single(&key));
        transaction.set(key.clone(), (before + 1).to_be_bytes().to_vec());
        match store.commit(transaction.into_request()).await {
            Ok(_) => return Ok(before + 1),
            // A number that was taken and not used is no loss.
            Err(
                CommitError::Conflict | CommitError::TooOld | CommitError::UnknownResult { .. },
            ) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(SubmitError::OutcomeUnknown)
}

/// The epoch to write over what is stored.
fn judge(
    shard: ShardId,
    stored: Option<&(Epoch, String)>,
    wanted: Option<Epoch>,
    node: &str,
) -> Result<Epoch, SubmitError> {
    let Some((newest, owner)) = stored else { return Ok(wanted.unwrap_or(Epoch(1))) };
    match wanted {
        None if node_env::planted!("claim-keeps-epoch") => Ok(*newest),
        None => Ok(newest.next()),
        Some(epoch) if epoch > *newest || (epoch == *newest && owner == node) => Ok(epoch),
        Some(epoch) if node_env::planted!("claim-takes-older-epoch") => Ok(epoch),
        Some(_) => Err(SubmitError::NotServed { shard: Some(shard.0) }),
    }
}

impl Ownership {
    pub(crate) fn add(&mut self, held: Held) {
        self.held.insert(held.shard, held);
    }

    pub(crate) fn remove(&mut self, shard: ShardId) {
        self.held.remove(&shard);
    }

    pub(crate) fn shards(&self) -> Vec<ShardId> {
        self.held.keys().copied().collect()
    }

    pub(crate) fn holds(&self, shard: ShardId) -> bool {
        self.held.contains_key(&shard)
    }

    /// Compares the stored epoch with ours (OWN-1).
    pub(crate) async fn check(
        &self,
        snapshot: &dyn Snapshot,
        shard: ShardId,
    ) -> Result<Fence, ReadError> {
        match self.held.get(&shard) {
            Some(held) => held.fence(snapshot).await,
            None => Ok(Fence::Lost),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_above_what_is_stored_or_ours_already_own_1() {
        let stored = (Epoch(5), "a".to_owned());
        let judged = |wanted, node| judge(ShardId(3), Some(&stored), wanted, node);
        assert_eq!(judged(None, "b"), Ok(Epoch(6)));
        assert_eq!(judged(Some(Epoch(7)), "b"), Ok(Epoch(7)));
        assert_eq!(judged(Some(Epoch(5)), "a"), Ok(Epoch(5)));
        let refused = Err(SubmitError::NotServed { shard: Some(3) });
        assert_eq!(judged(Some(Epoch(5)), "b"), refused);
        assert_eq!(judged(Some(Epoch(4)), "a"), refused);
        assert_eq!(judge(ShardId(3), None, None, "a"), Ok(Epoch(1)));
        assert_eq!(judge(ShardId(3), None, Some(Epoch(9)), "a"), Ok(Epoch(9)));
    }
}
