//! Who does the work of a store on a simulated disk: a task for each stage, which lets the disk
//! take its time, so that commits wait, gather and can be lost in between.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use node_store_embedded::{Driver, Stage, Stages, Wake};
use sim_world::HostContext;
use tokio::sync::Notify;

/// Time that a step beside the commits takes, milliseconds.
const UPKEEP_MS: u64 = 5;

/// Steps stores in simulated time.
pub(crate) struct SteppedDriver {
    sync_micros: Arc<AtomicU64>,
}

impl SteppedDriver {
    pub(crate) fn new(context: &HostContext) -> Arc<Self> {
        Arc::new(Self { sync_micros: Arc::clone(&context.sync_micros) })
    }
}

impl Driver for SteppedDriver {
    fn drive(&self, stages: Weak<Stages>) -> Wake {
        let all = [Stage::Write, Stage::Sync, Stage::Checkpoint, Stage::Upkeep];
        let told = all.map(|stage| {
            let told = Arc::new(Notify::new());
            let work =
                work(Weak::clone(&stages), stage, Arc::clone(&told), self.sync_micros.clone());
            tokio::spawn(work);
            (stage, told)
        });
        Box::new(move |stage| {
            let of_stage = told.iter().filter(|(one, _)| *one == stage);
            of_stage.for_each(|(_, told)| told.notify_one());
        })
    }
}

async fn work(stages: Weak<Stages>, stage: Stage, told: Arc<Notify>, sync_micros: Arc<AtomicU64>) {
    loop {
        told.notified().await;
        loop {
            match stage {
                Stage::Write => tokio::task::yield_now().await,
                Stage::Sync => {
                    let micros = sync_micros.load(Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_micros(micros)).await;
                }
                Stage::Checkpoint | Stage::Upkeep => {
                    tokio::time::sleep(Duration::from_millis(UPKEEP_MS)).await;
                }
            }
            let Some(stages) = stages.upgrade() else { return };
            if !stages.step(stage) {
                break;
            }
        }
    }
}
