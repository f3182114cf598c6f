//! Atomic groups: what must take effect on several entities or on none, wherever they live.
//!
//! A group holds its members one after the other, in ascending order so that no two groups wait
//! for each other: each entity's actor decides and takes nothing else. Then one transaction of the
//! shared store commits what all of them decided, every audit record with its effect (AUD-1), and
//! the members go on. On one node that is all.
//!
//! A member on another node is held there, and what it decided comes here as bytes. The commit
//! reads what the store says of the shard of each such member (OWN-1): its owner and epoch, and a
//! mark, must be those that held it. The record of such a member goes into the log of a shard of
//! the committing node and is found by its entity like any other. A node that has no member itself
//! hands all of it to the owner of the first member.
//!
//! There is no state to recover. An owner waits for the verdict for a limited time. Then it renews
//! the mark of the shard ([`marks`]): the group took effect before or never will, and the entity
//! starts over from what the store has. The next owner of a shard does the same by its claim.

mod held_unit;
mod hold;
mod holds;
mod marks;
mod settle;

pub(crate) use held_unit::HeldUnit;
pub(crate) use holds::{HELD_ENTITIES, Holds, Verdict};
pub(crate) use marks::{Guard, Marks};

use crate::admission::Place;
use crate::directory::HostedEntity;
use crate::dispatch::check_names;
use crate::entity_actor::EntityMessage;
use crate::error::SubmitError;
use crate::forward::{Forward, ForwardError, Parcel, Patience};
use crate::limits::{GROUP_BYTES_MAX, GROUP_MEMBERS_MAX, GROUP_PREPARE_MS_MAX, RETRY_AFTER_MS};
use crate::node::{NodeInner, Runtime};
use crate::remote;
use crate::submit::{Attachments, Outcome, Places, Preparation, Prepared, Submission};
use crate::unit::{CommitFailure, Unit};
use actors_core::Envelope;
use bytes::Bytes;
use node_env::trace::Carried;
use schema_types::ids::EntityId;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// What a node knows of groups of other nodes.
pub(crate) struct Groups {
    pub(crate) holds: Holds,
    pub(crate) marks: Marks,
}

impl Groups {
    pub(crate) fn new(node: &str, incarnation: u64) -> Self {
        Self { holds: Holds::default(), marks: Marks::new(node, incarnation) }
    }
}

/// A hold on another node: the hash by which its owner is found, and its name.
type Named = (u64, String);

/// Told to a member's waiter.
type Answer = Box<dyn FnOnce(Result<(), CommitFailure>) + Send>;

/// A member that is held on another node.
struct Elsewhere {
    /// The name of the hold.
    hold: String,
    unit: HeldUnit,
    answer: Answer,
    _until_settled: Place,
}

/// An atomic group being put together.
pub struct Group {
    runtime: Runtime,
    units: Vec<Unit>,
    verdicts: Vec<oneshot::Sender<Result<(), CommitFailure>>>,
    elsewhere: Vec<Elsewhere>,
    last: Option<EntityId>,
    /// A hold that may have begun on another node.
    asking: Option<Named>,
    /// Until when all members must be held, once one of them is on another node.
    deadline: Option<Instant>,
}

/// A member's answer, to be awaited after the group was committed.
pub struct Member<R> {
    settled: oneshot::Receiver<Result<Outcome<R>, SubmitError>>,
}

impl<R> Member<R> {
    /// The member's outcome.
    ///
    /// # Errors
    /// What the group failed with.
    pub async fn outcome(self) -> Result<Outcome<R>, SubmitError> {
        self.settled.await.unwrap_or(Err(SubmitError::EntityFailed))
    }
}

impl Runtime {
    /// Starts an atomic group: everything prepared in it takes effect in one commit, or nothing.
    /// Entities must be prepared in ascending order of their ids, or two groups could wait for
    /// each other; [`Group::prepare`] checks that. They may live on several nodes.
    #[must_use]
    pub fn group(&self) -> Group {
        Group {
            runtime: self.clone(),
            units: Vec::new(),
            verdicts: Vec::new(),
            elsewhere: Vec::new(),
            asking: None,
            last: None,
            deadline: None,
        }
    }
}

