//! The side of a node that holds members of other nodes' groups: calls are read, done and answered.

use super::answer::{self, Oversize};
use super::group::{self, CommitCall, PrepareCall, Prepared, SettleCall};
use super::serve::refuse;
use crate::directory::HostedEntity;
use crate::dispatch::check_names;
use crate::entity_actor::EntityMessage;
use crate::error::SubmitError;
use crate::group::{Verdict, held_too_long};
use crate::limits::GROUP_PREPARE_MS_MAX;
use crate::node::Runtime;
use crate::submit::{Held, Holding, Places, Submission};
use node_env::trace::Carried;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

impl Runtime {
    pub(super) async fn serve_prepare<E: HostedEntity>(&self, body: &[u8]) -> Vec<u8> {
        let call = match group::read_prepare::<E>(body) {
            Ok(call) => call,
            Err(fault) => return refuse(fault),
        };
        let name = call.hold.clone();
        // Large, and of three kinds: on the heap.
        let result = Box::pin(self.hold_owned::<E>(call)).await;
        answer::try_write(result).unwrap_or_else(|fault| {
            // Too large to be told of.
            self.inner.groups.holds.settle(&name, Verdict::GivenUp);
            answer::refuse(fault.refusal())
        })
    }

    async fn hold_owned<E: HostedEntity>(
        &self,
        call: PrepareCall<E::Command>,
    ) -> Result<Prepared<E::Reply>, SubmitError> {
        let node = &self.inner;
        if node.is_ending() {
            return Err(SubmitError::NotServed { shard: None });
        }
        let PrepareCall { hold, envelope, attachments } = call;
        check_names(&envelope)?;
        let place = node.admit(attachments.urgency)?;
        let asked = node.groups.holds.ask(&hold)?;
        let (entity, (reply, settled)) = (envelope.entity.clone(), oneshot::channel());
        let (held, is_held) = oneshot::channel();
        let places = Places { entity: None, node: Some(place) };
        let trace = Carried::default();
        let submission = Submission { envelope, attachments, reply, places, trace };
        let holding = Box::new(Holding { name: hold.clone(), submission, held });
        node.hand_over(&entity, EntityMessage::<E>::Hold(holding)).await?;
        match timeout(Duration::from_millis(GROUP_PREPARE_MS_MAX), is_held).await {
            Ok(Ok(Held { unit, outcome, verdict })) => match asked.hold(verdict) {
                true => Ok(Prepared { outcome, unit }),
                false => Err(SubmitError::OutcomeUnknown),
            },
            // Refused: the reason is in the reply.
            Ok(Err(_)) => match node.await_outcome(settled).await {
                Err(error) => Err(error),
                Ok(_) => Err(SubmitError::EntityFailed),
            },
            Err(_) => Err(held_too_long()),
        }
    }

    pub(super) fn serve_settle(&self, body: &[u8]) -> Vec<u8> {
        let SettleCall { hold, verdict } = match group::read_settle(body) {
            Ok(call) => call,
            Err(fault) => return refuse(fault),
        };
        self.inner.groups.holds.settle(&hold, verdict);
        answer::write(Ok(()), Oversize::Harmless)
    }

    pub(super) async fn serve_commit(&self, body: &[u8]) -> Vec<u8> {
        let CommitCall { hold, units } = match group::read_commit(body) {
            Ok(call) => call,
            Err(fault) => return refuse(fault),
        };
        answer::write(self.inner.commit_for_another(hold, units).await, Oversize::Done)
    }
}
