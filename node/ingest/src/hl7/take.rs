//! One message from bytes to durable effect: parse, look whether it came before, decode, submit.
//! Nothing is answered or quarantined here.
//!
//! The mark that a message was taken commits with its last command, and every command requires
//! that the mark is absent, so that a control id has one effect (ONCE-1) whatever came between.

use super::failure::Failure;
use super::limits::SOURCE_BYTES_MAX;
use super::plan::{self, Step};
use crate::gateway::{Caller, Gateway, Origin};
use actors_patient::Patient;
use actors_patient::command::{Changes, Command, Reply};
use actors_runtime::{Attachments, Outcome, Precondition, SubmitError, Urgency};
use actors_store::{Mutation, keys};
use bytes::Bytes;
use schema_hl7::limits::CONTROL_ID_BYTES_MAX;
use schema_hl7::{DecodeContext, Header, Hl7Error, Message, Position, decode};
use schema_types::audit::{AuditAction, AuditOutcome};
use schema_types::error_code::ErrorCode;
use schema_types::ids::{CommandId, EntityId, MessageDigest};
use schema_types::time::Timestamp;
use schema_wire::journal::{MessageRecord, decode_message, encode_message};

/// A message that was taken.
#[derive(Debug)]
pub(super) enum Taken {
    /// By this call.
    Accepted(Vec<(EntityId, Changes)>),
    /// By an earlier call; that it came again is audited.
    Duplicate,
}

/// What became of a message, and its header as far as it could be read.
pub(super) struct Attempt {
    pub(super) header: Option<Header>,
    pub(super) result: Result<Taken, Failure>,
}

/// Takes one message. `suffix` tells the commands of repaired bytes from those that the same
/// control id may have named before.
pub(super) async fn take(gateway: &Gateway, caller: &Caller, raw: &[u8], suffix: &str) -> Attempt {
    let message = match parse(gateway, raw) {
        Ok(message) => message,
        Err(error) => {
            return Attempt { header: Header::salvage(raw), result: Err(error.into()) };
        }
    };
    let header = Header::of(&message, gateway.limits.default_offset_minutes);
    let digest = MessageDigest::of(raw);
    let intake = Intake { gateway, caller, header: &header, digest, raw, suffix };
    let result = intake.take(&message).await;
    Attempt { header: Some(header), result }
}

fn parse(gateway: &Gateway, raw: &[u8]) -> Result<Message, Hl7Error> {
    if raw.len() > gateway.limits.message_bytes_max {
        let reason = "the message is larger than the limit";
        return Err(Hl7Error::new(ErrorCode::Hl7TooLarge, Position::default(), reason));
    }
    Message::parse(raw)
}

/// Whether a control id was used before.
enum Seen {
    Never,
    Same(MessageRecord),
    Other,
}

/// How one command ended.
enum Done {
    Now(Changes),
    Before,
}

struct Intake<'a> {
    gateway: &'a Gateway,
    caller: &'a Caller,
    header: &'a Header,
    digest: MessageDigest,
    raw: &'a [u8],
    suffix: &'a str,
}

