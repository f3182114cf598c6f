//! One entity's decisions with everything that must be in the same commit: journal, audit record,
//! dedupe mark, outbox, timers, indexes, resources, snapshot.

use crate::audit_log::entity_ref;
use crate::blob;
use crate::error::SubmitError;
use crate::group::{Guard, HeldUnit};
use crate::limits::{RECENT_COMMANDS_KEPT, SENDS_PER_COMMAND_MAX};
use crate::live::{self, LastRow};
use crate::load::{self, Loaded};
use crate::metrics::Metrics;
use crate::node::NodeInner;
use crate::residency::Residency;
use crate::rows::{self, RowBuilder};
use crate::submit::{Attachments, Outcome};
use crate::unit::{Completion, OutboxSend, Precondition, PreparedAudit, Unit};
use actors_core::{AuditNote, Context, Decision, Entity, Envelope, Rejection};
use actors_store::{Mutation, keys};
use bytes::Bytes;
use schema_types::audit::{AuditAction, AuditDraft, AuditOutcome};
use schema_types::ids::{CommandId, EntityId, MessageDigest, SourceId};
use schema_types::time::Timestamp;
use schema_wire::journal::{DedupeOutcome, DedupeRecord};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// The speculative state of an entity and what is needed to decide on it.
pub(crate) struct Decider<E: Entity> {
    residency: Arc<Residency>,
    state: E::State,
    sequence: u64,
    snapshot_interval_events: u32,
    /// Counts reloads; units of an older generation are void.
    pub(crate) generation: u64,
    /// Commands decided here whose marks may not be durable yet.
    recent: VecDeque<Remembered>,
    /// Bytes of journal rows behind the snapshot, and those of the snapshot.
    journal_bytes: usize,
    snapshot_bytes: usize,
    /// What live queries are told of the entity.
    live_row: LastRow,
    /// Due times by timer name, loaded at the first use.
    timers: Option<BTreeMap<String, i64>>,
}

#[derive(Clone)]
struct Remembered {
    /// The number of its unit; the mark is durable when as many are settled.
    unit: u64,
    source: SourceId,
    command_id: CommandId,
    content: MessageDigest,
    at: Timestamp,
}

/// What to go back to when an atomic group fails.
pub(crate) struct Mark<S> {
    state: S,
    sequence: u64,
    events_since_snapshot: u32,
    journal_bytes: usize,
    timers: Option<BTreeMap<String, i64>>,
    recent: VecDeque<Remembered>,
}

/// The store's part of a decision.
pub(crate) struct UnitParts {
    audit: PreparedAudit,
    mutations: Vec<Mutation>,
    preconditions: Vec<Precondition>,
    outbox: Vec<OutboxSend>,
}

/// A decision on its way to the committer.
pub(crate) struct Decided<R> {
    parts: UnitParts,
    outcome: Result<Outcome<R>, SubmitError>,
}

impl<R> Decided<R> {
    pub(crate) fn into_parts(self) -> (UnitParts, Result<Outcome<R>, SubmitError>) {
        (self.parts, self.outcome)
    }

    pub(crate) const fn is_refused(&self) -> bool {
        self.outcome.is_err()
    }
}

impl UnitParts {
    /// The form in which a group elsewhere commits them, and the messages that are delivered here
    /// once it did.
    pub(crate) fn into_held(self, guard: Guard) -> (HeldUnit, Vec<OutboxSend>) {
        let Self { audit, mutations, preconditions, outbox } = self;
        let PreparedAudit { entity, leaf, .. } = audit;
        let record = Bytes::copy_from_slice(leaf.record());
        (HeldUnit::new(entity, record, (mutations, preconditions), guard), outbox)
    }

    /// The entity's journal must end where it was decided: never two rows of one sequence.
    pub(crate) fn require_journal_end<S>(&mut self, entity: &EntityId, before: &Mark<S>) {
        let next = keys::journal(entity_ref(entity), before.sequence + 1);
        self.preconditions.push(Precondition::Absent(next));
    }

