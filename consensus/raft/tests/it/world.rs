//! Nodes over the faked network and faked disks, on the paused clock of the test.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use consensus_raft::{
    ClusterId, Config, ControlPlane, Environment, Execution, Options, ProposeError, Role,
    StartError, Status,
};
use node_env::fake::{FakeDisk, SeededRng};
use schema_types::cluster::NodeId;

use crate::hub::{Cut, Hub, address};
use crate::ledger::{Command, Ledger, Size};

pub(crate) type Plane = ControlPlane<Ledger>;
pub(crate) const CLUSTER: ClusterId = ClusterId([5; 16]);
pub(crate) const DIRECTORY: &str = "/raft";
/// Steps of 10 ms after which what should happen has not.
const PATIENCE_STEPS: u32 = 6_000;

pub(crate) struct World {
    pub(crate) hub: Hub,
    pub(crate) config: Config,
    pub(crate) disks: BTreeMap<NodeId, FakeDisk>,
    pub(crate) planes: BTreeMap<NodeId, Plane>,
    seed: u64,
}

pub(crate) fn node(id: u64) -> NodeId {
    NodeId(id)
}

/// Waits until something holds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let mut steps = tokio::time::interval(Duration::from_millis(10));
    for _ in 0..PATIENCE_STEPS {
        steps.tick().await;
        if holds().await {
            return;
        }
    }
    panic!("it never came that {what}");
}

pub(crate) async fn put(plane: &Plane, number: u64) -> Result<Size, ProposeError> {
    plane.propose(&Command::Put(number)).await
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let config = Config { segment_bytes: 64 << 10, ..Config::default() };
        let (disks, planes) = (BTreeMap::new(), BTreeMap::new());
        Self { hub: Hub::default(), config, disks, planes, seed }
    }

    /// A running cluster whose voters are 1 to `voters`.
    pub(crate) async fn with_voters(voters: u64, seed: u64) -> Self {
        Self::configured(voters, seed, |_config| ()).await
    }

    pub(crate) async fn configured(
        voters: u64,
        seed: u64,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let mut world = Self::new(seed);
        change(&mut world.config);
        world.start(node(1)).await.unwrap();
        world.plane(1).initialize().await.unwrap();
        for id in 2..=voters {
            world.start(node(id)).await.unwrap();
            world.plane(1).add_learner(node(id), &address(node(id))).await.unwrap();
        }
        if voters > 1 {
            world.plane(1).set_voters((1..=voters).map(node)).await.unwrap();
        }
        world
    }

    pub(crate) fn plane(&self, id: u64) -> &Plane {
        &self.planes[&node(id)]
    }

    pub(crate) fn disk(&mut self, id: NodeId) -> FakeDisk {
        let seed = self.seed * 100 + id.0;
        self.disks.entry(id).or_insert_with(|| FakeDisk::new(seed)).clone()
    }

    pub(crate) fn options(&self, id: NodeId) -> Options {
        Options {
            cluster: CLUSTER,
            node: id,
            address: address(id),
            directory: DIRECTORY.into(),
            config: self.config.clone(),
        }
    }

    pub(crate) async fn start(&mut self, id: NodeId) -> Result<(), StartError> {
        self.start_as(self.options(id)).await
    }

    pub(crate) async fn start_as(&mut self, options: Options) -> Result<(), StartError> {
        let id = options.node;
        let plane = Plane::start(self.environment(&options), options, Ledger::default()).await?;
        self.planes.insert(id, plane);
        Ok(())
    }

    pub(crate) fn environment(&mut self, options: &Options) -> Environment {
        self.seed += 1;
        Environment {
            disk: Arc::new(self.disk(options.node)),
            rng: Arc::new(SeededRng::new(self.seed)),
            execution: Execution::Inline,
            transport: self.hub.transport(options.node, &options.address),
        }
    }

    /// Cuts the power of a node; what it did not sync is lost.
    pub(crate) async fn crash(&mut self, id: NodeId) {
        let disk = self.disk(id);
        disk.cut_power();
        self.hub.unbind(&address(id));
        let plane = self.planes.remove(&id).unwrap();
        plane.shutdown().await;
        disk.restart();
    }

    pub(crate) async fn status(&self, id: NodeId) -> Status {
        self.planes[&id].status().await.unwrap()
    }

    /// The leader that most recently heard from a majority.
    pub(crate) async fn leader(&self) -> NodeId {
        let found = std::cell::Cell::new(None);
        until("there is one leader", || async {
            let mut best = None;
            for &id in self.planes.keys() {
                let Ok(status) = self.planes[&id].status().await else { continue };
                if status.role == Role::Leader {
                    best = best.max(Some((status.term, id)));
                }
            }
            found.set(best.map(|(_, id)| id));
            best.is_some()
        })
        .await;
        found.get().unwrap()
    }

    /// Waits for a leader beside those.
    pub(crate) async fn leader_beside(&self, others: &[NodeId]) -> NodeId {
        let found = std::cell::Cell::new(None);
        until("there is another leader", || async {
            for &id in self.planes.keys().filter(|id| !others.contains(id)) {
                let status = self.planes[&id].status().await;
                if status.is_ok_and(|status| status.role == Role::Leader) {
                    found.set(Some(id));
                }
            }
            found.get().is_some()
        })
        .await;
        found.get().unwrap()
    }

    /// Waits until all running nodes have the same state, and answers its numbers.
    pub(crate) async fn converged(&self) -> Vec<u64> {
        let leader = self.leader().await;
        let last = self.status(leader).await.last_log_index;
        until("all nodes agree", || async {
            for &id in self.planes.keys() {
                let status = self.planes[&id].status().await.unwrap();
                if status.applied_index < last {
                    return false;
                }
            }
            true
        })
        .await;
        let states: Vec<Ledger> =
            self.planes.values().map(|plane| plane.read(Clone::clone)).collect();
        assert!(states.windows(2).all(|pair| pair[0] == pair[1]), "{states:?}");
        states[0].numbers.clone()
    }

    pub(crate) fn isolate(&self, id: NodeId, cut: Cut) {
        self.hub.isolate([id], cut);
    }
}
