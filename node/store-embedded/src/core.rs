//! What the stages of the store share: the published view, the layers, the sync stage, the
//! checkpoint, and the one-way stop. Putting batches together is the writer's (`writer`).

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use actors_store::{CommitError, KeyRange, Version};
use arc_swap::ArcSwap;
use node_env::{Clock, DirectoryLock, DiskError, DiskFile};

use crate::index::{Index, RunSet};
use crate::limits::{
    CHECKPOINT_RETRY_MICROS, LOG_SEGMENTS_MAX, OVERLAY_GROWTH_MAX, PART_ROWS_MAX, PARTS_MAX,
    RECOVERED_SHARE_DIVISOR,
};
use crate::merge::{Direction, Merge, Source};
use crate::overlay::Overlay;
use crate::part::Part;
use crate::queue::{Answer, Queue};
use crate::run::WriteError;
use crate::segment::SegmentPool;
use crate::signal::Signal;
use crate::stages::{Stage, Wake};
use crate::stats::{Counters, Stats, add};
use crate::view::{Layers, View};

/// A batch that was written to the log and waits for its sync.
pub(crate) struct Written {
    /// File to sync; nothing when the batch wrote nothing.
    pub(crate) file: Option<Arc<dyn DiskFile>>,
    pub(crate) version: Version,
    pub(crate) sequence: u64,
    pub(crate) answers: Vec<Answer>,
}

/// Whether the overlay may grow (LIM-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    Present,
    /// The checkpoint that is due will make some.
    Awaited,
    /// The checkpoint finds no space.
    Missing,
}

/// See the module.
pub(crate) struct Core {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) queue: Queue,
    pub(crate) pool: Arc<SegmentPool>,
    pub(crate) counters: Counters,
    index: Index,
    overlay_bytes: usize,
    view: ArcSwap<View>,
    /// The layers of the newest version; changed only under this lock.
    layers: Mutex<Layers>,
    layers_changed: Condvar,
    checkpoint: Signal,
    /// When a checkpoint that found no space is tried again; zero when the last one found some.
    retry_at_micros: AtomicU64,
    upkeep: Signal,
    /// Whom to tell of work, when there is a driver.
    waker: OnceLock<Wake>,
    /// Batches handed to the sync stage that it has not finished.
    unsynced: AtomicUsize,
    durable_sequence: AtomicU64,
    closed: AtomicBool,
    stopped: OnceLock<String>,
    /// Given back when the store is closed.
    lock: Mutex<Option<Box<dyn DirectoryLock>>>,
}

/// What a core starts with.
pub(crate) struct CoreParts {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) pool: Arc<SegmentPool>,
    pub(crate) index: Index,
    pub(crate) overlay_bytes: usize,
    pub(crate) view: View,
    pub(crate) lock: Box<dyn DirectoryLock>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(answers: Vec<Answer>) {
    for Answer { reply, result, .. } in answers {
        let _caller_gone = reply.send(result);
    }
}

impl Core {
    pub(crate) fn new(parts: CoreParts) -> Self {
        Self {
            clock: parts.clock,
            queue: Queue::default(),
            pool: parts.pool,
            counters: Counters::default(),
            index: parts.index,
            overlay_bytes: parts.overlay_bytes,
            layers: Mutex::new(parts.view.layers.clone()),
            view: ArcSwap::from_pointee(parts.view),
            layers_changed: Condvar::new(),
            checkpoint: Signal::default(),
            retry_at_micros: AtomicU64::new(0),
            upkeep: Signal::default(),
            waker: OnceLock::new(),
            unsynced: AtomicUsize::new(0),
            durable_sequence: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            stopped: OnceLock::new(),
            lock: Mutex::new(Some(parts.lock)),
        }
    }

    /// The newest durable version with its data.
    pub(crate) fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// The layers with everything written so far, durable or not; for the writer only.
    pub(crate) fn layers(&self) -> Layers {
        locked(&self.layers).clone()
    }

    pub(crate) fn durable_sequence(&self) -> u64 {
        self.durable_sequence.load(Ordering::Acquire)
    }

    /// Notes what recovery found on the disk.
    pub(crate) fn assume_durable(&self, sequence: u64) {
        self.durable_sequence.store(sequence, Ordering::Release);
    }

