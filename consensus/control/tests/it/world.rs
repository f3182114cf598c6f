//! A small world around the control plane: a store with owner rows, nodes that do what is due and
//! never forget what they held unless they drain it (so each is its own zombie), and checks of
//! what must hold after every command.

use consensus_control::command::{Formation, LeaseObservation, NodeStart};
use consensus_control::limits::OBSERVER_RENEWALS_MIN;
use consensus_control::{
    Action, Command, ControlState, Feature, Holding, Ignored, JoinKey, NodeSpec, NodeState,
    Outcome, Proposal, Refusal, Step, Timeouts,
};
use schema_types::cluster::{Epoch, HashRange, NodeId};
use schema_types::ids::ShardId;
use schema_types::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// In so many rounds every shard is open: one to find an owner, at most two times the steps for a
/// half that waits for the other, and one more for each claim that the store sends back.
pub(crate) const ROUNDS_MAX: usize = 14;

pub(crate) fn spec(name: &str) -> NodeSpec {
    NodeSpec {
        name: name.to_owned(),
        rpc_address: format!("{name}:1"),
        internal_address: format!("{name}:2"),
        raft_address: format!("{name}:4"),
        http_address: format!("{name}:3"),
        zone: "z".to_owned(),
        version: "1.0".to_owned(),
        features: Feature::supported(),
        audit_key: consensus_control::PublicKey::default(),
    }
}

pub(crate) fn join_key(number: u64) -> JoinKey {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&number.to_be_bytes());
    consensus_control::bytes::Fixed(key)
}