impl Group {
    /// Decides a command as a member. The entity takes nothing else until the group is settled.
    ///
    /// # Errors
    /// The refusal of this member: the group must be given up then. [`SubmitError::Overloaded`]
    /// when there is no room, or another group holds the entity for too long. Members out of order
    /// are refused as a programming error.
    pub async fn prepare<E: HostedEntity>(
        &mut self,
        envelope: Envelope<E::Command>,
        attachments: Attachments,
    ) -> Result<Member<E::Reply>, SubmitError> {
        let node = Arc::clone(&self.runtime.inner);
        if node.is_ending() {
            return Err(SubmitError::ShuttingDown);
        }
        check_names(&envelope)?;
        let entity = envelope.entity.clone();
        if self.last.as_ref().is_some_and(|last| *last >= entity) {
            return Err(SubmitError::Precondition);
        }
        let place = Some(node.admit(attachments.urgency)?);
        let parcel = Parcel { envelope, attachments, place };
        let member = match self.prepare_here::<E>(&node, parcel).await {
            Ok(member) => member?,
            Err(parcel) => match node.forward.get() {
                // Large, and not the usual case: on the heap.
                Some(forward) => Box::pin(self.prepare_until_held(&**forward, *parcel)).await?,
                None => {
                    let shard = node.served.shard_of(entity.hash()).map(|shard| shard.0);
                    return Err(SubmitError::NotServed { shard });
                }
            },
        };
        self.last = Some(entity);
        Ok(member)
    }

    /// Holds an entity of this node. Gives the command back when its shard is not served here.
    async fn prepare_here<E: HostedEntity>(
        &mut self,
        node: &Arc<NodeInner>,
        parcel: Parcel<E>,
    ) -> Result<Result<Member<E::Reply>, SubmitError>, Box<Parcel<E>>> {
        let Parcel { envelope, attachments, place } = parcel;
        let (entity, (reply, settled)) = (envelope.entity.clone(), oneshot::channel());
        let (prepared, is_prepared) = oneshot::channel();
        let places = Places { entity: None, node: place };
        let trace = Carried::default();
        let submission = Submission { envelope, attachments, reply, places, trace };
        let preparation = Box::new(Preparation { submission, prepared });
        match node.hand_over(&entity, EntityMessage::<E>::Prepare(preparation)).await {
            Ok(()) => {}
            Err(unsent) => {
                return match unsent.into_unserved() {
                    Ok(EntityMessage::Prepare(preparation)) => {
                        let Submission { envelope, attachments, places, .. } =
                            preparation.submission;
                        Err(Box::new(Parcel { envelope, attachments, place: places.node }))
                    }
                    Ok(_) => Ok(Err(SubmitError::EntityFailed)),
                    Err(error) => Ok(Err(error)),
                };
            }
        }
        let prepared = match self.deadline {
            None => is_prepared.await,
            Some(deadline) => match tokio::time::timeout_at(deadline, is_prepared).await {
                Ok(prepared) => prepared,
                Err(_) => return Ok(Err(held_too_long())),
            },
        };
        let Ok(Prepared { unit, verdict }) = prepared else {
            // Refused: the reason is in the reply.
            return Ok(match node.await_outcome(settled).await {
                Err(error) => Err(error),
                Ok(_) => Err(SubmitError::OutcomeUnknown),
            });
        };
        self.units.push(unit);
        self.verdicts.push(verdict);
        Ok(Ok(Member { settled }))
    }