    pub(crate) fn into_unit(
        self,
        residency: &Arc<Residency>,
        generation: u64,
        done: Completion,
    ) -> Unit {
        Unit {
            origin: Some((Arc::clone(residency), generation)),
            subject: None,
            home: None,
            audit: Some(self.audit),
            mutations: self.mutations,
            preconditions: self.preconditions,
            outbox: self.outbox,
            done,
        }
    }
}

impl<E: Entity> Decider<E> {
    pub(crate) fn new(
        residency: Arc<Residency>,
        loaded: Loaded<E::State>,
        node: &NodeInner,
    ) -> Self {
        residency.set_events_since_snapshot(loaded.events_since_snapshot);
        Self {
            residency,
            state: loaded.state,
            sequence: loaded.sequence,
            snapshot_interval_events: node.config.snapshot_interval_events,
            generation: 1,
            recent: VecDeque::new(),
            journal_bytes: 0,
            snapshot_bytes: 0,
            live_row: LastRow::Unknown,
            timers: None,
        }
    }

    /// Starts over from the store after a failed commit.
    pub(crate) fn reset(&mut self, loaded: Loaded<E::State>) {
        self.state = loaded.state;
        self.sequence = loaded.sequence;
        self.residency.set_events_since_snapshot(loaded.events_since_snapshot);
        self.generation += 1;
        self.live_row = LastRow::Unknown;
        if !node_env::planted!("dedupe-remembers-failed") {
            self.recent.clear();
        }
        self.timers = None;
    }

    fn entity(&self) -> &EntityId {
        &self.residency.entity
    }

    pub(crate) fn mark(&self) -> Mark<E::State> {
        Mark {
            state: self.state.clone(),
            sequence: self.sequence,
            events_since_snapshot: self.residency.events_since_snapshot(),
            journal_bytes: self.journal_bytes,
            timers: self.timers.clone(),
            recent: self.recent.clone(),
        }
    }

    pub(crate) fn restore(&mut self, mark: Mark<E::State>) {
        self.state = mark.state;
        self.sequence = mark.sequence;
        self.residency.set_events_since_snapshot(mark.events_since_snapshot);
        self.journal_bytes = mark.journal_bytes;
        self.live_row = LastRow::Unknown;
        self.timers = mark.timers;
        self.recent = mark.recent;
    }

    /// Decides a command and folds its events into the speculative state.
    ///
    /// # Errors
    /// [`SubmitError`] when the store cannot be read or bodies cannot be staged; nothing happened.
    pub(crate) async fn decide(
        &mut self,
        node: &NodeInner,
        envelope: Envelope<E::Command>,
        attachments: Attachments,
    ) -> Result<Decided<E::Reply>, SubmitError> {
        let (meta, command) = rows::open(envelope);
        if attachments.once
            && let Some((content, at)) = self.done_before(node, &meta).await?
        {
            return self.repeated(&meta, content, at);
        }
        let context = Context {
            entity: self.entity(),
            now: meta.now,
            source: &meta.source,
            command_id: &meta.command_id,
            principal: &meta.principal,
            purpose: &meta.purpose,
            message: meta.message,
            sequence: self.sequence,
        };
        match E::decide(&self.state, &context, command) {
            Ok(decision) => self.take_effect(node, meta, decision, attachments).await,
            Err(rejection) => self.refused(&meta, rejection),
        }
    }

    /// Whether a command of this name was decided before, and with which content (ONCE-1).
    async fn done_before(
        &self,
        node: &NodeInner,
        meta: &rows::Meta,
    ) -> Result<Option<(MessageDigest, Timestamp)>, SubmitError> {
        let same = |known: &&Remembered| {
            known.command_id == meta.command_id && known.source == meta.source
        };
        let known = self.recent.iter().find(same);
        if let Some(known) = known.filter(|_| !node_env::planted!("dedupe-ignores-in-flight")) {
            return Ok(Some((known.content, known.at)));
        }
        if node_env::planted!("dedupe-in-memory-only") {
            return Ok(None);
        }
        let snapshot = node.store.begin().await?;
        let key = self.done_key(meta);
        let Some(value) = snapshot.get(&key).await? else { return Ok(None) };
        let record = schema_wire::journal::decode_dedupe(&value)
            .map_err(|error| SubmitError::Damaged { place: error.to_string() })?;
        Ok(Some((record.content, record.at)))
    }

