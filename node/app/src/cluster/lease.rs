//! Leases: a row of the store that a node raises by compare-and-set while it lives, by the same
//! path as its work, so that a node that cannot commit cannot keep its shards for long. What the
//! others see of it is measured by their own monotonic clocks; nothing safe rests on it (TIME-1).

use actors_store::tuple::{TupleReader, TupleWriter};
use actors_store::{CommitError, KeyRange, ReadError, Snapshot, Store, Transaction, keys};
use bytes::Bytes;
use consensus_control::Life;
use consensus_control::command::LeaseObservation;
use schema_types::cluster::NodeId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Renewals that met something else before the row is given up for this time.
const TRIES_MAX: usize = 8;

/// What a lease row holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) incarnation: u64,
    pub(crate) counter: u64,
}

/// Why a lease is not renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unrenewed {
    /// A later run of this node has it: this process must end.
    Overtaken,
    /// The store did not take it now.
    Store(String),
}

fn key(node: NodeId) -> Bytes {
    keys::meta(&format!("lease:{}", node.0))
}

fn encode(row: Row) -> Bytes {
    TupleWriter::with_capacity(20).unsigned(row.incarnation).unsigned(row.counter).finish()
}

async fn read(snapshot: &dyn Snapshot, node: NodeId) -> Result<Option<Row>, ReadError> {
    let Some(value) = snapshot.get(&key(node)).await? else { return Ok(None) };
    let mut reader = TupleReader::new(&value);
    let row = reader
        .unsigned()
        .and_then(|incarnation| Ok(Row { incarnation, counter: reader.unsigned()? }));
    Ok(row.ok())
}

/// Raises the row of `node` to what `next` makes of it.
async fn raise(
    store: &Arc<dyn Store>,
    node: NodeId,
    next: impl Fn(Option<Row>) -> Result<Row, Unrenewed>,
) -> Result<Row, Unrenewed> {
    let failed = |error: &dyn std::fmt::Display| Unrenewed::Store(error.to_string());
    for _ in 0..TRIES_MAX {
        let snapshot = store.begin().await.map_err(|error| failed(&error))?;
        let before = read(&*snapshot, node).await.map_err(|error| failed(&error))?;
        let row = next(before)?;
        let mut transaction = Transaction::at(store, snapshot);
        transaction.add_read_conflict(KeyRange::single(&key(node)));
        transaction.set(key(node), encode(row));
        match store.commit(transaction.into_request()).await {
            Ok(_) => return Ok(row),
            // A number that was taken without our knowing is no loss.
            Err(
                CommitError::Conflict | CommitError::TooOld | CommitError::UnknownResult { .. },
            ) => {}
            Err(error) => return Err(failed(&error)),
        }
    }
    Err(Unrenewed::Store("too many conflicts".to_owned()))
}

/// Takes the lease for a new run of this node: every earlier run is overtaken.
pub(crate) async fn take(store: &Arc<dyn Store>, node: NodeId) -> Result<Row, Unrenewed> {
    let next = |before: Option<Row>| {
        let before = before.unwrap_or(Row { incarnation: 0, counter: 0 });
        Ok(Row { incarnation: before.incarnation + 1, counter: before.counter + 1 })
    };
    raise(store, node, next).await
}

/// Renews the lease of this run.
pub(crate) async fn renew(
    store: &Arc<dyn Store>,
    node: NodeId,
    incarnation: u64,
) -> Result<Row, Unrenewed> {
    let next = |before: Option<Row>| match before {
        Some(row) if row.incarnation == incarnation => Ok(Row { counter: row.counter + 1, ..row }),
        Some(row) if row.incarnation > incarnation => Err(Unrenewed::Overtaken),
        Some(_) | None => Err(Unrenewed::Store("the lease row is gone".to_owned())),
    };
    raise(store, node, next).await
}

/// The nodes whose leases `own` looks at: all that may be found gone or back. Its own lease counts
/// only once others have called it over: a node that leads must be able to tell that it came back
/// itself, since nobody else proposes it (LIVE-1).
pub(crate) fn watched(lives: impl Iterator<Item = (NodeId, Life)>, own: NodeId) -> Vec<NodeId> {
    let counts = |(node, life): &(NodeId, Life)| match life {
        Life::Up => *node != own,
        Life::Down => true,
        Life::Joining | Life::Stopped | Life::Left => false,
    };
    lives.filter(counts).map(|(node, _)| node).collect()
}

