//! Several nodes over one store, and the network between them, which loses, repeats and delays what
//! a test tells it to.

use super::world::{World, ask, envelope, id, patient, potassium, verified_records};
use crate::{
    Attachments, Forward, ForwardError, Group, Member, Outcome, Runtime, RuntimeConfig, ShardGrant,
    SubmitError, trail,
};
use actors_patient::Patient;
use actors_patient::command::{Command, Read, Reply};
use actors_store::{CommitFuture, CommitRequest, MemoryStore, ReadFuture, Snapshot, Store};
use bytes::Bytes;
use futures::future::BoxFuture;
use schema_types::cluster::{Epoch, HashRange};
use schema_types::error_code::ErrorCode;
use schema_types::ids::{EntityId, EntityKind, ShardCount, ShardId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(super) const SHARDS: ShardCount = ShardCount(6);
/// Numbers of what is sent between nodes, see `remote/form.rs`.
pub(super) const SETTLE: u8 = 3;
pub(super) const COMMIT: u8 = 4;
pub(super) const PREPARE: u8 = 33;

/// A call on its way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) form: u8,
}

/// What the network does with a call.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    Through,
    Twice,
    LosesCall,
    LosesAnswer,
    Unreached,
    LateMs(u64),
}

type Rule = Box<dyn FnMut(Call) -> Way + Send>;

#[derive(Default)]
struct Network {
    nodes: Mutex<Vec<Runtime>>,
    plan: Mutex<BTreeMap<ShardId, usize>>,
    rule: Mutex<Option<Rule>>,
}

struct Link {
    from: usize,
    network: Arc<Network>,
}

impl Forward for Link {
    fn call(
        &self,
        hash: u64,
        call: Bytes,
        _deadline_ms: u64,
    ) -> BoxFuture<'_, Result<Vec<u8>, ForwardError>> {
        let to = self.network.plan.lock().unwrap().get(&SHARDS.shard_of(hash)).copied();
        Box::pin(async move {
            let Some(to) = to.filter(|to| *to != self.from) else {
                return Err(ForwardError::Unreached);
            };
            let on_its_way = Call { form: call[1] };
            let rule = self.network.rule.lock().unwrap().as_mut().map(|rule| rule(on_its_way));
            let node = self.network.nodes.lock().unwrap()[to].clone();
            match rule.unwrap_or(Way::Through) {
                Way::Through => Ok(node.serve_call(&call).await),
                Way::Twice => {
                    let twice =
                        futures::future::join(node.serve_call(&call), node.serve_call(&call));
                    Ok(twice.await.0)
                }
                Way::LosesCall => Err(ForwardError::Lost),
                Way::LosesAnswer => {
                    node.serve_call(&call).await;
                    Err(ForwardError::Lost)
                }
                Way::Unreached => Err(ForwardError::Unreached),
                Way::LateMs(late_ms) => {
                    tokio::time::sleep(Duration::from_millis(late_ms)).await;
                    Ok(node.serve_call(&call).await)
                }
            }
        })
    }

    fn shard_at(&self, hash: u64) -> Option<ShardId> {
        Some(SHARDS.shard_of(hash))
    }
}

type Hook = Box<dyn FnMut(&CommitRequest) -> Option<CommitFuture> + Send>;

/// The way of a node to the store, on which something may happen to a commit.
pub(super) struct StoreWay {
    store: Arc<MemoryStore>,
    hook: Mutex<Option<Hook>>,
}

impl StoreWay {
    /// Commits go through this from now on; what it gives takes their place.
    pub(super) fn hook(
        &self,
        hook: impl FnMut(&CommitRequest) -> Option<CommitFuture> + Send + 'static,
    ) {
        *self.hook.lock().unwrap() = Some(Box::new(hook));
    }
}

impl Store for StoreWay {
    fn begin(&self) -> ReadFuture<'_, Arc<dyn Snapshot>> {
        self.store.begin()
    }

    fn commit(&self, request: CommitRequest) -> CommitFuture {
        let replaced = self.hook.lock().unwrap().as_mut().and_then(|hook| hook(&request));
        replaced.unwrap_or_else(|| self.store.commit(request))
    }
}

/// Nodes `a`, `b`, ... over one store, each with every n-th shard.
pub(super) struct Cluster {
    pub(super) world: World,
    pub(super) nodes: Vec<Runtime>,
    pub(super) stores: Vec<Arc<StoreWay>>,
    network: Arc<Network>,
    epochs: Mutex<BTreeMap<ShardId, u64>>,
}

impl Cluster {
    /// `owners` of all shards in turn, out of `count` nodes.
    pub(super) async fn new(count: usize, owners: &[usize]) -> Self {
        let (world, network) = (World::new(), Arc::new(Network::default()));
        let names = &["a", "b", "c", "d"][..count];
        let (mut nodes, mut stores) = (Vec::new(), Vec::new());
        for (from, name) in names.iter().enumerate() {
            let config = RuntimeConfig {
                node: (*name).to_owned(),
                shards: SHARDS.0,
                opens_all_shards: false,
                trusted_audit_keys: names.iter().map(|name| World::audit_key(name)).collect(),
                snapshot_interval_events: 5,
                ..RuntimeConfig::default()
            };
            let store =
                Arc::new(StoreWay { store: Arc::clone(&world.store), hook: Mutex::default() });
            let node = world.start_over(Arc::clone(&store) as Arc<dyn Store>, config).await;
            stores.push(store);
            node.forward_by(Arc::new(Link { from, network: Arc::clone(&network) }));
            nodes.push(node);
        }
        network.nodes.lock().unwrap().clone_from(&nodes);
        let cluster = Self { world, nodes, stores, network, epochs: Mutex::default() };
        for shard in 0..SHARDS.0 {
            cluster.open(ShardId(shard), owners[usize::from(shard) % owners.len()]).await;
        }
        cluster
    }

