//! The directory: which entities of a kind are resident, started on first message, put to sleep
//! when idle, restarted from the store after a failure.
//!
//! The map is the truth about residency, so that an entity never has two actors; moka only says
//! whom to put to sleep.

use crate::entity_actor::{EntityActor, EntityMessage, Start};
use crate::error::SubmitError;
use crate::limits::{PASSIVATION_QUEUE_MAX, RETRY_AFTER_MS};
use crate::load;
use crate::node::NodeInner;
use crate::residency::{InFlight, Residency};
use actors_core::Entity;
use moka::notification::RemovalCause;
use moka::sync::Cache;
use ractor::{Actor, ActorCell, ActorId, ActorRef};
use schema_types::ids::EntityId;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OnceCell, mpsc, oneshot};

/// Parts of the map, each with its own lock.
const PARTS: usize = 64;

/// A resident entity: its shared counters and, once started, its actor.
pub(crate) struct Slot<E: Entity> {
    pub(crate) residency: Arc<Residency>,
    actor: OnceCell<ActorRef<EntityMessage<E>>>,
    /// The sweep of the passivator in which moka last heard of a use.
    used_in_turn: AtomicU32,
}

/// By hash first, so that finding an entity compares numbers.
type Part<E> = BTreeMap<(u64, EntityId), Arc<Slot<E>>>;

/// The resident entities of one kind. Public only as a type in [`HostedEntity`].
#[doc(hidden)]
pub struct Directory<E: Entity> {
    parts: Vec<Mutex<Part<E>>>,
    /// Whom moka evicted: candidates for sleep.
    evicted: Mutex<Option<mpsc::Receiver<EntityId>>>,
    policy: Cache<EntityId, ()>,
    /// Counts sweeps of the passivator, one in 5 s: moka is told of a use once between two, not at
    /// each message.
    turn: AtomicU32,
}

impl<E: Entity> Directory<E> {
    pub(crate) fn new(resident_max: u64, idle_seconds_max: u64) -> Self {
        let (candidates, evicted) = mpsc::channel(PASSIVATION_QUEUE_MAX);
        let policy = Cache::builder()
            .max_capacity(resident_max)
            .time_to_idle(Duration::from_secs(idle_seconds_max))
            .eviction_listener(move |entity: Arc<EntityId>, (), cause| {
                // A full queue is no loss: the sweep finds who is resident without a policy entry.
                if cause != RemovalCause::Replaced && cause != RemovalCause::Explicit {
                    drop(candidates.try_send((*entity).clone()));
                }
            })
            .build();
        let parts = (0..PARTS).map(|_| Mutex::new(BTreeMap::new())).collect();
        Self { parts, evicted: Mutex::new(Some(evicted)), policy, turn: AtomicU32::new(1) }
    }

