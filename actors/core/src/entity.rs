//! The entity contract: pure decision and pure fold, with their stored forms.

use crate::effect::{Effect, Notice};
use schema_types::audit::AuditAction;
use schema_types::error_code::ErrorCode;
use schema_types::ids::{CommandId, EntityId, EntityKind, MessageDigest, PrincipalId, SourceId};
use schema_types::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;

/// What `decide` may know besides state and command.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    /// The entity itself.
    pub entity: &'a EntityId,
    /// The time of the decision, from the envelope (TIME-1).
    pub now: Timestamp,
    /// Where the command comes from.
    pub source: &'a SourceId,
    /// The command's name within the source.
    pub command_id: &'a CommandId,
    /// Who acts.
    pub principal: &'a PrincipalId,
    /// Purpose of use.
    pub purpose: &'a str,
    /// The archived raw message behind the command.
    pub message: Option<MessageDigest>,
    /// The journal sequence number of the last event folded into the state; 0 when none.
    pub sequence: u64,
}

/// How the audit log should describe what was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditNote {
    /// The kind of action.
    pub action: AuditAction,
    /// The operation, for example `adt-a01` or `fhir-read Observation`; no patient data.
    pub operation: String,
}

impl AuditNote {
    /// A note.
    pub fn new(action: AuditAction, operation: impl Into<String>) -> Self {
        Self { action, operation: operation.into() }
    }
}

/// The outcome of a decision.
#[derive(Debug)]
pub struct Decision<E: Entity> {
    /// What happened, in order.
    pub events: Vec<E::Event>,
    /// What is to be done in the same commit.
    pub effects: Vec<Effect>,
    /// What the caller gets once the commit is durable (ACK-1).
    pub reply: E::Reply,
    /// How the audit log describes it (AUD-1).
    pub audit: AuditNote,
}

/// A command was refused. The refusal is audited too (AUD-1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {reason}")]
pub struct Rejection {
    /// The stable code.
    pub code: ErrorCode,
    /// What is wrong, without patient data (PHI-1).
    pub reason: String,
    /// `true`: the caller is not allowed; `false`: the command is wrong.
    pub denied: bool,
    /// How the audit log describes what was tried.
    pub audit: AuditNote,
}

impl Rejection {
    /// A command that is wrong.
    pub fn wrong(code: ErrorCode, reason: impl Into<String>, audit: AuditNote) -> Self {
        Self { code, reason: reason.into(), denied: false, audit }
    }

    /// A caller that is not allowed.
    pub fn denied(code: ErrorCode, reason: impl Into<String>, audit: AuditNote) -> Self {
        Self { code, reason: reason.into(), denied: true, audit }
    }
}

/// Stored bytes do not decode: they are damaged or from a newer version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stored {what} does not decode: {reason}")]
pub struct DecodeError {
    /// What was being decoded, for example `patient event`.
    pub what: &'static str,
    /// Why, without patient data.
    pub reason: String,
}

/// A pure entity core with its stored forms.
pub trait Entity: Sized + Send + Sync + 'static {
    /// What it can be asked.
    type Command: Send + Debug + 'static;
    /// What can happen to it.
    type Event: Clone + Send + Sync + Debug + PartialEq + 'static;
    /// What it is.
    type State: Clone + Default + Send + Sync + Debug + PartialEq + 'static;
    /// What it answers.
    type Reply: Send + Debug + 'static;

    /// Which kind of entity it is.
    const KIND: EntityKind;

    /// Decides a command. Pure: the same arguments give the same decision.
    ///
    /// # Errors
    /// [`Rejection`] when the command is wrong or not allowed; nothing happens then, but the
    /// attempt is audited.
    fn decide(
        state: &Self::State,
        context: &Context<'_>,
        command: Self::Command,
    ) -> Result<Decision<Self>, Rejection>;

    /// Folds one event into the state. Pure and total (DET-1).
    fn evolve(state: &mut Self::State, event: &Self::Event);

    /// The command that a fired timer means; `None` when the name is unknown.
    fn timer_command(name: &str, due: Timestamp) -> Option<Self::Command>;

    /// The command that a notice means; `None` when it is addressed to another kind.
    fn notice_command(notice: Notice) -> Option<Self::Command>;

    /// The stored form of an event.
    fn encode_event(event: &Self::Event) -> Vec<u8>;

    /// An event from its stored form.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes do not decode.
    fn decode_event(bytes: &[u8]) -> Result<Self::Event, DecodeError>;

    /// The canonical stored form of a state; equal states have equal bytes (DET-1).
    fn encode_state(state: &Self::State) -> Vec<u8>;

    /// A state from its stored form.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes do not decode.
    fn decode_state(bytes: &[u8]) -> Result<Self::State, DecodeError>;

    /// The row that live queries read instead of waking the entity, in the stored form that
    /// `schema/wire` gives it; `None` when there is to be none. Pure, and made with every event.
    fn live_row(_entity: &EntityId, _state: &Self::State) -> Option<Vec<u8>> {
        None
    }
}
