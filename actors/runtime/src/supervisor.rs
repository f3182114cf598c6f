//! The supervisor of all entity actors. It restarts nobody itself: a failed entity is forgotten,
//! and its next message starts it from the store. Others do not notice.

use crate::node::NodeInner;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use std::sync::Weak;

/// The supervisor's behaviour.
pub(crate) struct EntitySupervisor;

/// It takes no messages of its own.
pub(crate) enum SupervisorMessage {}

impl ractor::Message for SupervisorMessage {}

impl Actor for EntitySupervisor {
    type Msg = SupervisorMessage;
    type State = Weak<NodeInner>;
    type Arguments = Weak<NodeInner>;

    async fn pre_start(
        &self,
        _myself: ActorRef<Self::Msg>,
        node: Weak<NodeInner>,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(node)
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        node: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let Some(node) = node.upgrade() else { return Ok(()) };
        // The failure's text may quote data and is not logged (PHI-1).
        if let SupervisionEvent::ActorFailed(actor, _) = &event {
            node.metrics.entities_failed.add(1);
            tracing::warn!(actor = %actor.get_id(), "entity failed");
            if let Some(hook) = node.take_failure_hook(actor.get_id()) {
                hook();
            }
        } else if let SupervisionEvent::ActorTerminated(actor, ..) = &event {
            node.forget_failure_hook(actor.get_id());
        }
        Ok(())
    }
}
