//! The write stage: takes everything that waits, resolves it in order, gives it one version,
//! writes one log record and inserts it, still invisible, into the overlay. Syncing and
//! answering is the sync stage's (`core`).

use std::sync::Arc;

use actors_store::mutation::versionstamp;
use actors_store::{CommitError, CommitRequest, Committed, Lanes, Mutation, Version};
use node_env::{DiskError, DiskFile};

use crate::core::{Core, Written};
use crate::log::{Log, Room};
use crate::queue::{Answer, Pending};
use crate::record;
use crate::resolver::Resolver;
use crate::stats::add;

/// State of the write stage.
pub(crate) struct Writer {
    log: Log,
    resolver: Resolver,
    /// Lanes of which a commit failed here.
    lanes: Lanes,
    /// Newest version that was given out.
    version: Version,
    buffer: Vec<u8>,
    /// Whether other threads sync and checkpoint meanwhile.
    threads: bool,
}

/// A batch while it is put together.
struct Batch {
    version: Version,
    mutations: Vec<Mutation>,
    answers: Vec<Answer>,
    /// Commits accepted that write; each has its order in the batch.
    writing: u16,
    accepted: u64,
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
        let now = core.clock.monotonic_micros();
        self.resolver.forget_old(now);
        let mut batch = self.resolve(waiting);
        add(&core.counters.conflicts, batch.answers.len() as u64 - batch.accepted);
        if batch.writing == 0 {
            self.resolver.abandon_batch();
            let (version, sequence) = (self.version, self.log.last_sequence());
            return Written { file: None, version, sequence, answers: batch.answers };
        }
        record::start(&mut self.buffer);
        for mutation in &batch.mutations {
            record::push(&mut self.buffer, mutation);
        }
        match self.log.reserve(self.buffer.len()) {
            Ok(Room::Present) => {}
            Ok(Room::NewSegment) => core.want_checkpoint(),
            Err(error) => return self.unwritten(core, batch, &error),
        }
        let mutations = std::mem::take(&mut batch.mutations);
        let file = match self.log_batch(core, batch.version, mutations) {
            Ok(file) => file,
            Err(reason) => {
                core.stop(reason.clone());
                return self.failed(batch, &CommitError::UnknownResult { reason });
            }
        };
        self.resolver.finish_batch(batch.version, now);
        add(&core.counters.commits, batch.accepted);
        add(&core.counters.batches, 1);
        let (version, sequence) = (batch.version, self.log.last_sequence());
        Written { file, version, sequence, answers: batch.answers }
    }

    /// Appends a record without mutations: it tells recovery that everything before is durable.
    pub(crate) fn mark(&mut self, core: &Core) -> Result<Written, DiskError> {
        record::start(&mut self.buffer);
        self.log.reserve(self.buffer.len())?;
        let (version, durable) = (self.version, core.durable_sequence());
        let file = self.log.append(&mut self.buffer, version, durable)?;
        Ok(Written { file, version, sequence: self.log.last_sequence(), answers: Vec::new() })
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
    fn unwritten(&mut self, core: &Core, batch: Batch, error: &DiskError) -> Written {
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
    fn failed(&mut self, batch: Batch, error: &CommitError) -> Written {
        let answers = batch.answers.into_iter().map(|Answer { reply, lane, result }| {
            let lanes = &mut self.lanes;
            let result = result.and_then(|_| lanes.admit(lane).and_then(|()| Err(error.clone())));
            Answer { reply, lane, result: self.lanes.settle(lane, result) }
        });
        let answers = answers.collect();
        let (version, sequence) = (self.version, self.log.last_sequence());
        Written { file: None, version, sequence, answers }
    }

    fn resolve(&mut self, waiting: Vec<Pending>) -> Batch {
        let mut batch = Batch {
            version: self.version + 1,
            mutations: Vec::with_capacity(waiting.len() * 4),
            answers: Vec::with_capacity(waiting.len()),
            writing: 0,
            accepted: 0,
        };
        for Pending { request, reply, .. } in waiting {
            let lane = request.lane;
            let checked = self.lanes.admit(lane).and_then(|()| self.check(&request));
            let result =
                self.lanes.settle(lane, checked).map(|()| self.accept(request, &mut batch));
            batch.answers.push(Answer { reply, lane, result });
        }
        batch
    }

    fn check(&self, request: &CommitRequest) -> Result<(), CommitError> {
        if !request.read_conflicts.is_empty() && request.read_version > self.version {
            return Err(CommitError::Invalid { reason: "the read version is in the future" });
        }
        self.resolver.check(request)
    }

    fn accept(&mut self, request: CommitRequest, batch: &mut Batch) -> Committed {
        batch.accepted += 1;
        if request.mutations.is_empty() && request.write_conflicts.is_empty() {
            let version = self.version;
            return Committed { version, versionstamp: versionstamp(version, u16::MAX) };
        }
        let version = batch.version;
        let versionstamp = versionstamp(version, batch.writing);
        batch.writing += 1;
        let first = batch.mutations.len();
        let resolved = request.mutations.into_iter();
        batch.mutations.extend(resolved.map(|mutation| mutation.resolved(&versionstamp)));
        self.resolver.accept(version, &batch.mutations[first..], request.write_conflicts);
        Committed { version, versionstamp }
    }

    fn log_batch(
        &mut self,
        core: &Core,
        version: Version,
        mutations: Vec<Mutation>,
    ) -> Result<Option<Arc<dyn DiskFile>>, String> {
        let layers = core.layers();
        self.version = version;
        for mutation in mutations {
            let applied = layers.apply(version, mutation);
            applied.map_err(|error| format!("a batch could not be applied: {error}"))?;
        }
        let durable = core.durable_sequence();
        let appended = self.log.append(&mut self.buffer, version, durable);
        let file = appended.map_err(|error| format!("a write of the log failed: {error}"))?;
        layers.active.reached(version, self.log.last_sequence());
        add(&core.counters.log_bytes, self.buffer.len() as u64);
        Ok(file)
    }
}