    /// Gives a shard to a node, whatever its last owner knows of it.
    pub(super) async fn open(&self, shard: ShardId, to: usize) {
        let epoch = {
            let mut epochs = self.epochs.lock().unwrap();
            let epoch = epochs.entry(shard).or_insert(0);
            *epoch += 1;
            Epoch(*epoch)
        };
        let range = HashRange::equal(SHARDS, shard).unwrap();
        let grant = ShardGrant { shard, range, epoch, inherits: Vec::new(), retires: Vec::new() };
        self.nodes[to].open_shard(&grant).await.unwrap();
        self.network.plan.lock().unwrap().insert(shard, to);
    }

    /// Opens a shard again in its epoch, as a process does that came back.
    pub(super) async fn reopen(&self, shard: ShardId) {
        *self.epochs.lock().unwrap().entry(shard).or_insert(1) -= 1;
        self.open(shard, self.owner(shard)).await;
    }

    /// Moves a shard as the plan does: the last owner finishes first.
    pub(super) async fn hand_over(&self, shard: ShardId, to: usize) {
        let from = self.owner(shard);
        self.nodes[from].close_shard(shard, 20_000).await;
        self.open(shard, to).await;
    }

    pub(super) fn owner(&self, shard: ShardId) -> usize {
        self.network.plan.lock().unwrap()[&shard]
    }

    /// What the network does from now on.
    pub(super) fn rule(&self, rule: impl FnMut(Call) -> Way + Send + 'static) {
        *self.network.rule.lock().unwrap() = Some(Box::new(rule));
    }

    pub(super) fn heal(&self) {
        *self.network.rule.lock().unwrap() = None;
    }

    /// A patient of each of these nodes, in the order of their ids.
    pub(super) fn patients(&self, owners: &[usize]) -> Vec<EntityId> {
        let mut taken = Vec::new();
        for owner in owners {
            let found = (0..).map(|number| patient(&format!("p{number}"))).find(|patient| {
                self.owner(shard_of(patient)) == *owner && !taken.contains(patient)
            });
            taken.extend(found);
        }
        taken.sort();
        taken
    }

    /// An entity of a kind that lives on a node.
    pub(super) fn entity(&self, kind: EntityKind, owner: usize) -> EntityId {
        let mut found = (0..).map(|number| id(kind, &format!("e{number}")));
        found.find(|entity| self.owner(shard_of(entity)) == owner).unwrap()
    }

    /// How many observations each patient has, asked at a node.
    pub(super) async fn totals(&self, at: usize, patients: &[EntityId]) -> Vec<u64> {
        let mut totals = Vec::new();
        for patient in patients {
            totals.push(total(&self.nodes[at], patient).await);
        }
        totals
    }

    /// How many audit records of a command each patient has.
    pub(super) async fn records(&self, command: &str, patients: &[EntityId]) -> Vec<usize> {
        let snapshot = self.nodes[0].snapshot().await.unwrap();
        let mut counts = Vec::new();
        for patient in patients {
            let entries = trail::of_entity(&*snapshot, patient, 10_000).await.unwrap();
            let of_command =
                |entry: &&trail::TrailEntry| entry.record.command_id.as_str() == command;
            counts.push(entries.iter().filter(of_command).count());
        }
        counts
    }

    /// Nothing is held any more, and the logs are whole.
    pub(super) async fn is_sound(&self) {
        for node in &self.nodes {
            assert_eq!(node.inner.groups.holds.len(), 0, "something is still held");
        }
        verified_records(&self.nodes[0]).await;
    }
}

/// How many observations a patient has; none when nobody knows of it.
pub(super) async fn total(node: &Runtime, patient: &EntityId) -> u64 {
    match ask::<Patient>(node, patient, Command::Read(Read::State)).await {
        Ok(Reply::State(state)) => state.observations_total,
        Err(error) if error.code() == ErrorCode::PatientUnknown => 0,
        other => panic!("{other:?}"),
    }
}

pub(super) fn shard_of(entity: &EntityId) -> ShardId {
    SHARDS.shard_of(entity.hash())
}

pub(super) fn once() -> Attachments {
    Attachments { once: true, ..Attachments::default() }
}

/// Prepares an observation for each patient.
pub(super) async fn prepare(
    group: &mut Group,
    node: &Runtime,
    patients: &[EntityId],
    (name, number): (&str, u32),
) -> Result<Vec<Member<Reply>>, SubmitError> {
    let mut members = Vec::new();
    for patient in patients {
        let command = potassium(40, number);
        let envelope = envelope(patient.clone(), name, node.now(), command);
        members.push(group.prepare::<Patient>(envelope, once()).await?);
    }
    Ok(members)
}

/// A whole group: an observation for each patient.
pub(super) async fn observe(
    node: &Runtime,
    patients: &[EntityId],
    (name, number): (&str, u32),
) -> Result<Vec<Outcome<Reply>>, SubmitError> {
    let mut group = node.group();
    let members = prepare(&mut group, node, patients, (name, number)).await?;
    group.commit().await?;
    let mut outcomes = Vec::new();
    for member in members {
        outcomes.push(member.outcome().await?);
    }
    Ok(outcomes)
}

/// A command that its patient refuses.
pub(super) fn refused(node: &Runtime, entity: &EntityId) -> actors_core::Envelope<Command> {
    let read = Command::Read(Read::State);
    let mut envelope = envelope(entity.clone(), "refused", node.now(), read);
    envelope.purpose = "CURIOSITY".to_owned();
    envelope
}