impl Intake<'_> {
    async fn take(&self, message: &Message) -> Result<Taken, Failure> {
        if self.header.source.as_str().len() > SOURCE_BYTES_MAX {
            let position = Position::segment("MSH", 1).with_field(3);
            return Err(Hl7Error::data_type(position, "the sender's name is too long").into());
        }
        let seen = self.look().await?;
        if let Seen::Same(record) = seen {
            return self.repeated(record).await;
        }
        let context = DecodeContext {
            tenant: self.gateway.tenant.clone(),
            digest: self.digest,
            received_at: self.gateway.runtime.now(),
            default_utc_offset_minutes: self.gateway.limits.default_offset_minutes,
        };
        let incoming = decode(message, &context)?;
        if matches!(seen, Seen::Other) {
            return Err(Failure::reused());
        }
        let steps = plan::steps(self.gateway, incoming, self.digest)?;
        self.submit(steps, context.received_at).await
    }

    fn mark_key(&self) -> Bytes {
        let Header { source, control_id, .. } = self.header;
        keys::message_done(self.gateway.tenant.as_str(), source.as_str(), control_id)
    }

    async fn look(&self) -> Result<Seen, SubmitError> {
        let length = self.header.control_id.len();
        if length == 0 || length > CONTROL_ID_BYTES_MAX {
            return Ok(Seen::Never);
        }
        let snapshot = self.gateway.runtime.snapshot().await?;
        let Some(value) = snapshot.get(&self.mark_key()).await? else { return Ok(Seen::Never) };
        let record = decode_message(&value)
            .map_err(|error| SubmitError::Damaged { place: error.to_string() })?;
        Ok(if record.content == self.digest { Seen::Same(record) } else { Seen::Other })
    }

    /// A repeat is answered like the first time, once that it came is on record (AUD-1).
    async fn repeated(&self, record: MessageRecord) -> Result<Taken, Failure> {
        let entity = record.entity.unwrap_or_else(|| self.gateway.facility("messages"));
        let what = (AuditAction::Execute, "repeat", AuditOutcome::Repeated);
        let draft = self.gateway.draft(self.caller, &self.origin(0), entity, what);
        self.gateway.runtime.record(draft, Vec::new()).await?;
        Ok(Taken::Duplicate)
    }

    /// A message with this control id was taken while this one was on its way.
    async fn after_twin(&self) -> Result<Taken, Failure> {
        match self.look().await? {
            Seen::Same(record) => self.repeated(record).await,
            Seen::Other => Err(Failure::reused()),
            Seen::Never => Err(SubmitError::Precondition.into()),
        }
    }

    async fn submit(&self, steps: Vec<Step>, at: Timestamp) -> Result<Taken, Failure> {
        let mark = MessageRecord {
            content: self.digest,
            first_seen_at: at,
            reply_code: "AA".to_owned(),
            entity: steps.first().map(|step| step.patient.clone()),
        };
        let mark = Mutation::set(self.mark_key(), encode_message(&mark));
        let count = steps.len();
        let mut changed = Vec::new();
        for (index, step) in steps.into_iter().enumerate() {
            let mark = (index + 1 == count).then_some(&mark);
            match self.submit_step(&step, index, mark).await {
                Ok(Done::Now(changes)) => changed.push((step.patient, changes)),
                Ok(Done::Before) => {}
                Err(SubmitError::Precondition) => return self.after_twin().await,
                Err(error) => return Err(error.into()),
            }
        }
        // Commands that were done before are audited as repeats by their entities.
        Ok(if changed.is_empty() { Taken::Duplicate } else { Taken::Accepted(changed) })
    }

    async fn submit_step(
        &self,
        step: &Step,
        index: usize,
        mark: Option<&Mutation>,
    ) -> Result<Done, SubmitError> {
        let first = self.submit_command(&step.patient, &step.command, index, mark).await;
        match (&first, &step.otherwise) {
            (Err(SubmitError::Rejected(rejection)), Some((patient, command)))
                if rejection.code == ErrorCode::PatientLink =>
            {
                self.submit_command(patient, command, index, mark).await
            }
            _ => first,
        }
    }

    /// A command whose outcome is unknown is asked for once more under its name.
    async fn submit_command(
        &self,
        patient: &EntityId,
        command: &Command,
        index: usize,
        mark: Option<&Mutation>,
    ) -> Result<Done, SubmitError> {
        match self.submit_once(patient, command, index, mark).await {
            Err(SubmitError::EntityFailed | SubmitError::OutcomeUnknown) => {
                match self.submit_once(patient, command, index, mark).await {
                    // By the first try.
                    Ok(Done::Before) => Ok(Done::Now(Changes::default())),
                    Err(SubmitError::OutcomeUnknown)
                        if node_env::planted!("unknown-commit-accepted") =>
                    {
                        Ok(Done::Now(Changes::default()))
                    }
                    other => other,
                }
            }
            other => other,
        }
    }

    async fn submit_once(
        &self,
        patient: &EntityId,
        command: &Command,
        index: usize,
        mark: Option<&Mutation>,
    ) -> Result<Done, SubmitError> {
        let mut origin = self.origin(index);
        if node_env::planted!("retry-under-new-id") {
            origin.command_id = CommandId::new(self.gateway.fresh_id());
        }
        let envelope =
            self.gateway.envelope(self.caller, &origin, patient.clone(), command.clone());
        let is_bulk = matches!(command, Command::RecordObservations(_));
        let urgency = if is_bulk { Urgency::Bulk } else { Urgency::Routine };
        let attachments = Attachments {
            once: true,
            // With the first effect that refers to it.
            archive: (index == 0).then(|| Bytes::copy_from_slice(self.raw)),
            rows: mark.cloned().into_iter().collect(),
            preconditions: vec![Precondition::Absent(self.mark_key())],
            urgency,
        };
        match self.gateway.runtime.submit::<Patient>(envelope, attachments).await? {
            Outcome::Done { reply: Reply::Done(changes), .. } => Ok(Done::Now(changes)),
            Outcome::Done { .. } => Ok(Done::Now(Changes::default())),
            Outcome::Repeated { .. } => Ok(Done::Before),
        }
    }

    fn origin(&self, index: usize) -> Origin {
        let control_id = &self.header.control_id;
        let suffix = self.suffix;
        let name = match index {
            0 => format!("{control_id}{suffix}"),
            further => format!("{control_id}{suffix}.{further}"),
        };
        Origin {
            source: self.header.source.clone(),
            command_id: CommandId::new(name),
            content: self.digest,
            message: Some(self.digest),
        }
    }
}