    /// Notes that the store is closed; whether it was already.
    pub(crate) fn set_closed(&self) -> bool {
        self.closed.swap(true, Ordering::AcqRel)
    }

    /// Why the store has stopped, if it has.
    pub(crate) fn stopped(&self) -> Option<&str> {
        self.stopped.get().map(String::as_str)
    }

    /// Stops the store because the log may not be on the disk although it is shown.
    fn stop_unsynced(&self, error: &DiskError) {
        if let Err(error) = self.pool.doubt() {
            tracing::warn!(%error, "the failed sync could not be noted");
        }
        self.stop(format!("a sync of the log failed: {error}"));
    }

    /// Stops the store for good; the first reason stays.
    pub(crate) fn stop(&self, reason: String) {
        tracing::error!(reason, "the store has stopped");
        let _first = self.stopped.set(reason);
        drop(locked(&self.layers));
        self.layers_changed.notify_all();
        self.end_upkeep();
        // What waits is refused now.
        self.wake(Stage::Write);
        self.wake(Stage::Sync);
    }

    /// Has a driver told of work from now on.
    pub(crate) fn wake_by(&self, waker: Wake) {
        let _only_one = self.waker.set(waker);
    }

    /// Tells the driver of work, if there is one.
    pub(crate) fn wake(&self, stage: Stage) {
        if let Some(wake) = self.waker.get() {
            wake(stage);
        }
    }

    /// Counts a batch that is handed to the sync stage.
    pub(crate) fn hand_over(&self) {
        self.unsynced.fetch_add(1, Ordering::AcqRel);
    }

    /// Counts batches that the sync stage has finished.
    pub(crate) fn handed_over_done(&self, count: usize) {
        self.unsynced.fetch_sub(count, Ordering::AcqRel);
    }

    /// Whether the sync stage has nothing to do, now and until the writer hands something over.
    pub(crate) fn sync_is_idle(&self) -> bool {
        self.unsynced.load(Ordering::Acquire) == 0
    }

    /// The sync stage: makes batches durable, publishes them, and only then answers (ACK-1).
    pub(crate) fn sync(&self, mut group: Vec<Written>) {
        if node_env::planted!("ack-before-sync") {
            group.iter_mut().for_each(|written| answer(std::mem::take(&mut written.answers)));
        }
        let mut last: Option<&Arc<dyn DiskFile>> = None;
        for file in group.iter().filter_map(|written| written.file.as_ref()) {
            let newest = group.iter().rev().find_map(|written| written.file.as_ref());
            let is_older = newest.is_some_and(|newest| !Arc::ptr_eq(newest, file));
            let skip = is_older && node_env::planted!("sync-newest-segment-only");
            let is_next = last.is_none_or(|last| !Arc::ptr_eq(last, file));
            if is_next && !skip && self.stopped().is_none() {
                match file.sync_data() {
                    Ok(()) => add(&self.counters.log_syncs, 1),
                    Err(error) => self.stop_unsynced(&error),
                }
            }
            last = Some(file);
        }
        let newest = group.iter().rfind(|written| written.file.is_some());
        if let (Some(newest), None) = (newest, self.stopped()) {
            self.durable_sequence.store(newest.sequence, Ordering::Release);
            self.publish(newest.version);
        }
        for written in group {
            match self.stopped() {
                Some(reason) if written.file.is_some() => {
                    self.fail_written(written.answers, reason);
                }
                Some(_) | None => answer(written.answers),
            }
        }
    }

    /// Answers a batch whose fate is unknown: its bytes may have reached the disk.
    fn fail_written(&self, answers: Vec<Answer>, reason: &str) {
        for Answer { reply, result, .. } in answers {
            let failed =
                result.and_then(|_| Err(CommitError::UnknownResult { reason: reason.to_owned() }));
            let _caller_gone = reply.send(failed);
        }
    }

    fn publish(&self, version: Version) {
        let layers = locked(&self.layers);
        let older = self.view.load().version;
        node_env::always!(older <= version, "STORE-3", "published versions never go back");
        self.view.store(Arc::new(View { version, layers: layers.clone() }));
        let wanted = layers.frozen.as_ref().is_some_and(|frozen| frozen.version <= version);
        drop(layers);
        if wanted {
            self.want_checkpoint();
        }
    }

