//! The reference model: the port's semantics in the simplest form that is exact, in memory,
//! behind one lock. It is the oracle of the conformance suite and serves unit tests of callers;
//! it is not durable. Failures can be injected.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::ready;
use node_env::Clock;

use crate::error::{CommitError, ReadError};
use crate::lanes::Lanes;
use crate::limits::{RANGE_ITEMS_MAX, TRANSACTION_WINDOW_MICROS_MAX};
use crate::mutation::{KeyRange, Mutation, add_little_endian, versionstamp};
use crate::port::{
    CommitFuture, CommitRequest, Committed, RangePage, RangeQuery, ReadFuture, Snapshot, Store,
    Version,
};

type Versions = BTreeMap<Version, Option<Bytes>>;

/// An in-memory store; clones share the data.
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    data: BTreeMap<Bytes, Versions>,
    version: Version,
    /// Commits within the window, oldest first.
    history: VecDeque<Past>,
    /// Read versions below this are too old to be checked for conflicts.
    oldest_version: Version,
    injected: VecDeque<Injected>,
    lanes: Lanes,
    stopped: Option<String>,
}

struct Past {
    version: Version,
    committed_at_micros: u64,
    written: Vec<KeyRange>,
    touched: Vec<Bytes>,
}

enum Injected {
    Refuse(CommitError),
    LoseReply,
}

impl MemoryStore {
    /// An empty store. The clock only serves the transaction window.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let state = Mutex::new(State::default());
        Self { shared: Arc::new(Shared { clock, state }) }
    }

    /// Makes the next commit fail with this error and have no effect.
    pub fn refuse_next_commit(&self, error: CommitError) {
        self.shared.state().injected.push_back(Injected::Refuse(error));
    }

    /// Makes the next commit take effect but answer `UnknownResult`.
    pub fn lose_next_reply(&self) {
        self.shared.state().injected.push_back(Injected::LoseReply);
    }

    /// Stops the store: every later call fails with `Stopped`.
    pub fn stop(&self, reason: &str) {
        self.shared.state().stopped = Some(reason.to_owned());
    }

    fn commit_now(&self, request: CommitRequest) -> Result<Committed, CommitError> {
        let now = self.shared.clock.monotonic_micros();
        let mut state = self.shared.state();
        if let Some(reason) = &state.stopped {
            return Err(CommitError::Stopped { reason: reason.clone() });
        }
        let lane = request.lane;
        state.lanes.admit(lane)?;
        let result = state.commit_or_inject(request, now);
        state.lanes.settle(lane, result)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn commit_or_inject(
        &mut self,
        request: CommitRequest,
        now: u64,
    ) -> Result<Committed, CommitError> {
        request.validate()?;
        match self.injected.pop_front() {
            None => self.commit(request, now),
            Some(Injected::Refuse(error)) => Err(error),
            Some(Injected::LoseReply) => {
                self.commit(request, now)?;
                Err(CommitError::UnknownResult { reason: "the reply was lost".to_owned() })
            }
        }
    }

    fn commit(&mut self, request: CommitRequest, now: u64) -> Result<Committed, CommitError> {
        self.forget_old(now);
        self.check_conflicts(&request)?;
        let version = self.version + 1;
        let stamp = versionstamp(version, 0);
        let mut past = Past {
            version,
            committed_at_micros: now,
            written: request.write_conflicts,
            touched: Vec::new(),
        };
        for mutation in request.mutations {
            self.apply(version, mutation.resolved(&stamp), &mut past);
        }
        self.version = version;
        self.history.push_back(past);
        Ok(Committed { version, versionstamp: stamp })
    }

    fn check_conflicts(&self, request: &CommitRequest) -> Result<(), CommitError> {
        if request.read_conflicts.is_empty() {
            return Ok(());
        }
        if request.read_version > self.version {
            return Err(CommitError::Invalid { reason: "the read version is in the future" });
        }
        if request.read_version < self.oldest_version {
            return Err(CommitError::TooOld);
        }
        for past in self.history.iter().filter(|past| past.version > request.read_version) {
            for read in &request.read_conflicts {
                if past.written.iter().any(|written| written.intersects(read)) {
                    return Err(CommitError::Conflict);
                }
            }
        }
        Ok(())
    }

    fn apply(&mut self, version: Version, mutation: Mutation, past: &mut Past) {
        match mutation {
            Mutation::Set { key, value } => self.put(version, key, Some(value), past),
            Mutation::Clear { key } => self.put(version, key, None, past),
            Mutation::ClearRange { range } => {
                let present = self.visible(&range, version);
                for (key, _) in present {
                    self.put(version, key, None, past);
                }
                past.written.push(range);
            }
            Mutation::Add { key, delta } => {
                let stored = self.get(&key, version);
                let sum = add_little_endian(stored.as_deref(), delta);
                self.put(version, key, Some(Bytes::copy_from_slice(&sum)), past);
            }
            Mutation::SetVersionstampedKey { .. } | Mutation::SetVersionstampedValue { .. } => {
                node_env::always!(false, "STORE-1", "a resolved mutation has no placeholder");
            }
        }
    }

    fn put(&mut self, version: Version, key: Bytes, value: Option<Bytes>, past: &mut Past) {
        past.written.push(KeyRange::single(&key));
        past.touched.push(key.clone());
        self.data.entry(key).or_default().insert(version, value);
    }

    fn get(&self, key: &[u8], version: Version) -> Option<Bytes> {
        self.data.get(key).and_then(|versions| newest(versions, version))
    }

    fn visible(&self, range: &KeyRange, version: Version) -> Vec<(Bytes, Bytes)> {
        if range.is_empty() {
            return Vec::new();
        }
        let bounds = (Bound::Included(&range.begin), Bound::Excluded(&range.end));
        let keys = self.data.range::<Bytes, _>(bounds);
        keys.filter_map(|(key, versions)| Some((key.clone(), newest(versions, version)?))).collect()
    }

    fn page(&self, query: &RangeQuery, version: Version) -> RangePage {
        let limit = query.limit.min(RANGE_ITEMS_MAX);
        let mut items =
            self.visible(&KeyRange { begin: query.begin.clone(), end: query.end.clone() }, version);
        if query.reverse {
            items.reverse();
        }
        let more = items.len() > limit;
        items.truncate(limit);
        RangePage { items, more }
    }

    /// Drops commits that left the window, and the values that only they still needed.
    fn forget_old(&mut self, now: u64) {
        while let Some(past) = self.history.front() {
            if past.committed_at_micros.saturating_add(TRANSACTION_WINDOW_MICROS_MAX) >= now {
                break;
            }
            let Some(past) = self.history.pop_front() else { break };
            self.oldest_version = past.version;
            for key in past.touched {
                self.forget_versions(&key, past.version);
            }
        }
    }

    fn forget_versions(&mut self, key: &Bytes, version: Version) {
        let Some(versions) = self.data.get_mut(key) else { return };
        let keep =
            versions.range(..=version).next_back().map(|(kept, value)| (*kept, value.is_none()));
        if let Some((kept, cleared)) = keep {
            *versions = versions.split_off(&kept);
            if cleared {
                versions.remove(&kept);
            }
        }
        if versions.is_empty() {
            self.data.remove(key);
        }
    }
}

