//! The directory: which entities of a kind are resident, started on first message, restarted from
//! the store after a failure. Whom to put to sleep is the passivator's matter.
//!
//! The map is the truth about residency, so that an entity never has two actors; moka only says
//! who is worth keeping.

use crate::config::RuntimeConfig;
use crate::entity_actor::{EntityActor, EntityMessage, Start};
use crate::error::SubmitError;
use crate::limits::{
    DROWSY_SHARE_DIVISOR, PASSIVATION_QUEUE_MAX, RESIDENT_MARGIN_DIVISOR, RETRY_AFTER_MS,
};
use crate::load;
use crate::metrics::Metrics;
use crate::node::NodeInner;
use crate::residency::{InFlight, Residency};
use crate::shards::Served;
use actors_core::Entity;
use moka::notification::RemovalCause;
use moka::sync::Cache;
use ractor::{Actor, ActorCell, ActorId, ActorRef};
use schema_types::cluster::HashRange;
use schema_types::ids::EntityId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::marker::PhantomData;
use std::ops::Bound;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OnceCell, mpsc};

/// Parts of the map, each with its own lock.
pub(crate) const PARTS: usize = 64;
/// No turn of the passivator: the entity was not used since it became drowsy.
const UNUSED: u32 = 0;
/// What there is no room for when an entity that sleeps is refused.
pub(crate) const RESIDENT_ENTITIES: &str = "resident entities";

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
    /// How many are in the parts.
    resident: AtomicUsize,
    room: Room,
    /// Told when there are more than wanted.
    pressed: Notify,
    /// Whom moka evicted: candidates for sleep.
    evicted: Mutex<Option<mpsc::Receiver<EntityId>>>,
    pub(crate) policy: Cache<EntityId, ()>,
    /// Counts sweeps of the passivator: moka is told of a use once between two, not at each
    /// message.
    turn: AtomicU32,
    served: Arc<Served>,
    metrics: Arc<Metrics>,
}

/// How many entities may be resident (LIM-1).
#[derive(Debug, Clone, Copy)]
struct Room {
    /// Above it, idle ones are put to sleep.
    wanted: usize,
    /// At it, entities that sleep are refused.
    most: usize,
    /// What moka keeps. The others are drowsy: who was just woken and is not used often enough
    /// for moka finishes what it is about before it sleeps again.
    kept: u64,
}

impl Room {
    fn new(config: &RuntimeConfig) -> Self {
        let wanted = config.resident_entities_max;
        let in_flight = u64::try_from(config.in_flight_max).unwrap_or(u64::MAX);
        let most = wanted.saturating_add(in_flight.max(wanted / RESIDENT_MARGIN_DIVISOR));
        let queue = u64::try_from(PASSIVATION_QUEUE_MAX).unwrap_or(u64::MAX);
        let drowsy = (wanted / DROWSY_SHARE_DIVISOR).min(queue / 2);
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Self { wanted: count(wanted), most: count(most), kept: wanted - drowsy }
    }
}

/// What became of the wish to take a slot out of the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
    /// It is out now.
    Done,
    /// Somebody needs it.
    Needed,
    /// It was out before.
    Gone,
}

/// Where a walk over all residents stands.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    part: usize,
    last: Option<(u64, EntityId)>,
}

impl<E: Entity> Directory<E> {
    pub(crate) fn new(
        config: &RuntimeConfig,
        served: &Arc<Served>,
        metrics: &Arc<Metrics>,
    ) -> Self {
        let (candidates, evicted) = mpsc::channel(PASSIVATION_QUEUE_MAX);
        let room = Room::new(config);
        let policy = Cache::builder()
            .max_capacity(room.kept)
            .time_to_idle(Duration::from_secs(config.idle_seconds_max))
            .eviction_listener(move |entity: Arc<EntityId>, (), cause| {
                // A full queue is no loss: the sweep finds who is resident without a policy entry.
                if cause != RemovalCause::Replaced && cause != RemovalCause::Explicit {
                    drop(candidates.try_send((*entity).clone()));
                }
            })
            .build();
        Self {
            parts: (0..PARTS).map(|_| Mutex::new(BTreeMap::new())).collect(),
            resident: AtomicUsize::new(0),
            room,
            pressed: Notify::new(),
            evicted: Mutex::new(Some(evicted)),
            policy,
            turn: AtomicU32::new(1),
            served: Arc::clone(served),
            metrics: Arc::clone(metrics),
        }
    }

