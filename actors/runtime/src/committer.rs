//! The committer: many actors' units in one transaction, audit leaves numbered in commit order,
//! waiters released only when the transaction is durable (ACK-1, AUD-1, OWN-1).
//!
//! A few transactions are in flight at a time, in one lane of the store: once one fails, every
//! later one fails with it, so that no leaf is numbered over a hole. Batches adapt to the disk and
//! the load without a timer. A failed transaction discards every unit behind it that was decided
//! on the same speculative state.

mod presence;
mod queue;

use presence::{Presence, check, note_presence, presence, stale};
pub(crate) use queue::{CommitterHandle, Request, queue};

use crate::admission::Admission;
use crate::audit_log::{AuditBatch, AuditLogs};
use crate::group::Guard;
use crate::limits::{
    BATCH_BYTES_WANTED_MAX, BATCH_SHARE_DIVISOR, BATCH_UNITS_MAX, COMMIT_QUEUE_UNITS_MAX,
    COMMITS_IN_FLIGHT_MAX, RETRY_AFTER_MS,
};
use crate::metrics::Metrics;
use crate::node::note_stopped;
use crate::ownership::{Fence, Ownership};
use crate::shards::Served;
use crate::unit::{CommitFailure, OutboxSend, Unit, Work};
use actors_store::{
    CommitError, CommitFuture, CommitLane, CommitRequest, Committed, KeyRange, ReadError, Store,
    Version, keys, keys::Family,
};
use bytes::Bytes;
use futures::FutureExt;
use futures::stream::{FuturesOrdered, StreamExt};
use node_env::Clock;
use schema_types::ids::ShardId;
use schema_types::time::Timestamp;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// What the committer works with.
pub(crate) struct CommitterParts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) logs: AuditLogs,
    pub(crate) served: Arc<Served>,
    /// Told of shards that turn out to be another owner's (OWN-1).
    pub(crate) lost: mpsc::Sender<ShardId>,
    /// The lane of the store in which this node's batches follow each other, and its first
    /// generation: above all that the node used before.
    pub(crate) lane: CommitLane,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) outbox: crate::outbox::OutboxHandle,
    pub(crate) stopped: Arc<watch::Sender<Option<String>>>,
    /// Units in one transaction.
    pub(crate) batch_units_max: usize,
}

/// A batch whose transaction ended.
struct Ended {
    units: Vec<Unit>,
    /// Audit records in it.
    audited: u64,
    result: Result<Committed, CommitError>,
}

/// Batches in flight, oldest first.
type InFlight = FuturesOrdered<futures::future::BoxFuture<'static, Ended>>;

/// The committer's own state between batches.
struct Pipeline {
    parts: CommitterParts,
    ownership: Ownership,
    queue: mpsc::Receiver<Request>,
    waiting: VecDeque<Work>,
    in_flight: InFlight,
    /// What each batch in flight made of keys that preconditions may ask about, oldest first.
    written: VecDeque<Presence>,
    /// Families of which preconditions ask about rows that others write.
    followed: [KeyRange; 2],
    /// Counts failures: transactions of an older generation are void.
    generation: u64,
    /// A transaction failed, perhaps without saying whether it took effect: when all in flight
    /// have ended, the logs must be read again before the next one, or it would number its leaves
    /// over those of that transaction (AUD-2).
    in_doubt: bool,
    /// Who waits until nothing of a closed shard is in flight.
    closing: Vec<oneshot::Sender<()>>,
    is_closed: bool,
}

/// Commits until every handle is dropped.
pub(crate) async fn run(parts: CommitterParts, queue: mpsc::Receiver<Request>) {
    let generation = parts.lane.generation;
    let mut pipeline = Pipeline {
        parts,
        ownership: Ownership::default(),
        queue,
        waiting: VecDeque::new(),
        in_flight: FuturesOrdered::new(),
        written: VecDeque::new(),
        followed: [Family::Timer, Family::Outbox].map(keys::family_range),
        generation,
        in_doubt: false,
        closing: Vec::new(),
        is_closed: false,
    };
    while pipeline.turn().await {}
}

