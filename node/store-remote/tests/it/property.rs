//! Random interleavings of two clients whose connections are cut, stopped and taken over by newer
//! incarnations, while the store decides late and the server restarts. Whatever happens: nothing
//! acknowledged is lost (ACK-1), nothing takes effect twice, lanes keep their order without gaps,
//! and what the newest session has once seen to be undecided stays without effect (OWN-1).

use std::collections::BTreeMap;
use std::sync::Arc;

use actors_store::{
    CommitError, CommitLane, CommitRequest, Committed, KeyRange, Mutation, RangeQuery, Store,
};
use bytes::Bytes;
use node_store_remote::{RemoteServer, RemoteStore};
use proptest::prelude::{ProptestConfig, Strategy, any, prop_oneof, proptest};
use tokio::task::JoinHandle;

use crate::net::{Direction, Mode, Wire};
use crate::world::{World, block_on, config, number};

const CLIENTS: usize = 2;
const LANES: usize = 2;

#[derive(Debug, Clone)]
enum Step {
    /// Commits, in a lane or in none; perhaps in a new generation, perhaps behind a read.
    Commit {
        client: usize,
        lane: Option<usize>,
        is_new: bool,
        has_read: bool,
    },
    /// An earlier incarnation, if there is one, commits too.
    ZombieCommit {
        client: usize,
        lane: usize,
    },
    /// Looks at everything that the client has sent.
    Look {
        client: usize,
    },
    Cut {
        client: usize,
    },
    CutAfter {
        client: usize,
        is_up: bool,
        bytes: usize,
    },
    Stop {
        client: usize,
    },
    Resume {
        client: usize,
    },
    /// A new process of the client starts; the old one does not end.
    Reincarnate {
        client: usize,
    },
    CloseGate,
    Release {
        count: usize,
    },
    RestartServer,
    /// The executor has some turns.
    Turns {
        count: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let client = || 0..CLIENTS;
    let commit = (client(), any::<Option<bool>>(), 0..6, 0..4).prop_map(
        |(client, lane, is_new, has_read)| Step::Commit {
            client,
            lane: lane.map(usize::from),
            is_new: is_new == 0,
            has_read: has_read == 0,
        },
    );
    prop_oneof![
        12 => commit,
        2 => (client(), 0..LANES).prop_map(|(client, lane)| Step::ZombieCommit { client, lane }),
        3 => client().prop_map(|client| Step::Look { client }),
        2 => client().prop_map(|client| Step::Cut { client }),
        2 => (client(), any::<bool>(), 0_usize..600)
            .prop_map(|(client, is_up, bytes)| Step::CutAfter { client, is_up, bytes }),
        1 => client().prop_map(|client| Step::Stop { client }),
        1 => client().prop_map(|client| Step::Resume { client }),
        1 => client().prop_map(|client| Step::Reincarnate { client }),
        2 => proptest::strategy::Just(Step::CloseGate),
        3 => (1_usize..6).prop_map(|count| Step::Release { count }),
        1 => proptest::strategy::Just(Step::RestartServer),
        6 => (1_usize..40).prop_map(|count| Step::Turns { count }),
    ]
}

type Outcome = Result<Committed, CommitError>;

struct Process {
    store: Arc<RemoteStore>,
    wire: Wire,
    generations: [u64; LANES],
    read_version: u64,
}

struct Sent {
    client: usize,
    incarnation: usize,
    lane: Option<CommitLane>,
    waiting: Option<JoinHandle<Outcome>>,
    outcome: Option<Outcome>,
    /// What the newest session saw, from when on it must not change.
    seen: Option<bool>,
}

struct Play {
    world: World,
    server: Option<RemoteServer>,
    /// All processes of each client, the newest last.
    processes: [Vec<Process>; CLIENTS],
    sent: Vec<Sent>,
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
    async fn new() -> Self {
        let world = World::new();
        let server = Some(world.serve());
        let mut play = Self { world, server, processes: Default::default(), sent: Vec::new() };
        for client in 0..CLIENTS {
            play.start(client);
        }
        play
    }

    fn start(&mut self, client: usize) {
        let incarnation = self.processes[client].len() as u64 + 1;
        let wire = Wire::new();
        let store = self.world.client(config(&client.to_string(), incarnation), &wire);
        let process = Process { store, wire, generations: [1; LANES], read_version: 0 };
        self.processes[client].push(process);
    }

