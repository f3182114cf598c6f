//! The stages driven by hand: what each step does and does not do, and that no order of steps and
//! power cuts loses what was acknowledged.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, Weak};

use actors_store::{CommitError, CommitFuture, Store};
use futures::FutureExt;
use futures::executor::block_on;
use node_env::DiskOperation;
use node_env::fake::{FakeDisk, Fault, SeededRng};
use node_store_embedded::{
    Driver, EmbeddedStore, Execution, OpenError, Options, Stage, Stages, Wake,
};

use crate::world::{
    DIRECTORY, all, faked, get, open, open_inline, set, set_request, small, threads,
};

/// Notes which stages were woken, and steps only when told to.
#[derive(Default)]
pub(crate) struct ByHand {
    stages: Mutex<Weak<Stages>>,
    woken: Arc<Mutex<BTreeSet<Stage>>>,
}

impl Driver for ByHand {
    fn drive(&self, stages: Weak<Stages>) -> Wake {
        *self.stages.lock().unwrap() = stages;
        let woken = Arc::clone(&self.woken);
        Box::new(move |stage| {
            woken.lock().unwrap().insert(stage);
        })
    }
}

impl ByHand {
    fn stages(&self) -> Arc<Stages> {
        self.stages.lock().unwrap().upgrade().unwrap()
    }

    /// Steps a stage that must have been woken.
    fn step(&self, stage: Stage) -> bool {
        assert!(self.woken.lock().unwrap().remove(&stage), "{stage:?} was not woken");
        self.stages().step(stage)
    }

    fn is_woken(&self, stage: Stage) -> bool {
        self.woken.lock().unwrap().contains(&stage)
    }
}

fn by_hand() -> (Arc<ByHand>, Execution) {
    let driver = Arc::new(ByHand::default());
    (Arc::clone(&driver), Execution::Stepped(driver))
}

fn open_by_hand(disk: &FakeDisk) -> (Arc<ByHand>, EmbeddedStore) {
    let (driver, execution) = by_hand();
    (driver, open(disk, execution).unwrap())
}

fn send(store: &EmbeddedStore, key: &str) -> CommitFuture {
    store.commit(set_request(&[(key.to_owned(), "v".to_owned())]))
}

#[test]
fn nothing_is_seen_or_answered_before_the_sync_step_ack_1() {
    let (driver, store) = open_by_hand(&FakeDisk::new(1));
    let mut commits: Vec<_> = ["a", "b", "c"].iter().map(|key| send(&store, key)).collect();
    let mut none_is_answered = || commits.iter_mut().all(|commit| commit.now_or_never().is_none());
    assert!(none_is_answered());
    assert!(!driver.is_woken(Stage::Sync), "nothing is written yet");
    assert!(driver.step(Stage::Write), "all three are one batch");
    assert!(none_is_answered());
    assert_eq!(get(&store, "a"), None);
    let syncs = store.stats().log_syncs;
    assert!(driver.step(Stage::Sync));
    assert_eq!(store.stats().log_syncs, syncs + 1);
    assert!(commits.into_iter().all(|commit| block_on(commit).is_ok()));
    assert_eq!(get(&store, "c").as_deref(), Some("v"));
    assert!(!driver.stages().step(Stage::Write) && !driver.stages().step(Stage::Sync));
}

#[test]
fn batches_form_while_others_wait_for_their_sync_and_are_bounded_lim_1() {
    let (driver, store) = open_by_hand(&FakeDisk::new(2));
    let mut commits = Vec::new();
    while commits.len() < 100 {
        commits.push(send(&store, &format!("k{}", commits.len())));
        if !driver.step(Stage::Write) {
            break;
        }
    }
    assert_eq!(commits.len(), node_store_embedded::limits::SYNC_BATCHES_MAX + 1);
    assert!(driver.step(Stage::Sync), "one sync for all that is written");
    assert!(driver.step(Stage::Write), "the one that had to wait is woken");
    assert!(driver.step(Stage::Sync));
    assert!(commits.into_iter().all(|commit| block_on(commit).is_ok()));
}

#[test]
fn the_power_goes_between_write_and_sync_and_nothing_is_answered() {
    let mut survived = 0;
    for seed in 0..60 {
        let disk = FakeDisk::new(seed);
        let (driver, store) = open_by_hand(&disk);
        let known = send(&store, "known");
        driver.step(Stage::Write);
        driver.step(Stage::Sync);
        block_on(known).unwrap();
        let cut = send(&store, "cut");
        driver.step(Stage::Write);
        disk.cut_power();
        driver.step(Stage::Sync);
        let answer = block_on(cut);
        assert!(matches!(answer, Err(CommitError::UnknownResult { .. })), "{answer:?}");
        drop(store);
        disk.restart();
        let store = open_inline(&disk);
        assert_eq!(get(&store, "known").as_deref(), Some("v"), "seed {seed}");
        survived += usize::from(get(&store, "cut").is_some());
    }
    assert!((1..60).contains(&survived), "both fates happen: {survived} of 60");
}