    /// Holds an entity at its owner, wherever that is, while its shard may move.
    async fn prepare_until_held<E: HostedEntity>(
        &mut self,
        forward: &dyn Forward,
        mut parcel: Parcel<E>,
    ) -> Result<Member<E::Reply>, SubmitError> {
        if self.elsewhere.len() >= GROUP_MEMBERS_MAX {
            return Err(SubmitError::TooLarge { bytes: self.elsewhere.len() });
        }
        let node = Arc::clone(&self.runtime.inner);
        let wait = Duration::from_millis(GROUP_PREPARE_MS_MAX.min(node.config.deadline_ms));
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + wait);
        let mut patience = Patience::until(deadline);
        let entity = parcel.envelope.entity.clone();
        loop {
            if node.served.admit(entity.hash()).is_ok() {
                match self.prepare_here::<E>(&node, parcel).await {
                    Ok(result) => return result,
                    Err(returned) => parcel = *returned,
                }
            } else {
                // Before anything is held: a node without room must not leave a hold behind.
                let place = match parcel.place.take() {
                    Some(place) => place,
                    None => node.admit(parcel.attachments.urgency)?,
                };
                let hold = node.groups.marks.fresh_name();
                let call =
                    remote::encode_prepare::<E>(&hold, &parcel.envelope, &parcel.attachments)?;
                self.asking = Some((entity.hash(), hold.clone()));
                let wait_ms = patience.left_ms();
                let asked = forward.call(entity.hash(), Bytes::from(call), wait_ms).await;
                let tried = asked.map(|answer| remote::decode_prepared::<E>(&answer, &entity));
                let asking = self.asking.take();
                if let Ok(Ok((outcome, unit))) = tried {
                    return Ok(self.take_held(hold, (outcome, unit), place));
                }
                parcel.place = Some(place);
                if may_be_held(&tried) {
                    let given_up = asking.into_iter().collect();
                    tokio::spawn(settle::tell(Arc::clone(&node), given_up, Verdict::GivenUp));
                }
                if let Some(error) = refusal(tried) {
                    return Err(error);
                }
            }
            if patience.pause(&node).await.is_err() {
                let is_ending = node.is_ending();
                return Err(if is_ending { SubmitError::ShuttingDown } else { held_too_long() });
            }
        }
    }

    fn take_held<R: Send + 'static>(
        &mut self,
        hold: String,
        (outcome, unit): (Outcome<R>, HeldUnit),
        place: Place,
    ) -> Member<R> {
        let (reply, settled) = oneshot::channel();
        let answer: Answer = Box::new(move |result| {
            // Who does not wait any more needs no answer; the commit stands either way.
            drop(reply.send(result.map(|()| outcome).map_err(SubmitError::from)));
        });
        self.elsewhere.push(Elsewhere { hold, unit, answer, _until_settled: place });
        Member { settled }
    }

    /// Commits all members in one transaction; afterwards each [`Member`] has its outcome. What was
    /// begun ends also when nobody waits for it any more.
    ///
    /// # Errors
    /// Why nothing took effect. [`SubmitError::NotServed`] when a member's shard has another owner
    /// than the one that held it, or that owner waits no longer.
    pub async fn commit(mut self) -> Result<(), SubmitError> {
        let node = Arc::clone(&self.runtime.inner);
        let (units, verdicts) =
            (std::mem::take(&mut self.units), std::mem::take(&mut self.verdicts));
        if self.elsewhere.is_empty() {
            return settle::commit_here(&node, units, verdicts).await;
        }
        let here = units.iter().map(Unit::size_bytes).sum::<usize>();
        let there = self.elsewhere.iter().map(|member| member.unit.size_bytes()).sum::<usize>();
        if here + there > GROUP_BYTES_MAX {
            return Err(SubmitError::TooLarge { bytes: here + there });
        }
        let elsewhere = std::mem::take(&mut self.elsewhere);
        match units.is_empty() {
            true => settle::commit_elsewhere(&node, elsewhere).await,
            false => settle::commit_across(&node, (units, verdicts), elsewhere).await,
        }
    }
}

impl Drop for Group {
    /// Given up: the members elsewhere need not wait for it.
    fn drop(&mut self) {
        let elsewhere = std::mem::take(&mut self.elsewhere);
        let held = elsewhere.into_iter().map(|one| (one.unit.entity.hash(), one.hold));
        let holds: Vec<Named> = held.chain(self.asking.take()).collect();
        if holds.is_empty() {
            return;
        }
        // Without an executor the node is gone, and owners stop waiting by themselves.
        if let Ok(executor) = tokio::runtime::Handle::try_current() {
            let node = Arc::clone(&self.runtime.inner);
            executor.spawn(settle::tell(node, holds, Verdict::GivenUp));
        }
    }
}

pub(crate) fn held_too_long() -> SubmitError {
    SubmitError::Overloaded { what: HELD_ENTITIES, retry_after_ms: RETRY_AFTER_MS }
}

/// Whether an entity may be held under a name, or be about to, after a try that failed.
const fn may_be_held<T>(tried: &Result<Result<T, SubmitError>, ForwardError>) -> bool {
    matches!(
        tried,
        Err(ForwardError::Lost)
            | Ok(Err(SubmitError::OutcomeUnknown | SubmitError::TooLarge { .. }))
    )
}

/// Why a try to hold an entity elsewhere is not repeated, if it is not.
fn refusal<T>(tried: Result<Result<T, SubmitError>, ForwardError>) -> Option<SubmitError> {
    match tried {
        Ok(Err(SubmitError::NotServed { .. } | SubmitError::OutcomeUnknown))
        | Err(ForwardError::Unreached | ForwardError::Lost) => None,
        Ok(Err(error)) => Some(error),
        // Taken before.
        Ok(Ok(_)) => None,
        Err(ForwardError::Overloaded { retry_after_ms }) => {
            let what = "calls to another node";
            Some(SubmitError::Overloaded { what, retry_after_ms })
        }
        Err(ForwardError::TooLarge { bytes }) => Some(SubmitError::TooLarge { bytes }),
    }
}
