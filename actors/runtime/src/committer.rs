//! The committer: many actors' units in one transaction, audit leaves numbered in commit order,
//! waiters released only when the transaction is durable (ACK-1, AUD-1, OWN-1).
//!
//! One transaction is in flight at a time; whatever waits meanwhile is the next batch, so batches
//! adapt to the disk without a timer. A failed transaction discards every unit behind it that
//! was decided on the same speculative state.

use crate::audit_log::{AuditBatch, AuditLogs};
use crate::limits::{BATCH_BYTES_WANTED_MAX, BATCH_UNITS_MAX, COMMIT_QUEUE_UNITS_MAX};
use crate::metrics::Metrics;
use crate::node::note_stopped;
use crate::ownership::Ownership;
use crate::unit::{CommitFailure, OutboxSend, Precondition, Unit, Work};
use actors_store::{
    CommitError, CommitRequest, KeyRange, Mutation, ReadError, Snapshot, Store, Version,
};
use bytes::Bytes;
use node_env::Clock;
use schema_types::ids::{ShardCount, ShardId};
use schema_types::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// What the committer works with.
pub(crate) struct CommitterParts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) logs: AuditLogs,
    /// A commit ended without saying whether it took effect: the logs must be read again before
    /// the next batch, or it would number its leaves over those of that commit (AUD-2).
    pub(crate) logs_in_doubt: bool,
    pub(crate) ownership: Ownership,
    pub(crate) shards: ShardCount,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) outbox: crate::outbox::OutboxHandle,
    pub(crate) stopped: Arc<watch::Sender<Option<String>>>,
}

/// Where units are handed in.
#[derive(Clone)]
pub(crate) struct CommitterHandle {
    queue: mpsc::Sender<Work>,
}

impl CommitterHandle {
    /// Waits for a place in the queue (bounded; admission keeps the wait short).
    pub(crate) async fn reserve(&self) -> Option<mpsc::OwnedPermit<Work>> {
        self.queue.clone().reserve_owned().await.ok()
    }

    /// Hands in work; `false` when the committer has ended.
    pub(crate) async fn send(&self, work: Work) -> bool {
        self.queue.send(work).await.is_ok()
    }
}

/// A queue for units, and the receiving end for [`run`].
pub(crate) fn queue() -> (CommitterHandle, mpsc::Receiver<Work>) {
    let (sender, receiver) = mpsc::channel(COMMIT_QUEUE_UNITS_MAX);
    (CommitterHandle { queue: sender }, receiver)
}

/// Commits until every handle is dropped.
pub(crate) async fn run(mut parts: CommitterParts, mut queue: mpsc::Receiver<Work>) {
    let mut waiting: Vec<Work> = Vec::new();
    loop {
        if waiting.is_empty() && queue.recv_many(&mut waiting, BATCH_UNITS_MAX).await == 0 {
            return;
        }
        while waiting.len() < BATCH_UNITS_MAX {
            match queue.try_recv() {
                Ok(work) => waiting.push(work),
                Err(_) => break,
            }
        }
        let rest = waiting.split_off(batch_length(&waiting));
        let batch = std::mem::replace(&mut waiting, rest);
        commit_batch(&mut parts, batch).await;
    }
}

/// How many works fit one transaction: at least one, then up to the wanted size.
fn batch_length(waiting: &[Work]) -> usize {
    let mut bytes = 0;
    for (index, work) in waiting.iter().enumerate() {
        bytes += work.units.iter().map(Unit::size_bytes).sum::<usize>();
        if bytes > BATCH_BYTES_WANTED_MAX && index > 0 {
            return index;
        }
    }
    waiting.len()
}

/// The transaction being put together.
struct Batch {
    request: CommitRequest,
    audit: AuditBatch,
    accepted: Vec<Unit>,
    /// Whether the keys that preconditions ask about hold a value, as this batch goes along.
    present: BTreeMap<Bytes, bool>,
}

async fn commit_batch(parts: &mut CommitterParts, works: Vec<Work>) {
    let snapshot = match parts.store.begin().await {
        Ok(snapshot) => snapshot,
        Err(error) => return fail_all(parts, works, &read_failure(error)),
    };
    let present = match presence(&*snapshot, asked_keys(&works)).await {
        Ok(present) => present,
        Err(error) => return fail_all(parts, works, &read_failure(error)),
    };
    if parts.logs_in_doubt {
        match parts.logs.reload(&*snapshot).await {
            Ok(()) => parts.logs_in_doubt = false,
            Err(error) => {
                let reason = error.to_string();
                let failure = CommitFailure::Store(CommitError::Stopped { reason });
                return fail_all(parts, works, &failure);
            }
        }
    }
    let mut batch = Batch {
        request: CommitRequest { read_version: snapshot.version(), ..CommitRequest::default() },
        audit: parts.logs.begin(),
        accepted: Vec::new(),
        present,
    };
    for work in works {
        match check(&batch.present, &work) {
            Ok(()) => accept(parts, &mut batch, work),
            Err(failure) => settle_failed(parts, work.units, &failure),
        }
    }
    if batch.accepted.is_empty() {
        return;
    }
    match fence(&parts.ownership, &*snapshot, batch.audit.shards()).await {
        Ok(owned) => batch.request.read_conflicts.extend(owned),
        Err(error) => {
            return settle_failed(parts, batch.accepted, &CommitFailure::Store(error));
        }
    }
    let at = Timestamp::from_unix_micros(parts.clock.wall_unix_micros());
    batch.request.mutations.extend(batch.audit.head_rows(&parts.logs, at));
    batch.request.read_conflicts.extend(batch.audit.first_leaves());
    match parts.store.commit(batch.request).await {
        Ok(committed) => {
            parts.logs.adopt(batch.audit);
            settle_done(parts, batch.accepted, committed.version);
        }
        Err(error) => {
            parts.logs_in_doubt = true;
            settle_failed(parts, batch.accepted, &CommitFailure::Store(error));
        }
    }
}