    fn done_key(&self, meta: &rows::Meta) -> Bytes {
        let id = meta.command_id.as_str().as_bytes();
        let unsourced = node_env::planted!("dedupe-key-without-source");
        let source = if unsourced { "" } else { meta.source.as_str() };
        keys::command_done(entity_ref(self.entity()), source, id)
    }

    fn repeated(
        &self,
        meta: &rows::Meta,
        content: MessageDigest,
        at: Timestamp,
    ) -> Result<Decided<E::Reply>, SubmitError> {
        let note = AuditNote::new(AuditAction::Execute, "repeat");
        if content == meta.content || node_env::planted!("dedupe-content-not-compared") {
            let audit = self.audit(meta, note, AuditOutcome::Repeated, (self.sequence, 0))?;
            return Ok(Decided {
                parts: UnitParts::audit_only(audit),
                outcome: Ok(Outcome::Repeated { at }),
            });
        }
        let error = SubmitError::CommandIdReused;
        let audit =
            self.audit(meta, note, AuditOutcome::Rejected(error.code()), (self.sequence, 0))?;
        Ok(Decided { parts: UnitParts::audit_only(audit), outcome: Err(error) })
    }

    fn refused(
        &self,
        meta: &rows::Meta,
        rejection: Rejection,
    ) -> Result<Decided<E::Reply>, SubmitError> {
        let outcome = if rejection.denied {
            AuditOutcome::Denied(rejection.code)
        } else {
            AuditOutcome::Rejected(rejection.code)
        };
        let audit = self.audit(meta, rejection.audit.clone(), outcome, (self.sequence, 0))?;
        Ok(Decided { parts: UnitParts::audit_only(audit), outcome: Err(rejection.into()) })
    }

    /// The audit record of a decision, encoded and hashed here so that the committer need not.
    fn audit(
        &self,
        meta: &rows::Meta,
        note: AuditNote,
        outcome: AuditOutcome,
        (sequence, events): (u64, usize),
    ) -> Result<PreparedAudit, SubmitError> {
        PreparedAudit::new(&AuditDraft {
            at: meta.now,
            principal: meta.principal.clone(),
            purpose: meta.purpose.clone(),
            action: note.action,
            entity: self.entity().clone(),
            operation: note.operation,
            outcome,
            source: meta.source.clone(),
            command_id: meta.command_id.clone(),
            message: meta.message,
            sequence,
            events: u32::try_from(events).unwrap_or(u32::MAX),
        })
    }

    async fn take_effect(
        &mut self,
        node: &NodeInner,
        meta: rows::Meta,
        decision: Decision<E>,
        attachments: Attachments,
    ) -> Result<Decided<E::Reply>, SubmitError> {
        let Decision { events, effects, reply, audit: note } = decision;
        debug_assert!(effects.len() <= SENDS_PER_COMMAND_MAX || events.len() > 1);
        let count = events.len();
        let sequence = self.sequence + u64::try_from(count).unwrap_or(0);
        // What can fail comes first: a state that was folded ahead of a failure would be wrong.
        let audit = self.audit(&meta, note, AuditOutcome::Done, (sequence, count))?;
        let touches_timers = rows::touches_timers(&effects);
        let mut timers = match &self.timers {
            Some(timers) if touches_timers => timers.clone(),
            None if touches_timers => Box::pin(rows::load_timers(node, self.entity())).await?,
            Some(_) | None => BTreeMap::new(),
        };
        let entity = self.entity().clone();
        let mut builder = RowBuilder::new(&entity, node.shard_of(&entity)?, self.sequence + 1);
        // First, so that a timer that fires can be set again by its own command.
        builder.extend(attachments.rows);
        builder.journal::<E>(&meta, &events);
        builder.effects(meta.now, effects, &mut timers);
        if attachments.once {
            let mark = Mutation::set(self.done_key(&meta), done_mark(&meta));
            if node_env::planted!("dedupe-mark-in-own-commit") {
                Box::pin(blob::stage(&node.store, vec![mark])).await?;
            } else {
                builder.push(mark);
            }
        }
        if let (Some(raw), Some(digest)) = (&attachments.archive, meta.message) {
            builder.archive(digest, raw);
        }
        let (mut mutations, staged, outbox) = builder.finish();
        if !staged.is_empty() {
            Box::pin(blob::stage(&node.store, staged)).await?;
        }
        if touches_timers {
            self.timers = Some(timers);
        }
        for event in &events {
            E::evolve(&mut self.state, event);
        }
        if !events.is_empty() {
            mutations.extend(live::changed_row::<E>(&entity, &self.state, &mut self.live_row));
        }
        self.sequence = sequence;
        let behind = self.residency.events_since_snapshot();
        let behind = behind.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        self.residency.set_events_since_snapshot(behind);
        node.metrics.events_recorded.add(u64::try_from(count).unwrap_or(0));
        self.journal_bytes += mutations.iter().map(Mutation::size_bytes).sum::<usize>();
        if self.is_snapshot_due() {
            mutations.extend(self.snapshot_rows().unwrap_or_default());
            node.metrics.snapshots_written.add(1);
        }
        if attachments.once {
            self.remember(&meta);
        }
        let parts =
            UnitParts { audit, mutations, preconditions: attachments.preconditions, outbox };
        Ok(Decided { parts, outcome: Ok(Outcome::Done { reply, sequence: self.sequence }) })
    }

