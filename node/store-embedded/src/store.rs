//! The store itself: opening a directory, the threads (or the steps in their place), the port,
//! closing.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use actors_store::{
    CommitError, CommitFuture, CommitRequest, ReadError, ReadFuture, Snapshot, Store,
};
use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::ready;
use node_env::{Clock, Disk, JoinThread, Rng, Spawner};

use crate::core::{Core, CoreParts, Written};
use crate::error::{OpenError, Problem};
use crate::index::{Index, RunSet};
use crate::limits::{
    OVERLAY_BYTES_DEFAULT, PART_ROWS_AT_ONCE_MAX, SEGMENT_BYTES_DEFAULT, SYNC_AT_ONCE_BYTES_MAX,
    SYNC_AT_ONCE_COMMITS_MAX, SYNC_BATCHES_MAX,
};
use crate::log::Log;
use crate::manifest::{self, Catalog, MANIFEST, Manifest};
use crate::queue::Pending;
use crate::recovery::{self, LogEnd, Mode, Scanned};
use crate::run::{self, Damage, Run};
use crate::segment::{self, SegmentPool};
use crate::stages::{Driver, Stages};
use crate::stats::{Stats, add};
use crate::view::{View, ViewSnapshot};
use crate::writer::Writer;

/// Who does the work of the store.
#[derive(Clone)]
pub enum Execution {
    /// Four threads: one writes, one syncs, one checkpoints, one makes segments and merges
    /// what is in memory. For production.
    Threads(Arc<dyn Spawner>),
    /// The caller of `commit`, before `commit` returns. No batching, but every step happens at
    /// a known moment: for simulation and tests.
    Inline,
    /// A driver, in steps of its own choice and in its own time. Batches form as with threads:
    /// for simulation.
    Stepped(Arc<dyn Driver>),
}

impl Execution {
    /// What starts threads, where there may be any.
    #[must_use]
    pub fn spawner(&self) -> Option<&Arc<dyn Spawner>> {
        match self {
            Self::Threads(spawner) => Some(spawner),
            Self::Inline | Self::Stepped(_) => None,
        }
    }
}

/// The outside world of a store.
#[derive(Clone)]
pub struct Environment {
    /// Where the files are.
    pub disk: Arc<dyn Disk>,
    /// For the transaction window only.
    pub clock: Arc<dyn Clock>,
    /// Draws the id of a new store.
    pub rng: Arc<dyn Rng>,
    /// Who does the work.
    pub execution: Execution,
}

/// Sizes that tests make small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Data directory; created when missing.
    pub directory: PathBuf,
    /// Length of a log segment, in bytes.
    pub segment_bytes: u64,
    /// Memory of recent versions at which a checkpoint begins, in bytes.
    pub overlay_bytes: usize,
}

impl Options {
    /// The default sizes.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            overlay_bytes: OVERLAY_BYTES_DEFAULT,
        }
    }
}

/// How many of the threads, the first ones, end when no commits are left. The others serve them
/// until then.
const COMMIT_STAGES: usize = 2;

/// The embedded store. Dropping it closes it.
pub struct EmbeddedStore {
    core: Arc<Core>,
    /// The work, when there are no threads.
    stages: Option<Arc<Stages>>,
    threads: Mutex<Vec<Box<dyn JoinThread>>>,
}

impl EmbeddedStore {
    /// Opens a data directory, creating it when it is new, and recovers what was acknowledged.
    ///
    /// # Errors
    /// [`OpenError`]; the directory is as it was then, beside files that do not count.
    pub fn open(environment: Environment, options: &Options) -> Result<Self, OpenError> {
        let Environment { disk, clock, rng, execution } = environment;
        disk.create_dir(&options.directory)?;
        let lock = disk.lock_dir(&options.directory)?;
        segment::dispel_doubt(disk.as_ref(), &options.directory)?;
        let manifest = load_manifest(disk.as_ref(), rng.as_ref(), options)?;
        remove_leftovers(disk.as_ref(), &manifest, options)?;
        let runs = open_runs(disk.as_ref(), &manifest, options)?;
        let runs = Arc::new(runs);
        let directory = options.directory.clone();
        let scanned = recovery::scan(disk.as_ref(), &directory, &manifest, &runs, Mode::Strict)?;
        let catalog = Arc::new(Catalog::new(Arc::clone(&disk), directory.clone(), manifest));
        catalog.update(|manifest| manifest.epoch += 1)?;
        let bytes = options.segment_bytes;
        let pool = SegmentPool::new(Arc::clone(&disk), &directory, Arc::clone(&catalog), bytes);
        let pool = Arc::new(pool);
        let Scanned { end, records, sealed, unused, layers, .. } = scanned;
        recovery::make_durable(disk.as_ref(), &directory, &sealed)?;
        pool.adopt(sealed, recovery::reopen(disk.as_ref(), &directory, &unused)?);
        let manifest = catalog.get();
        let index = Index::new(Arc::clone(&disk), &directory, catalog);
        let overlay_bytes = options.overlay_bytes;
        let view = View { version: end.version, layers };
        let core = Core::new(CoreParts { clock, pool, index, overlay_bytes, view, lock });
        add(&core.counters.recovered_records, records);
        tracing::info!(records, version = end.version, epoch = manifest.epoch, "store opened");
        Self::start(Arc::new(core), &manifest, end, &execution)
    }

