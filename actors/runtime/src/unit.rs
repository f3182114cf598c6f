//! What one command contributes to a commit, and what its waiter is told afterwards.

use crate::residency::Residency;
use actors_store::{CommitError, Mutation, Version};
use bytes::Bytes;
use schema_types::audit::AuditDraft;
use schema_types::ids::EntityId;
use std::sync::Arc;

/// A row that must be there, or must not, for the unit to take effect.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// What one command contributes to a commit.
pub(crate) struct Unit {
    /// The entity whose speculative state the unit belongs to, with its generation.
    pub(crate) origin: Option<(Arc<Residency>, u64)>,
    pub(crate) audit: Option<AuditDraft>,
    pub(crate) mutations: Vec<Mutation>,
    pub(crate) preconditions: Vec<Precondition>,
    pub(crate) outbox: Vec<OutboxSend>,
    pub(crate) done: Completion,
}

impl Unit {
    pub(crate) fn size_bytes(&self) -> usize {
        // An audit leaf with its pointer row is about this large.
        const AUDIT_BYTES: usize = 500;
        self.mutations.iter().map(Mutation::size_bytes).sum::<usize>() + AUDIT_BYTES
    }
}

/// Units that take effect together or not at all.
pub(crate) struct Work {
    pub(crate) units: Vec<Unit>,
}