fn asked_keys(works: &[Work]) -> Vec<Bytes> {
    let units = works.iter().flat_map(|work| &work.units);
    let preconditions = units.flat_map(|unit| &unit.preconditions);
    preconditions.map(|precondition| precondition.key().clone()).collect()
}

async fn presence(
    snapshot: &dyn Snapshot,
    asked: Vec<Bytes>,
) -> Result<BTreeMap<Bytes, bool>, ReadError> {
    let mut present = BTreeMap::new();
    for key in asked {
        let holds = snapshot.get(&key).await?.is_some();
        present.insert(key, holds);
    }
    Ok(present)
}

/// All units of a work must be current and have their preconditions, or none takes effect.
fn check(present: &BTreeMap<Bytes, bool>, work: &Work) -> Result<(), CommitFailure> {
    for unit in &work.units {
        if let Some((residency, generation)) = &unit.origin
            && residency.is_discarded(*generation)
        {
            return Err(CommitFailure::Discarded);
        }
        // One row that the store cannot take must not fail the others in its batch.
        unit.mutations.iter().try_for_each(Mutation::validate).map_err(CommitFailure::Store)?;
        let holds = |precondition: &Precondition| {
            let is_there = present.get(precondition.key()).copied().unwrap_or(false);
            match precondition {
                Precondition::Absent(_) => !is_there,
                Precondition::Present(_) => is_there,
            }
        };
        if !unit.preconditions.iter().all(holds) {
            return Err(CommitFailure::Precondition);
        }
    }
    Ok(())
}

fn accept(parts: &CommitterParts, batch: &mut Batch, work: Work) {
    for mut unit in work.units {
        for precondition in &unit.preconditions {
            batch.request.read_conflicts.push(KeyRange::single(precondition.key()));
        }
        if !batch.present.is_empty() {
            note_presence(&mut batch.present, &unit.mutations);
        }
        if let Some(draft) = &unit.audit {
            let rows = batch.audit.append(&parts.logs, parts.shards, draft);
            batch.request.mutations.extend(rows);
        }
        batch.request.mutations.append(&mut unit.mutations);
        batch.accepted.push(unit);
    }
}

fn note_presence(asked: &mut BTreeMap<Bytes, bool>, mutations: &[Mutation]) {
    for mutation in mutations {
        let (key, present) = match mutation {
            Mutation::Set { key, .. } => (key, true),
            Mutation::Clear { key } => (key, false),
            Mutation::ClearRange { .. }
            | Mutation::Add { .. }
            | Mutation::SetVersionstampedKey { .. }
            | Mutation::SetVersionstampedValue { .. } => continue,
        };
        if let Some(holds) = asked.get_mut(key) {
            *holds = present;
        }
    }
}

/// OWN-1: reads and compares `own/{shard}` of every shard that the batch touches, and makes the
/// rows part of the read set, so that a stale owner cannot commit even with a fresh read version.
async fn fence(
    ownership: &Ownership,
    snapshot: &dyn Snapshot,
    shards: Vec<ShardId>,
) -> Result<Vec<KeyRange>, CommitError> {
    let mut ranges = Vec::with_capacity(shards.len());
    for shard in shards {
        ranges.push(ownership.check(snapshot, shard).await?);
    }
    Ok(ranges)
}

fn settle_done(parts: &CommitterParts, units: Vec<Unit>, version: Version) {
    parts.metrics.batches_committed.add(1);
    parts.metrics.units_committed.add(units.len().try_into().unwrap_or(u64::MAX));
    for unit in units {
        if unit.audit.is_some() {
            parts.metrics.audit_records.add(1);
        }
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
    }
    for unit in units {
        if let Some((residency, generation)) = &unit.origin {
            residency.discard(*generation);
            residency.unit_settled();
        }
        (unit.done)(Err(failure.clone()));
    }
}

fn fail_all(parts: &CommitterParts, works: Vec<Work>, failure: &CommitFailure) {
    for work in works {
        settle_failed(parts, work.units, failure);
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
        ReadError::Corrupt { .. } | ReadError::Failed { .. } => CommitError::Stopped { reason },
    })
}