    fn start(
        core: Arc<Core>,
        manifest: &Manifest,
        end: LogEnd,
        execution: &Execution,
    ) -> Result<Self, OpenError> {
        let owner = (manifest.store_id, manifest.epoch);
        let log = Log::new(Arc::clone(&core.pool), owner, end.sequence, end.crc);
        let mut writer = Writer::new(log, end.version, execution.spawner().is_some());
        core.assume_durable(end.sequence);
        core.freeze_recovered();
        core.sync(vec![writer.mark(&core)?]);
        if let Some(reason) = core.stopped() {
            tracing::error!(reason, "the store could not be started");
            return Err(OpenError::Stopped { reason: reason.to_owned() });
        }
        let mut store = Self { core, stages: None, threads: Mutex::new(Vec::new()) };
        match execution {
            Execution::Threads(spawner) => store.spawn(spawner.as_ref(), writer)?,
            Execution::Inline => store.stages = Some(store.stages_of(writer, true)),
            Execution::Stepped(driver) => {
                let stages = store.stages_of(writer, false);
                store.core.wake_by(driver.drive(Arc::downgrade(&stages)));
                store.stages = Some(stages);
            }
        }
        if !matches!(execution, Execution::Inline) {
            store.core.want_upkeep();
            store.core.want_checkpoint();
        }
        Ok(store)
    }

    fn stages_of(&self, writer: Writer, at_once: bool) -> Arc<Stages> {
        Arc::new(Stages::new(Arc::clone(&self.core), writer, at_once))
    }

    fn spawn(&self, spawner: &dyn Spawner, writer: Writer) -> Result<(), OpenError> {
        let (to_sync, from_writer) = sync_channel(SYNC_BATCHES_MAX);
        let start = |name: &str, body: Box<dyn FnOnce() + Send>| -> Result<(), OpenError> {
            let thread = spawner.spawn_thread(name, body)?;
            self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
            Ok(())
        };
        let core = Arc::clone(&self.core);
        start("store-sync", Box::new(move || run_sync(&core, &from_writer)))?;
        let core = Arc::clone(&self.core);
        start("store-write", Box::new(move || run_writer(&core, writer, &to_sync)))?;
        let core = Arc::clone(&self.core);
        start(
            "store-check",
            Box::new(move || {
                let _guard = StageGuard(&core);
                core.run_checkpoints();
            }),
        )?;
        let core = Arc::clone(&self.core);
        start(
            "store-upkeep",
            Box::new(move || {
                let _guard = StageGuard(&core);
                core.run_upkeep();
            }),
        )
    }

    /// Takes no more commits, finishes those that wait, ends the threads and gives the directory
    /// back. Later calls do nothing.
    pub fn close(&self) {
        self.core.queue.close();
        if let Some(stages) = &self.stages {
            stages.finish();
        }
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for (position, thread) in threads.into_iter().enumerate() {
            if position == COMMIT_STAGES {
                self.core.end_upkeep();
            }
            let _panic_was_noted_by_its_guard = thread.join();
        }
        self.core.end_upkeep();
        self.core.unlock();
    }

    /// Why the store has stopped for good, if it has (a failed write or sync).
    #[must_use]
    pub fn stopped(&self) -> Option<String> {
        self.core.stopped().map(str::to_owned)
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.core.stats()
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.close();
    }
}

impl Store for EmbeddedStore {
    fn begin(&self) -> ReadFuture<'_, Arc<dyn Snapshot>> {
        if let Some(reason) = self.core.stopped() {
            return ready(Err(ReadError::Stopped { reason: reason.to_owned() })).boxed();
        }
        let snapshot: Arc<dyn Snapshot> =
            Arc::new(ViewSnapshot::new(self.core.view(), &self.core.clock));
        ready(Ok(snapshot)).boxed()
    }

    fn commit(&self, request: CommitRequest) -> CommitFuture {
        if let Some(reason) = self.core.stopped() {
            return ready(Err(CommitError::Stopped { reason: reason.to_owned() })).boxed();
        }
        let checked = request.validate();
        let (reply, answer) = oneshot::channel();
        let bytes = request.size_bytes();
        let pending = Pending { request, bytes, reply };
        if let Err(error) = self.core.queue.push(pending, checked) {
            return ready(Err(error)).boxed();
        }
        if let Some(stages) = &self.stages {
            stages.arrived();
        }
        answer.map(|answer| answer.unwrap_or_else(|_| Err(lost_reply()))).boxed()
    }
}

