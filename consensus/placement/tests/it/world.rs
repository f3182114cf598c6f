//! A cluster whose nodes do at once what is due, and whose loads belong to hashes, so that they
//! stay what they are however shards are cut.

use consensus_control::bytes::Fixed;
use consensus_control::command::{Formation, LeaseObservation, NodeStart};
use consensus_control::{
    Command, ControlState, Drain, Feature, NodeSpec, Outcome, Proposal, Timeouts,
};
use consensus_placement::{Figures, Observed, Plan, Purpose, Rules, ShardFigure, lint, plan};
use schema_types::cluster::{Epoch, HashRange, NodeId};
use schema_types::ids::ShardId;
use schema_types::time::Timestamp;
use std::collections::BTreeMap;

pub(crate) struct World {
    pub(crate) state: ControlState,
    pub(crate) rules: Rules,
    pub(crate) figures: Figures,
    /// Load by hash.
    pub(crate) hot: BTreeMap<u64, u64>,
}

fn spec(number: u64, zone: &str) -> NodeSpec {
    NodeSpec {
        name: format!("a{number}"),
        rpc_address: String::new(),
        internal_address: String::new(),
        raft_address: String::new(),
        http_address: String::new(),
        zone: zone.to_owned(),
        version: "1".to_owned(),
        features: Feature::supported(),
        audit_key: consensus_control::PublicKey::default(),
    }
}

fn join_key(number: u64) -> consensus_control::JoinKey {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&number.to_be_bytes());
    Fixed(key)
}

impl World {
    /// Nodes of these zones that are up, and shards that nobody owns yet.
    pub(crate) fn new(zones: &[&str], shards: u16) -> Self {
        let mut world = Self {
            state: ControlState::new(),
            rules: Rules::default(),
            figures: Figures::default(),
            hot: BTreeMap::new(),
        };
        world.done(Command::FormCluster(Formation {
            join_key: join_key(1),
            first: spec(1, zones[0]),
            shards,
            epoch_floor: Epoch(0),
            timeouts: Timeouts::default(),
        }));
        world.start(1);
        for zone in &zones[1..] {
            world.join(zone);
        }
        world
    }

    /// The same with every shard open at the first node, whatever that means for balance.
    pub(crate) fn lopsided(zones: &[&str], shards: u16) -> Self {
        let mut world = Self::new(&zones[..1], shards);
        world.round();
        for zone in &zones[1..] {
            world.join(zone);
        }
        world
    }

    pub(crate) fn apply(&mut self, command: Command) -> Outcome {
        self.state.apply(&Proposal { at: Timestamp::default(), command })
    }

    pub(crate) fn done(&mut self, command: Command) {
        let outcome = self.apply(command.clone());
        assert!(matches!(outcome, Outcome::Done { .. }), "{command:?}: {outcome:?}");
    }

    pub(crate) fn join(&mut self, zone: &str) -> NodeId {
        let number = u64::try_from(self.state.nodes().len()).unwrap() + 1;
        let (join_key, spec) = (join_key(number), spec(number, zone));
        self.done(Command::JoinNode { join_key, spec });
        self.start(number);
        NodeId(number)
    }

    fn start(&mut self, node: u64) {
        let node = NodeId(node);
        let spec = self.state.nodes()[&node].spec.clone();
        self.done(Command::StartNode(NodeStart { node, incarnation: 1, lease_counter: 1, spec }));
        self.carry_out();
    }

    pub(crate) fn kill(&mut self, node: u64) {
        self.done(Command::ObserveLease(LeaseObservation {
            node: NodeId(node),
            incarnation: 1,
            counter: 1,
            unchanged_ms: 60_000,
            observer_renewals: 9,
        }));
    }

    pub(crate) fn drain(&mut self, node: u64) {
        self.done(Command::DrainNode { node: NodeId(node), drain: Drain::ForGood });
    }

    pub(crate) fn measure(&mut self) {
        let load = |range: HashRange| -> u64 {
            self.hot.range(range.first()..=range.last()).map(|(_, load)| *load).sum()
        };
        let figure = |range| ShardFigure { load: load(range), split_at: None };
        let shards = self.state.shards().iter();
        self.figures.shards = shards.map(|(shard, it)| (*shard, figure(it.range))).collect();
    }

    /// Sets the load of shards, in the order of their ids.
    pub(crate) fn load(&mut self, loads: &[u64]) {
        for (shard, load) in (0..).map(ShardId).zip(loads) {
            let range = self.state.shards()[&shard].range;
            self.hot.insert(range.middle().unwrap(), *load);
        }
        self.measure();
    }

    /// A plan that went through the lint and is within its budget.
    pub(crate) fn plan(&self) -> Plan {
        let observed = Observed { state: &self.state, figures: &self.figures, has_quorum: true };
        let plan = plan(observed, &self.rules);
        let commands = plan.commands.iter().map(|planned| &planned.command);
        assert_eq!(lint(&self.state, commands), Ok(()));
        let asked = plan.commands.iter().filter(|planned| planned.purpose != Purpose::GiveOwner);
        assert!(asked.count() <= self.rules.moves_at_once_max);
        plan
    }

    /// Plans, proposes, and lets the nodes do what is due.
    pub(crate) fn round(&mut self) -> Plan {
        self.measure();
        let plan = self.plan();
        for planned in &plan.commands {
            self.done(planned.command.clone());
        }
        self.carry_out();
        plan
    }

    pub(crate) fn carry_out(&mut self) {
        let nodes: Vec<NodeId> = self.state.nodes().keys().copied().collect();
        loop {
            let due = nodes.iter().flat_map(|node| {
                let actions = self.state.due_actions(*node).into_iter();
                actions.map(|action| action.done_by(*node))
            });
            let reports: Vec<Command> = due.collect();
            if reports.is_empty() {
                return;
            }
            for report in reports {
                self.apply(report);
            }
        }
    }

    /// Rounds until a plan proposes nothing, and that plan.
    pub(crate) fn settle(&mut self, rounds_max: usize) -> (usize, Plan) {
        for round in 0..rounds_max {
            let plan = self.round();
            if plan.commands.is_empty() {
                return (round, plan);
            }
        }
        panic!("still planning after {rounds_max} rounds: {:?}", self.plan());
    }

    pub(crate) fn cost_of(&self, node: u64) -> u64 {
        let shards = self.state.owned_by(NodeId(node));
        let load = |shard: ShardId| self.figures.shards.get(&shard).map_or(0, |it| it.load);
        shards.map(|shard| load(shard) + self.rules.shard_cost).sum()
    }

    pub(crate) fn count_of(&self, node: u64) -> usize {
        self.state.owned_by(NodeId(node)).count()
    }
}
