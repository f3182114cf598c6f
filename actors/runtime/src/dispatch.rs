//! Getting a command to its actor and its outcome back: admission, residency, deadline.

use crate::admission::{Place, Urgency};
use crate::directory::HostedEntity;
use crate::entity_actor::EntityMessage;
use crate::error::SubmitError;
use crate::forward::Parcel;
use crate::limits::NAME_BYTES_MAX;
use crate::node::{NodeInner, Runtime};
use crate::order::Ticket;
use crate::submit::{Attachments, Outcome, Places, Submission};
use crate::trace_words::ended;
use actors_core::{Envelope, Notice};
use node_env::trace::{self, Carried, Label, LabelValue, Operation, Span};
use ractor::MessagingErr;
use schema_types::ids::EntityId;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// How often a command is handed to a restarted actor before the caller hears of the failure.
const HANDOVER_TRIES_MAX: u32 = 50;
/// Pause between such tries.
const HANDOVER_PAUSE_MS: u64 = 10;

impl Runtime {
    /// Submits a command and waits until its outcome is durable (ACK-1).
    ///
    /// # Errors
    /// [`SubmitError`]; see its variants for what is known about the effect.
    pub async fn submit<E: HostedEntity>(
        &self,
        envelope: Envelope<E::Command>,
        attachments: Attachments,
    ) -> Result<Outcome<E::Reply>, SubmitError> {
        let node = &self.inner;
        if node.is_ending() {
            return Err(SubmitError::ShuttingDown);
        }
        check_names(&envelope)?;
        let place = Some(node.admit(attachments.urgency)?);
        let parcel = Parcel { envelope, attachments, place };
        match trace::child(Operation::Submit) {
            None => node.submit_anywhere::<E>(parcel).await,
            // Rare: on the heap, so that the usual way stays small.
            Some(span) => Box::pin(node.submit_traced(span, parcel)).await,
        }
    }

    /// Like [`Runtime::submit`], for another node that takes this one for the owner: what is not
    /// served here is given back and never sent on, so that no call goes round in circles.
    ///
    /// # Errors
    /// [`SubmitError`], with [`SubmitError::NotServed`] when nothing was done for that reason.
    pub(crate) async fn submit_owned<E: HostedEntity>(
        &self,
        envelope: Envelope<E::Command>,
        attachments: Attachments,
    ) -> Result<Outcome<E::Reply>, SubmitError> {
        let node = &self.inner;
        if node.is_ending() {
            return Err(SubmitError::NotServed { shard: None });
        }
        check_names(&envelope)?;
        let place = Some(node.admit(attachments.urgency)?);
        let submitted = node.submit_here::<E>(Parcel { envelope, attachments, place }, None).await;
        match submitted {
            Ok(Err(error)) if error.has_met_another_owner() => {
                Err(SubmitError::NotServed { shard: None })
            }
            Ok(result) => result,
            Err(_) => Err(SubmitError::NotServed { shard: None }),
        }
    }

    /// Makes an entity's actor panic and waits until its failure was noticed.
    #[cfg(test)]
    pub(crate) async fn danger_crash_entity<E: HostedEntity>(&self, entity: &EntityId) {
        let failed = self.inner.metrics.entities_failed.get();
        let sent = self.inner.hand_over(entity, EntityMessage::<E>::Crash).await;
        sent.map_err(SubmitError::from).unwrap();
        while self.inner.metrics.entities_failed.get() == failed {
            tokio::task::yield_now().await;
        }
    }
}

impl NodeInner {
    pub(crate) fn admit(&self, urgency: Urgency) -> Result<Place, SubmitError> {
        let entered = self.admission.enter(urgency);
        entered.inspect_err(|_| self.metrics.commands_overloaded.add(1))
    }