    /// Puts a batch that is in the log, durable or not, above everything else.
    pub(crate) fn add_part(&self, part: &Arc<Part>, version: Version, sequence: u64) {
        let mut layers = locked(&self.layers);
        layers.active = Arc::new(layers.active.with(part, version, sequence));
    }

    /// Merges parts of the growing overlay, as long as there are many of similar size. What is
    /// larger than `rows_max` is left to the upkeep stage, unless there are too many parts.
    pub(crate) fn merge_parts(&self, rows_max: usize) {
        loop {
            let active = Arc::clone(&locked(&self.layers).active);
            let Some(group) = active.to_merge() else { return };
            let rows: usize = group.iter().map(|part| part.len()).sum();
            if rows > rows_max && active.parts().len() <= PARTS_MAX {
                self.want_upkeep();
                return;
            }
            let merged = Arc::new(Part::merged(group, self.view.load().version));
            let mut layers = locked(&self.layers);
            if let Some(changed) = layers.active.replaced(group, merged) {
                layers.active = Arc::new(changed);
            }
        }
    }

    /// Wakes the upkeep stage.
    pub(crate) fn want_upkeep(&self) {
        self.upkeep.ring();
        self.wake(Stage::Upkeep);
    }

    /// The upkeep stage as a thread: what the writer would otherwise have to wait for.
    pub(crate) fn run_upkeep(&self) {
        while self.upkeep.wait() && self.stopped().is_none() {
            self.upkeep();
        }
    }

    /// Makes log segments ready and merges parts. Without space the writer finds out by itself.
    pub(crate) fn upkeep(&self) {
        if self.stopped().is_some() {
            return;
        }
        match self.pool.make_ready() {
            Ok(()) | Err(DiskError::NoSpace { .. }) => {}
            Err(error) => self.stop(format!("a log segment could not be made: {error}")),
        }
        self.merge_parts(PART_ROWS_MAX);
    }

    /// Wakes the checkpoint stage.
    pub(crate) fn want_checkpoint(&self) {
        self.checkpoint.ring();
        self.wake(Stage::Checkpoint);
    }

    /// Freezes the growing overlay when it is large enough or the log long enough, unless one is
    /// frozen already. Called by the writer between two batches.
    pub(crate) fn rotate(&self) {
        let mut layers = locked(&self.layers);
        let due = layers.active.bytes >= self.overlay_bytes
            || self.pool.sealed_count() >= LOG_SEGMENTS_MAX;
        if !due || layers.frozen.is_some() || layers.active.sequence == 0 {
            return;
        }
        let full = std::mem::take(&mut layers.active);
        let published = full.version <= self.view.load().version;
        layers.frozen = Some(full);
        drop(layers);
        if published {
            self.want_checkpoint();
        }
    }

    /// Freezes what recovery laid above the runs, if it is much. Called before the first batch.
    pub(crate) fn freeze_recovered(&self) {
        let mut layers = locked(&self.layers);
        let much = self.overlay_bytes / RECOVERED_SHARE_DIVISOR;
        if layers.frozen.is_none() && layers.active.sequence > 0 && layers.active.bytes >= much {
            layers.frozen = Some(std::mem::take(&mut layers.active));
        }
    }

    fn room_in(&self, layers: &Layers) -> Room {
        let most = self.overlay_bytes.saturating_mul(OVERLAY_GROWTH_MAX);
        let is_full = layers.frozen.is_some() && layers.active.bytes >= most;
        if !is_full || self.stopped().is_some() {
            return Room::Present;
        }
        let waits_for_space = self.retry_at_micros.load(Ordering::Acquire) > 0;
        if waits_for_space { Room::Missing } else { Room::Awaited }
    }

    /// Whether the overlay may still grow.
    pub(crate) fn room(&self) -> Room {
        self.room_in(&locked(&self.layers))
    }

    /// Waits for a running checkpoint when the overlay may not grow, and gives up with `NoSpace`
    /// when the checkpoint cannot go on (LIM-1). Without threads nobody would end the wait.
    pub(crate) fn wait_for_room(&self, threads: bool) -> Result<(), CommitError> {
        let mut layers = locked(&self.layers);
        loop {
            match self.room_in(&layers) {
                Room::Present => return Ok(()),
                Room::Awaited if threads => {
                    node_env::sometimes!(true, "store.writer_waits_for_checkpoint");
                    let changed = self.layers_changed.wait(layers);
                    layers = changed.unwrap_or_else(PoisonError::into_inner);
                }
                Room::Awaited | Room::Missing => return Err(CommitError::NoSpace),
            }
        }
    }

