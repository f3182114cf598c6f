//! One entity as a ractor actor: takes commands in mailbox order, decides, evolves speculatively
//! and hands the outcome to the committer with the reply gated on durability (ACK-1, ORD-1).
//!
//! It never waits for a commit of its own, except as a member of an atomic group.

use crate::decide::{Decided, Decider};
use crate::error::SubmitError;
use crate::load;
use crate::node::NodeInner;
use crate::residency::{InFlight, Residency};
use crate::submit::{Holding, Outcome, OutcomeSender, Places, Preparation, Prepared, Submission};
use crate::trace_words;
use crate::unit::{CommitFailure, Unit, Work};
use actors_core::Entity;
use node_env::trace::Operation;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// What an entity's actor is sent.
pub(crate) enum EntityMessage<E: Entity> {
    /// Decide a command.
    Submit(Box<Submission<E>>),
    /// Decide a command as a member of an atomic group.
    Prepare(Box<Preparation<E>>),
    /// Decide a command as a member of a group that another node puts together.
    Hold(Box<Holding<E>>),
    /// Write a snapshot if there is something new, so that waking is quick.
    Rest(Rest),
    /// Panic, to prove that nobody else notices.
    #[cfg(test)]
    Crash,
}

/// Never remotable: a remotable actor is advertised to, and mirrored on, every peer.
impl<E: Entity> ractor::Message for EntityMessage<E> {}

impl<E: Entity> EntityMessage<E> {
    /// Notes the place with the entity that the message holds until it is settled.
    pub(crate) fn set_place(&mut self, place: InFlight) {
        match self {
            Self::Submit(submission) => submission.places.entity = Some(place),
            Self::Prepare(preparation) => preparation.submission.places.entity = Some(place),
            Self::Hold(holding) => holding.submission.places.entity = Some(place),
            Self::Rest(_) => {}
            #[cfg(test)]
            Self::Crash => {}
        }
    }
}

/// What the passivator holds until a snapshot is durable: so that the entity stays resident
/// meanwhile, and only a bounded number rest at once (LIM-1).
pub(crate) struct Rest {
    pub(crate) _place: InFlight,
    pub(crate) _permit: OwnedSemaphorePermit,
}

/// The actor behaviour; the state is in [`Resident`].
pub(crate) struct EntityActor<E: Entity>(pub(crate) std::marker::PhantomData<fn() -> E>);

/// What the actor is started with.
pub(crate) struct Start<E: Entity> {
    pub(crate) node: Arc<NodeInner>,
    pub(crate) residency: Arc<Residency>,
    pub(crate) loaded: load::Loaded<E::State>,
}

/// The actor's state.
pub(crate) struct Resident<E: Entity> {
    pub(crate) decider: Decider<E>,
    pub(crate) node: Arc<NodeInner>,
    pub(crate) residency: Arc<Residency>,
}

impl<E: Entity> Actor for EntityActor<E> {
    type Msg = EntityMessage<E>;
    type State = Resident<E>;
    type Arguments = Start<E>;

    async fn pre_start(
        &self,
        _myself: ActorRef<Self::Msg>,
        start: Start<E>,
    ) -> Result<Self::State, ActorProcessingErr> {
        let decider = Decider::new(Arc::clone(&start.residency), start.loaded, &start.node);
        Ok(Resident { decider, node: start.node, residency: start.residency })
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        resident: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            // On the heap while it is worked on: an actor has room for its longest message, twice,
            // also while it has none.
            EntityMessage::Submit(submission) => Box::pin(resident.submit(*submission)).await,
            EntityMessage::Prepare(preparation) => Box::pin(resident.prepare(*preparation)).await,
            EntityMessage::Hold(holding) => Box::pin(resident.hold(*holding)).await,
            EntityMessage::Rest(rest) => Box::pin(resident.rest(rest)).await,
            #[cfg(test)]
            EntityMessage::Crash => panic!("crashed by a test"),
        }
        Ok(())
    }
}

impl<E: Entity> Resident<E> {
    /// Drops speculative state that a failed commit made void.
    pub(crate) async fn refresh(&mut self) -> Result<(), SubmitError> {
        if self.residency.is_held() {
            // The node ended before the fate of a group was known.
            return Err(SubmitError::ShuttingDown);
        }
        if self.residency.is_discarded(self.decider.generation) {
            Box::pin(self.reload()).await?;
        }
        Ok(())
    }

    async fn reload(&mut self) -> Result<(), SubmitError> {
        if node_env::planted!("speculative-state-kept") {
            self.decider.generation += 1;
            return Ok(());
        }
        // Units of the void state that still wait fail by themselves; then the store is current.
        if !node_env::planted!("reload-before-units-settled") {
            self.residency.units_settled().await;
        }
        let snapshot = self.node.store.begin().await?;
        let loaded = load::load::<E>(&*snapshot, &self.residency.entity).await?;
        self.decider.reset(loaded);
        self.node.metrics.entities_reloaded.add(1);
        Ok(())
    }

