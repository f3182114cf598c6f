//! The machine as openraft wants it: entries applied in order, snapshots built, stored and taken
//! in. It also remembers which disk each node id ever had, from the membership entries.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openraft::entry::EntryPayload;
use openraft::storage::RaftStateMachine;
use openraft::{
    ErrorSubject, ErrorVerb, LogId, OptionalSend, RaftSnapshotBuilder, Snapshot, SnapshotMeta,
    StorageError, StoredMembership,
};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::codec::{self, Blob};
use crate::config::Incarnation;
use crate::error::{StartError, StopReason};
use crate::limits::SNAPSHOT_BYTES_MAX;
use crate::machine::ErasedMachine;
use crate::raft_types::{Entry, Member, Outcomes, TypeConfig, storage_error};
use crate::records::SnapshotRecord;
use crate::snapshot_file::{SnapshotFile, Stored};
use crate::stop::StopCell;
use crate::worker::DiskWorker;

/// Which disk each node id has had, for ever.
pub(crate) type KnownNodes = BTreeMap<u64, Incarnation>;

/// The data of a snapshot; a checksum follows its encoding.
#[derive(Serialize, Deserialize)]
struct Body {
    known: KnownNodes,
    machine: Blob,
}

impl Body {
    fn encode(&self) -> Result<Vec<u8>, String> {
        let mut bytes = codec::encode(self).map_err(|error| error.to_string())?;
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        if bytes.len() > SNAPSHOT_BYTES_MAX {
            return Err(format!("snapshot of {} bytes is over the limit", bytes.len()));
        }
        Ok(bytes)
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let checked = bytes
            .split_last_chunk::<4>()
            .filter(|(content, crc)| crc32c::crc32c(content) == u32::from_le_bytes(**crc));
        let (content, _) = checked.ok_or("snapshot does not match its checksum")?;
        codec::decode(content).map_err(|error| error.to_string())
    }
}

struct State {
    applied: Option<LogId<u64>>,
    membership: StoredMembership<u64, Member>,
    known: KnownNodes,
}

/// Clones share the state.
#[derive(Clone)]
pub(crate) struct StateMachine {
    machine: Arc<dyn ErasedMachine>,
    state: Arc<Mutex<State>>,
    file: SnapshotFile,
    worker: DiskWorker,
    stop: StopCell,
    applied: Arc<watch::Sender<u64>>,
}

/// What a state machine is made of.
pub(crate) struct Parts {
    pub(crate) machine: Arc<dyn ErasedMachine>,
    pub(crate) file: SnapshotFile,
    pub(crate) worker: DiskWorker,
    pub(crate) stop: StopCell,
    pub(crate) applied: Arc<watch::Sender<u64>>,
}

impl StateMachine {
    /// The state of the stored snapshot, or of the machine as it was given.
    pub(crate) fn open(parts: Parts, stored: Option<Stored>) -> Result<Self, StartError> {
        let state = State {
            applied: None,
            membership: StoredMembership::default(),
            known: KnownNodes::new(),
        };
        let Parts { machine, file, worker, stop, applied } = parts;
        let state = Arc::new(Mutex::new(state));
        let opened = Self { machine, state, file, worker, stop, applied };
        if let Some(Stored { record, data }) = stored {
            let meta = SnapshotMeta::from(record);
            opened.take_in(&meta, &data).map_err(|reason| StartError::Snapshot { reason })?;
        }
        Ok(opened)
    }

    /// Which disk each id has had.
    pub(crate) fn known(&self) -> KnownNodes {
        self.state().known.clone()
    }

