//! What every gateway shares: the runtime, the tenant, the caller, and how a command is put into
//! its envelope. Decoding is in the gateways, deciding in the entities.

use crate::limits::IngestLimits;
use actors_core::Envelope;
use actors_runtime::{Attachments, HostedEntity, Outcome, Runtime, SubmitError};
use node_env::{Offload, Rng};
use schema_types::audit::{AuditAction, AuditDraft, AuditOutcome};
use schema_types::ids::{
    CommandId, EntityId, EntityKind, MessageDigest, PrincipalId, SourceId, TenantId,
};
use std::sync::Arc;

/// Who asks, and for what purpose.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The identity that the audit log names.
    pub principal: PrincipalId,
    /// Purpose of use (HL7 v3 PurposeOfUse code); empty when none was given.
    pub purpose: String,
}

/// A command's name and origin.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The sending system.
    pub source: SourceId,
    /// The command's name within the source.
    pub command_id: CommandId,
    /// Digest of what was sent: the same name with another digest is refused (ONCE-1).
    pub content: MessageDigest,
    /// The archived raw message, if there is one.
    pub message: Option<MessageDigest>,
}

/// Shared by all gateways of a node. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    /// The actors.
    pub runtime: Runtime,
    /// Whose data this node takes in.
    pub tenant: TenantId,
    /// Limits of the gateways.
    pub limits: IngestLimits,
    /// Names what callers do not name.
    pub rng: Arc<dyn Rng>,
    /// Where large bodies are parsed.
    pub offload: Offload,
}

impl Gateway {
    /// The patient of a raw key.
    #[must_use]
    pub fn patient(&self, key: &str) -> EntityId {
        EntityId::new(self.tenant.clone(), EntityKind::Patient, key)
    }

    /// The device of a raw key.
    #[must_use]
    pub fn device(&self, key: &str) -> EntityId {
        EntityId::new(self.tenant.clone(), EntityKind::Device, key)
    }

    /// The facility of a raw key.
    #[must_use]
    pub fn facility(&self, key: &str) -> EntityId {
        EntityId::new(self.tenant.clone(), EntityKind::Facility, key)
    }

    /// The directory that keeps resources of a type that belong to no patient and no device.
    #[must_use]
    pub fn directory(&self, resource_type: &str) -> EntityId {
        self.facility(&format!("directory.{resource_type}"))
    }

    /// A fresh command id for what a caller did not name; each such command is its own.
    #[must_use]
    pub fn fresh_id(&self) -> String {
        format!("{:016x}{:016x}", self.rng.next_u64(), self.rng.next_u64())
    }

    /// Puts a command into its envelope; `now` is taken here, once (TIME-1).
    pub fn envelope<C>(
        &self,
        caller: &Caller,
        origin: &Origin,
        entity: EntityId,
        command: C,
    ) -> Envelope<C> {
        Envelope {
            entity,
            source: origin.source.clone(),
            command_id: origin.command_id.clone(),
            content: origin.content,
            principal: caller.principal.clone(),
            purpose: caller.purpose.clone(),
            now: self.runtime.now(),
            message: origin.message,
            command,
        }
    }

    /// Submits a question: audited, no dedupe, no effect.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn ask<E: HostedEntity>(
        &self,
        caller: &Caller,
        entity: EntityId,
        question: E::Command,
    ) -> Result<E::Reply, SubmitError> {
        let origin = Origin {
            source: SourceId::new("api"),
            command_id: CommandId::new(self.fresh_id()),
            content: MessageDigest::default(),
            message: None,
        };
        let envelope = self.envelope(caller, &origin, entity, question);
        match self.runtime.submit::<E>(envelope, Attachments::default()).await? {
            Outcome::Done { reply, .. } => Ok(reply),
            // Questions are never remembered, so none can be a repeat.
            Outcome::Repeated { .. } => Err(SubmitError::OutcomeUnknown),
        }
    }

    /// An audit record for what no entity decides (AUD-1): repeats found at the edge, refused
    /// input, listings.
    #[must_use]
    pub fn draft(
        &self,
        caller: &Caller,
        origin: &Origin,
        entity: EntityId,
        what: (AuditAction, &str, AuditOutcome),
    ) -> AuditDraft {
        let (action, operation, outcome) = what;
        AuditDraft {
            at: self.runtime.now(),
            principal: caller.principal.clone(),
            purpose: caller.purpose.clone(),
            action,
            entity,
            operation: operation.to_owned(),
            outcome,
            source: origin.source.clone(),
            command_id: origin.command_id.clone(),
            message: origin.message,
            sequence: 0,
            events: 0,
        }
    }
}