impl Pipeline {
    /// Waits for something to do and does it; `false` when there will be nothing more.
    async fn turn(&mut self) -> bool {
        if self.in_flight.is_empty() {
            for closed in self.closing.drain(..) {
                // Who closed it may be gone.
                let _is_heard = closed.send(()).is_ok();
            }
        }
        if self.may_start() {
            self.gather().await;
            self.start_batch().await;
            return true;
        }
        if self.is_closed && self.in_flight.is_empty() && self.waiting.is_empty() {
            return false;
        }
        let room = COMMIT_QUEUE_UNITS_MAX.saturating_sub(self.waiting.len());
        let mut arrived = Vec::new();
        tokio::select! {
            biased;
            Some(ended) = self.in_flight.next(), if !self.in_flight.is_empty() => {
                self.settle(ended);
            }
            count = self.queue.recv_many(&mut arrived, room), if room > 0 && !self.is_closed => {
                self.is_closed = count == 0;
            }
        }
        for request in arrived {
            self.take(request);
        }
        true
    }

    fn take(&mut self, request: Request) {
        match request {
            Request::Commit(work) => self.waiting.push_back(work),
            Request::Open(opened, done) => {
                let (held, log) = *opened;
                self.parts.logs.add(held.shard, log);
                self.ownership.add(held);
                let _is_heard = done.send(()).is_ok();
            }
            Request::Close(shard, done) => {
                self.ownership.remove(shard);
                self.parts.logs.remove(shard);
                self.closing.push(done);
            }
        }
    }

    /// Whether the next batch should start now: at once when nothing is in flight, else when
    /// enough waits to be worth a sync of its own.
    fn may_start(&self) -> bool {
        if self.waiting.is_empty() || self.in_flight.is_empty() {
            return !self.waiting.is_empty();
        }
        if !self.closing.is_empty() {
            return false;
        }
        let wanted = (self.parts.admission.in_flight() / BATCH_SHARE_DIVISOR).max(1);
        let enough = self.waiting.len() >= wanted.min(self.parts.batch_units_max);
        !self.in_doubt && enough && self.in_flight.len() < COMMITS_IN_FLIGHT_MAX
    }

