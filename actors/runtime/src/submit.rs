//! What a caller hands in beside the command, and what comes back.

use crate::admission::{Place, Urgency};
use crate::error::SubmitError;
use crate::group::{HeldUnit, Verdict};
use crate::residency::InFlight;
use crate::unit::{CommitFailure, Precondition, Unit};
use actors_core::{Entity, Envelope};
use actors_store::Mutation;
use bytes::Bytes;
use node_env::trace::Carried;
use schema_types::time::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

/// What goes into the same commit as the command's effect.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Attachments {
    /// Whether the command's name is remembered and a repeat has no second effect (ONCE-1).
    /// Reads leave it off: each is an access of its own.
    pub once: bool,
    /// The raw message to archive under its digest.
    pub archive: Option<Bytes>,
    /// Further rows.
    pub rows: Vec<Mutation>,
    /// What must hold for the command to take effect.
    pub preconditions: Vec<Precondition>,
    /// Who is refused first when the node is full (LIM-1).
    pub urgency: Urgency,
}

/// The result of a command that took effect, now or before.
#[derive(Debug, Serialize, Deserialize)]
pub enum Outcome<R> {
    /// Done by this call.
    Done {
        /// The entity's answer.
        reply: R,
        /// The journal sequence after the command.
        sequence: u64,
    },
    /// Done by an earlier call with the same name and content (ONCE-1).
    Repeated {
        /// When it was done.
        at: Timestamp,
    },
}

impl<R> Outcome<R> {
    /// The answer of a command that was done by this call.
    #[must_use]
    pub fn into_reply(self) -> Option<R> {
        match self {
            Self::Done { reply, .. } => Some(reply),
            Self::Repeated { .. } => None,
        }
    }
}

pub(crate) type OutcomeSender<R> = oneshot::Sender<Result<Outcome<R>, SubmitError>>;

/// Places that a command holds until it is settled (LIM-1).
#[derive(Debug, Default)]
pub(crate) struct Places {
    pub(crate) entity: Option<InFlight>,
    /// Held until it is settled.
    pub(crate) node: Option<Place>,
}

/// A command on its way to its actor.
pub(crate) struct Submission<E: Entity> {
    pub(crate) envelope: Envelope<E::Command>,
    pub(crate) attachments: Attachments,
    pub(crate) reply: OutcomeSender<E::Reply>,
    pub(crate) places: Places,
    /// The span that the command is a part of.
    pub(crate) trace: Carried,
}

/// One member of an atomic group, decided and held until the group is settled.
pub(crate) struct Prepared {
    pub(crate) unit: Unit,
    /// Told by the coordinator whether the group became durable.
    pub(crate) verdict: oneshot::Sender<Result<(), CommitFailure>>,
}

/// One member of a group that another node puts together, decided and held.
pub(crate) struct Held<R> {
    pub(crate) unit: HeldUnit,
    pub(crate) outcome: Outcome<R>,
    /// Told what became of the group.
    pub(crate) verdict: oneshot::Sender<Verdict>,
}

/// A request to decide now and wait for the verdict on a group of another node.
pub(crate) struct Holding<E: Entity> {
    /// The name of the hold.
    pub(crate) name: String,
    pub(crate) submission: Submission<E>,
    pub(crate) held: oneshot::Sender<Held<E::Reply>>,
}

/// A request to decide now and wait for the group.
pub(crate) struct Preparation<E: Entity> {
    pub(crate) submission: Submission<E>,
    pub(crate) prepared: oneshot::Sender<Prepared>,
}

impl From<CommitFailure> for SubmitError {
    fn from(failure: CommitFailure) -> Self {
        match failure {
            CommitFailure::Precondition => Self::Precondition,
            CommitFailure::Discarded => Self::EntityFailed,
            CommitFailure::NotServed(shard) => {
                Self::NotServed { shard: shard.map(|shard| shard.0) }
            }
            CommitFailure::Store(error) => error.into(),
        }
    }
}
