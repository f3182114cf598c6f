//! Commands for entities that another node owns: sent there, and sent again while their shard
//! moves, so that a move fails no call and none overtakes another (ORD-1). Callers wait in places
//! that admission gave them (LIM-1).

use crate::admission::Place;
use crate::directory::HostedEntity;
use crate::error::SubmitError;
use crate::limits::{FORWARD_PAUSE_MS, FORWARD_PAUSE_MS_MAX};
use crate::node::{NodeInner, Runtime};
use crate::order::{Order, Ticket, Way};
use crate::remote;
use crate::submit::{Attachments, Outcome};
use actors_core::Envelope;
use bytes::Bytes;
use futures::future::BoxFuture;
use schema_types::audit::AuditDraft;
use schema_types::ids::{EntityId, ShardId};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Why a call did not come back from another node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForwardError {
    /// Nobody was asked: the shard has no owner now, or the owner cannot be reached.
    Unreached,
    /// The owner has no room; it did nothing.
    Overloaded {
        /// When to try again.
        retry_after_ms: u64,
    },
    /// The call is larger than the way to the owner takes; nothing was done.
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// It was asked, and whether it did anything is not known.
    Lost,
}

/// The way to other nodes.
pub trait Forward: Send + Sync + 'static {
    /// Has the owner of `hash` serve a call ([`crate::Runtime::serve_call`]) and gives its answer.
    fn call(
        &self,
        hash: u64,
        call: Bytes,
        deadline_ms: u64,
    ) -> BoxFuture<'_, Result<Vec<u8>, ForwardError>>;

    /// The shard that holds `hash` by the plan, wherever it is served.
    fn shard_at(&self, hash: u64) -> Option<ShardId>;
}

/// The way to other nodes, once there is one, and the order of what may have to go there.
#[derive(Default)]
pub(crate) struct Forwarding {
    way: OnceLock<Arc<dyn Forward>>,
    order: Arc<Order>,
}

impl Forwarding {
    pub(crate) fn get(&self) -> Option<&Arc<dyn Forward>> {
        self.way.get()
    }

    /// Calls go this way from now on. Set once; the first one stays.
    pub(crate) fn set(&self, way: Arc<dyn Forward>) {
        drop(self.way.set(way));
    }
}

/// A command with what goes beside it and its place on the node.
pub(crate) struct Parcel<E: HostedEntity> {
    pub(crate) envelope: Envelope<E::Command>,
    pub(crate) attachments: Attachments,
    pub(crate) place: Option<Place>,
}

impl Runtime {
    /// The shard that holds `hash`, here or elsewhere; nothing when this node does not know.
    #[must_use]
    pub fn shard_at(&self, hash: u64) -> Option<ShardId> {
        self.inner.shard_at(hash)
    }
}

impl NodeInner {
    pub(crate) fn shard_at(&self, hash: u64) -> Option<ShardId> {
        let here = self.served.shard_of(hash);
        here.or_else(|| self.forward.get().and_then(|forward| forward.shard_at(hash)))
    }

    /// Submits here or at the owner, until there is an answer or the deadline is over.
    pub(crate) async fn submit_anywhere<E: HostedEntity>(
        self: &Arc<Self>,
        parcel: Parcel<E>,
    ) -> Result<Outcome<E::Reply>, SubmitError> {
        let hash = parcel.envelope.entity.hash();
        let Some(forward) = self.forward.get() else {
            return self.submit_here(parcel, None).await.unwrap_or_else(|returned| {
                let hash = returned.envelope.entity.hash();
                let shard = self.served.shard_of(hash).map(|shard| shard.0);
                Err(SubmitError::NotServed { shard })
            });
        };
        let mut parcel = parcel;
        let names = (&parcel.envelope.source, &parcel.envelope.entity);
        let ticket = self.forward.order.enter(names, parcel.attachments.once)?;
        let ticket = ticket.as_ref();
        let is_first = ticket.is_none_or(|ticket| ticket.turn(Way::Here).is_ok());
        if is_first && self.served.admit(hash).is_ok() {
            match self.submit_while_ours(parcel, ticket).await {
                Ok(result) => return result,
                Err(returned) => parcel = *returned,
            }
        }
        // Large, and not the usual case: on the heap.
        Box::pin(self.submit_until_served(&**forward, parcel, ticket)).await
    }

    /// Submits here. Gives the command back also when the shard was lost before the command was
    /// committed: then nothing was done, and its callers are sent on instead of failed (OWN-1). So
    /// is one whose outcome nobody knows, if its name is remembered (ONCE-1).
    async fn submit_while_ours<E: HostedEntity>(
        self: &Arc<Self>,
        parcel: Parcel<E>,
        ticket: Option<&Ticket>,
    ) -> Result<Result<Outcome<E::Reply>, SubmitError>, Box<Parcel<E>>> {
        let (envelope, attachments) = (parcel.envelope.clone(), parcel.attachments.clone());
        let had_place = parcel.place.is_some();
        let submitted = match self.submit_here(parcel, ticket).await {
            Ok(Err(error))
                if error.has_met_another_owner()
                    || (attachments.once && error == SubmitError::OutcomeUnknown) =>
            {
                // Its place went with the first try; it waits in another one (LIM-1).
                let place = match had_place.then(|| self.admit(attachments.urgency)).transpose() {
                    Ok(place) => place,
                    Err(overloaded) => return Ok(Err(overloaded)),
                };
                Err(Box::new(Parcel { envelope, attachments, place }))
            }
            submitted => submitted,
        };
        if let (Some(ticket), Err(_)) = (ticket, &submitted) {
            ticket.set_handed(false);
        }
        submitted
    }

