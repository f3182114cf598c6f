//! What clients did and saw: one [`Operation`] per attempt. An attempt that repeats an earlier one
//! has the same source, command id and entity; together they are one command.

use schema_types::Decimal;
use schema_types::audit::AuditDraft;
use schema_types::clinical::Movement;
use schema_types::error_code::ErrorCode;
use schema_types::ids::{CommandId, EncounterId, EntityId, MessageDigest, ObservationId, SourceId};
use schema_types::measure::Measure;
use schema_types::time::Timestamp;
use std::collections::BTreeMap;

/// Time of the world since the run began, in microseconds: never a node's clock (TIME-1).
pub type Micros = u64;

/// Who asked. A client knows what it was told, so it must read its own writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientId(pub u32);

/// One attempt of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Who asked.
    pub client: ClientId,
    /// The command's source, as the audit log names it.
    pub source: SourceId,
    /// The command's name within the source, as the audit log names it.
    pub command_id: CommandId,
    /// Who was addressed.
    pub entity: EntityId,
    /// Others to which the same command went in one atomic group; each owes an audit record.
    pub others: Vec<EntityId>,
    /// What was asked.
    pub kind: OperationKind,
    /// The command's place among those that its source sent to the entity over one connection
    /// (ORD-1). Absent when no order was promised: sent again, or over several connections.
    pub order: Option<u64>,
    /// When the client sent it.
    pub invoked_at: Micros,
    /// When the client had its answer or gave up; absent while it still waits at the end.
    pub completed_at: Option<Micros>,
    /// What the client knows.
    pub outcome: Outcome,
}

/// What was asked, as far as a property needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperationKind {
    /// Results of a patient. Each observation has an id that no other command of the run uses, so
    /// that it always changes something.
    Observe(Vec<Observed>),
    /// A movement of a stay.
    Move {
        /// The stay.
        encounter: EncounterId,
        /// The movement, as the gateway understands the message.
        movement: Box<Movement>,
    },
    /// Any other change; it may find that nothing is to be done.
    Change,
    /// A strict read of the entity.
    Read,
}

/// One value that a client reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Which observation.
    pub observation: ObservationId,
    /// What was measured.
    pub measure: Measure,
    /// The value in the measure's unit.
    pub value: Decimal,
    /// When it was true of the patient.
    pub effective_at: Timestamp,
}

/// What a client knows of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered: the effect must last (ACK-1).
    Done(Reply),
    /// It was refused and has no effect. An error whose effect is not certain is `Unknown`.
    Refused {
        /// The stable code.
        code: ErrorCode,
        /// Whether the entity judged it (a rejection, a denial, a reused id): then the refusal
        /// owes an audit record (AUD-1). Refusals for want of room or of an owner do not.
        is_judged: bool,
    },
    /// No answer, or one that does not say: the effect is there once or not at all.
    Unknown,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// Whether the answer says that it repeats an earlier one.
    pub is_repeated: bool,
    /// The entity's journal sequence after the command, if the answer has it.
    pub version: Option<u64>,
    /// Digest of what every repetition must answer alike (ONCE-1), if the gateway promises that.
    pub digest: Option<MessageDigest>,
    /// What a read showed.
    pub seen: Option<Seen>,
}

/// What a read showed of a patient.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// The newest present value per measure: its time and observation. Measures without a value
    /// are left out; measures that no client of the run reports may be left out.
    pub newest: BTreeMap<Measure, (Timestamp, ObservationId)>,
    /// Digest of the canonical stored form of the state, if the world can take it (DET-1).
    pub state_hash: Option<[u8; 32]>,
}

/// What names a command. Compared in the order of the fields: names of commands rarely agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CommandKey<'a> {
    pub(crate) command_id: &'a CommandId,
    pub(crate) source: &'a SourceId,
    pub(crate) entity: &'a EntityId,
}

impl Operation {
    /// The name of the command of which this is an attempt.
    pub(crate) const fn key(&self) -> CommandKey<'_> {
        let Self { command_id, source, entity, .. } = self;
        CommandKey { command_id, source, entity }
    }

    /// Whether it asks for a change.
    pub(crate) const fn is_change(&self) -> bool {
        !matches!(self.kind, OperationKind::Read)
    }

    /// The answer, if it was done.
    pub(crate) const fn reply(&self) -> Option<&Reply> {
        match &self.outcome {
            Outcome::Done(reply) => Some(reply),
            Outcome::Refused { .. } | Outcome::Unknown => None,
        }
    }

    /// When it was answered as done.
    pub(crate) fn done_at(&self) -> Option<Micros> {
        self.reply().and(self.completed_at)
    }

    /// The command and its entity in words, without patient data.
    pub(crate) fn label(&self) -> String {
        label(self.key())
    }
}

/// The name of the command of which an audit record tells.
pub(crate) const fn key_of(record: &AuditDraft) -> CommandKey<'_> {
    let AuditDraft { command_id, source, entity, .. } = record;
    CommandKey { command_id, source, entity }
}

/// A command and its entity in words, without patient data (PHI-1).
pub(crate) fn label(CommandKey { command_id, source, entity }: CommandKey<'_>) -> String {
    format!("{source}/{command_id} on {entity:?}")
}

/// All attempts of one command.
#[derive(Debug)]
pub(crate) struct Command<'a> {
    /// In the order of the history; never empty.
    pub(crate) attempts: Vec<&'a Operation>,
}

impl<'a> Command<'a> {
    pub(crate) fn invoked_at(&self) -> Micros {
        self.attempts.iter().map(|attempt| attempt.invoked_at).min().unwrap_or(0)
    }

    /// When a client was first told that it is done.
    pub(crate) fn acknowledged_at(&self) -> Option<Micros> {
        self.attempts.iter().filter_map(|attempt| attempt.done_at()).min()
    }

    pub(crate) fn is_change(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.is_change())
    }

    /// What the first attempt asked.
    pub(crate) fn kind(&self) -> Option<&'a OperationKind> {
        self.attempts.first().map(|attempt| &attempt.kind)
    }

    /// The version that the first answer named.
    pub(crate) fn version(&self) -> Option<u64> {
        let answers = self.attempts.iter().filter_map(|attempt| attempt.reply());
        answers.filter(|reply| !reply.is_repeated).find_map(|reply| reply.version)
    }

    /// What is known of its effect.
    pub(crate) fn certainty(&self) -> Certainty {
        if self.attempts.iter().any(|attempt| attempt.reply().is_some()) {
            Certainty::Acknowledged
        } else if self.attempts.iter().any(|attempt| attempt.outcome == Outcome::Unknown) {
            Certainty::Unknown
        } else {
            Certainty::Refused
        }
    }
}

/// What a client knows of the effect of its command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// It was told that it is done.
    Acknowledged,
    /// It was told nothing certain.
    Unknown,
    /// It was told that nothing happened.
    Refused,
}

/// The commands of a history by name.
pub(crate) fn commands(history: &[Operation]) -> BTreeMap<CommandKey<'_>, Command<'_>> {
    let mut commands: BTreeMap<CommandKey<'_>, Command<'_>> = BTreeMap::new();
    for operation in history {
        let command = commands
            .entry(operation.key())
            .or_insert_with(|| Command { attempts: Vec::with_capacity(1) });
        command.attempts.push(operation);
    }
    commands
}
