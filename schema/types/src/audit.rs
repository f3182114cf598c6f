//! The audit record in words (AUD-1): who did what to whose data, for what purpose, with what
//! outcome. It names entities, never clinical content.

use crate::error_code::ErrorCode;
use crate::ids::{CommandId, EntityId, MessageDigest, PrincipalId, SourceId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AuditAction {
    /// Something new was recorded.
    Create,
    /// Something was read.
    Read,
    /// Something was changed.
    Update,
    /// Something was deleted.
    Delete,
    /// Something was carried out: a timer, an acknowledgement, a merge.
    Execute,
}

impl AuditAction {
    /// Every action.
    pub const ALL: &'static [Self] =
        &[Self::Create, Self::Read, Self::Update, Self::Delete, Self::Execute];

    /// FHIR AuditEvent.action code: C, R, U, D or E.
    #[must_use]
    pub const fn code(self) -> char {
        match self {
            Self::Create => 'C',
            Self::Read => 'R',
            Self::Update => 'U',
            Self::Delete => 'D',
            Self::Execute => 'E',
        }
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuditOutcome {
    /// Done.
    Done,
    /// A repeat of a command that was done before; no second effect.
    Repeated,
    /// Refused: not allowed.
    Denied(ErrorCode),
    /// Refused: the command was wrong.
    Rejected(ErrorCode),
}

/// One audit record before it gets its place in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditDraft {
    /// When, by the node's clock.
    pub at: Timestamp,
    /// Who.
    pub principal: PrincipalId,
    /// Purpose of use (HL7 v3 PurposeOfUse code), for example `TREAT`.
    pub purpose: String,
    /// What was done.
    pub action: AuditAction,
    /// To whom.
    pub entity: EntityId,
    /// Which operation, for example `adt-a01`, `show`, `fhir-read Observation`.
    pub operation: String,
    /// How it ended.
    pub outcome: AuditOutcome,
    /// Where the command came from.
    pub source: SourceId,
    /// Its name within the source.
    pub command_id: CommandId,
    /// The archived message that caused it, if any.
    pub message: Option<MessageDigest>,
    /// Journal sequence after the command.
    pub sequence: u64,
    /// How many events the command caused.
    pub events: u32,
}