    /// The disk that an id has had.
    pub(crate) fn known_incarnation(&self, node: u64) -> Option<Incarnation> {
        self.state().known.get(&node).copied()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the machine by what a snapshot holds.
    fn take_in(&self, meta: &SnapshotMeta<u64, Member>, data: &[u8]) -> Result<(), String> {
        let body = Body::decode(data)?;
        // Before the machine changes: a snapshot that is being made must not name the entry of one
        // state and hold the other.
        let mut state = self.state();
        self.machine.restore(&body.machine.0).map_err(|error| error.reason)?;
        state.applied = meta.last_log_id;
        if !node_env::planted!("raft-snapshot-without-members") {
            state.membership = meta.last_membership.clone();
        }
        state.known = body.known;
        self.applied.send_replace(meta.last_log_id.map_or(0, |id| id.index));
        Ok(())
    }

    fn apply_entry(&self, entry: &Entry) -> Result<Outcomes, String> {
        // Held throughout, so that no snapshot sees half an entry.
        let mut state = self.state();
        let mut outcomes = Vec::new();
        match &entry.payload {
            EntryPayload::Blank => {}
            EntryPayload::Normal(batch) => {
                let commands: Vec<Blob> =
                    codec::decode(&batch.commands).map_err(|error| error.to_string())?;
                for command in commands {
                    let outcome = self.machine.apply(entry.log_id.index, &command.0);
                    outcomes.push(outcome.ok_or("a command is unknown to this version")?);
                }
            }
            EntryPayload::Membership(membership) => {
                for (&id, member) in membership.nodes() {
                    state.known.entry(id).or_insert(member.incarnation);
                }
                state.membership = StoredMembership::new(Some(entry.log_id), membership.clone());
            }
        }
        state.applied = Some(entry.log_id);
        Ok(Outcomes(outcomes))
    }

    fn unreadable(&self, index: u64, what: String) -> StorageError<u64> {
        self.stop.stop(StopReason::Unreadable { index, what: what.clone() });
        storage_error(ErrorSubject::StateMachine, ErrorVerb::Write, what)
    }

    async fn store(&self, stored: Stored) -> Result<(), StorageError<u64>> {
        let file = self.file.clone();
        let written = self.worker.run(move || file.write(&stored)).await;
        let reason = match written {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(gone) => gone.to_string(),
        };
        self.stop.stop(StopReason::Disk { reason: reason.clone() });
        Err(storage_error(ErrorSubject::Snapshot(None), ErrorVerb::Write, reason))
    }
}

impl RaftSnapshotBuilder<TypeConfig> for StateMachine {
    async fn build_snapshot(&mut self) -> Result<Snapshot<TypeConfig>, StorageError<u64>> {
        let (meta, body) = {
            // One lock over both: entries are not applied between the machine and its index.
            let state = self.state();
            let index = state.applied.map_or(0, |id| id.index);
            let term = state.applied.map_or(0, |id| id.leader_id.term);
            let mut last_log_id = state.applied;
            if node_env::planted!("raft-snapshot-names-earlier-entry") {
                let earlier = |id: LogId<u64>| LogId { index: id.index.saturating_sub(1), ..id };
                last_log_id = last_log_id.map(earlier);
            }
            let meta = SnapshotMeta {
                last_log_id,
                last_membership: state.membership.clone(),
                snapshot_id: format!("{term}-{index}"),
            };
            let machine = Blob(self.machine.snapshot());
            (meta, Body { known: state.known.clone(), machine })
        };
        let index = meta.last_log_id.map_or(0, |id| id.index);
        let data = body.encode().map_err(|what| self.unreadable(index, what))?;
        let record = SnapshotRecord::from(&meta);
        self.store(Stored { record, data: data.clone() }).await?;
        Ok(Snapshot { meta, snapshot: Box::new(Cursor::new(data)) })
    }
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotBuilder = Self;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<LogId<u64>>, StoredMembership<u64, Member>), StorageError<u64>> {
        let state = self.state();
        Ok((state.applied, state.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Outcomes>, StorageError<u64>>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut outcomes = Vec::new();
        let mut last = None;
        for entry in entries {
            let index = entry.log_id.index;
            let applied = self.apply_entry(&entry);
            outcomes.push(applied.map_err(|what| self.unreadable(index, what))?);
            last = Some(index);
        }
        if let Some(index) = last {
            self.applied.send_replace(index);
        }
        Ok(outcomes)
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn begin_receiving_snapshot(
        &mut self,
    ) -> Result<Box<Cursor<Vec<u8>>>, StorageError<u64>> {
        Ok(Box::new(Cursor::new(Vec::new())))
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta<u64, Member>,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError<u64>> {
        let data = snapshot.into_inner();
        let index = meta.last_log_id.map_or(0, |id| id.index);
        // Stored only when it can be read: a bad one must not meet the next start.
        self.take_in(meta, &data).map_err(|what| self.unreadable(index, what))?;
        self.store(Stored { record: SnapshotRecord::from(meta), data }).await
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<Snapshot<TypeConfig>>, StorageError<u64>> {
        let file = self.file.clone();
        let read = self.worker.run(move || file.read()).await;
        let reason = match read {
            Ok(Ok(stored)) => {
                return Ok(stored.map(|Stored { record, data }| Snapshot {
                    meta: record.into(),
                    snapshot: Box::new(Cursor::new(data)),
                }));
            }
            Ok(Err(error)) => error.to_string(),
            Err(gone) => gone.to_string(),
        };
        self.stop.stop(StopReason::Disk { reason: reason.clone() });
        Err(storage_error(ErrorSubject::Snapshot(None), ErrorVerb::Read, reason))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, Ordering};

    use node_env::fake::FakeDisk;

    use super::*;
    use crate::config::Execution;
    use crate::machine::RestoreError;

    /// Tells whether the state was held while the machine was replaced.
    #[derive(Default)]
    struct Probe {
        state: OnceLock<Arc<Mutex<State>>>,
        was_held: AtomicBool,
    }

    impl ErasedMachine for Probe {
        fn apply(&self, _index: u64, _command: &[u8]) -> Option<Vec<u8>> {
            None
        }

        fn understands(&self, _command: &[u8]) -> bool {
            false
        }

        fn snapshot(&self) -> Vec<u8> {
            Vec::new()
        }

        fn restore(&self, _bytes: &[u8]) -> Result<(), RestoreError> {
            let state = self.state.get().unwrap();
            self.was_held.store(state.try_lock().is_err(), Ordering::Relaxed);
            Ok(())
        }
    }

    #[test]
    fn the_machine_and_its_place_in_the_log_change_together() {
        let probe = Arc::new(Probe::default());
        let machine: Arc<dyn ErasedMachine> = Arc::clone(&probe) as _;
        let parts = Parts {
            machine,
            file: SnapshotFile::new(Arc::new(FakeDisk::new(1)), Path::new("/raft")),
            worker: DiskWorker::start("disk", &Execution::Inline).unwrap(),
            stop: StopCell::new(),
            applied: Arc::new(watch::Sender::new(0)),
        };
        let opened = StateMachine::open(parts, None).unwrap();
        assert!(probe.state.set(Arc::clone(&opened.state)).is_ok());
        let body = Body { known: KnownNodes::new(), machine: Blob(Vec::new()) };
        opened.take_in(&SnapshotMeta::default(), &body.encode().unwrap()).unwrap();
        assert!(probe.was_held.load(Ordering::Relaxed));
    }
}
