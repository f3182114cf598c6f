//! Random interleavings of two processes over one hostile cluster, with outages, recoveries, lost
//! replies and commits that land late. Whatever happens: nothing acknowledged is lost (ACK-1),
//! nothing takes effect twice (ONCE-1), what failed has no effect, lanes keep their order without
//! gaps, and what a snapshot has once shown of a decided commit stays so.

use std::collections::BTreeMap;
use std::sync::Arc;

use actors_store::{
    CommitError, CommitLane, CommitRequest, Committed, KeyRange, Mutation, RangeQuery, Store,
};
use bytes::Bytes;
use node_store_fdb::{FdbConfig, FdbStore};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use tokio::task::JoinHandle;

use crate::cluster::{Cluster, Faults};
use crate::world::{block_on, config, number, try_open};

const STORES: usize = 2;
const LANES: usize = 2;

#[derive(Debug, Clone)]
enum Step {
    /// Commits, in a lane or in none; perhaps in a new generation, perhaps behind a read.
    Commit {
        store: usize,
        lane: Option<usize>,
        is_new: bool,
        has_read: bool,
    },
    /// Looks at everything that the store has sent.
    Look {
        store: usize,
    },
    /// A new process takes the place of one; the old one's commits are forgotten by nobody.
    Restart {
        store: usize,
    },
    Out,
    Back,
    Recover,
    /// Time passes.
    Wait {
        ms: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let store = || 0..STORES;
    let commit =
        (store(), any::<Option<bool>>(), 0..5, 0..4).prop_map(|(store, lane, is_new, has_read)| {
            Step::Commit {
                store,
                lane: lane.map(usize::from),
                is_new: is_new == 0,
                has_read: has_read == 0,
            }
        });
    prop_oneof![
        12 => commit,
        3 => store().prop_map(|store| Step::Look { store }),
        1 => store().prop_map(|store| Step::Restart { store }),
        1 => Just(Step::Out),
        2 => Just(Step::Back),
        1 => Just(Step::Recover),
        4 => (0_u64..400).prop_map(|ms| Step::Wait { ms }),
    ]
}

type Outcome = Result<Committed, CommitError>;

struct Process {
    id: usize,
    store: Arc<FdbStore>,
    generations: [u64; LANES],
    read_version: u64,
}

struct Sent {
    process: usize,
    lane: Option<CommitLane>,
    waiting: Option<JoinHandle<Outcome>>,
    outcome: Option<Outcome>,
    /// What a snapshot showed after the outcome was known; from then on it must not change.
    seen: Option<bool>,
}

struct Play {
    cluster: Cluster,
    processes: Vec<Process>,
    /// Processes that were replaced; they go on until they end.
    replaced: Vec<Process>,
    started: usize,
    sent: Vec<Sent>,
}

fn impatient() -> FdbConfig {
    FdbConfig { read_ms_max: 200, commit_try_ms_max: 150, commit_ms_max: 600, ..config("play") }
}

fn count_key(id: usize) -> String {
    format!("n/{id:04}")
}

fn request(id: usize, lane: Option<CommitLane>, read_version: Option<u64>) -> CommitRequest {
    let value = Bytes::from(id.to_string());
    let mut mutations = vec![
        Mutation::Add { key: Bytes::from(count_key(id)), delta: 1 },
        Mutation::SetVersionstampedKey { key: Bytes::from("log/0123456789"), offset: 4, value },
    ];
    let mut request = CommitRequest { lane, ..CommitRequest::default() };
    if let Some(read_version) = read_version {
        request.read_version = read_version;
        request.read_conflicts = vec![KeyRange::single(b"shared")];
        mutations.push(Mutation::set("shared", id.to_string()));
    }
    request.mutations = mutations;
    request
}

impl Play {
    async fn new(seed: u64) -> Self {
        let cluster = Cluster::new(seed);
        let (processes, replaced, sent) = (Vec::new(), Vec::new(), Vec::new());
        let mut play = Self { cluster, processes, replaced, started: 0, sent };
        for _ in 0..STORES {
            let process = play.start().await;
            play.processes.extend(process);
        }
        play.cluster.set_faults(Faults { unknown: 300, false_conflict: 20, ..Faults::HOSTILE });
        play
    }

    async fn start(&mut self) -> Option<Process> {
        self.started += 1;
        let seed = u64::try_from(self.started).unwrap();
        let store = try_open(&self.cluster, impatient(), seed).await.ok()?;
        Some(Process { id: self.started, store, generations: [1; LANES], read_version: 0 })
    }

    fn commit(&mut self, store: usize, lane: Option<usize>, reads: bool) {
        let process = &self.processes[store];
        let lane = lane.map(|id| CommitLane { id: id as u64, generation: process.generations[id] });
        let read_version = reads.then_some(process.read_version);
        let committing = process.store.commit(request(self.sent.len(), lane, read_version));
        let waiting = Some(tokio::spawn(committing));
        let process = process.id;
        self.sent.push(Sent { process, lane, waiting, outcome: None, seen: None });
    }

    /// Takes the results that are there.
    async fn gather(&mut self, all: bool) {
        for sent in &mut self.sent {
            let is_there =
                sent.waiting.as_ref().is_some_and(|waiting| waiting.is_finished() || all);
            if let Some(waiting) = sent.waiting.take_if(|_| is_there) {
                sent.outcome = Some(waiting.await.unwrap());
            }
        }
    }

