//! What a member elsewhere contributes to its group's commit, as it travels between nodes.

use super::Guard;
use crate::error::SubmitError;
use crate::unit::{Precondition, PreparedAudit, Unit};
use actors_store::Mutation;
use bytes::Bytes;
use schema_types::ids::{EntityId, ShardId};
use serde::{Deserialize, Serialize};

/// A unit decided by the owner of its entity, to be committed by another node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeldUnit {
    pub(crate) entity: EntityId,
    /// The audit record, encoded; its place in a log is the committer's to give.
    record: Bytes,
    mutations: Vec<Mutation>,
    preconditions: Vec<Precondition>,
    shard: u16,
    /// What the shard's rows must say for the unit to count, see [`Guard`].
    owner_row: Bytes,
    mark: Bytes,
}

impl HeldUnit {
    pub(crate) fn new(
        entity: EntityId,
        record: Bytes,
        (mutations, preconditions): (Vec<Mutation>, Vec<Precondition>),
        guard: Guard,
    ) -> Self {
        let Guard { shard: ShardId(shard), owner_row, mark } = guard;
        Self { entity, record, mutations, preconditions, shard, owner_row, mark }
    }

    /// Bytes that count towards the limit of a group.
    pub(crate) fn size_bytes(&self) -> usize {
        self.record.len() + self.mutations.iter().map(Mutation::size_bytes).sum::<usize>()
    }

    /// The unit, whose record the log of `home` keeps, a shard of this node, and its guard.
    ///
    /// # Errors
    /// [`SubmitError::TooLarge`] when the record does not fit a row.
    pub(crate) fn into_unit(self, home: ShardId) -> Result<(Unit, Guard), SubmitError> {
        let Self { entity, record, mutations, preconditions, shard, owner_row, mark } = self;
        let audit = PreparedAudit::of_record(entity.clone(), &record)?;
        let unit = Unit {
            origin: None,
            subject: Some(entity),
            home: Some(home),
            audit: Some(audit),
            mutations,
            preconditions,
            // Delivered by the owner of the entity.
            outbox: Vec::new(),
            done: Box::new(|_| {}),
        };
        Ok((unit, Guard { shard: ShardId(shard), owner_row, mark }))
    }
}