    async fn submit(&mut self, submission: Submission<E>) {
        let Submission { envelope, attachments, reply, places, trace } = submission;
        if let Err(error) = self.refresh().await {
            return answer(reply, Err(error));
        }
        let Some(permit) = self.node.committer.reserve().await else {
            return answer(reply, Err(SubmitError::ShuttingDown));
        };
        match self.decider.decide(&self.node, envelope, attachments).await {
            Ok(decided) => {
                let metrics = Arc::clone(&self.node.metrics);
                let (parts, outcome) = decided.into_parts();
                if parts.is_audit_only() && is_unrecorded(&outcome) {
                    return answer(reply, outcome);
                }
                let span = trace.child(Operation::Commit);
                let done = Box::new(move |committed: Result<u64, CommitFailure>| {
                    let _until_now = places;
                    if let Some(span) = span {
                        span.end(trace_words::committed(&committed));
                    }
                    let result = committed.map_err(SubmitError::from).and(outcome);
                    crate::decide::count(&metrics, &result);
                    answer(reply, result);
                });
                let unit = parts.into_unit(&self.residency, self.decider.generation, done);
                self.residency.unit_sent();
                permit.send(Work::one(unit));
            }
            Err(error) => answer(reply, Err(error)),
        }
    }

    /// Decides, hands the unit to the group's coordinator and holds still until the group is
    /// settled, so that nothing else is decided on a state that may be taken back.
    async fn prepare(&mut self, preparation: Preparation<E>) {
        let Preparation { submission, prepared } = preparation;
        let Submission { envelope, attachments, reply, places, .. } = submission;
        if let Err(error) = self.refresh().await {
            return answer(reply, Err(error));
        }
        let before = self.decider.mark();
        let decided = match self.decider.decide(&self.node, envelope, attachments).await {
            Ok(decided) => decided,
            Err(error) => return answer(reply, Err(error)),
        };
        if decided.is_refused() {
            return self.answer_alone(decided, reply, places).await;
        }
        let (parts, outcome) = decided.into_parts();
        let (verdict, settled) = oneshot::channel();
        let unit = parts.into_unit(&self.residency, self.decider.generation, Box::new(|_| {}));
        if prepared.send(Prepared { unit, verdict }).is_err() {
            self.decider.restore(before);
            return answer(reply, Err(SubmitError::OutcomeUnknown));
        }
        let result = match settled.await {
            Ok(Ok(())) => outcome,
            Ok(Err(failure)) => {
                self.decider.restore(before);
                Err(failure.into())
            }
            // The coordinator is gone before it handed the group in: nothing took effect.
            Err(_) => {
                self.decider.restore(before);
                Err(SubmitError::OutcomeUnknown)
            }
        };
        drop(places);
        crate::decide::count(&self.node.metrics, &result);
        answer(reply, result);
    }

    /// A refusal: it has no effect, and is told when its record is durable (AUD-1).
    pub(crate) async fn answer_alone(
        &self,
        decided: Decided<E::Reply>,
        reply: OutcomeSender<E::Reply>,
        places: Places,
    ) {
        let (parts, outcome) = decided.into_parts();
        let metrics = Arc::clone(&self.node.metrics);
        let done = Box::new(move |committed: Result<u64, CommitFailure>| {
            let _until_now = places;
            let result = committed.map_err(SubmitError::from).and(outcome);
            crate::decide::count(&metrics, &result);
            answer(reply, result);
        });
        let unit = parts.into_unit(&self.residency, self.decider.generation, done);
        self.residency.unit_sent();
        if !self.node.committer.send(Work::one(unit)).await {
            self.residency.unit_settled();
        }
    }

    async fn rest(&mut self, rest: Rest) {
        if self.refresh().await.is_err() {
            return;
        }
        let Some(rows) = self.decider.snapshot_rows() else { return };
        let metrics = Arc::clone(&self.node.metrics);
        let unit = Unit {
            origin: Some((Arc::clone(&self.residency), self.decider.generation)),
            subject: None,
            home: None,
            audit: None,
            mutations: rows,
            preconditions: Vec::new(),
            outbox: Vec::new(),
            done: Box::new(move |committed| {
                let _until_now = rest;
                metrics.snapshots_written.add(u64::from(committed.is_ok()));
            }),
        };
        self.residency.unit_sent();
        if !self.node.committer.send(Work::one(unit)).await {
            self.residency.unit_settled();
        }
    }
}

/// A caller that is gone needs no answer; the commit stands either way.
/// Whether a planted bug answers without the record that is owed (AUD-1).
fn is_unrecorded<R>(outcome: &Result<Outcome<R>, SubmitError>) -> bool {
    match outcome {
        Ok(Outcome::Done { .. }) => node_env::planted!("audit-read-not-recorded"),
        Ok(Outcome::Repeated { .. }) => node_env::planted!("audit-repeat-not-recorded"),
        Err(_) => node_env::planted!("audit-refusal-not-recorded"),
    }
}

pub(crate) fn answer<R>(reply: OutcomeSender<R>, result: Result<Outcome<R>, SubmitError>) {
    drop(reply.send(result));
}