    /// Enough events since the last snapshot, and as many bytes as it had: so snapshots at most
    /// double what the journal writes, and loading reads at most about twice the state.
    fn is_snapshot_due(&self) -> bool {
        self.residency.events_since_snapshot() >= self.snapshot_interval_events
            && self.journal_bytes >= self.snapshot_bytes
    }

    /// Remembers a command until its mark is in the store. Entities have a bound of commands in
    /// flight, and so has this.
    fn remember(&mut self, meta: &rows::Meta) {
        let (sent, settled) = self.residency.units();
        while self.recent.front().is_some_and(|known| known.unit <= settled) {
            self.recent.pop_front();
        }
        if self.recent.is_empty() {
            self.recent.shrink_to(RECENT_COMMANDS_KEPT);
        }
        self.recent.push_back(Remembered {
            unit: sent + 1,
            source: meta.source.clone(),
            command_id: meta.command_id.clone(),
            content: meta.content,
            at: meta.now,
        });
    }

    /// The rows of a snapshot of the present state; `None` when the stored one is current.
    pub(crate) fn snapshot_rows(&mut self) -> Option<Vec<Mutation>> {
        if self.residency.events_since_snapshot() == 0 {
            return None;
        }
        self.residency.set_events_since_snapshot(0);
        self.journal_bytes = 0;
        let record = load::snapshot_record::<E>(&self.state, self.sequence);
        let content = schema_wire::journal::encode_snapshot(&record);
        self.snapshot_bytes = content.len();
        let (value, mut rows) = blob::pack(&content);
        rows.push(Mutation::set(keys::snapshot(entity_ref(self.entity())), value));
        Some(rows)
    }
}

impl UnitParts {
    /// Whether nothing but the audit record is to be committed.
    pub(crate) const fn is_audit_only(&self) -> bool {
        self.mutations.is_empty() && self.preconditions.is_empty()
    }

    fn audit_only(audit: PreparedAudit) -> Self {
        Self { audit, mutations: Vec::new(), preconditions: Vec::new(), outbox: Vec::new() }
    }
}

fn done_mark(meta: &rows::Meta) -> Vec<u8> {
    let forgets = node_env::planted!("dedupe-content-not-stored");
    schema_wire::journal::encode_dedupe(&DedupeRecord {
        content: if forgets { MessageDigest::default() } else { meta.content },
        outcome: DedupeOutcome::Accepted,
        reply: Vec::new(),
        at: meta.now,
    })
}

/// Counts a settled command.
pub(crate) fn count<R>(metrics: &Metrics, result: &Result<Outcome<R>, SubmitError>) {
    match result {
        Ok(Outcome::Done { .. }) => metrics.commands_accepted.add(1),
        Ok(Outcome::Repeated { .. }) => metrics.commands_repeated.add(1),
        Err(_) => metrics.commands_rejected.add(1),
    }
}