/// One node's lease as an observer saw it.
#[derive(Debug, Clone, Copy)]
struct Seen {
    row: Row,
    /// First and last successful reading of this very row, by the observer's monotonic clock.
    first_ms: u64,
    last_ms: u64,
    /// The observer's own renewals at the first reading.
    renewals_then: u64,
}

/// What this node sees of all leases. Every node looks, so that a new leader has not to begin.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    seen: Mutex<BTreeMap<NodeId, Seen>>,
}

impl Observer {
    /// Reads the rows of `nodes` and notes what stands still. `renewals` are this node's own so
    /// far.
    pub(crate) async fn look(
        &self,
        store: &Arc<dyn Store>,
        nodes: &[NodeId],
        (now_ms, renewals): (u64, u64),
    ) -> Result<(), ReadError> {
        let snapshot = store.begin().await?;
        for node in nodes {
            let Some(row) = read(&*snapshot, *node).await? else { continue };
            self.note(*node, row, (now_ms, renewals));
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|node, _| nodes.contains(node));
        Ok(())
    }

    fn note(&self, node: NodeId, row: Row, (now_ms, renewals): (u64, u64)) {
        let fresh = Seen { row, first_ms: now_ms, last_ms: now_ms, renewals_then: renewals };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = seen.entry(node).or_insert(fresh);
        if entry.row == row {
            entry.last_ms = now_ms;
        } else {
            *entry = fresh;
        }
    }

    /// What was seen of a node, in the form in which it is proposed.
    pub(crate) fn observation(&self, node: NodeId, renewals: u64) -> Option<LeaseObservation> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = seen.get(&node)?;
        let own = renewals.saturating_sub(seen.renewals_then);
        Some(LeaseObservation {
            node,
            incarnation: seen.row.incarnation,
            counter: seen.row.counter,
            unchanged_ms: seen.last_ms.saturating_sub(seen.first_ms),
            observer_renewals: u32::try_from(own).unwrap_or(u32::MAX),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actors_store::MemoryStore;
    use node_env::fake::ManualClock;

    #[tokio::test]
    async fn an_earlier_run_renews_no_longer_and_counters_only_grow() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(ManualClock::new(0))));
        let node = NodeId(3);
        let first = take(&store, node).await.unwrap();
        assert_eq!(renew(&store, node, first.incarnation).await.unwrap().counter, 2);
        let second = take(&store, node).await.unwrap();
        assert_eq!(second, Row { incarnation: first.incarnation + 1, counter: 3 });
        let late = renew(&store, node, first.incarnation).await;
        assert_eq!(late, Err(Unrenewed::Overtaken));
        assert_eq!(renew(&store, node, second.incarnation).await.unwrap().counter, 4);
    }

    #[test]
    fn a_node_looks_at_its_own_lease_only_after_others_called_it_over() {
        let (own, other) = (NodeId(1), NodeId(2));
        let seen =
            |own_life, other_life| watched([(own, own_life), (other, other_life)].into_iter(), own);
        assert_eq!(seen(Life::Up, Life::Up), [other]);
        assert_eq!(seen(Life::Down, Life::Up), [own, other]);
        assert_eq!(seen(Life::Up, Life::Down), [other]);
        assert_eq!(seen(Life::Stopped, Life::Left), []);
    }

    #[tokio::test]
    async fn a_lease_stands_still_only_between_readings_of_the_same_row() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(ManualClock::new(0))));
        let node = NodeId(1);
        let run = take(&store, node).await.unwrap().incarnation;
        let observer = Observer::default();
        observer.look(&store, &[node], (1_000, 5)).await.unwrap();
        observer.look(&store, &[node], (1_700, 8)).await.unwrap();
        let seen = observer.observation(node, 8).unwrap();
        assert_eq!((seen.unchanged_ms, seen.observer_renewals, seen.counter), (700, 3, 1));
        renew(&store, node, run).await.unwrap();
        observer.look(&store, &[node], (2_000, 9)).await.unwrap();
        let seen = observer.observation(node, 9).unwrap();
        assert_eq!((seen.unchanged_ms, seen.observer_renewals, seen.counter), (0, 0, 2));
        observer.look(&store, &[], (2_100, 9)).await.unwrap();
        assert_eq!(observer.observation(node, 9), None, "a node that left is forgotten");
    }
}