    /// Lets everybody who is about to hand in a unit do so first: yields until a turn of the
    /// scheduler brings nothing new.
    async fn gather(&mut self) {
        const QUIET_TURNS: u32 = 2;
        let mut quiet = 0;
        while quiet < QUIET_TURNS && self.waiting.len() < self.parts.batch_units_max {
            quiet += 1;
            while let Ok(request) = self.queue.try_recv() {
                self.take(request);
                quiet = 0;
            }
            if self.waiting.len() >= self.parts.admission.in_flight() {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Takes what fits one transaction: at least one work, then up to the wanted size.
    fn take_batch(&mut self) -> Vec<Work> {
        let most = self.parts.batch_units_max.min(BATCH_UNITS_MAX);
        let (mut count, mut bytes) = (0, 0);
        for work in self.waiting.iter().take(most) {
            bytes += work.units.iter().map(Unit::size_bytes).sum::<usize>();
            if count > 0 && bytes > BATCH_BYTES_WANTED_MAX {
                break;
            }
            count += 1;
        }
        self.waiting.drain(..count).collect()
    }

    async fn start_batch(&mut self) {
        let works = self.take_batch();
        let works = self.refuse_foreign(works);
        let shards = touched_shards(&works, &self.parts.served);
        let asked = Asked { keys: asked_keys(&works), guards: guards(&works), shards };
        match self.assemble(asked).await {
            Ok((batch, lost)) => {
                for shard in lost {
                    self.lose(shard);
                }
                let works = self.refuse_foreign(works);
                self.submit(batch, works);
            }
            Err(failure) => {
                for work in works {
                    settle_failed(&self.parts, work.units, &failure);
                }
            }
        }
    }

    /// Sends back works of which a unit belongs to no shard of this node (OWN-1).
    fn refuse_foreign(&self, works: Vec<Work>) -> Vec<Work> {
        let mut ours = Vec::with_capacity(works.len());
        for work in works {
            let foreign = work.units.iter().find_map(|unit| {
                unit.entity()?;
                let shard = unit.shard(&self.parts.served);
                let is_held = shard.is_some_and(|shard| self.ownership.holds(shard));
                (!is_held).then_some(shard)
            });
            match foreign {
                None => ours.push(work),
                Some(shard) => {
                    settle_failed(&self.parts, work.units, &CommitFailure::NotServed(shard));
                }
            }
        }
        ours
    }

    /// Another owner has the shard: nothing of it is committed here any more.
    fn lose(&mut self, shard: ShardId) {
        tracing::warn!(shard = shard.0, "the store names another owner (OWN-1)");
        self.parts.metrics.shards_lost.add(1);
        self.ownership.remove(shard);
        self.parts.logs.remove(shard);
        self.parts.served.close(shard);
        // There is room for every shard; nobody listens while the node ends.
        let _is_heard = self.parts.lost.try_send(shard).is_ok();
    }

    /// Reads what the batch needs to know: presence of asked keys, ownership, the logs if in doubt.
    async fn assemble(&mut self, asked: Asked) -> Result<(Batch, Vec<ShardId>), CommitFailure> {
        let parts = &mut self.parts;
        let snapshot = parts.store.begin().await.map_err(read_failure)?;
        let Asked { keys, guards, shards } = asked;
        let present = presence(&*snapshot, &self.written, keys).await.map_err(read_failure)?;
        let stale = stale(&*snapshot, &guards).await.map_err(read_failure)?;
        let mut lost = Vec::new();
        if self.in_doubt {
            // What failed may have failed because of a new owner, whose log is not ours to read.
            for shard in self.ownership.shards() {
                if let Fence::Lost =
                    self.ownership.check(&*snapshot, shard).await.map_err(read_failure)?
                {
                    parts.logs.remove(shard);
                    lost.push(shard);
                }
            }
            if !node_env::planted!("audit-log-not-reloaded") {
                parts.logs.reload(&*snapshot).await.map_err(|error| {
                    CommitFailure::Store(CommitError::Stopped { reason: error.to_string() })
                })?;
            }
            self.in_doubt = false;
            self.generation += 1;
        }
        let read_version = snapshot.version();
        let mut request = CommitRequest { read_version, ..CommitRequest::default() };
        request.lane = Some(CommitLane { id: parts.lane.id, generation: self.generation });
        // Of a key written by a batch in flight the lane keeps the order; the store would see a
        // conflict in it.
        let in_flight = |key: &&Bytes| self.written.iter().any(|keys| keys.contains_key(*key));
        let stored = present.keys().filter(|key| !in_flight(key));
        request.read_conflicts.extend(stored.map(|key| KeyRange::single(key)));
        let guarded = guards.iter().filter(|guard| !stale.contains(guard)).flat_map(Guard::rows);
        request.read_conflicts.extend(guarded.map(|(key, _)| KeyRange::single(&key)));
        for shard in shards {
            match self.ownership.check(&*snapshot, shard).await.map_err(read_failure)? {
                Fence::Ours(_) if node_env::planted!("fence-not-in-conflicts") => {}
                Fence::Ours(range) => request.read_conflicts.push(range),
                Fence::Lost => lost.push(shard),
            }
        }
        let audit = parts.logs.begin();
        Ok((Batch { request, audit, accepted: Vec::new(), audited: 0, present, stale }, lost))
    }

    fn submit(&mut self, mut batch: Batch, works: Vec<Work>) {
        let parts = &mut self.parts;
        for work in works {
            match check(&batch.present, &batch.stale, &work) {
                Ok(()) => batch.accept(parts, &self.followed, work),
                Err(failure) => settle_failed(parts, work.units, &failure),
            }
        }
        let Batch { mut request, mut audit, accepted, audited, present, .. } = batch;
        if accepted.is_empty() {
            return;
        }
        let at = Timestamp::from_unix_micros(parts.clock.wall_unix_micros());
        request.mutations.extend(audit.head_rows(&parts.logs, at));
        request.read_conflicts.extend(audit.first_leaves());
        parts.logs.adopt(audit);
        let commit: CommitFuture = parts.store.commit(request);
        self.written.push_back(present);
        self.in_flight.push_back(
            commit.map(move |result| Ended { units: accepted, audited, result }).boxed(),
        );
    }

    fn settle(&mut self, ended: Ended) {
        let Ended { units, audited, result } = ended;
        self.written.pop_front();
        match result {
            Ok(committed) => {
                self.parts.metrics.audit_records.add(audited);
                settle_done(&self.parts, units, committed.version);
            }
            Err(error) => {
                self.in_doubt = true;
                settle_failed(&self.parts, units, &CommitFailure::Store(error));
            }
        }
    }
}

/// The transaction being put together.
struct Batch {
    request: CommitRequest,
    audit: AuditBatch,
    accepted: Vec<Unit>,
    audited: u64,
    /// Whether the keys that preconditions ask about hold a value, as this batch goes along.
    present: Presence,
    /// Guards that do not hold: their groups have no effect.
    stale: Vec<Guard>,
}

/// What a batch needs to know.
struct Asked {
    keys: Vec<Bytes>,
    guards: Vec<Guard>,
    shards: Vec<ShardId>,
}

impl Batch {
    fn accept(&mut self, parts: &CommitterParts, followed: &[KeyRange], work: Work) {
        for mut unit in work.units {
            note_presence(&mut self.present, followed, &unit.mutations);
            if node_env::planted!("outbox-offered-before-commit") {
                deliver(parts, std::mem::take(&mut unit.outbox));
            }
            let shard = unit.shard(&parts.served);
            if let (Some(audit), Some(shard)) = (unit.audit.take(), shard) {
                let rows = &mut self.request.mutations;
                self.audit.append(&parts.logs, shard, audit, rows);
                self.audited += 1;
            }
            self.request.mutations.append(&mut unit.mutations);
            self.accepted.push(unit);
        }
    }
}

fn asked_keys(works: &[Work]) -> Vec<Bytes> {
    let units = works.iter().flat_map(|work| &work.units);
    let preconditions = units.flat_map(|unit| &unit.preconditions);
    preconditions.map(|precondition| precondition.key().clone()).collect()
}

fn guards(works: &[Work]) -> Vec<Guard> {
    works.iter().flat_map(|work| work.guards.iter().cloned()).collect()
}

/// OWN-1: `own/{shard}` of every shard that the batch touches is read and compared, and is part of
/// the read set, so that a stale owner cannot commit even with a fresh read version.
fn touched_shards(works: &[Work], served: &Served) -> Vec<ShardId> {
    let most = if node_env::planted!("group-fences-first-member") { 1 } else { usize::MAX };
    let units = works.iter().flat_map(|work| work.units.iter().take(most));
    let mut touched: Vec<ShardId> = units.filter_map(|unit| unit.shard(served)).collect();
    touched.sort_unstable();
    touched.dedup();
    touched
}

fn settle_done(parts: &CommitterParts, units: Vec<Unit>, version: Version) {
    parts.metrics.batches_committed.add(1);
    parts.metrics.units_committed.add(units.len().try_into().unwrap_or(u64::MAX));
    for unit in units {
        deliver(parts, unit.outbox);
        if let Some((residency, _)) = &unit.origin {
            residency.unit_settled();
        }
        (unit.done)(Ok(version));
    }
}

fn deliver(parts: &CommitterParts, sends: Vec<OutboxSend>) {
    for send in sends {
        parts.outbox.offer(send);
    }
}

fn settle_failed(parts: &CommitterParts, units: Vec<Unit>, failure: &CommitFailure) {
    if let CommitFailure::Store(error) = failure {
        parts.metrics.batches_failed.add(1);
        report(parts, error);
        if let CommitError::UnknownResult { .. } = error {
            // It may have come through, and nobody was offered its messages.
            parts.outbox.sweep();
        }
    }
    for unit in units {
        if let Some((residency, generation)) = &unit.origin {
            residency.discard(*generation);
            residency.unit_settled();
        }
        (unit.done)(Err(failure.clone()));
    }
}

/// A stopped store stops the node: readiness turns false and the process ends with its reason.
fn report(parts: &CommitterParts, error: &CommitError) {
    tracing::warn!(error = %error, "commit failed");
    if let CommitError::Stopped { reason } = error {
        note_stopped(&parts.stopped, reason);
    }
}

fn read_failure(error: ReadError) -> CommitFailure {
    let reason = error.to_string();
    CommitFailure::Store(match error {
        ReadError::TooOld => CommitError::TooOld,
        ReadError::Stopped { reason } => CommitError::Stopped { reason },
        ReadError::Corrupt { .. } => CommitError::Stopped { reason },
        // A store that is elsewhere cannot be reached for a moment; nothing was written.
        ReadError::Failed { .. } => CommitError::Overloaded { retry_after_ms: RETRY_AFTER_MS },
    })
}
