//! One run: a world is drawn from a seed, lives, is hurt, heals, rests, loses all power, and what
//! is left is checked.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sim_checks::CommitLog;
use sim_world::fault::{self, Hostility, Planned};
use sim_world::net::Profile;
use sim_world::trace::{Line, Trace};
use sim_world::{Seed, World};

use crate::evidence::{self, Left};
use crate::hospital::{ClientPlan, Ledger, SharedLedger, reader_program, sender_program};
use crate::interpose;
use crate::setup::{
    NodeSettings, STORE_HOST, Seen, SharedSeen, Topology, node_program, store_program,
};

const SECOND: u64 = 1_000_000;
/// Hosts of clients begin here.
const CLIENT_HOST: u8 = 20;

/// When what happens in a run, microseconds of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Timetable {
    /// Clients begin to work.
    pub(crate) work_micros: u64,
    /// Faults begin.
    pub(crate) faults_micros: u64,
    /// Faults end.
    pub(crate) heal_micros: u64,
    /// Clients begin nothing new.
    pub(crate) last_micros: u64,
    /// The run is over.
    pub(crate) end_micros: u64,
}

/// Everything that a run is made of. Drawn from a seed; can be written down and run again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) topology: Topology,
    pub(crate) shards: u16,
    pub(crate) senders: u32,
    pub(crate) readers: u32,
    pub(crate) patients: u64,
    pub(crate) idle_seconds_max: u64,
    pub(crate) snapshot_interval_events: u32,
    pub(crate) network: Profile,
    pub(crate) times: Timetable,
    pub(crate) faults: Vec<Planned>,
}

impl Plan {
    /// The plan of a seed.
    pub(crate) fn draw(seed: u64) -> Self {
        let rng = Seed(seed).stream("plan");
        let topology = match rng.below(4) {
            0 | 1 => Topology::Alone,
            _ => Topology::Served { nodes: 3 },
        };
        let is_alone = topology == Topology::Alone;
        let work = if is_alone { SECOND / 2 } else { 6 * SECOND };
        let heal = work + (6 + rng.below(8)) * SECOND;
        let times = Timetable {
            work_micros: work,
            faults_micros: work + SECOND,
            heal_micros: heal,
            last_micros: heal + 6 * SECOND,
            // The checkers give placement and outboxes half a minute, and look on for a while.
            end_micros: heal + 40 * SECOND,
        };
        let mut hosts = topology.nodes();
        let mut peers = hosts.clone();
        if !is_alone {
            // The store is hit as well, less often than nodes.
            hosts.extend_from_within(..);
            hosts.push(STORE_HOST);
            peers.push(STORE_HOST);
        } else {
            peers.push(CLIENT_HOST);
        }
        let hostility = Hostility {
            hosts,
            peers,
            between_micros: (times.faults_micros, times.heal_micros - SECOND / 2),
            faults: 22,
            without: Vec::new(),
        };
        Self {
            seed,
            topology,
            shards: if is_alone { 4 } else { 6 },
            senders: 2 + u32::try_from(rng.below(3)).unwrap_or(0),
            readers: 1,
            patients: 4 + rng.below(8),
            idle_seconds_max: 1 + rng.below(8),
            snapshot_interval_events: 4 + u32::try_from(rng.below(40)).unwrap_or(0),
            network: Profile {
                latency_min_micros: 1_000,
                latency_spread_micros: rng.below(4_000),
                tail_permille: rng.below(30),
                tail_max_micros: rng.below(300_000),
                loss_permille: rng.below(2) * rng.below(20),
            },
            times,
            faults: fault::draw(Seed(seed), &hostility),
        }
    }

    /// The shards and settings of its nodes.
    const fn settings(&self) -> NodeSettings {
        NodeSettings {
            topology: self.topology,
            shards: self.shards,
            idle_seconds_max: self.idle_seconds_max,
            snapshot_interval_events: self.snapshot_interval_events,
        }
    }
}

/// A violation as a report shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Broken {
    pub(crate) property: String,
    pub(crate) invariant: String,
    pub(crate) detail: String,
    pub(crate) at_ms: Option<u64>,
}

/// What a run says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) topology: Topology,
    pub(crate) trace_hash: u64,
    pub(crate) trace_events: u64,
    pub(crate) trace_marks: Vec<u64>,
    pub(crate) simulated_ms: u64,
    pub(crate) cpu_ms: u64,
    pub(crate) operations: usize,
    pub(crate) answered: u64,
    pub(crate) reads: usize,
    pub(crate) faults: BTreeMap<String, u64>,
    pub(crate) marks: BTreeMap<String, u64>,
    pub(crate) unchecked: Vec<String>,
    pub(crate) figures: BTreeMap<String, u64>,
    /// Processes that ended by themselves, by what they said.
    pub(crate) ends: BTreeMap<String, u64>,
    pub(crate) entropy_calls: u64,
    pub(crate) violations: Vec<Broken>,
}

