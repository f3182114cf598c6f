//! Ownership of shards as the store knows it (OWN-1): who holds which shard in which epoch.

use crate::error::SubmitError;
use actors_store::tuple::{TupleReader, TupleWriter};
use actors_store::{CommitError, KeyRange, Snapshot, Store, Transaction, keys};
use bytes::Bytes;
use schema_types::ids::ShardId;
use std::sync::Arc;

/// The epochs in which this node owns its shards.
#[derive(Debug)]
pub(crate) struct Ownership {
    /// By shard number.
    epochs: Vec<u64>,
    /// The owner rows as they must be, by shard number.
    rows: Vec<(Bytes, Bytes)>,
}

fn encode(epoch: u64, node: &str) -> Bytes {
    TupleWriter::with_capacity(32).unsigned(epoch).text(node).finish()
}

fn decode(value: &[u8]) -> Option<(u64, String)> {
    let mut reader = TupleReader::new(value);
    let epoch = reader.unsigned().ok()?;
    Some((epoch, reader.text().ok()?))
}

impl Ownership {
    /// Claims every shard by compare-and-set: the epoch grows by one, earlier owners are fenced.
    pub(crate) async fn claim(
        store: &Arc<dyn Store>,
        node: &str,
        shards: u16,
    ) -> Result<Self, SubmitError> {
        let snapshot = store.begin().await?;
        let mut transaction = Transaction::at(store, Arc::clone(&snapshot));
        let mut epochs = Vec::with_capacity(usize::from(shards));
        for shard in 0..shards {
            let key = keys::owner(shard);
            let stored = snapshot.get(&key).await?;
            let epoch = match stored.as_deref().map(decode) {
                None => 1,
                Some(Some((epoch, _))) => epoch + 1,
                Some(None) => {
                    return Err(SubmitError::Damaged { place: "owner row".to_owned() });
                }
            };
            transaction.add_read_conflict(KeyRange::single(&key));
            transaction.set(key, encode(epoch, node));
            epochs.push(epoch);
        }
        store.commit(transaction.into_request()).await?;
        let rows = (0..shards).zip(&epochs);
        let rows = rows.map(|(shard, epoch)| (keys::owner(shard), encode(*epoch, node)));
        Ok(Self { rows: rows.collect(), epochs })
    }

    /// The first generation of commits under these epochs: above every one used before, because
    /// each claim raises the epochs.
    pub(crate) fn first_generation(&self) -> u64 {
        const FAILURES_PER_EPOCH: u64 = 1 << 32;
        self.epochs.iter().copied().max().unwrap_or(1).saturating_mul(FAILURES_PER_EPOCH)
    }

    /// Compares the stored epoch with ours and gives the range that must be in the read set.
    pub(crate) async fn check(
        &self,
        snapshot: &dyn Snapshot,
        shard: ShardId,
    ) -> Result<KeyRange, CommitError> {
        let (key, expected) = &self.rows[usize::from(shard.0)];
        let stopped = |reason: String| CommitError::Stopped { reason };
        let value = snapshot.get(key).await.map_err(|error| stopped(error.to_string()))?;
        if value.as_ref() != Some(expected) {
            return Err(stopped(format!("shard {} has another owner (OWN-1)", shard.0)));
        }
        Ok(KeyRange::single(key))
    }
}