#[test]
fn a_failed_sync_stops_the_store_and_refuses_what_waits() {
    let disk = FakeDisk::new(3);
    let (driver, store) = open_by_hand(&disk);
    let written = send(&store, "written");
    driver.step(Stage::Write);
    let waiting = send(&store, "waiting");
    disk.inject(DiskOperation::SyncData, 0, Fault::Io);
    driver.step(Stage::Sync);
    assert!(matches!(block_on(written), Err(CommitError::UnknownResult { .. })));
    assert!(store.stopped().is_some());
    assert!(driver.step(Stage::Write), "what waits is refused by a step");
    driver.step(Stage::Sync);
    assert!(matches!(block_on(waiting), Err(CommitError::Stopped { .. })));
    assert!(matches!(block_on(send(&store, "late")), Err(CommitError::Stopped { .. })));
}

#[test]
fn closing_finishes_what_waits_without_the_driver() {
    let disk = FakeDisk::new(4);
    let (driver, store) = open_by_hand(&disk);
    let written = send(&store, "written");
    driver.step(Stage::Write);
    let waiting = send(&store, "waiting");
    store.close();
    store.close();
    assert!(block_on(written).is_ok() && block_on(waiting).is_ok());
    assert!(matches!(block_on(send(&store, "late")), Err(CommitError::Stopped { .. })));
    drop(store);
    assert!(driver.stages.lock().unwrap().upgrade().is_none(), "the stages are gone");
    disk.cut_power();
    disk.restart();
    let store = open_inline(&disk);
    assert_eq!(all(block_on(store.begin()).unwrap().as_ref()).len(), 2);
}

#[test]
fn the_writer_waits_for_a_checkpoint_that_is_due() {
    let disk = FakeDisk::new(5);
    let (driver, execution) = by_hand();
    let options = Options { segment_bytes: 1 << 20, ..small(DIRECTORY) };
    let store = EmbeddedStore::open(faked(&disk, execution), &options).unwrap();
    let mut commits = Vec::new();
    let held = loop {
        let commit = send(&store, &format!("k{:04}", commits.len()));
        if !driver.step(Stage::Write) {
            break commit;
        }
        driver.step(Stage::Sync);
        commits.push(commit);
        assert!(commits.len() < 1_000, "memory grows without bound");
    };
    driver.step(Stage::Checkpoint);
    assert_eq!(store.stats().checkpoints, 1);
    assert!(driver.step(Stage::Write), "the writer is woken");
    driver.step(Stage::Sync);
    assert!(commits.into_iter().chain([held]).all(|commit| block_on(commit).is_ok()));
}

/// Steps stages as they come by lot, until the power goes; gives what was acknowledged.
fn until_the_cut(disk: &FakeDisk, draws: &SeededRng, life: u64) -> Vec<String> {
    let (driver, execution) = by_hand();
    let opened: Result<EmbeddedStore, OpenError> = open(disk, execution);
    let Ok(store) = opened else { return Vec::new() };
    let (mut acknowledged, mut waiting) = (Vec::new(), Vec::new());
    for number in 0..400 {
        if draws.below(2) == 0 {
            let key = format!("{life}/{number:04}");
            waiting.push((key.clone(), send(&store, &key)));
        }
        let woken: Vec<Stage> = driver.woken.lock().unwrap().iter().copied().collect();
        if let Some(count) = u64::try_from(woken.len()).ok().filter(|count| *count > 0) {
            let stage = woken[usize::try_from(draws.below(count)).unwrap()];
            if !driver.step(stage) {
                continue;
            }
            // There may be more to do; the lot decides when.
            driver.woken.lock().unwrap().insert(stage);
        }
        waiting.retain_mut(|(key, commit)| match commit.now_or_never() {
            Some(Ok(_)) => {
                acknowledged.push(key.clone());
                false
            }
            Some(Err(_)) => false,
            None => true,
        });
        if store.stopped().is_some() {
            break;
        }
    }
    disk.cut_power();
    acknowledged
}

#[test]
fn no_order_of_steps_and_cuts_loses_what_was_acknowledged_ack_1() {
    let mut total = 0;
    for seed in 0..120 {
        let disk = FakeDisk::new(seed);
        disk.set_garbage(seed % 2 == 0);
        let draws = SeededRng::new(seed);
        let mut acknowledged = Vec::new();
        for life in 0..3 {
            disk.cut_power_after(10 + draws.below(150));
            acknowledged.extend(until_the_cut(&disk, &draws, life));
            disk.restart();
        }
        let store = open_inline(&disk);
        for key in &acknowledged {
            assert_eq!(get(&store, key).as_deref(), Some("v"), "seed {seed}: {key}");
        }
        total += acknowledged.len();
    }
    assert!(total > 2_000, "{total} commits were acknowledged");
}

#[test]
fn what_one_execution_leaves_the_others_read() {
    let disk = FakeDisk::new(6);
    for (number, execution) in [threads(), by_hand().1, Execution::Inline].into_iter().enumerate() {
        let store = open(&disk, execution).unwrap();
        let sent = send(&store, &format!("k{number}"));
        store.close();
        block_on(sent).unwrap();
    }
    let store = open_inline(&disk);
    set(&store, "k3", "v").unwrap();
    assert_eq!(all(block_on(store.begin()).unwrap().as_ref()).len(), 4);
}