    fn part(&self, entity: &EntityId) -> MutexGuard<'_, Part<E>> {
        let parts = u64::try_from(PARTS).unwrap_or(1);
        let index = usize::try_from(entity.hash() % parts).unwrap_or(0);
        // The map is consistent between statements; a panic elsewhere must not take it down.
        self.parts[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many entities are resident.
    pub(crate) fn len(&self) -> usize {
        self.parts
            .iter()
            .map(|part| part.lock().unwrap_or_else(PoisonError::into_inner).len())
            .sum()
    }

    /// Takes a place with a resident entity, making it resident first if need be.
    pub(crate) fn enter(
        &self,
        entity: &EntityId,
        in_flight_max: u32,
    ) -> Result<(Arc<Slot<E>>, InFlight), SubmitError> {
        let (slot, place) = {
            let mut part = self.part(entity);
            let slot = part.entry((entity.hash(), entity.clone())).or_insert_with(|| {
                Arc::new(Slot {
                    residency: Arc::new(Residency::new(entity.clone())),
                    actor: OnceCell::new(),
                    used_in_turn: AtomicU32::new(0),
                })
            });
            (Arc::clone(slot), slot.residency.enter(in_flight_max))
        };
        match place {
            Some(place) => {
                let turn = self.turn.load(Ordering::Relaxed);
                if slot.used_in_turn.swap(turn, Ordering::Relaxed) != turn {
                    self.policy.get_with_by_ref(entity, || ());
                }
                Ok((slot, place))
            }
            None => Err(SubmitError::Overloaded {
                what: "commands of one entity",
                retry_after_ms: RETRY_AFTER_MS,
            }),
        }
    }

    /// Takes a slot out of the map if it is still the one there and nobody needs it.
    fn remove_idle(&self, slot: &Arc<Slot<E>>) -> bool {
        let entity = &slot.residency.entity;
        let mut part = self.part(entity);
        let key = (entity.hash(), entity.clone());
        let is_same = part.get(&key).is_some_and(|found| Arc::ptr_eq(found, slot));
        let is_idle = is_same && slot.residency.is_idle();
        if is_idle {
            part.remove(&key);
        }
        is_idle
    }

    fn remove(&self, slot: &Arc<Slot<E>>) {
        let entity = &slot.residency.entity;
        let mut part = self.part(entity);
        let key = (entity.hash(), entity.clone());
        if part.get(&key).is_some_and(|found| Arc::ptr_eq(found, slot)) {
            part.remove(&key);
        }
    }

    fn resident_without_policy(&self) -> Vec<Arc<Slot<E>>> {
        let mut found = Vec::new();
        for part in &self.parts {
            let part = part.lock().unwrap_or_else(PoisonError::into_inner);
            let idle = part.values().filter(|slot| {
                slot.residency.is_idle() && !self.policy.contains_key(&slot.residency.entity)
            });
            found.extend(idle.cloned());
        }
        found
    }
}

impl<E: Entity> Slot<E> {
    /// The entity's actor, if it runs.
    pub(crate) fn running(&self) -> Option<&ActorRef<EntityMessage<E>>> {
        if self.residency.has_failed() { None } else { self.actor.get() }
    }
}

impl<E: HostedEntity> Slot<E> {
    /// The entity's actor, started from the store if it does not run. One starter at a time.
    pub(crate) async fn actor(
        self: &Arc<Self>,
        node: &Arc<NodeInner>,
    ) -> Result<ActorRef<EntityMessage<E>>, SubmitError> {
        let started = self.actor.get_or_try_init(|| start(node, self)).await;
        started.cloned()
    }
}

/// An entity kind that this node hosts.
pub trait HostedEntity: Entity {
    #[doc(hidden)]
    fn directory(node: &NodeInner) -> &Directory<Self>;
}

async fn start<E: HostedEntity>(
    node: &Arc<NodeInner>,
    slot: &Arc<Slot<E>>,
) -> Result<ActorRef<EntityMessage<E>>, SubmitError> {
    let snapshot = node.store.begin().await?;
    let loaded = load::load::<E>(&*snapshot, &slot.residency.entity).await?;
    let arguments =
        Start { node: Arc::clone(node), residency: Arc::clone(&slot.residency), loaded };
    let behaviour = EntityActor::<E>(PhantomData);
    let supervisor = node.supervisor();
    let (actor, _task) = match supervisor {
        Some(supervisor) => Actor::spawn_linked(None, behaviour, arguments, supervisor).await,
        None => return Err(SubmitError::ShuttingDown),
    }
    .map_err(|_| SubmitError::EntityFailed)?;
    let failed_slot = Arc::downgrade(slot);
    let failed_node = Arc::downgrade(node);
    node.on_failure(
        actor.get_id(),
        Box::new(move || {
            if let (Some(node), Some(slot)) = (failed_node.upgrade(), failed_slot.upgrade()) {
                slot.residency.mark_failed();
                tokio::spawn(forget_failed(node, slot));
            }
        }),
    );
    node.metrics.entities_activated.add(1);
    Ok(actor)
}

/// A failed actor's decided units are still valid; only when they are settled may a new actor
/// start from the store, or it would miss them.
async fn forget_failed<E: HostedEntity>(node: Arc<NodeInner>, slot: Arc<Slot<E>>) {
    slot.residency.units_settled().await;
    E::directory(&node).remove(&slot);
}

/// Puts idle entities to sleep until the node ends.
pub(crate) async fn passivate<E: HostedEntity>(node: Arc<NodeInner>) {
    const SWEEP_TURNS: u32 = 20;
    const TURN_MS: u64 = 250;
    let directory = E::directory(&node);
    let taken = directory.evicted.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(mut evicted) = taken else { return };
    let mut turn = 0_u32;
    while node.wait_ms(TURN_MS).await {
        if turn.is_multiple_of(SWEEP_TURNS) {
            directory.turn.fetch_add(1, Ordering::Relaxed);
        }
        directory.policy.run_pending_tasks();
        while let Ok(entity) = evicted.try_recv() {
            let key = (entity.hash(), entity.clone());
            let slot = directory.part(&entity).get(&key).cloned();
            if let Some(slot) = slot
                && !directory.policy.contains_key(&entity)
            {
                put_to_sleep(&node, &slot).await;
            }
        }
        turn = turn.wrapping_add(1);
        if turn.is_multiple_of(SWEEP_TURNS) {
            for slot in directory.resident_without_policy() {
                put_to_sleep(&node, &slot).await;
            }
        }
    }
}

/// Two steps: a snapshot while the entity still serves, then removal only if nobody came back.
async fn put_to_sleep<E: HostedEntity>(node: &Arc<NodeInner>, slot: &Arc<Slot<E>>) {
    let directory = E::directory(node);
    if !slot.residency.is_idle() {
        directory.policy.insert(slot.residency.entity.clone(), ());
        return;
    }
    if let Some(actor) = slot.actor.get() {
        let (done, rested) = oneshot::channel();
        if actor.send_message(EntityMessage::Rest(done)).is_ok() && rested.await.is_err() {
            return;
        }
    }
    slot.residency.units_settled().await;
    if directory.remove_idle(slot) {
        if let Some(actor) = slot.actor.get() {
            node.forget_failure_hook(actor.get_id());
            actor.stop(None);
        }
        node.metrics.entities_passivated.add(1);
    } else {
        directory.policy.insert(slot.residency.entity.clone(), ());
    }
}

/// What to do when an actor fails.
pub(crate) type FailureHook = Box<dyn FnOnce() + Send>;

/// Failure hooks by actor, and the supervisor that calls them.
#[derive(Default)]
pub(crate) struct Supervision {
    hooks: Mutex<BTreeMap<ActorId, FailureHook>>,
    supervisor: OnceCell<ActorCell>,
}

impl Supervision {
    pub(crate) fn set_supervisor(&self, supervisor: ActorCell) {
        // Set once when the node starts.
        drop(self.supervisor.set(supervisor));
    }

    pub(crate) fn supervisor(&self) -> Option<ActorCell> {
        self.supervisor.get().cloned()
    }

    pub(crate) fn on_failure(&self, actor: ActorId, hook: FailureHook) {
        self.hooks.lock().unwrap_or_else(PoisonError::into_inner).insert(actor, hook);
    }

    pub(crate) fn take(&self, actor: ActorId) -> Option<FailureHook> {
        self.hooks.lock().unwrap_or_else(PoisonError::into_inner).remove(&actor)
    }
}
