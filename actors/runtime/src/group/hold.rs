//! The owner's side of a group that another node puts together: the entity decides, then waits for
//! the verdict, but not for ever (LIVE-1).

use super::{Guard, Verdict};
use crate::entity_actor::{Resident, answer};
use crate::error::SubmitError;
use crate::limits::{GROUP_CLOSING_MS_MAX, GROUP_HOLD_MS_MAX, GROUP_PAUSE_MS};
use crate::node::NodeInner;
use crate::submit::{Held, Holding, Submission};
use actors_core::Entity;
use schema_types::ids::EntityId;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

impl<E: Entity> Resident<E> {
    /// Decides, gives the unit away and holds still until it is known what became of the group, so
    /// that nothing else is decided on a state that may be taken back.
    pub(crate) async fn hold(&mut self, holding: Holding<E>) {
        let Holding { name, submission, held } = holding;
        let Submission { envelope, attachments, reply, places, .. } = submission;
        let guard = match self.settled_state().await {
            Ok(guard) => guard,
            Err(error) => return answer(reply, Err(error)),
        };
        let before = self.decider.mark();
        let decided = match self.decider.decide(&self.node, envelope, attachments).await {
            Ok(decided) if decided.is_refused() => {
                return self.answer_alone(decided, reply, places).await;
            }
            Ok(decided) => decided,
            Err(error) => return answer(reply, Err(error)),
        };
        let (mut parts, outcome) = decided.into_parts();
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => return answer(reply, Err(error)),
        };
        parts.require_journal_end(&self.residency.entity, &before);
        let (unit, outbox) = parts.into_held(guard.clone());
        let (verdict, told) = oneshot::channel();
        // Before anybody can commit it: an actor that fails from here on must not start again from
        // a store that may still change.
        self.residency.set_held(true);
        if held.send(Held { unit, outcome, verdict }).is_err() {
            // Nobody waits for it any more, so nobody commits it.
            self.decider.restore(before);
            return self.residency.set_held(false);
        }
        self.node.metrics.group_members_held.add(1);
        let verdict = await_verdict(&self.node, &self.residency.entity, told).await;
        self.node.groups.holds.forget(&name);
        match verdict {
            Verdict::Committed => {
                outbox.into_iter().for_each(|send| self.node.outbox.offer(send));
            }
            Verdict::GivenUp => self.decider.restore(before),
            Verdict::Unknown => {
                if !self.node.stop_waiting(guard.shard, Some(&guard.mark)).await {
                    return;
                }
                // What the store has now stays: the next message starts from there.
                self.residency.discard(self.decider.generation);
                self.node.outbox.sweep();
            }
        }
        self.residency.set_held(false);
        drop(places);
    }

    /// Makes sure that all that the entity decided before is durable, since another node commits
    /// what comes next; gives what must then be so in the store.
    async fn settled_state(&mut self) -> Result<Guard, SubmitError> {
        self.residency.units_settled().await;
        self.refresh().await?;
        // Nothing is awaited in between: the state is the one of this owner and mark.
        let shard = self.node.shard_of(&self.residency.entity)?;
        if self.residency.is_abandoned() {
            // The shard went, and may be back: then another actor has the entity.
            return Err(SubmitError::NotServed { shard: Some(shard.0) });
        }
        let guard = self.node.groups.marks.guard(shard);
        guard.ok_or(SubmitError::NotServed { shard: Some(shard.0) })
    }
}

/// Waits for the verdict on a group; a shard that closes does not wait for long.
async fn await_verdict(
    node: &NodeInner,
    entity: &EntityId,
    told: oneshot::Receiver<Verdict>,
) -> Verdict {
    let wait = timeout(Duration::from_millis(GROUP_HOLD_MS_MAX), told);
    tokio::select! {
        biased;
        told = wait => match told {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(_)) | Err(_) => Verdict::Unknown,
        },
        () = closing(node, entity) => Verdict::Unknown,
    }
}

/// Ends some time after the shard of an entity began to close.
async fn closing(node: &NodeInner, entity: &EntityId) {
    while node.served.admit(entity.hash()).is_ok() {
        sleep(Duration::from_millis(GROUP_PAUSE_MS)).await;
    }
    sleep(Duration::from_millis(GROUP_CLOSING_MS_MAX)).await;
}
