//! The passivator: puts idle entities of one kind to sleep, so that no more are resident than
//! wanted. Never waits for an actor or a commit, so that nothing can hold it up (LIM-1).
//!
//! Who is evicted by moka is drowsy: it sleeps when room is needed, in the order of eviction, or at
//! the next sweep. An entity sleeps only while it is idle with every unit settled: then the store
//! has all of it and its mailbox is empty.

use crate::directory::{Cursor, HostedEntity, PARTS, Removal, Slot};
use crate::entity_actor::{EntityMessage, Rest};
use crate::limits::{
    PASSIVATION_EVENTS_MAX, PASSIVATION_PAUSE_MS, PASSIVATION_QUEUE_MAX, PASSIVATION_TURN_MS,
    PASSIVATIONS_AT_ONCE_MAX, SWEEP_SLOTS_MAX, SWEEP_TURNS,
};
use crate::node::NodeInner;
use schema_types::ids::EntityId;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{MissedTickBehavior, interval};

struct Passivator<E: HostedEntity> {
    node: Arc<NodeInner>,
    evicted: mpsc::Receiver<EntityId>,
    drowsy: VecDeque<Arc<Slot<E>>>,
    cursor: Cursor,
    /// Permits to write a snapshot.
    rests: Arc<Semaphore>,
}

/// Puts idle entities to sleep until the node ends.
pub(crate) async fn passivate<E: HostedEntity>(node: Arc<NodeInner>) {
    let Some(evicted) = E::directory(&node).take_evicted() else { return };
    let rests = Arc::new(Semaphore::new(PASSIVATIONS_AT_ONCE_MAX));
    let (drowsy, cursor) = (VecDeque::new(), Cursor::default());
    let mut passivator =
        Passivator::<E> { node: Arc::clone(&node), evicted, drowsy, cursor, rests };
    let directory = E::directory(&node);
    let mut ticks = interval(Duration::from_millis(PASSIVATION_TURN_MS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ending = node.ending();
    loop {
        let is_tick = tokio::select! {
            biased;
            _ = ending.wait_for(|ending| *ending) => return,
            _ = ticks.tick() => true,
            () = directory.pressed() => false,
        };
        passivator.make_room();
        if is_tick || directory.excess() > 0 {
            passivator.sweep();
        }
        // Everybody is busy, or writes a snapshot.
        if directory.excess() > 0 && !node.wait_ms(PASSIVATION_PAUSE_MS).await {
            return;
        }
    }
}

impl<E: HostedEntity> Passivator<E> {
    /// Puts drowsy entities to sleep while more are resident than wanted.
    fn make_room(&mut self) {
        let directory = E::directory(&self.node);
        directory.policy.run_pending_tasks();
        while self.drowsy.len() < PASSIVATION_QUEUE_MAX
            && let Ok(entity) = self.evicted.try_recv()
        {
            if let Some(slot) = directory.find(&entity)
                && !directory.policy.contains_key(&entity)
            {
                slot.mark_drowsy();
                self.drowsy.push_back(slot);
            }
        }
        for _ in 0..self.drowsy.len() {
            if directory.excess() == 0 {
                return;
            }
            // Who was used meanwhile is moka's again, or comes back when moka evicts it.
            if let Some(slot) = self.drowsy.pop_front()
                && slot.is_drowsy()
                && !self.put_to_sleep(&slot)
            {
                self.drowsy.push_back(slot);
            }
        }
    }

    /// Looks at some of the residents: who is idle and not worth keeping is put to sleep. Finds
    /// who was idle for long and whom moka's queue had no room for.
    fn sweep(&mut self) {
        let directory = E::directory(&self.node);
        let mut left = (directory.len().max(PARTS) / SWEEP_TURNS).min(SWEEP_SLOTS_MAX);
        while left > 0 {
            let slots = directory.walk(&mut self.cursor, left);
            // An empty part costs a lock.
            left = left.saturating_sub(slots.len().max(1));
            for slot in slots {
                if slot.residency.is_idle()
                    && !directory.policy.contains_key(&slot.residency.entity)
                {
                    self.put_to_sleep(&slot);
                }
            }
        }
    }

    /// Two steps: a snapshot while the entity still serves, if loading would be slow without it,
    /// then removal only if nobody came back. `false` when it is to be tried again.
    fn put_to_sleep(&self, slot: &Arc<Slot<E>>) -> bool {
        if !slot.residency.is_idle() {
            return false;
        }
        if slot.residency.events_since_snapshot() > PASSIVATION_EVENTS_MAX
            && let Some(actor) = slot.started()
        {
            self.rest(slot, actor);
            return false;
        }
        match E::directory(&self.node).remove_idle(slot) {
            Removal::Done => {}
            Removal::Needed => return false,
            Removal::Gone => return true,
        }
        if let Some(actor) = slot.started() {
            self.node.forget_failure_hook(actor.get_id());
            actor.stop(None);
        }
        self.node.metrics.entities_passivated.add(1);
        true
    }

    /// Asks for a snapshot; the entity is found again when it is durable.
    fn rest(&self, slot: &Slot<E>, actor: &ractor::ActorRef<EntityMessage<E>>) {
        let permit = Arc::clone(&self.rests).try_acquire_owned();
        // As a command would: until the snapshot is durable nobody else may put it to sleep.
        let place = slot.residency.enter(u32::MAX);
        if let (Ok(permit), Some(place)) = (permit, place) {
            let rest = Rest { _place: place, _permit: permit };
            drop(actor.send_message(EntityMessage::Rest(rest)));
        }
    }
}