/// The stage that owed the answer is gone; whether it wrote the commit is not known.
fn lost_reply() -> CommitError {
    CommitError::UnknownResult { reason: "the store ended before it answered".to_owned() }
}

/// Stops the store when its stage panics, so that nobody waits for an answer for ever.
pub(crate) struct StageGuard<'a>(pub(crate) &'a Core);

impl Drop for StageGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop("a stage of the store panicked".to_owned());
            self.0.queue.close();
            while self.0.queue.take_now().is_some() {}
        }
    }
}

fn run_writer(core: &Core, mut writer: Writer, to_sync: &SyncSender<Written>) {
    let _guard = StageGuard(core);
    while let Some(waiting) = core.queue.take() {
        let few = waiting.len() <= SYNC_AT_ONCE_COMMITS_MAX
            && waiting.iter().map(|pending| pending.bytes).sum::<usize>() <= SYNC_AT_ONCE_BYTES_MAX;
        let written = writer.write(core, waiting);
        if few && core.sync_is_idle() && core.queue.is_empty() {
            core.sync(vec![written]);
        } else {
            hand_over(core, to_sync, written);
        }
        core.merge_parts(PART_ROWS_AT_ONCE_MAX);
    }
    writer.finish(core, |written| hand_over(core, to_sync, written));
}

fn hand_over(core: &Core, to_sync: &SyncSender<Written>, written: Written) {
    core.hand_over();
    if to_sync.send(written).is_err() {
        core.stop("the sync thread of the store is gone".to_owned());
    }
}

fn run_sync(core: &Core, from_writer: &Receiver<Written>) {
    let _guard = StageGuard(core);
    while let Ok(first) = from_writer.recv() {
        let waiting = from_writer.try_iter().take(SYNC_BATCHES_MAX);
        let group: Vec<Written> = std::iter::once(first).chain(waiting).collect();
        let count = group.len();
        core.sync(group);
        core.handed_over_done(count);
    }
}

fn load_manifest(disk: &dyn Disk, rng: &dyn Rng, options: &Options) -> Result<Manifest, OpenError> {
    if let Some(manifest) = manifest::read(disk, &options.directory)? {
        return Ok(manifest);
    }
    let names = disk.list(&options.directory)?;
    if names.iter().any(|name| segment::parse_name(name).is_some() || run::is_run(name)) {
        let what = "the manifest is missing although other files of a store are there";
        let problem = Problem { file: MANIFEST.to_owned(), offset: 0, version: 0, what };
        return Err(problem.into());
    }
    Ok(Manifest { store_id: rng.next_u64(), lowest_segment: 1, next_run: 1, ..Manifest::default() })
}

/// Removes files that the manifest does not name: they were being made, or are no longer needed.
fn remove_leftovers(
    disk: &dyn Disk,
    manifest: &Manifest,
    options: &Options,
) -> Result<(), OpenError> {
    let needed = manifest.lowest_segment..=manifest.highest_segment;
    for name in disk.list(&options.directory)? {
        let unnamed_segment =
            segment::parse_name(&name).is_some_and(|number| !needed.contains(&number));
        let unnamed_run =
            run::is_run(&name) && !manifest.runs.iter().any(|id| run::file_name(*id) == name);
        if unnamed_segment || unnamed_run || segment::is_spare(&name) {
            disk.remove(&options.directory.join(&name))?;
        }
    }
    Ok(())
}

fn open_runs(disk: &dyn Disk, manifest: &Manifest, options: &Options) -> Result<RunSet, OpenError> {
    let mut runs = Vec::new();
    for id in &manifest.runs {
        match Run::open(disk, &options.directory, *id) {
            Ok(run) => runs.push(Arc::new(run)),
            Err(damage) => return Err(run_error(*id, manifest.base_version, damage)),
        }
    }
    Ok(RunSet::new(runs, false))
}

fn run_error(id: u64, version: u64, damage: Damage) -> OpenError {
    let (offset, what) = match damage {
        Damage::Disk(node_env::DiskError::NotFound { .. }) => (0, "the run is missing"),
        Damage::Disk(error) => return error.into(),
        Damage::Bytes { offset, what } => (offset, what),
    };
    Problem { file: run::file_name(id), offset, version, what }.into()
}
