//! The conformance suite of the port: over a cluster that behaves, with several threads, and over
//! one that does its worst, where every fault must stay inside the adapter.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actors_store::Store;
use actors_store::conformance::{Subject, run_all};
use actors_store::limits::TRANSACTION_WINDOW_MICROS_MAX;
use futures::executor::block_on;
use node_store_fdb::FdbStore;

use crate::cluster::{Cluster, Faults};
use crate::world::open;

struct OverCluster {
    cluster: Cluster,
    store: Arc<FdbStore>,
}

impl Subject for OverCluster {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// Versions may be a little ahead of the clock.
    fn pass_window(&self) {
        let micros = u32::try_from(TRANSACTION_WINDOW_MICROS_MAX).unwrap() + 1_000_000;
        self.cluster.shared.clock.advance_micros(micros);
    }
}

async fn check(faults: Faults, first_seed: u64) {
    let seeds = AtomicU64::new(first_seed);
    let factory = || -> Box<dyn Subject> {
        let cluster = Cluster::new(seeds.fetch_add(1, Ordering::Relaxed));
        // Nothing waits for anything here, so it may block.
        let store = block_on(open(&cluster, 1));
        cluster.set_faults(faults);
        Box::new(OverCluster { cluster, store })
    };
    let passed = run_all(&factory).await.unwrap();
    assert!(passed.len() >= 25, "{passed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms_over_a_calm_cluster() {
    check(Faults::default(), 1).await;
}

#[tokio::test(start_paused = true)]
async fn conforms_over_a_hostile_cluster() {
    for seed in 0..20 {
        check(Faults::HOSTILE, 1_000 * seed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn conforms_while_most_outcomes_are_unknown() {
    let faults = Faults { unknown: 600, ..Faults::HOSTILE };
    for seed in 0..10 {
        check(faults, 100_000 + 1_000 * seed).await;
    }
}
