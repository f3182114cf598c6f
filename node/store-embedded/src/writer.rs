//! The write stage: takes everything that waits, resolves it in order, gives it one version,
//! writes one log record and inserts it, still invisible, into the overlay. Syncing and
//! answering is the sync stage's (`core`).

use std::sync::Arc;

use actors_store::mutation::versionstamp;
use actors_store::{CommitError, CommitRequest, Committed, Lanes, ReadError, Version};
use node_env::{DiskError, DiskFile};

use crate::batch::Batch;
use crate::core::{Core, Written};
use crate::limits::RECORD_ALIGNMENT_BYTES;
use crate::log::{Log, Room};
use crate::queue::{Answer, Pending};
use crate::record;
use crate::resolver::Resolver;
use crate::stats::add;
use crate::view::Layers;

/// State of the write stage.
pub(crate) struct Writer {
    log: Log,
    resolver: Resolver,
    /// Lanes of which a commit failed here.
    lanes: Lanes,
    /// Newest version that was given out.
    version: Version,
    /// Kept for the next record.
    buffer: Vec<u8>,
    /// Whether other threads sync and checkpoint meanwhile.
    threads: bool,
}

/// A batch with its answers, before it is in the log.
struct Resolved {
    batch: Batch,
    version: Version,
    answers: Vec<Answer>,
    /// Commits accepted that write; each has its order in the batch.
    writing: u16,
    accepted: u64,
    /// Why a change could not be made.
    broken: Option<ReadError>,
}

impl Writer {
    pub(crate) fn new(log: Log, version: Version, threads: bool) -> Self {
        let resolver = Resolver::new(version);
        let (lanes, buffer) = (Lanes::default(), Vec::new());
        Self { log, resolver, lanes, version, buffer, threads }
    }

    /// Writes one batch. The result must go to the sync stage, in order.
    pub(crate) fn write(&mut self, core: &Core, waiting: Vec<Pending>) -> Written {
        if let Some(reason) = core.stopped() {
            let error = CommitError::Stopped { reason: reason.to_owned() };
            return self.refused(waiting, &error);
        }
        if let Err(error) = core.wait_for_room(self.threads) {
            core.want_checkpoint();
            return self.refused(waiting, &error);
        }
        core.rotate();
        let by_wall = node_env::planted!("resolver-window-by-wall-clock");
        let wall = u64::try_from(core.clock.wall_unix_micros()).unwrap_or(0);
        let now = if by_wall { wall } else { core.clock.monotonic_micros() };
        self.resolver.forget_old(now);
        let mut resolved = self.resolve(core, waiting);
        add(&core.counters.conflicts, resolved.answers.len() as u64 - resolved.accepted);
        if let Some(error) = resolved.broken.take() {
            let reason = format!("a batch could not be applied: {error}");
            core.stop(reason.clone());
            return self.failed(resolved, &CommitError::Stopped { reason });
        }
        if resolved.writing == 0 {
            self.resolver.abandon_batch();
            self.buffer = resolved.batch.record;
            let (version, sequence) = (self.version, self.log.last_sequence());
            return Written { file: None, version, sequence, answers: resolved.answers };
        }
        match self.log.reserve(resolved.batch.record.len()) {
            Ok(Room::Present) => {}
            Ok(Room::NewSegment) => core.want_upkeep(),
            Err(error) => return self.unwritten(core, resolved, &error),
        }
        match self.append(core, &mut resolved) {
            Ok((file, unpadded_bytes)) => {
                add(&core.counters.commits, resolved.accepted);
                add(&core.counters.batches, 1);
                let (part, buffer) = resolved.batch.finish(unpadded_bytes);
                self.buffer = buffer;
                let (version, sequence) = (self.version, self.log.last_sequence());
                let part = Arc::new(part);
                core.add_part(&part, version, sequence);
                self.resolver.finish_batch(version, part, now);
                Written { file, version, sequence, answers: resolved.answers }
            }
            Err(error) => {
                let reason = format!("a write of the log failed: {error}");
                core.stop(reason.clone());
                self.failed(resolved, &CommitError::UnknownResult { reason })
            }
        }
    }

    /// Writes the record; gives the file to sync and the length without padding.
    fn append(&mut self, core: &Core, resolved: &mut Resolved) -> Result<Appended, DiskError> {
        self.version = resolved.version;
        let record = &mut resolved.batch.record;
        let unpadded_bytes = record.len();
        let file = self.log.append(record, self.version, core.durable_sequence())?;
        add(&core.counters.log_bytes, record.len() as u64);
        Ok((file, unpadded_bytes))
    }