    async fn submit_until_served<E: HostedEntity>(
        self: &Arc<Self>,
        forward: &dyn Forward,
        mut parcel: Parcel<E>,
        ticket: Option<&Ticket>,
    ) -> Result<Outcome<E::Reply>, SubmitError> {
        let hash = parcel.envelope.entity.hash();
        let mut encoded: Option<Bytes> = None;
        // What is remembered by its name has one effect however often it is sent (ONCE-1).
        let may_repeat = parcel.attachments.once;
        let mut patience = Patience::new(self);
        loop {
            let way = if self.served.admit(hash).is_ok() { Way::Here } else { Way::There };
            if let Some(turn) = ticket.and_then(|ticket| ticket.turn(way).err()) {
                patience.turn(&turn).await?;
                continue;
            }
            if way == Way::Here {
                match self.submit_while_ours(parcel, ticket).await {
                    Ok(result) => return result,
                    Err(returned) => parcel = *returned,
                }
            } else {
                let call = match encoded.take() {
                    Some(call) => call,
                    None => {
                        remote::encode_submit::<E>(&parcel.envelope, &parcel.attachments)?.into()
                    }
                };
                encoded = Some(Bytes::clone(&call));
                let asked = forward.call(hash, call, patience.left_ms()).await;
                let tried = asked.map(|answer| remote::decode_answer::<E>(&answer));
                if let Some(result) = settled(tried, may_repeat) {
                    return result;
                }
            }
            patience.pause(self).await?;
        }
    }

    /// Whether another node is to do what concerns an entity, as far as this one knows.
    pub(crate) fn belongs_elsewhere(&self, entity: &EntityId) -> bool {
        self.forward.get().is_some() && self.served.admit(entity.hash()).is_err()
    }

    /// Has the owner keep a record, or keeps it when the shard comes here meanwhile.
    pub(crate) async fn record_anywhere<'a>(
        &self,
        audit: &AuditDraft,
        call: Vec<u8>,
        mut here: impl FnMut() -> BoxFuture<'a, Result<(), SubmitError>>,
    ) -> Result<(), SubmitError> {
        let (hash, call) = (audit.entity.hash(), Bytes::from(call));
        let Some(forward) = self.forward.get() else { return here().await };
        let mut patience = Patience::new(self);
        loop {
            let tried = if self.served.admit(hash).is_ok() {
                Ok(here().await)
            } else {
                let asked = forward.call(hash, Bytes::clone(&call), patience.left_ms()).await;
                asked.map(|answer| remote::decode_record_answer(&answer))
            };
            if let Some(result) = settled(tried, false) {
                return result;
            }
            patience.pause(self).await?;
        }
    }
}

/// The result of a try, if there is nothing more to try.
fn settled<T>(
    tried: Result<Result<T, SubmitError>, ForwardError>,
    may_repeat: bool,
) -> Option<Result<T, SubmitError>> {
    match tried {
        Ok(Err(SubmitError::NotServed { .. })) | Err(ForwardError::Unreached) => None,
        Ok(Err(SubmitError::OutcomeUnknown)) if may_repeat => None,
        Ok(result) => Some(result),
        Err(ForwardError::Overloaded { retry_after_ms }) => {
            let what = "calls to another node";
            Some(Err(SubmitError::Overloaded { what, retry_after_ms }))
        }
        Err(ForwardError::TooLarge { bytes }) => Some(Err(SubmitError::TooLarge { bytes })),
        Err(ForwardError::Lost) if may_repeat => None,
        Err(ForwardError::Lost) => Some(Err(SubmitError::OutcomeUnknown)),
    }
}

/// How long a caller waits for an owner, in growing pauses.
pub(crate) struct Patience {
    deadline: Instant,
    pause_ms: u64,
}

impl Patience {
    fn new(node: &NodeInner) -> Self {
        Self::until(Instant::now() + Duration::from_millis(node.config.deadline_ms))
    }

    pub(crate) fn until(deadline: Instant) -> Self {
        Self { deadline, pause_ms: FORWARD_PAUSE_MS }
    }

    pub(crate) fn left_ms(&self) -> u64 {
        let left = self.deadline.saturating_duration_since(Instant::now());
        u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
    }

    /// Waits until those that came before may be through.
    async fn turn(&self, turn: &Notify) -> Result<(), SubmitError> {
        let what = "shards on the move";
        let late = SubmitError::Overloaded { what, retry_after_ms: FORWARD_PAUSE_MS_MAX };
        tokio::time::timeout_at(self.deadline, turn.notified()).await.map_err(|_| late)
    }

    pub(crate) async fn pause(&mut self, node: &NodeInner) -> Result<(), SubmitError> {
        if Instant::now() >= self.deadline {
            let what = "shards on the move";
            return Err(SubmitError::Overloaded { what, retry_after_ms: FORWARD_PAUSE_MS_MAX });
        }
        if !node.wait_ms(self.pause_ms).await {
            return Err(SubmitError::ShuttingDown);
        }
        self.pause_ms = (self.pause_ms * 2).min(FORWARD_PAUSE_MS_MAX);
        Ok(())
    }
}