impl Report {
    /// A report of a run that died before it could write one.
    pub(crate) fn died(plan: &Plan, reason: String) -> Self {
        let broken = Broken {
            property: "process".to_owned(),
            invariant: "LIVE-1".to_owned(),
            detail: reason,
            at_ms: None,
        };
        Self {
            seed: plan.seed,
            topology: plan.topology,
            trace_hash: 0,
            trace_events: 0,
            trace_marks: Vec::new(),
            simulated_ms: 0,
            cpu_ms: 0,
            operations: 0,
            answered: 0,
            reads: 0,
            faults: BTreeMap::new(),
            marks: BTreeMap::new(),
            unchecked: Vec::new(),
            figures: BTreeMap::new(),
            ends: BTreeMap::new(),
            entropy_calls: 0,
            violations: vec![broken],
        }
    }
}

/// Makes this process, which must be one of its own, the world of a plan.
pub(crate) fn begin(plan: &Plan) {
    interpose::begin(Seed(plan.seed).number("entropy"));
}

/// Lives through a plan in a process that [`begin`] made its world.
pub(crate) fn live(plan: &Plan, keeps_lines: bool) -> (Report, Vec<Line>) {
    let begun = interpose::cpu_micros();
    let trace = Arc::new(Trace::new(keeps_lines));
    let seen: SharedSeen = Rc::new(RefCell::new(Seen::default()));
    let ledger: SharedLedger = Rc::new(RefCell::new(Ledger::default()));
    let commits = Arc::new(CommitLog::default());
    let mut world =
        World::new(Seed(plan.seed), plan.network, plan.faults.clone(), Arc::clone(&trace));
    populate(&mut world, plan, (&seen, &ledger, &commits));
    let look = |world: &World| interpose::set_now_micros(world.now_micros());
    world.run_until(plan.times.heal_micros, look);
    world.heal();
    world.run_until(plan.times.end_micros, look);
    let hosts: Vec<u8> = plan.topology.nodes().into_iter().chain([STORE_HOST]).collect();
    world.cut_power(&hosts);
    let left = Left { plan, world: &world, seen: &seen, ledger: &ledger, commits: &commits };
    let judged = evidence::judge(&left);
    let summary = trace.summary();
    let report = Report {
        seed: plan.seed,
        topology: plan.topology,
        trace_hash: summary.hash,
        trace_events: summary.events,
        trace_marks: summary.marks,
        simulated_ms: world.now_micros() / 1_000,
        cpu_ms: (interpose::cpu_micros() - begun) / 1_000,
        operations: ledger.borrow().operations.len(),
        answered: ledger.borrow().answered,
        reads: ledger.borrow().reads.len(),
        faults: world
            .injected()
            .iter()
            .map(|(class, count)| ((*class).to_owned(), *count))
            .collect(),
        marks: marks(),
        unchecked: judged.unchecked,
        figures: judged.figures,
        ends: seen.borrow().ends.clone(),
        entropy_calls: interpose::entropy_calls(),
        violations: judged.violations,
    };
    (report, trace.take_lines())
}

fn marks() -> BTreeMap<String, u64> {
    let marks = node_env::marks::snapshot();
    marks.into_iter().map(|mark| (mark.id.to_owned(), mark.count)).collect()
}

fn populate(
    world: &mut World,
    plan: &Plan,
    (seen, ledger, commits): (&SharedSeen, &SharedLedger, &Arc<CommitLog>),
) {
    let nodes = plan.topology.nodes();
    if plan.topology != Topology::Alone {
        let program = store_program(nodes.clone(), Arc::clone(commits), Rc::clone(seen));
        world.add(STORE_HOST, 0, program);
    }
    for node in &nodes {
        let begins = u64::from(*node) * 10_000;
        world.add(*node, begins, node_program(plan.settings(), Rc::clone(seen)));
    }
    let (begins_micros, ends_micros) = (plan.times.work_micros, plan.times.last_micros);
    for client in 0..plan.senders {
        let host = CLIENT_HOST + u8::try_from(client).unwrap_or(0);
        // Patients that only this system reports on, and one that all do.
        let own = (0..plan.patients)
            .filter(|patient| patient % u64::from(plan.senders) == u64::from(client));
        let patients = own.map(|patient| 100 + patient).chain([99]).collect();
        let plan = ClientPlan {
            client,
            nodes: nodes.clone(),
            patients,
            pause_ms: 120,
            begins_micros,
            ends_micros,
        };
        world.add(host, 1_000, sender_program(plan, Rc::clone(ledger)));
    }
    for reader in 0..plan.readers {
        let host = CLIENT_HOST + u8::try_from(plan.senders + reader).unwrap_or(0);
        let patients = (0..plan.patients).map(|patient| 100 + patient).chain([99]).collect();
        let plan = ClientPlan {
            client: plan.senders + reader,
            nodes: nodes.clone(),
            patients,
            pause_ms: 300,
            begins_micros,
            ends_micros,
        };
        world.add(host, 1_000, reader_program(plan, Rc::clone(ledger)));
    }
}