    fn part(&self, entity: &EntityId) -> MutexGuard<'_, Part<E>> {
        let parts = u64::try_from(PARTS).unwrap_or(1);
        self.part_at(usize::try_from(entity.hash() % parts).unwrap_or(0))
    }

    fn part_at(&self, index: usize) -> MutexGuard<'_, Part<E>> {
        // The map is consistent between statements; a panic elsewhere must not take it down.
        self.parts[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many entities are resident.
    pub(crate) fn len(&self) -> usize {
        self.resident.load(Ordering::Acquire)
    }

    /// How many more are resident than wanted.
    pub(crate) fn excess(&self) -> usize {
        self.len().saturating_sub(self.room.wanted)
    }

    /// Waits until more are resident than wanted.
    pub(crate) async fn pressed(&self) {
        while self.excess() == 0 {
            self.pressed.notified().await;
        }
    }

    /// Takes a place with a resident entity, making it resident first if need be.
    pub(crate) fn enter(
        &self,
        entity: &EntityId,
        in_flight_max: u32,
    ) -> Result<(Arc<Slot<E>>, InFlight), SubmitError> {
        let (slot, place) = {
            let mut part = self.part(entity);
            // Under the lock: who closes a shard looks for its residents afterwards.
            self.served.admit(entity.hash())?;
            let slot = match part.entry((entity.hash(), entity.clone())) {
                Entry::Occupied(entry) => Arc::clone(entry.get()),
                Entry::Vacant(entry) => {
                    self.take_room()?;
                    Arc::clone(entry.insert(Arc::new(Slot::new(entity.clone()))))
                }
            };
            // Under the lock, or the entity could be put to sleep in between.
            let place = slot.residency.enter(in_flight_max);
            (slot, place)
        };
        let Some(place) = place else { return Err(overloaded("commands of one entity")) };
        let turn = self.turn.load(Ordering::Relaxed);
        let is_first = slot.used_in_turn.swap(turn, Ordering::Relaxed) != turn;
        if is_first && self.policy.get(entity).is_none() {
            self.policy.insert(entity.clone(), ());
        }
        Ok((slot, place))
    }

    /// Counts one more resident, unless there are too many already.
    fn take_room(&self) -> Result<(), SubmitError> {
        let one_more = |count: usize| (count < self.room.most).then_some(count + 1);
        let taken = self.resident.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        if taken.is_ok_and(|before| before < self.room.wanted) {
            return Ok(());
        }
        self.pressed.notify_one();
        taken.map(|_| ()).map_err(|_| {
            self.metrics.entities_refused.add(1);
            overloaded(RESIDENT_ENTITIES)
        })
    }

    /// Takes a slot out of the map unless somebody needs it.
    pub(crate) fn remove_idle(&self, slot: &Arc<Slot<E>>) -> Removal {
        self.remove_if(slot, |slot| slot.residency.is_idle())
    }

    fn remove_if(&self, slot: &Arc<Slot<E>>, condition: impl Fn(&Slot<E>) -> bool) -> Removal {
        let entity = &slot.residency.entity;
        let mut part = self.part(entity);
        let key = (entity.hash(), entity.clone());
        if !part.get(&key).is_some_and(|found| Arc::ptr_eq(found, slot)) {
            return Removal::Gone;
        }
        if !condition(slot) {
            return Removal::Needed;
        }
        part.remove(&key);
        if !node_env::planted!("resident-count-not-returned") {
            self.resident.fetch_sub(1, Ordering::AcqRel);
        }
        Removal::Done
    }

    /// The end of moka's queue of evicted entities, for the one passivator.
    pub(crate) fn take_evicted(&self) -> Option<mpsc::Receiver<EntityId>> {
        self.evicted.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Takes a slot out of the map whoever needs it.
    pub(crate) fn remove_any(&self, slot: &Arc<Slot<E>>) -> Removal {
        self.remove_if(slot, |_| true)
    }

    /// The residents whose hash is in a range.
    pub(crate) fn in_range(&self, range: HashRange) -> Vec<Arc<Slot<E>>> {
        let mut found = Vec::new();
        for part in 0..PARTS {
            let part = self.part_at(part);
            let slots = part.iter().filter(|((hash, _), _)| range.contains(*hash));
            found.extend(slots.map(|(_, slot)| Arc::clone(slot)));
        }
        found
    }

    pub(crate) fn find(&self, entity: &EntityId) -> Option<Arc<Slot<E>>> {
        self.part(entity).get(&(entity.hash(), entity.clone())).cloned()
    }

    /// The next residents of a walk, at most `most` and those of one part, so that no lock is held
    /// for long. The cursor begins anew behind the last part; then a turn is over.
    pub(crate) fn walk(&self, cursor: &mut Cursor, most: usize) -> Vec<Arc<Slot<E>>> {
        let begin = cursor.last.take().map_or(Bound::Unbounded, Bound::Excluded);
        let part = self.part_at(cursor.part);
        let mut found = part.range((begin, Bound::Unbounded)).take(most).peekable();
        let mut slots = Vec::with_capacity(most.min(part.len()));
        while let Some((key, slot)) = found.next() {
            slots.push(Arc::clone(slot));
            if found.peek().is_none() && slots.len() == most {
                cursor.last = Some(key.clone());
            }
        }
        if cursor.last.is_none() {
            cursor.part = (cursor.part + 1) % PARTS;
            if cursor.part == 0 {
                self.turn.fetch_add(1, Ordering::Relaxed);
            }
        }
        slots
    }
}

fn overloaded(what: &'static str) -> SubmitError {
    SubmitError::Overloaded { what, retry_after_ms: RETRY_AFTER_MS }
}

impl<E: Entity> Slot<E> {
    fn new(entity: EntityId) -> Self {
        Self {
            residency: Arc::new(Residency::new(entity)),
            actor: OnceCell::new(),
            used_in_turn: AtomicU32::new(UNUSED),
        }
    }

    /// Notes that moka no longer keeps the entity: the next use tells moka at once.
    pub(crate) fn mark_drowsy(&self) {
        self.used_in_turn.store(UNUSED, Ordering::Relaxed);
    }

    /// Whether nobody used the entity since it became drowsy.
    pub(crate) fn is_drowsy(&self) -> bool {
        self.used_in_turn.load(Ordering::Relaxed) == UNUSED
    }

    /// The actor if it was ever started, even if it failed since.
    pub(crate) fn started(&self) -> Option<&ActorRef<EntityMessage<E>>> {
        self.actor.get()
    }

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

/// An entity kind that this node hosts. Commands and replies travel between nodes, see
/// [`crate::remote`].
pub trait HostedEntity:
    Entity<Command: Clone + Serialize + DeserializeOwned, Reply: Serialize + DeserializeOwned>
{
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
/// start from the store, or it would miss them. The same goes for a group of another node for which
/// it was held.
async fn forget_failed<E: HostedEntity>(node: Arc<NodeInner>, slot: Arc<Slot<E>>) {
    slot.residency.units_settled().await;
    let entity = &slot.residency.entity;
    if slot.residency.is_held()
        && let Ok(shard) = node.shard_of(entity)
        && !node.stop_waiting(shard, None).await
    {
        return;
    }
    E::directory(&node).remove_if(&slot, |_| true);
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
