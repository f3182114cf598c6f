//! The log and the vote as openraft wants them. Every write is done by the disk thread and is
//! durable before openraft hears of it; the first failure stops the node (no second sync).

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use node_env::DiskError;
use openraft::entry::EntryPayload;
use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{
    ErrorSubject, ErrorVerb, LogId, LogState, OptionalSend, RaftLogReader, StorageError, Vote,
};

use crate::error::StopReason;
use crate::files::VoteFile;
use crate::limits::APPEND_BYTES_MAX;
use crate::log::{Found, Log};
use crate::raft_types::{Entry, TypeConfig, storage_error};
use crate::records::{Ballot, EntryRecord, Position};
use crate::stop::StopCell;
use crate::storage::{SharedLog, SharedVote};
use crate::worker::DiskWorker;

/// Clones share the log.
#[derive(Clone)]
pub(crate) struct LogStore {
    log: SharedLog,
    vote: SharedVote,
    ballot: Arc<Mutex<Ballot>>,
    worker: DiskWorker,
    stop: StopCell,
    /// Bytes of all entries, for those who decide on snapshots.
    bytes: Arc<AtomicU64>,
    appended_blocks: Arc<AtomicU64>,
}

impl LogStore {
    pub(crate) fn new(
        log: Log,
        vote: VoteFile,
        ballot: Ballot,
        worker: DiskWorker,
        stop: StopCell,
    ) -> Self {
        let bytes = Arc::new(AtomicU64::new(log.bytes()));
        Self {
            log: Arc::new(Mutex::new(log)),
            vote: Arc::new(Mutex::new(vote)),
            ballot: Arc::new(Mutex::new(ballot)),
            worker,
            stop,
            bytes,
            appended_blocks: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Bytes of all entries in the log.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How often entries were appended since the node started: one sync each.
    pub(crate) fn appends(&self) -> u64 {
        self.appended_blocks.load(Ordering::Relaxed)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        lock(&self.log)
    }

    /// Has the disk thread change the log.
    async fn change(
        &self,
        subject: ErrorSubject<u64>,
        verb: ErrorVerb,
        change: impl FnOnce(&mut Log) -> Result<(), DiskError> + Send + 'static,
    ) -> Result<(), StorageError<u64>> {
        let log = Arc::clone(&self.log);
        let bytes = Arc::clone(&self.bytes);
        let done = self.worker.run(move || {
            let mut log = lock(&log);
            let changed = change(&mut log);
            bytes.store(log.bytes(), Ordering::Relaxed);
            changed
        });
        match done.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.failed(subject, verb, &error.to_string())),
            Err(gone) => Err(self.failed(subject, verb, &gone.to_string())),
        }
    }

    fn failed(
        &self,
        subject: ErrorSubject<u64>,
        verb: ErrorVerb,
        reason: &str,
    ) -> StorageError<u64> {
        self.stop.stop(StopReason::Disk { reason: reason.to_owned() });
        storage_error(subject, verb, reason)
    }

    #[expect(clippy::result_large_err, reason = "the error is openraft's")]
    fn read(
        &self,
        start: u64,
        end: u64,
        bytes_max: usize,
    ) -> Result<Vec<Entry>, StorageError<u64>> {
        let found = self.log().find(start, end, bytes_max);
        let records: Result<Vec<EntryRecord>, String> = found.iter().map(Found::read).collect();
        match records {
            Ok(records) => Ok(records.into_iter().map(Entry::from).collect()),
            Err(reason) => Err(self.failed(ErrorSubject::Logs, ErrorVerb::Read, &reason)),
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let start = match range.start_bound() {
        Bound::Included(&start) => start,
        Bound::Excluded(&start) => start.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(&end) => end.saturating_add(1),
        Bound::Excluded(&end) => end,
        Bound::Unbounded => u64::MAX,
    };
    (start, end)
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, StorageError<u64>> {
        let (start, end) = bounds(&range);
        self.read(start, end, usize::MAX)
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry>, StorageError<u64>> {
        self.read(start, end, APPEND_BYTES_MAX)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, StorageError<u64>> {
        let log = self.log();
        Ok(LogState {
            last_purged_log_id: log.purged().map(LogId::from),
            last_log_id: log.last().map(LogId::from),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<u64>) -> Result<(), StorageError<u64>> {
        let ballot = Ballot::from(*vote);
        let file = Arc::clone(&self.vote);
        let failed = |reason: String| self.failed(ErrorSubject::Vote, ErrorVerb::Write, &reason);
        let written = self.worker.run(move || lock(&file).write(ballot)).await;
        written.map_err(|gone| failed(gone.to_string()))?.map_err(|e| failed(e.to_string()))?;
        *lock(&self.ballot) = ballot;
        Ok(())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<u64>>, StorageError<u64>> {
        let ballot = *lock(&self.ballot);
        if node_env::planted!("raft-vote-forgotten-at-restart") {
            return Ok(None);
        }
        Ok((ballot != Ballot::default()).then(|| ballot.into()))
    }

    async fn save_committed(
        &mut self,
        committed: Option<LogId<u64>>,
    ) -> Result<(), StorageError<u64>> {
        let committed = committed.map(Position::from);
        self.change(ErrorSubject::Logs, ErrorVerb::Write, move |log| log.note_committed(committed))
            .await
    }

    async fn read_committed(&mut self) -> Result<Option<LogId<u64>>, StorageError<u64>> {
        Ok(self.log().committed().map(LogId::from))
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
        let entries: Vec<Entry> = entries.into_iter().collect();
        for entry in &entries {
            if let EntryPayload::Normal(batch) = &entry.payload
                && let Some(logged) = &batch.logged
            {
                logged.store(true, Ordering::Release);
            }
        }
        let records: Vec<EntryRecord> = entries.iter().map(EntryRecord::from).collect();
        let appended = self
            .change(ErrorSubject::Logs, ErrorVerb::Write, move |log| log.append(&records))
            .await;
        self.appended_blocks.fetch_add(1, Ordering::Relaxed);
        match appended {
            Ok(()) => callback.log_io_completed(Ok(())),
            Err(error) => {
                callback.log_io_completed(Err(io::Error::other(error.to_string())));
                return Err(error);
            }
        }
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId<u64>) -> Result<(), StorageError<u64>> {
        let from = log_id.index;
        self.change(ErrorSubject::Logs, ErrorVerb::Delete, move |log| log.truncate(from)).await
    }

    async fn purge(&mut self, log_id: LogId<u64>) -> Result<(), StorageError<u64>> {
        let through = Position::from(log_id);
        self.change(ErrorSubject::Logs, ErrorVerb::Delete, move |log| log.purge(through)).await
    }
}