    /// The checkpoint stage as a thread.
    pub(crate) fn run_checkpoints(&self) {
        while self.checkpoint.wait() && self.stopped().is_none() {
            self.maintain();
        }
    }

    /// Gives the directory back to whoever opens it next.
    pub(crate) fn unlock(&self) {
        drop(locked(&self.lock).take());
    }

    /// Ends [`Core::run_checkpoints`] and [`Core::run_upkeep`].
    pub(crate) fn end_upkeep(&self) {
        self.checkpoint.close();
        self.upkeep.close();
    }

    /// Does what is due: a checkpoint, merges. Without space it is put off.
    pub(crate) fn maintain(&self) {
        if self.stopped().is_some() {
            return;
        }
        let now = self.clock.monotonic_micros();
        if self.retry_at_micros.load(Ordering::Acquire) > now {
            return;
        }
        match self.try_maintain() {
            Ok(()) => self.retry_at_micros.store(0, Ordering::Release),
            Err(WriteError::Disk(DiskError::NoSpace { .. })) => {
                let retry_at = now.saturating_add(CHECKPOINT_RETRY_MICROS);
                self.retry_at_micros.store(retry_at, Ordering::Release);
                add(&self.counters.checkpoints_without_space, 1);
                tracing::warn!("no space for a checkpoint, it is put off");
                drop(locked(&self.layers));
                self.layers_changed.notify_all();
            }
            Err(error) => self.stop(format!("a checkpoint failed: {error}")),
        }
    }

    fn try_maintain(&self) -> Result<(), WriteError> {
        self.flush_frozen()?;
        let mut runs = Arc::clone(&locked(&self.layers).runs);
        while let Some(merged) = self.index.compact(&runs)? {
            runs = Arc::new(merged);
            self.replace_runs(&runs, false);
            add(&self.counters.compactions, 1);
        }
        Ok(())
    }

    /// Writes the frozen overlay to a run, once everything in it is durable and published: the
    /// runs must never hold what a reader of the newest version may not see.
    fn flush_frozen(&self) -> Result<(), WriteError> {
        let layers = self.layers();
        let Some(frozen) = &layers.frozen else { return Ok(()) };
        if frozen.version > self.view.load().version {
            return Ok(());
        }
        let reached = (frozen.version, frozen.sequence);
        let early = node_env::planted!("log-freed-too-early");
        let lowest = self.pool.lowest_needed(if early { u64::MAX } else { reached.1 });
        let runs = self.add_run(frozen, &layers.runs, reached, lowest)?;
        self.replace_runs(&Arc::new(runs), true);
        self.pool.release(lowest)?;
        add(&self.counters.checkpoints, 1);
        Ok(())
    }

    fn add_run(
        &self,
        frozen: &Overlay,
        runs: &RunSet,
        reached: (u64, u64),
        lowest_segment: u64,
    ) -> Result<RunSet, WriteError> {
        let all = KeyRange::prefix(b"");
        let parts = frozen.parts().iter();
        let cursors = parts.map(|part| part.cursor(&all, Version::MAX, Direction::Forward));
        let sources = cursors.map(Source::Part).collect();
        let mut entries = Merge::new(sources, Direction::Forward);
        self.index.add(runs, &mut entries, reached, lowest_segment)
    }

    fn replace_runs(&self, runs: &Arc<RunSet>, flushed: bool) {
        let mut layers = locked(&self.layers);
        layers.runs = Arc::clone(runs);
        let frozen = if flushed { layers.frozen.take() } else { None };
        let version = self.view.load().version;
        self.view.store(Arc::new(View { version, layers: layers.clone() }));
        drop(layers);
        self.layers_changed.notify_all();
        drop(frozen);
    }

    pub(crate) fn stats(&self) -> Stats {
        let layers = self.layers();
        let frozen = layers.frozen.as_ref().map_or(0, |frozen| frozen.bytes);
        Stats {
            runs: layers.runs.len() as u64,
            run_bytes: layers.runs.bytes(),
            overlay_bytes: (layers.active.bytes + frozen) as u64,
            ..self.counters.snapshot()
        }
    }
}
