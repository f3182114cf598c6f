//! Two owners of one shard (OWN-1): who has claimed last commits, whatever the other one does.

use std::sync::Arc;

use actors_store::limits::TRANSACTION_WINDOW_MICROS_MAX;
use actors_store::{
    CommitError, CommitRequest, KeyRange, Mutation, RangeQuery, Store, Transaction, keys,
};
use bytes::Bytes;
use node_store_fdb::FdbStore;
use proptest::prelude::{ProptestConfig, any, proptest};

use crate::cluster::{Cluster, Faults};
use crate::world::{block_on, lane, open, set};

struct Owner {
    store: Arc<FdbStore>,
    epoch: u64,
    generation: u64,
}

fn owner_key() -> Bytes {
    keys::owner(7)
}

fn row(epoch: u64) -> Bytes {
    Bytes::copy_from_slice(&epoch.to_be_bytes())
}

impl Owner {
    async fn new(cluster: &Cluster, seed: u64) -> Self {
        Self { store: open(cluster, seed).await, epoch: 0, generation: 1 }
    }

    /// Takes the shard over by compare-and-set.
    async fn claim(&mut self) {
        let store: Arc<dyn Store> = self.store.clone();
        loop {
            let mut transaction = Transaction::begin(&store).await.unwrap();
            let Ok(stored) = transaction.get(&owner_key()).await else { continue };
            let stored = stored.map_or(0, |row| u64::from_be_bytes(row[..].try_into().unwrap()));
            transaction.set(owner_key(), row(stored + 1));
            match transaction.commit().await {
                Ok(_) => {
                    self.epoch = stored + 1;
                    return;
                }
                Err(CommitError::Conflict | CommitError::TooOld) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// A batch as the node's committer makes it: the owner row is read, compared, and in the read
    /// set. `None` when the row is another's.
    async fn batch(&self) -> Option<CommitRequest> {
        let snapshot = self.store.begin().await.unwrap();
        let stored = snapshot.get(&owner_key()).await.unwrap();
        if stored != Some(row(self.epoch)) {
            return None;
        }
        let key = Bytes::from_static(b"log/0123456789");
        let mutations =
            vec![Mutation::SetVersionstampedKey { key, offset: 4, value: row(self.epoch) }];
        Some(CommitRequest {
            read_version: snapshot.version(),
            read_conflicts: vec![KeyRange::single(&owner_key())],
            mutations,
            lane: lane(1, self.generation),
            ..CommitRequest::default()
        })
    }
}

async fn epochs_in_order(store: &FdbStore) -> Vec<Bytes> {
    let snapshot = store.begin().await.unwrap();
    let page = snapshot.range(RangeQuery::forward(KeyRange::prefix(b"log/"), 10_000)).await;
    page.unwrap().items.into_iter().map(|(_, epoch)| epoch).collect()
}

#[tokio::test(start_paused = true)]
async fn own_1_a_zombie_with_a_fresh_read_version_is_refused_by_the_comparison() {
    let cluster = Cluster::new(1);
    let (mut zombie, mut successor) =
        (Owner::new(&cluster, 1).await, Owner::new(&cluster, 2).await);
    zombie.claim().await;
    let stale = zombie.batch().await.unwrap();
    successor.claim().await;
    // From before the takeover: the conflict range refuses it.
    assert_eq!(zombie.store.commit(stale.clone()).await, Err(CommitError::Conflict));
    // With a fresh read version: the comparison does.
    assert!(zombie.batch().await.is_none());
    // The conflict range alone would not. This is why the comparison is there.
    let read_version = zombie.store.begin().await.unwrap().version();
    let fresh = CommitRequest { read_version, lane: None, ..stale };
    assert!(zombie.store.commit(fresh).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn own_1_a_zombie_that_wakes_late_is_refused() {
    let cluster = Cluster::new(1);
    let (mut zombie, mut successor) =
        (Owner::new(&cluster, 1).await, Owner::new(&cluster, 2).await);
    zombie.claim().await;
    let stale = zombie.batch().await.unwrap();
    successor.claim().await;
    let micros = u32::try_from(TRANSACTION_WINDOW_MICROS_MAX).unwrap() * 6;
    cluster.shared.clock.advance_micros(micros);
    successor.store.commit(set("x", "1")).await.unwrap();
    assert_eq!(zombie.store.commit(stale).await, Err(CommitError::TooOld));
    assert!(epochs_in_order(&successor.store).await.is_empty());
}

async fn rivals(seed: u64, steps: &[(bool, u8)]) {
    let cluster = Cluster::new(seed);
    let mut owners = [Owner::new(&cluster, 1).await, Owner::new(&cluster, 2).await];
    cluster.set_faults(Faults { false_conflict: 30, ..Faults::HOSTILE });
    let mut prepared: [Vec<CommitRequest>; 2] = [Vec::new(), Vec::new()];
    let mut acknowledged = 0;
    for &(which, what) in steps {
        let which = usize::from(which);
        match what % 8 {
            0 => {
                owners[which].claim().await;
                owners[which].generation += 1;
            }
            1 => cluster.recover(),
            2 | 3 => prepared[which].extend(owners[which].batch().await),
            _more => {
                let Some(request) = prepared[which].pop() else { continue };
                match owners[which].store.commit(request).await {
                    Ok(_) => acknowledged += 1,
                    Err(CommitError::Conflict | CommitError::TooOld) => {
                        owners[which].generation += 1;
                    }
                    Err(CommitError::Abandoned) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }
    cluster.set_faults(Faults::default());
    cluster.deliver_late();
    let epochs = epochs_in_order(&owners[0].store).await;
    assert!(epochs.is_sorted(), "OWN-1: an older epoch committed after a newer one: {epochs:?}");
    assert_eq!(epochs.len(), acknowledged, "ACK-1: each acknowledged batch took effect once");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn own_1_epochs_never_go_back(
        seed in any::<u64>(),
        steps in proptest::collection::vec(any::<(bool, u8)>(), 1..80),
    ) {
        block_on(rivals(seed, &steps));
    }
}