    /// Appends a record without mutations: it tells recovery that everything before is durable.
    pub(crate) fn mark(&mut self, core: &Core) -> Result<Written, DiskError> {
        record::start(&mut self.buffer);
        self.log.reserve(self.buffer.len())?;
        let (version, durable) = (self.version, core.durable_sequence());
        let file = self.log.append(&mut self.buffer, version, durable)?;
        Ok(Written { file, version, sequence: self.log.last_sequence(), answers: Vec::new() })
    }

    /// Marks a clean end: damage of the last records is noticed at the next opening.
    pub(crate) fn finish(&mut self, core: &Core, sync: impl Fn(Written)) {
        if core.stopped().is_some() {
            return;
        }
        match self.mark(core) {
            Ok(written) => sync(written),
            Err(error) => tracing::warn!(%error, "the log could not be marked as ended"),
        }
    }

    /// Answers a batch of which nothing was written.
    fn refused(&mut self, waiting: Vec<Pending>, error: &CommitError) -> Written {
        let answers = waiting.into_iter().map(|Pending { request, reply, .. }| {
            let lane = request.lane;
            let result = self.lanes.admit(lane).and_then(|()| Err(error.clone()));
            Answer { reply, lane, result: self.lanes.settle(lane, result) }
        });
        let answers = answers.collect();
        let (version, sequence) = (self.version, self.log.last_sequence());
        Written { file: None, version, sequence, answers }
    }

    /// Answers a batch for which there was no room in the log.
    fn unwritten(&mut self, core: &Core, batch: Resolved, error: &DiskError) -> Written {
        self.resolver.abandon_batch();
        if matches!(error, DiskError::NoSpace { .. }) {
            tracing::warn!("no space for a log segment, commits are refused");
            core.want_checkpoint();
            return self.failed(batch, &CommitError::NoSpace);
        }
        let reason = format!("a log segment could not be made: {error}");
        core.stop(reason.clone());
        self.failed(batch, &CommitError::Stopped { reason })
    }

    /// Replaces the good answers of a batch; conflicts stay.
    fn failed(&mut self, batch: Resolved, error: &CommitError) -> Written {
        let answers = batch.answers.into_iter().map(|Answer { reply, lane, result }| {
            let lanes = &mut self.lanes;
            let result = result.and_then(|_| lanes.admit(lane).and_then(|()| Err(error.clone())));
            Answer { reply, lane, result: self.lanes.settle(lane, result) }
        });
        let answers = answers.collect();
        let (version, sequence) = (self.version, self.log.last_sequence());
        Written { file: None, version, sequence, answers }
    }

    fn resolve(&mut self, core: &Core, waiting: Vec<Pending>) -> Resolved {
        let bytes: usize = waiting.iter().map(Pending::record_bytes).sum();
        let rows: usize = waiting.iter().map(|pending| pending.request.mutations.len()).sum();
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        buffer.reserve(bytes + RECORD_ALIGNMENT_BYTES);
        let mut resolved = Resolved {
            batch: Batch::new(buffer, rows),
            version: self.version + 1,
            answers: Vec::with_capacity(waiting.len()),
            writing: 0,
            accepted: 0,
            broken: None,
        };
        let below = core.layers();
        for Pending { request, reply, .. } in waiting {
            let lane = request.lane;
            let checked = self.lanes.admit(lane);
            let checked = checked.and_then(|()| self.check(&request, &mut resolved.batch));
            let result = self.lanes.settle(lane, checked);
            let result = result.map(|()| self.accept(request, &mut resolved, &below));
            resolved.answers.push(Answer { reply, lane, result });
        }
        resolved
    }

    fn check(&self, request: &CommitRequest, batch: &mut Batch) -> Result<(), CommitError> {
        if !request.read_conflicts.is_empty() && request.read_version > self.version {
            return Err(CommitError::Invalid { reason: "the read version is in the future" });
        }
        self.resolver.check(request, batch)
    }

    fn accept(
        &mut self,
        request: CommitRequest,
        resolved: &mut Resolved,
        below: &Layers,
    ) -> Committed {
        resolved.accepted += 1;
        if request.mutations.is_empty() && request.write_conflicts.is_empty() {
            let version = self.version;
            return Committed { version, versionstamp: versionstamp(version, u16::MAX) };
        }
        let version = resolved.version;
        let versionstamp = versionstamp(version, resolved.writing);
        resolved.writing += 1;
        for mutation in &request.mutations {
            if let Err(error) = resolved.batch.push(version, mutation, &versionstamp, below) {
                resolved.broken.get_or_insert(error);
            }
        }
        self.resolver.accept(version, request, &mut resolved.batch);
        Committed { version, versionstamp }
    }
}

/// A file to sync, and the length of the record without padding.
type Appended = (Option<Arc<dyn DiskFile>>, usize);