    /// Submits within a span of its own.
    async fn submit_traced<E: HostedEntity>(
        self: &Arc<Self>,
        mut span: Box<Span>,
        parcel: Parcel<E>,
    ) -> Result<Outcome<E::Reply>, SubmitError> {
        let entity = &parcel.envelope.entity;
        span.label(Label::EntityKind, LabelValue::Word(entity.kind().name()));
        if let Some(shard) = self.shard_at(entity.hash()) {
            span.label(Label::Shard, LabelValue::Number(u64::from(shard.0)));
        }
        let result = span.around(Box::pin(self.submit_anywhere::<E>(parcel))).await;
        span.end(ended(&result));
        result
    }

    /// The shell's own commands need no admission: they are bounded where they come from.
    pub(crate) async fn submit<E: HostedEntity>(
        self: &Arc<Self>,
        envelope: Envelope<E::Command>,
        attachments: Attachments,
    ) -> Result<Outcome<E::Reply>, SubmitError> {
        self.submit_anywhere::<E>(Parcel { envelope, attachments, place: None }).await
    }

    pub(crate) async fn submit_notice<E: HostedEntity>(
        self: &Arc<Self>,
        envelope: Envelope<()>,
        notice: Notice,
        attachments: Attachments,
    ) -> Result<(), SubmitError> {
        let Some(command) = E::notice_command(notice) else {
            return Err(SubmitError::Damaged { place: "notice for another kind".to_owned() });
        };
        let Envelope {
            entity, source, command_id, content, principal, purpose, now, message, ..
        } = envelope;
        let envelope = Envelope {
            entity,
            source,
            command_id,
            content,
            principal,
            purpose,
            now,
            message,
            command,
        };
        self.submit::<E>(envelope, attachments).await.map(|_| ())
    }

    /// Submits to an entity of this node. Gives the command back when its shard is not served
    /// here, or no longer. The ticket is told when it is in the actor's mailbox.
    pub(crate) async fn submit_here<E: HostedEntity>(
        self: &Arc<Self>,
        parcel: Parcel<E>,
        ticket: Option<&Ticket>,
    ) -> Result<Result<Outcome<E::Reply>, SubmitError>, Box<Parcel<E>>> {
        let Parcel { envelope, attachments, place } = parcel;
        let (reply, settled) = oneshot::channel();
        let entity = envelope.entity.clone();
        let places = Places { entity: None, node: place };
        let trace = Carried::current();
        let submission = Submission { envelope, attachments, reply, places, trace };
        let message = EntityMessage::<E>::Submit(Box::new(submission));
        let handed = match self.try_hand_over(&entity, message) {
            // Rare and large: on the heap, so that the usual way stays small.
            Ok(Some(message)) => Box::pin(self.hand_over(&entity, message)).await,
            Ok(None) => Ok(()),
            Err(unsent) => Err(unsent),
        };
        match handed {
            Ok(()) => {
                if let Some(ticket) = ticket {
                    ticket.set_handed(true);
                }
                Ok(self.await_outcome(settled).await)
            }
            Err(Unsent {
                error: SubmitError::NotServed { .. },
                message: Some(EntityMessage::Submit(submission)),
            }) => {
                let Submission { envelope, attachments, places, .. } = *submission;
                Err(Box::new(Parcel { envelope, attachments, place: places.node }))
            }
            Err(unsent) => Ok(Err(unsent.error)),
        }
    }

    fn refused<E: HostedEntity>(&self, error: SubmitError, message: EntityMessage<E>) -> Unsent<E> {
        if matches!(error, SubmitError::Overloaded { .. }) {
            self.metrics.commands_overloaded.add(1);
        }
        Unsent { error, message: Some(message) }
    }