    fn commit(&mut self, client: usize, incarnation: usize, lane: Option<usize>, reads: bool) {
        let process = &self.processes[client][incarnation];
        let lane = lane.map(|id| CommitLane { id: id as u64, generation: process.generations[id] });
        let read_version = reads.then_some(process.read_version);
        let committing = process.store.commit(request(self.sent.len(), lane, read_version));
        let waiting = Some(tokio::spawn(committing));
        self.sent.push(Sent { client, incarnation, lane, waiting, outcome: None, seen: None });
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

    /// What the newest process of a client sees now of all that its client has sent: for what is
    /// decided, and for all that older processes sent, it is the last word.
    async fn look(&mut self, client: usize) -> bool {
        self.gather(false).await;
        let newest = self.processes[client].len() - 1;
        let Ok(snapshot) = self.processes[client][newest].store.begin().await else { return false };
        self.processes[client][newest].read_version = snapshot.version();
        for (id, sent) in self.sent.iter_mut().enumerate().filter(|(_, sent)| sent.client == client)
        {
            if sent.outcome.is_none() && sent.incarnation == newest {
                continue;
            }
            let Ok(found) = snapshot.get(count_key(id).as_bytes()).await else { return false };
            let has_effect = found.is_some();
            assert!(
                sent.seen.is_none_or(|seen| seen == has_effect),
                "commit {id} changed its fate"
            );
            if let Some(Ok(_)) = sent.outcome {
                assert!(has_effect, "ACK-1: commit {id} was acknowledged and is not seen");
            }
            sent.seen = Some(has_effect);
        }
        true
    }

    async fn run(&mut self, step: &Step) {
        match *step {
            Step::Commit { client, lane, is_new, has_read } => {
                let newest = self.processes[client].len() - 1;
                if let Some(lane) = lane.filter(|_| is_new) {
                    self.processes[client][newest].generations[lane] += 1;
                }
                self.commit(client, newest, lane, has_read);
            }
            Step::ZombieCommit { client, lane } => {
                if let Some(incarnation) = self.processes[client].len().checked_sub(2) {
                    self.processes[client][incarnation].generations[lane] += 1;
                    self.commit(client, incarnation, Some(lane), false);
                }
            }
            Step::Look { client } => drop(self.look(client).await),
            Step::Cut { client } => self.wire(client).cut(),
            Step::CutAfter { client, is_up, bytes } => {
                let direction = if is_up { Direction::ToServer } else { Direction::ToClient };
                self.wire(client).cut_after(direction, bytes);
            }
            Step::Stop { client } => self.wire(client).set(Mode::Stop),
            Step::Resume { client } => {
                self.processes[client].iter().for_each(|process| process.wire.set(Mode::Pass));
            }
            Step::Reincarnate { client } => self.start(client),
            Step::CloseGate => self.world.gate.close(),
            Step::Release { count } => self.world.gate.release(count),
            Step::RestartServer => {
                if let Some(server) = self.server.take() {
                    server.shut_down().await;
                }
                self.server = Some(self.world.serve());
            }
            Step::Turns { count } => {
                for _ in 0..count {
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    fn wire(&self, client: usize) -> &Wire {
        &self.processes[client].last().unwrap().wire
    }

    /// Everything is mended; then everything must hold.
    async fn finish(mut self) {
        self.world.gate.open();
        for process in self.processes.iter().flatten() {
            process.wire.set(Mode::Pass);
            process.wire.mend();
        }
        for client in 0..CLIENTS {
            // LIVE-1: once nothing is in the way, the newest process gets on.
            while !self.look(client).await {}
        }
        self.gather(true).await;
        for client in 0..CLIENTS {
            assert!(self.look(client).await);
        }
        self.check().await;
    }

    async fn check(&self) {
        for (id, sent) in self.sent.iter().enumerate() {
            let stored = self.world.stored(&count_key(id)).await;
            let outcome = sent.outcome.as_ref().unwrap();
            assert!(stored.is_none() || stored == number(1), "commit {id} took effect twice");
            let has_effect = stored.is_some();
            match outcome {
                Ok(_) => assert!(has_effect, "ACK-1: commit {id} is lost"),
                Err(CommitError::UnknownResult { .. }) => {}
                Err(error) => assert!(!has_effect, "commit {id} took effect in spite of {error}"),
            }
            assert_eq!(sent.seen, Some(has_effect), "commit {id} changed its fate: {outcome:?}");
        }
        self.check_lanes().await;
    }

    async fn check_lanes(&self) {
        let snapshot = self.world.memory.begin().await.unwrap();
        let log = RangeQuery::forward(KeyRange::prefix(b"log/"), 10_000);
        let log = snapshot.range(log).await.unwrap();
        let id = |value: &Bytes| -> usize { std::str::from_utf8(value).unwrap().parse().unwrap() };
        let order: Vec<usize> = log.items.iter().map(|(_, value)| id(value)).collect();
        let mut last = BTreeMap::new();
        for &id in &order {
            let sent = &self.sent[id];
            let Some(lane) = sent.lane else { continue };
            let before = last.insert((sent.client, sent.incarnation, lane.id), id);
            assert!(before < Some(id), "commit {id} overtook {before:?}");
        }
        let mut gaps = BTreeMap::new();
        for (id, sent) in self.sent.iter().enumerate() {
            let Some(lane) = sent.lane else { continue };
            let line = (sent.client, sent.incarnation, lane);
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
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        block_on(async {
            let mut play = Play::new().await;
            for step in &steps {
                play.run(step).await;
            }
            play.finish().await;
        });
    }
}
