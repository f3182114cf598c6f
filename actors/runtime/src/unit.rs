//! What one command contributes to a commit, and what its waiter is told afterwards.

use crate::error::SubmitError;
use crate::group::Guard;
use crate::residency::Residency;
use crate::shards::Served;
use actors_audit::PreparedLeaf;
use actors_store::{CommitError, Mutation, Version};
use bytes::Bytes;
use schema_types::audit::AuditDraft;
use schema_types::ids::{EntityId, ShardId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A row that must be there, or must not, for the unit to take effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Precondition {
    /// The key must hold no value.
    Absent(Bytes),
    /// The key must hold a value.
    Present(Bytes),
}

impl Precondition {
    pub(crate) fn key(&self) -> &Bytes {
        match self {
            Self::Absent(key) | Self::Present(key) => key,
        }
    }
}

/// Why a unit had no effect.
#[derive(Debug, Clone)]
pub(crate) enum CommitFailure {
    /// A precondition does not hold.
    Precondition,
    /// An earlier unit of the same speculative state failed (ACK-1: nothing behind it counts).
    Discarded,
    /// The shard is not, or no longer, this node's (OWN-1).
    NotServed(Option<ShardId>),
    /// The store refused.
    Store(CommitError),
}

/// A message that the outbox dispatcher delivers once its cause is durable.
#[derive(Debug, Clone)]
pub(crate) struct OutboxSend {
    pub(crate) key: Bytes,
    pub(crate) sender: EntityId,
    pub(crate) record: Bytes,
}

/// Told to the waiter when the unit is durable or had no effect.
pub(crate) type Completion = Box<dyn FnOnce(Result<Version, CommitFailure>) + Send>;

/// An audit record, encoded and hashed where it was made: the committer only numbers it (AUD-1).
#[derive(Debug)]
pub(crate) struct PreparedAudit {
    /// Whose shard keeps the record, and who is found by it.
    pub(crate) entity: EntityId,
    pub(crate) leaf: PreparedLeaf,
    /// Others who are found by it.
    pub(crate) touched: Vec<EntityId>,
}

impl PreparedAudit {
    /// # Errors
    /// [`SubmitError::TooLarge`] when the record does not fit a row.
    pub(crate) fn new(draft: &AuditDraft) -> Result<Self, SubmitError> {
        Self::of_record(draft.entity.clone(), &schema_wire::audit::encode_record(draft))
    }

    /// The same from an encoded record.
    ///
    /// # Errors
    /// Like [`PreparedAudit::new`].
    pub(crate) fn of_record(entity: EntityId, record: &[u8]) -> Result<Self, SubmitError> {
        let leaf =
            PreparedLeaf::new(record).map_err(|_| SubmitError::TooLarge { bytes: record.len() })?;
        Ok(Self { entity, leaf, touched: Vec::new() })
    }
}

/// What one command contributes to a commit.
pub(crate) struct Unit {
    /// The entity whose speculative state the unit belongs to, with its generation.
    pub(crate) origin: Option<(Arc<Residency>, u64)>,
    /// Whose shard the unit belongs to when it is nobody's state.
    pub(crate) subject: Option<EntityId>,
    /// The shard of this node whose log keeps the record of a member elsewhere. Else the entity's.
    pub(crate) home: Option<ShardId>,
    pub(crate) audit: Option<PreparedAudit>,
    pub(crate) mutations: Vec<Mutation>,
    pub(crate) preconditions: Vec<Precondition>,
    pub(crate) outbox: Vec<OutboxSend>,
    pub(crate) done: Completion,
}

impl Unit {
    /// Whose shard the unit belongs to, if it is an entity's.
    pub(crate) fn entity(&self) -> Option<&EntityId> {
        let origin = self.origin.as_ref().map(|(residency, _)| &residency.entity);
        origin.or(self.subject.as_ref()).or(self.audit.as_ref().map(|audit| &audit.entity))
    }

    /// The shard of this node under which the unit is committed: its own, or the one that keeps its
    /// record.
    pub(crate) fn shard(&self, served: &Served) -> Option<ShardId> {
        self.home.or_else(|| served.shard_of(self.entity()?.hash()))
    }

    pub(crate) fn size_bytes(&self) -> usize {
        // The keys of an audit leaf and of its pointer rows are about this large.
        const POINTER_BYTES: usize = 200;
        let audit = self.audit.as_ref();
        let audit = audit
            .map_or(0, |audit| audit.leaf.row_bytes() + POINTER_BYTES * (1 + audit.touched.len()));
        self.mutations.iter().map(Mutation::size_bytes).sum::<usize>() + audit
    }
}

/// Units that take effect together or not at all.
pub(crate) struct Work {
    pub(crate) units: Vec<Unit>,
    /// What must be so where the members elsewhere are.
    pub(crate) guards: Vec<Guard>,
}

impl Work {
    pub(crate) fn one(unit: Unit) -> Self {
        Self { units: vec![unit], guards: Vec::new() }
    }
}
