//! The log against a model of it, with the power cut at any operation: what was acknowledged is
//! there again, what was not is there whole or not at all.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use node_env::Disk;
use node_env::fake::FakeDisk;
use proptest::prelude::*;

use super::*;
use crate::codec::Blob;
use crate::records::Payload;

const LOG_ID: u64 = 3;

#[derive(Debug, Clone)]
enum Step {
    Append { entries: u64, bytes: usize },
    Truncate { back: u64 },
    Purge { ahead: u64 },
    Install { beyond: u64 },
    Note,
    Reopen,
    Crash { after: u64 },
}

/// What a log should hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Model {
    entries: BTreeMap<u64, EntryRecord>,
    purged: Option<Position>,
    term: u64,
}

impl Model {
    fn next(&self) -> u64 {
        let behind_purged = self.purged.map_or(0, |purged| purged.index + 1);
        self.entries.last_key_value().map_or(behind_purged, |(&last, _)| last + 1)
    }

    fn first(&self) -> u64 {
        self.purged.map_or(0, |purged| purged.index + 1)
    }

    fn of(log: &Log, term: u64) -> Self {
        let found = log.find(0, u64::MAX, usize::MAX);
        let records = found.iter().map(|found| found.read().unwrap());
        let entries = records.map(|record| (record.position.index, record)).collect();
        Self { entries, purged: log.purged(), term }
    }

    /// The model after a step, and the call that takes the log there.
    fn after(&self, step: &Step) -> (Self, Change) {
        let mut next = self.clone();
        match step {
            Step::Append { entries, bytes } => {
                let record = |index| EntryRecord {
                    position: Position { term: self.term, leader: 1, index },
                    payload: Payload::Commands(Blob(vec![7; *bytes])),
                };
                let records: Vec<EntryRecord> =
                    (self.next()..self.next() + entries).map(record).collect();
                next.entries.extend(records.iter().map(|r| (r.position.index, r.clone())));
                (next, Change::Append(records))
            }
            Step::Truncate { back } => {
                let from = self.next().saturating_sub(*back).max(self.first());
                next.entries.split_off(&from);
                next.term += 1;
                (next, Change::Truncate(from))
            }
            Step::Purge { ahead } => {
                let at = self.first() + ahead;
                let Some(record) = self.entries.get(&at) else { return (next, Change::Nothing) };
                next.entries = next.entries.split_off(&(at + 1));
                next.purged = Some(record.position);
                (next, Change::Purge(record.position))
            }
            Step::Install { beyond } => {
                let through = Position { term: self.term, leader: 1, index: self.next() + beyond };
                next.entries.clear();
                next.purged = Some(through);
                (next, Change::Purge(through))
            }
            Step::Note => {
                let last = self.entries.last_key_value().map(|(_, record)| record.position);
                (next, Change::Note(last))
            }
            Step::Reopen | Step::Crash { .. } => (next, Change::Nothing),
        }
    }
}

enum Change {
    Append(Vec<EntryRecord>),
    Truncate(u64),
    Purge(Position),
    Note(Option<Position>),
    Nothing,
}

fn change(log: &mut Log, change: &Change) -> Result<(), DiskError> {
    match change {
        Change::Append(records) => log.append(records),
        Change::Truncate(from) => log.truncate(*from),
        Change::Purge(through) => log.purge(*through),
        Change::Note(committed) => log.note_committed(*committed),
        Change::Nothing => Ok(()),
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1..4_u64, 0..6_000_usize)
            .prop_map(|(entries, bytes)| Step::Append { entries, bytes }),
        2 => (1..4_u64).prop_map(|back| Step::Truncate { back }),
        2 => (0..6_u64).prop_map(|ahead| Step::Purge { ahead }),
        1 => (0..3_u64).prop_map(|beyond| Step::Install { beyond }),
        2 => Just(Step::Note),
        1 => Just(Step::Reopen),
        3 => (1..8_u64).prop_map(|after| Step::Crash { after }),
    ];
    prop::collection::vec(step, 1..40)
}

struct World {
    disk: FakeDisk,
    log: Option<Log>,
    /// What was acknowledged, and what the step that the power cut off would have made of it.
    model: Model,
}

impl World {
    fn new(seed: u64) -> Self {
        let disk = FakeDisk::new(seed);
        disk.set_garbage(seed.is_multiple_of(2));
        let directory = Path::new("/raft");
        disk.create_dir(directory).unwrap();
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        create(&shared, directory, LOG_ID).unwrap();
        disk.sync_dir(directory).unwrap();
        let log = Some(Self::open(&disk));
        Self { disk, log, model: Model::default() }
    }

    /// Opens the log; the power may go once more while it recovers.
    fn open(disk: &FakeDisk) -> Log {
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let open = || Log::open(&shared, Path::new("/raft"), LOG_ID, 16 << 10);
        let mut opened = open();
        if opened.is_err() && !disk.is_powered() {
            disk.restart();
            opened = open();
        }
        opened.unwrap_or_else(|error| panic!("{error}"))
    }

    fn step(&mut self, step: &Step) {
        let (next, wanted) = self.model.after(step);
        if let Step::Crash { after } = step {
            self.disk.cut_power_after(*after);
            return;
        }
        let log = self.log.as_mut().unwrap();
        if matches!(step, Step::Reopen) && self.disk.is_powered() {
            self.log = None;
            let allowed = [self.model.clone()];
            return self.restart(&allowed);
        }
        match change(log, &wanted) {
            Ok(()) => self.model = next,
            Err(_) => {
                let either = [self.model.clone(), next];
                self.log = None;
                self.disk.restart();
                self.restart(&either);
            }
        }
    }

    /// Opens again: the log is one of what it may be.
    fn restart(&mut self, allowed: &[Model]) {
        let log = Self::open(&self.disk);
        let found = Model::of(&log, 0);
        let matching = allowed
            .iter()
            .find(|model| model.entries == found.entries && model.purged == found.purged);
        let mut model =
            matching.unwrap_or_else(|| panic!("{found:?} is none of {allowed:?}")).clone();
        model.term += 1;
        self.model = model;
        self.log = Some(log);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_was_acknowledged_survives_a_crash_at_any_operation(
        seed in any::<u64>(),
        steps in steps(),
    ) {
        let mut world = World::new(seed);
        for step in &steps {
            world.step(step);
        }
        world.disk.cut_power();
        world.log = None;
        world.disk.restart();
        let allowed = [world.model.clone()];
        world.restart(&allowed);
    }
}