pub(crate) fn formation(shards: u16) -> Formation {
    Formation {
        join_key: join_key(1),
        first: spec("a1"),
        shards,
        epoch_floor: Epoch(0),
        timeouts: Timeouts::default(),
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    pub(crate) state: ControlState,
    /// Every proposal, in order.
    pub(crate) log: Vec<Proposal>,
    /// `own/{shard}` as the store has it.
    pub(crate) owners: BTreeMap<ShardId, (Epoch, NodeId)>,
    /// Who believes to hold what.
    pub(crate) held: BTreeSet<(NodeId, Holding, HashRange)>,
    /// What nodes once learned was due.
    pub(crate) learned: Vec<(NodeId, Action)>,
    /// Every owner of every epoch that was ever seen.
    epochs: BTreeMap<(ShardId, Epoch), NodeId>,
    retired: BTreeSet<ShardId>,
    shards_seen: BTreeSet<ShardId>,
    clock: i64,
    turn: usize,
}

impl World {
    /// A cluster of nodes that have started, with every shard open.
    pub(crate) fn formed(nodes: u64, shards: u16) -> Self {
        let mut world = Self::default();
        assert!(world.propose(Command::FormCluster(formation(shards))).is_done());
        for node in 1..=nodes {
            if node > 1 {
                world.join(&format!("a{node}"), node);
            }
            world.start(NodeId(node));
        }
        world.settle();
        world
    }

    pub(crate) fn propose(&mut self, command: Command) -> Outcome {
        self.clock += 1_000;
        self.propose_at(command, Timestamp::from_unix_micros(self.clock))
    }

    pub(crate) fn propose_at(&mut self, command: Command, at: Timestamp) -> Outcome {
        let before = self.state.clone();
        let proposal = Proposal { at, command };
        let outcome = self.state.apply_bytes(&proposal.encode().unwrap());
        if outcome.events().is_empty() {
            assert_eq!(before, self.state, "{proposal:?} changed something: {outcome:?}");
        }
        self.log.push(proposal);
        self.check(&before);
        outcome
    }

    pub(crate) fn refusal(&mut self, command: Command) -> Refusal {
        let outcome = self.propose(command);
        let Outcome::Refused(refusal) = outcome else { panic!("not refused: {outcome:?}") };
        refusal
    }

    pub(crate) fn ignored(&mut self, command: Command) -> Ignored {
        let outcome = self.propose(command);
        let Outcome::Ignored(reason) = outcome else { panic!("not ignored: {outcome:?}") };
        reason
    }

    pub(crate) fn done(&mut self, command: Command) {
        let outcome = self.propose(command);
        assert!(matches!(outcome, Outcome::Done { .. }), "not done: {outcome:?}");
    }

    pub(crate) fn join(&mut self, name: &str, key: u64) -> Outcome {
        self.propose(Command::JoinNode { join_key: join_key(key), spec: spec(name) })
    }

    /// A start of the node's process, with the lease row written before.
    pub(crate) fn start(&mut self, node: NodeId) -> Outcome {
        let Some(known) = self.state.nodes().get(&node) else {
            return self.propose(Command::ResumeNode { node });
        };
        let command = Command::StartNode(NodeStart {
            node,
            incarnation: known.incarnation + 1,
            lease_counter: known.lease_counter + 1,
            spec: known.spec.clone(),
        });
        self.propose(command)
    }

    pub(crate) fn lease_over(&mut self, node: NodeId) -> Outcome {
        self.propose(Command::ObserveLease(self.observation(node, 0)))
    }

    pub(crate) fn lease_renewed(&mut self, node: NodeId) -> Outcome {
        self.propose(Command::ObserveLease(self.observation(node, 1)))
    }

    pub(crate) fn observation(&self, node: NodeId, renewals: u64) -> LeaseObservation {
        let known = self.state.nodes().get(&node);
        LeaseObservation {
            node,
            incarnation: known.map_or(0, |known| known.incarnation),
            counter: known.map_or(0, |known| known.lease_counter) + renewals,
            unchanged_ms: if renewals == 0 { 60_000 } else { 0 },
            observer_renewals: OBSERVER_RENEWALS_MIN,
        }
    }

    pub(crate) fn holding(&self, shard: u16) -> Holding {
        let shard = ShardId(shard);
        Holding { shard, epoch: self.state.shards()[&shard].epoch }
    }

    pub(crate) fn owner(&self, shard: u16) -> Option<NodeId> {
        self.state.shards()[&ShardId(shard)].owner
    }

    pub(crate) fn step(&self, shard: u16) -> Option<Step> {
        self.state.shards()[&ShardId(shard)].hand_off.as_ref().map(|hand_off| hand_off.step)
    }

    pub(crate) fn nodes_up(&self) -> Vec<NodeId> {
        let nodes = self.state.nodes().iter();
        nodes.filter(|(_, node)| node.may_get_shards()).map(|(node, _)| *node).collect()
    }

    pub(crate) fn begin_move(&mut self, shard: u16, to: u64) {
        let holding = self.holding(shard);
        self.done(Command::MoveShard { holding, to: NodeId(to) });
    }

    /// Does what an action says, without reporting it: gives the report.
    pub(crate) fn perform(&mut self, node: NodeId, action: &Action) -> Command {
        let Action { step, shard, epoch, range, .. } = action;
        match step {
            Step::Fence | Step::Load | Step::Open => {}
            Step::Drain => self
                .held
                .retain(|(holder, holding, _)| *holder != node || !action.closes.contains(holding)),
            Step::Claim => {
                let rows = [Some(*shard), action.retires];
                let stored = rows.iter().flatten().filter_map(|row| self.owners.get(row));
                let highest = stored.copied().max();
                let wanted = (*epoch, node);
                if let Some((stored, holder)) = highest
                    && (stored > *epoch || (stored == *epoch && holder != node))
                {
                    let holding = Holding { shard: *shard, epoch: *epoch };
                    return Command::RaiseEpoch { node, holding, stored };
                }
                self.owners.extend(rows.iter().flatten().map(|row| (*row, wanted)));
                let holding = Holding { shard: *shard, epoch: *epoch };
                self.held.insert((node, holding, *range));
            }
        }
        action.done_by(node)
    }

    /// Everything that is due on a node, once.
    pub(crate) fn act(&mut self, node: NodeId) {
        for action in self.state.due_actions(node) {
            let report = self.perform(node, &action);
            let first = self.propose(report.clone());
            let again = self.propose(report);
            assert!(!matches!(again, Outcome::Done { .. }), "{first:?} then {again:?}");
        }
    }

    /// Gives shards without an owner to nodes that are up, in turn.
    pub(crate) fn assign(&mut self) {
        let up = self.nodes_up();
        let unowned = self.state.not_open().iter().copied();
        let unowned: Vec<ShardId> =
            unowned.filter(|shard| self.state.shards()[shard].owner.is_none()).collect();
        for shard in unowned {
            self.turn += 1;
            let Some(to) = up.get(self.turn % up.len().max(1)) else { return };
            let holding = self.holding(shard.0);
            self.done(Command::MoveShard { holding, to: *to });
        }
    }

    /// Rounds until every shard is open; each living node does once per round what is due.
    pub(crate) fn settle(&mut self) -> usize {
        for round in 0..ROUNDS_MAX {
            if self.state.not_open().is_empty() {
                return round;
            }
            self.assign();
            let alive = self.state.nodes().iter().filter(|(_, node)| node.is_alive());
            for node in alive.map(|(node, _)| *node).collect::<Vec<_>>() {
                self.act(node);
            }
        }
        let left: Vec<_> = self.state.paused().collect();
        assert!(left.is_empty(), "not open after {ROUNDS_MAX} rounds: {left:?}");
        ROUNDS_MAX
    }

    /// Whoever serves: the store lets them commit.
    fn check(&mut self, before: &ControlState) {
        self.state.validate().unwrap();
        self.check_exclusive();
        for (shard, record) in self.state.shards() {
            if let Some(earlier) = before.shards().get(shard) {
                assert!(earlier.epoch <= record.epoch, "an epoch went back");
            }
            assert!(!self.retired.contains(shard), "a shard id came back");
            self.shards_seen.insert(*shard);
            let Some(owner) = record.owner else { continue };
            let known = self.epochs.insert((*shard, record.epoch), owner);
            assert!(known.is_none_or(|known| known == owner), "two owners in one epoch (OWN-1)");
        }
        let current = self.state.shards();
        let gone = self.shards_seen.iter().filter(|shard| !current.contains_key(shard));
        self.retired.extend(gone);
        for (node, record) in before.nodes() {
            let now = self.state.nodes().get(node);
            let left = record.state() == NodeState::Left;
            assert!(!left || now.is_none_or(|now| now.state() == NodeState::Left));
        }
    }

    /// No hash has two holders whose commits succeed (OWN-1), zombies included.
    fn check_exclusive(&self) {
        let is_valid = |(node, holding, _): &&(NodeId, Holding, HashRange)| {
            self.owners.get(&holding.shard) == Some(&(holding.epoch, *node))
        };
        let mut valid: Vec<_> = self.held.iter().filter(is_valid).collect();
        valid.sort_by_key(|(_, _, range)| *range);
        for pair in valid.windows(2) {
            let [one, other] = pair else { continue };
            assert!(!one.2.overlaps(other.2), "{one:?} and {other:?} can both commit (OWN-1)");
        }
    }

    /// The same commands give the same bytes (DET-1), and the bytes give the same state.
    pub(crate) fn check_replay(&self) {
        let mut replayed = ControlState::new();
        for proposal in &self.log {
            replayed.apply_bytes(&proposal.encode().unwrap());
        }
        let bytes = self.state.encode().unwrap();
        assert_eq!(replayed.encode().unwrap(), bytes);
        assert_eq!(ControlState::decode(&bytes).unwrap(), self.state);
    }
}
