//! The envelope in which a command travels: who sends it, under which name, on whose behalf, when.

use schema_types::ids::{CommandId, EntityId, MessageDigest, PrincipalId, SourceId};
use schema_types::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A command with everything that is the same for all commands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope<C> {
    /// Who is addressed.
    pub entity: EntityId,
    /// Where it comes from; with `command_id` it names the command (ONCE-1).
    pub source: SourceId,
    /// Its name within the source.
    pub command_id: CommandId,
    /// Digest of the content: the same name with another digest is refused.
    pub content: MessageDigest,
    /// Who acts.
    pub principal: PrincipalId,
    /// Purpose of use (HL7 v3 PurposeOfUse code).
    pub purpose: String,
    /// The time of the decision, taken once at the edge (TIME-1).
    pub now: Timestamp,
    /// The archived raw message behind the command, if any.
    pub message: Option<MessageDigest>,
    /// The command itself.
    pub command: C,
}