    /// The usual case of [`NodeInner::hand_over`]: the actor runs. Gives the message back if not.
    fn try_hand_over<E: HostedEntity>(
        &self,
        entity: &EntityId,
        mut message: EntityMessage<E>,
    ) -> Result<Option<EntityMessage<E>>, Unsent<E>> {
        let entered = E::directory(self).enter(entity, self.config.entity_in_flight_max);
        let (slot, place) = match entered {
            Ok(entered) => entered,
            Err(error) => return Err(self.refused(error, message)),
        };
        let Some(actor) = slot.running() else { return Ok(Some(message)) };
        message.set_place(place);
        match actor.send_message(message) {
            Ok(()) => Ok(None),
            Err(MessagingErr::SendErr(returned)) => Ok(Some(returned)),
            Err(MessagingErr::ChannelClosed | MessagingErr::InvalidActorType) => {
                Err(SubmitError::EntityFailed.into())
            }
        }
    }

    pub(crate) async fn await_outcome<R>(
        &self,
        settled: oneshot::Receiver<Result<Outcome<R>, SubmitError>>,
    ) -> Result<Outcome<R>, SubmitError> {
        let deadline = Duration::from_millis(self.config.deadline_ms);
        match tokio::time::timeout(deadline, settled).await {
            Ok(Ok(result)) => result,
            // The actor died with the command in its mailbox or in its hands.
            Ok(Err(_)) => Err(SubmitError::EntityFailed),
            Err(_) => Err(SubmitError::OutcomeUnknown),
        }
    }

    /// Puts a message into the mailbox of the entity's actor. An actor that just failed is
    /// waited for: its entity starts again from the store once its decided units are settled.
    pub(crate) async fn hand_over<E: HostedEntity>(
        self: &Arc<Self>,
        entity: &EntityId,
        mut message: EntityMessage<E>,
    ) -> Result<(), Unsent<E>> {
        for _ in 0..HANDOVER_TRIES_MAX {
            let entered = E::directory(self).enter(entity, self.config.entity_in_flight_max);
            let (slot, place) = match entered {
                Ok(entered) => entered,
                Err(error) => return Err(self.refused(error, message)),
            };
            if !slot.residency.has_failed() {
                let actor = slot.actor(self).await?;
                message.set_place(place);
                match actor.send_message(message) {
                    Ok(()) => return Ok(()),
                    Err(MessagingErr::SendErr(returned)) => message = returned,
                    Err(MessagingErr::ChannelClosed | MessagingErr::InvalidActorType) => {
                        return Err(SubmitError::EntityFailed.into());
                    }
                }
            }
            if !self.wait_ms(HANDOVER_PAUSE_MS).await {
                return Err(SubmitError::ShuttingDown.into());
            }
        }
        Err(SubmitError::EntityFailed.into())
    }
}

/// A message that did not get into a mailbox, and why.
pub(crate) struct Unsent<E: HostedEntity> {
    error: SubmitError,
    /// Given back where it can be of use elsewhere.
    message: Option<EntityMessage<E>>,
}

impl<E: HostedEntity> Unsent<E> {
    /// The message, if its entity is not served here; else why it was not sent.
    pub(crate) fn into_unserved(self) -> Result<EntityMessage<E>, SubmitError> {
        match self {
            Self { error: SubmitError::NotServed { .. }, message: Some(message) } => Ok(message),
            Self { error, .. } => Err(error),
        }
    }
}

impl<E: HostedEntity> From<SubmitError> for Unsent<E> {
    fn from(error: SubmitError) -> Self {
        Self { error, message: None }
    }
}

impl<E: HostedEntity> From<Unsent<E>> for SubmitError {
    fn from(unsent: Unsent<E>) -> Self {
        unsent.error
    }
}

/// Names go into keys and audit records, which have limits of their own (LIM-1).
pub(crate) fn check_names<C>(envelope: &Envelope<C>) -> Result<(), SubmitError> {
    let Envelope { source, command_id, principal, purpose, .. } = envelope;
    let names = [source.as_str(), command_id.as_str(), principal.as_str(), purpose];
    match names.iter().map(|name| name.len()).max() {
        Some(bytes) if bytes > NAME_BYTES_MAX => Err(SubmitError::TooLarge { bytes }),
        Some(_) | None => Ok(()),
    }
}