fn newest(versions: &Versions, version: Version) -> Option<Bytes> {
    versions.range(..=version).next_back().and_then(|(_, value)| value.clone())
}

struct MemorySnapshot {
    shared: Arc<Shared>,
    version: Version,
    begun_at_micros: u64,
}

impl MemorySnapshot {
    fn read<T>(&self, read: impl FnOnce(&State) -> T) -> Result<T, ReadError> {
        let age = self.shared.clock.monotonic_micros().saturating_sub(self.begun_at_micros);
        if age > TRANSACTION_WINDOW_MICROS_MAX {
            return Err(ReadError::TooOld);
        }
        Ok(read(&self.shared.state()))
    }
}

impl Snapshot for MemorySnapshot {
    fn version(&self) -> Version {
        self.version
    }

    fn get<'a>(&'a self, key: &'a [u8]) -> ReadFuture<'a, Option<Bytes>> {
        ready(self.read(|state| state.get(key, self.version))).boxed()
    }

    fn range(&self, query: RangeQuery) -> ReadFuture<'_, RangePage> {
        ready(self.read(|state| state.page(&query, self.version))).boxed()
    }
}

impl Store for MemoryStore {
    fn begin(&self) -> ReadFuture<'_, Arc<dyn Snapshot>> {
        let state = self.shared.state();
        if let Some(reason) = &state.stopped {
            return ready(Err(ReadError::Stopped { reason: reason.clone() })).boxed();
        }
        let snapshot: Arc<dyn Snapshot> = Arc::new(MemorySnapshot {
            shared: Arc::clone(&self.shared),
            version: state.version,
            begun_at_micros: self.shared.clock.monotonic_micros(),
        });
        ready(Ok(snapshot)).boxed()
    }

    fn commit(&self, request: CommitRequest) -> CommitFuture {
        ready(self.commit_now(request)).boxed()
    }
}
