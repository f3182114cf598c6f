//! What the stages of the store share: the published view, the layers, the sync stage, the
//! checkpoint, and the one-way stop. Putting batches together is the writer's (`writer`).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use actors_store::{CommitError, KeyRange, Version};
use arc_swap::ArcSwap;
use node_env::{Clock, DirectoryLock, DiskError, DiskFile};

use crate::index::{Index, RunSet};
use crate::limits::{CHECKPOINT_RETRY_MICROS, LOG_SEGMENTS_MAX, OVERLAY_GROWTH_MAX};
use crate::merge::Direction;
use crate::overlay::Overlay;
use crate::queue::{Answer, Queue};
use crate::run::WriteError;
use crate::segment::SegmentPool;
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

#[derive(Default)]
struct CheckpointSignal {
    work: bool,
    closing: bool,
    retry_at_micros: u64,
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
    checkpoint: Mutex<CheckpointSignal>,
    checkpoint_wanted: Condvar,
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
            checkpoint: Mutex::new(CheckpointSignal::default()),
            checkpoint_wanted: Condvar::new(),
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

    /// Stops the store for good; the first reason stays.
    pub(crate) fn stop(&self, reason: String) {
        tracing::error!(reason, "the store has stopped");
        let _first = self.stopped.set(reason);
        drop(locked(&self.layers));
        self.layers_changed.notify_all();
        drop(locked(&self.checkpoint));
        self.checkpoint_wanted.notify_all();
    }

    /// The sync stage: makes a batch durable, publishes it, and only then answers (ACK-1).
    pub(crate) fn sync(&self, written: Written) {
        if let Some(file) = &written.file {
            if self.stopped().is_none() {
                match file.sync_data() {
                    Ok(()) => add(&self.counters.log_syncs, 1),
                    Err(error) => self.stop(format!("a sync of the log failed: {error}")),
                }
            }
            if let Some(reason) = self.stopped() {
                self.fail_written(written.answers, reason);
                return;
            }
            self.durable_sequence.store(written.sequence, Ordering::Release);
            self.publish(written.version);
        }
        for Answer { reply, result, .. } in written.answers {
            let _caller_gone = reply.send(result);
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
        let wanted = layers.frozen.as_ref().is_some_and(|frozen| frozen.version() <= version);
        drop(layers);
        if wanted {
            self.want_checkpoint();
        }
    }

    /// Wakes the checkpoint stage.
    pub(crate) fn want_checkpoint(&self) {
        locked(&self.checkpoint).work = true;
        self.checkpoint_wanted.notify_one();
    }

    /// Freezes the growing overlay when it is large enough or the log long enough, unless one is
    /// frozen already. Called by the writer between two batches.
    pub(crate) fn rotate(&self) {
        let mut layers = locked(&self.layers);
        let due = layers.active.bytes() >= self.overlay_bytes
            || self.pool.sealed_count() >= LOG_SEGMENTS_MAX;
        if !due || layers.frozen.is_some() || layers.active.sequence() == 0 {
            return;
        }
        let full = std::mem::take(&mut layers.active);
        let published = full.version() <= self.view.load().version;
        layers.frozen = Some(full);
        drop(layers);
        if published {
            self.want_checkpoint();
        }
    }

    /// Whether the overlay may still grow; waits for a running checkpoint when it may not and
    /// gives up with `NoSpace` when the checkpoint cannot go on (LIM-1).
    pub(crate) fn wait_for_room(&self, threads: bool) -> Result<(), CommitError> {
        let most = self.overlay_bytes.saturating_mul(OVERLAY_GROWTH_MAX);
        let full = |layers: &Layers| layers.frozen.is_some() && layers.active.bytes() >= most;
        if !threads {
            return if full(&locked(&self.layers)) { Err(CommitError::NoSpace) } else { Ok(()) };
        }
        let mut layers = locked(&self.layers);
        while full(&layers) && self.stopped().is_none() {
            if locked(&self.checkpoint).retry_at_micros > 0 {
                self.want_checkpoint();
                return Err(CommitError::NoSpace);
            }
            node_env::sometimes!(true, "store.writer_waits_for_checkpoint");
            layers = self.layers_changed.wait(layers).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// The checkpoint stage as a thread.
    pub(crate) fn run_checkpoints(&self) {
        loop {
            let idle = |signal: &mut CheckpointSignal| {
                !signal.work && !signal.closing && self.stopped().is_none()
            };
            let signal = self.checkpoint_wanted.wait_while(locked(&self.checkpoint), idle);
            let mut signal = signal.unwrap_or_else(PoisonError::into_inner);
            if signal.closing || self.stopped().is_some() {
                return;
            }
            signal.work = false;
            drop(signal);
            self.maintain();
        }
    }

    /// Ends [`Core::run_checkpoints`].
    /// Gives the directory back to whoever opens it next.
    pub(crate) fn unlock(&self) {
        drop(locked(&self.lock).take());
    }

    pub(crate) fn close_checkpoints(&self) {
        locked(&self.checkpoint).closing = true;
        self.checkpoint_wanted.notify_all();
    }

    /// Does what is due: a segment made ready, a checkpoint, merges. Without space it is put off.
    pub(crate) fn maintain(&self) {
        if self.stopped().is_some() {
            return;
        }
        let now = self.clock.monotonic_micros();
        if locked(&self.checkpoint).retry_at_micros > now {
            return;
        }
        let done = self.try_maintain();
        let mut signal = locked(&self.checkpoint);
        match done {
            Ok(()) => signal.retry_at_micros = 0,
            Err(WriteError::Disk(DiskError::NoSpace { .. })) => {
                signal.retry_at_micros = now.saturating_add(CHECKPOINT_RETRY_MICROS);
                drop(signal);
                add(&self.counters.checkpoints_without_space, 1);
                tracing::warn!("no space for a checkpoint, it is put off");
                drop(locked(&self.layers));
                self.layers_changed.notify_all();
            }
            Err(error) => {
                drop(signal);
                self.stop(format!("a checkpoint failed: {error}"));
            }
        }
    }

    fn try_maintain(&self) -> Result<(), WriteError> {
        self.pool.make_ready()?;
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
        if frozen.version() > self.view.load().version {
            return Ok(());
        }
        let reached = (frozen.version(), frozen.sequence());
        let lowest = self.pool.lowest_needed(reached.1);
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
        let entries = frozen.entries(&all, Version::MAX, Direction::Forward);
        let first = runs.len() == 0;
        let mut entries = entries.filter(|(_, value)| !first || value.is_some()).map(Ok);
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
        let frozen = layers.frozen.as_ref().map_or(0, |frozen| frozen.bytes());
        Stats {
            runs: layers.runs.len() as u64,
            run_bytes: layers.runs.bytes(),
            overlay_bytes: (layers.active.bytes() + frozen) as u64,
            ..self.counters.snapshot()
        }
    }
}