    /// What a process sees of its own decided commits: the last word about them.
    async fn look(&mut self, store: usize) -> bool {
        self.gather(false).await;
        let process = &mut self.processes[store];
        let Ok(snapshot) = process.store.begin().await else { return false };
        process.read_version = snapshot.version();
        let mut decided = Vec::new();
        for (id, sent) in self.sent.iter().enumerate() {
            if sent.process == process.id && sent.outcome.is_some() {
                let Ok(found) = snapshot.get(count_key(id).as_bytes()).await else { return false };
                decided.push((id, found.is_some()));
            }
        }
        for (id, has_effect) in decided {
            let sent = &mut self.sent[id];
            let unchanged = sent.seen.is_none_or(|seen| seen == has_effect);
            assert!(unchanged, "commit {id} changed its fate");
            if let Some(Ok(_)) = sent.outcome {
                assert!(has_effect, "ACK-1: commit {id} was acknowledged and is not seen");
            }
            sent.seen = Some(has_effect);
        }
        true
    }

    async fn run(&mut self, step: &Step) {
        match *step {
            Step::Commit { store, lane, is_new, has_read } => {
                if let Some(lane) = lane.filter(|_| is_new) {
                    self.processes[store].generations[lane] += 1;
                }
                self.commit(store, lane, has_read);
            }
            Step::Look { store } => drop(self.look(store).await),
            Step::Restart { store } => {
                if let Some(process) = self.start().await {
                    let old = std::mem::replace(&mut self.processes[store], process);
                    self.replaced.push(old);
                }
            }
            Step::Out => self.cluster.set_out(true),
            Step::Back => self.cluster.set_out(false),
            Step::Recover => self.cluster.recover(),
            Step::Wait { ms } => {
                let never = std::future::pending::<()>();
                let limit = std::time::Duration::from_millis(ms);
                let _elapsed = tokio::time::timeout(limit, never).await.is_err();
            }
        }
    }

    /// Everything is mended; then everything must hold.
    async fn finish(mut self) {
        self.cluster.set_out(false);
        self.cluster.set_faults(Faults::default());
        self.gather(true).await;
        for store in 0..STORES {
            // LIVE-1: once nothing is in the way, each process gets on.
            while !self.look(store).await {}
        }
        for process in self.replaced.iter().chain(&self.processes) {
            process.store.close().await;
        }
        self.cluster.deliver_late();
        self.check().await;
    }

    async fn check(&self) {
        let reader = try_open(&self.cluster, impatient(), 999).await.unwrap();
        let snapshot = reader.begin().await.unwrap();
        for (id, sent) in self.sent.iter().enumerate() {
            let stored = snapshot.get(count_key(id).as_bytes()).await.unwrap();
            let outcome = sent.outcome.as_ref().unwrap();
            assert!(stored.is_none() || stored == number(1), "commit {id} took effect twice");
            let has_effect = stored.is_some();
            match outcome {
                Ok(_) => assert!(has_effect, "ACK-1: commit {id} is lost"),
                Err(CommitError::UnknownResult { .. }) => {}
                Err(error) => assert!(!has_effect, "commit {id} took effect in spite of {error}"),
            }
            let unchanged = sent.seen.is_none_or(|seen| seen == has_effect);
            assert!(unchanged, "commit {id} changed its fate: {outcome:?}");
        }
        let log = RangeQuery::forward(KeyRange::prefix(b"log/"), 10_000);
        let log = snapshot.range(log).await.unwrap();
        let row = |(key, value): &(Bytes, Bytes)| -> (usize, Bytes) {
            (std::str::from_utf8(value).unwrap().parse().unwrap(), key.slice(4..))
        };
        let order: Vec<(usize, Bytes)> = log.items.iter().map(row).collect();
        for (id, stamp) in &order {
            if let Some(Ok(committed)) = &self.sent[*id].outcome {
                assert_eq!(stamp[..], committed.versionstamp, "versionstamp of commit {id}");
            }
        }
        self.check_lanes(&order.into_iter().map(|(id, _)| id).collect::<Vec<_>>());
    }

    fn check_lanes(&self, order: &[usize]) {
        let mut last = BTreeMap::new();
        for &id in order {
            let sent = &self.sent[id];
            // Without a lane a thread is a line of its own, too.
            let before = last.insert((sent.process, sent.lane.map(|lane| lane.id)), id);
            assert!(before < Some(id), "commit {id} overtook {before:?}");
        }
        let mut gaps = BTreeMap::new();
        for (id, sent) in self.sent.iter().enumerate() {
            let Some(lane) = sent.lane else { continue };
            let line = (sent.process, lane);
            if !order.contains(&id) {
                gaps.entry(line).or_insert(id);
            } else if let Some(gap) = gaps.get(&line) {
                panic!("commit {id} took effect behind {gap}, which did not");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn nothing_is_lost_and_nothing_happens_twice(
        seed in any::<u64>(),
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        block_on(async {
            let mut play = Play::new(seed).await;
            for step in &steps {
                play.run(step).await;
            }
            play.finish().await;
        });
    }
}
