//! What the cluster holds and how it decides: many versions of each key, the conflict window, and
//! the commits that have been sent and not decided.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use actors_store::limits::VALUE_BYTES_MAX;
use actors_store::mutation::{VERSIONSTAMP_BYTES, add_little_endian, versionstamp};
use actors_store::{KeyRange, Mutation, Versionstamp};
use bytes::Bytes;
use node_env::fake::SeededRng;
use node_store_fdb::Code;
use node_store_fdb::client::{Atomic, Landed};
use node_store_fdb::limits::CLUSTER_KEY_BYTES_MAX;

use super::{Faults, Mishap};

const WINDOW_VERSIONS: i64 = 5_000_000;
const RECOVERY_VERSIONS: i64 = 100_000_000;
const FIRST_VERSION: i64 = 1_000_000_000;
const TRANSACTION_BYTES_MAX: usize = 10_000_000;
/// What FoundationDB reckons for each mutation and for each conflict range beside its bytes.
const MUTATION_BYTES: usize = 56;
const RANGE_BYTES: usize = 24;

/// A write as it was sent.
#[derive(Debug, Clone)]
pub(crate) enum Write {
    Set(Bytes, Bytes),
    ClearRange(KeyRange),
    Atomic(Atomic, Bytes, Bytes),
}

/// A commit as it was sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sent {
    pub(crate) read_version: Option<i64>,
    pub(crate) reads: Vec<KeyRange>,
    pub(crate) writes: Vec<KeyRange>,
    pub(crate) changes: Vec<Write>,
}

pub(crate) struct State {
    data: BTreeMap<Bytes, BTreeMap<i64, Option<Bytes>>>,
    version: i64,
    order: u16,
    /// Versions up to this were shown to somebody: no further commit can have them.
    shown: i64,
    jumped: i64,
    recovered_at: i64,
    history: Vec<(i64, Vec<KeyRange>)>,
    pub(crate) pending: BTreeMap<u64, Sent>,
    late: Vec<u64>,
    next_id: u64,
    pub(crate) faults: Faults,
    pub(crate) mishaps: VecDeque<Mishap>,
    pub(crate) is_out: bool,
    pub(crate) rng: SeededRng,
}

impl State {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            data: BTreeMap::new(),
            version: FIRST_VERSION,
            order: 0,
            shown: FIRST_VERSION,
            jumped: FIRST_VERSION,
            recovered_at: 0,
            history: Vec::new(),
            pending: BTreeMap::new(),
            late: Vec::new(),
            next_id: 0,
            faults: Faults::default(),
            mishaps: VecDeque::new(),
            is_out: false,
            rng: SeededRng::new(seed),
        }
    }

    pub(crate) fn chance(&self, permille: u64) -> bool {
        permille > 0 && self.rng.chance_permille(permille)
    }

    /// The newest version at this time.
    fn newest(&self, now: i64) -> i64 {
        self.version.max(self.jumped + now)
    }

    fn oldest(&self, now: i64) -> i64 {
        (self.newest(now) - WINDOW_VERSIONS).max(self.recovered_at)
    }

    pub(crate) fn show(&mut self, now: i64) -> i64 {
        let version = self.newest(now);
        self.shown = self.shown.max(version);
        self.version = version;
        version
    }

    pub(crate) fn recover(&mut self, now: i64) {
        self.jumped = self.newest(now) + RECOVERY_VERSIONS - now;
        self.version = self.newest(now);
        self.recovered_at = self.version;
        self.history.clear();
    }

    pub(crate) fn readable(&self, version: i64, now: i64) -> Result<(), Code> {
        if version < self.oldest(now) {
            return Err(Code::TRANSACTION_TOO_OLD);
        }
        if version > self.newest(now) { Err(Code::FUTURE_VERSION) } else { Ok(()) }
    }

    pub(crate) fn get(&self, key: &[u8], version: i64) -> Option<Bytes> {
        self.data.get(key).and_then(|versions| newest(versions, version))
    }

    pub(crate) fn rows(&self, range: &KeyRange, version: i64) -> Vec<(Bytes, Bytes)> {
        if range.is_empty() {
            return Vec::new();
        }
        let bounds = (Bound::Included(&range.begin), Bound::Excluded(&range.end));
        let keys = self.data.range::<Bytes, _>(bounds);
        keys.filter_map(|(key, versions)| Some((key.clone(), newest(versions, version)?))).collect()
    }

    pub(crate) fn dump(&self) -> Vec<(Bytes, Bytes)> {
        self.rows(&KeyRange::prefix(b""), i64::MAX)
    }

    pub(crate) fn write_now(&mut self, mutation: &Mutation) {
        let Mutation::Set { key, value } = mutation else { return };
        self.version += 1;
        self.put(key.clone(), Some(value.clone()));
    }

    /// Takes a commit in; somebody decides about it later.
    pub(crate) fn take(&mut self, sent: Sent) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.pending.insert(id, sent);
        id
    }

    /// Nobody waits for it any more; it is still on its way.
    pub(crate) fn give_up(&mut self, id: u64) {
        if self.pending.contains_key(&id) && !self.late.contains(&id) {
            self.late.push(id);
        }
    }

    pub(crate) fn deliver_one_late(&mut self, now: i64) -> bool {
        if self.late.is_empty() {
            return false;
        }
        let count = u64::try_from(self.late.len()).unwrap();
        let chosen = usize::try_from(self.rng.below(count)).unwrap();
        let id = self.late.swap_remove(chosen);
        // Whether it took effect is for whoever looks.
        let _unheard = self.decide(id, now).is_ok();
        true
    }

    /// Decides about a commit, once.
    pub(crate) fn decide(&mut self, id: u64, now: i64) -> Result<Landed, Code> {
        let sent = self.pending.remove(&id).expect("each commit is decided once");
        check(&sent)?;
        let oldest = self.oldest(now);
        let read_version = sent.read_version.expect("a commit has a read version");
        if read_version <= 0 {
            return Err(Code::VERSION_INVALID);
        }
        // FoundationDB takes it and checks nothing then: it is for the adapter to refuse.
        assert!(read_version <= self.newest(now), "a commit with a read version in the future");
        if !sent.reads.is_empty() && read_version < oldest {
            return Err(Code::TRANSACTION_TOO_OLD);
        }
        let later = self.history.iter().filter(|(version, _)| *version > read_version);
        let mut written = later.flat_map(|(_, ranges)| ranges);
        if written.any(|written| sent.reads.iter().any(|read| read.intersects(written))) {
            return Err(Code::NOT_COMMITTED);
        }
        Ok(self.land(sent, now))
    }

    fn land(&mut self, sent: Sent, now: i64) -> Landed {
        if self.version > self.shown && self.chance(500) {
            // Another one of the same batch.
            self.order += 1;
        } else {
            let step = i64::try_from(self.rng.below(20)).unwrap();
            self.version = self.newest(now) + 1 + step;
            self.order = 0;
        }
        let stamp = versionstamp(u64::try_from(self.version).unwrap(), self.order);
        let mut written = sent.writes;
        for change in sent.changes {
            self.apply(change, &stamp, &mut written);
        }
        self.history.push((self.version, written));
        Landed { version: self.version, versionstamp: stamp }
    }

    fn apply(&mut self, change: Write, stamp: &Versionstamp, written: &mut Vec<KeyRange>) {
        let (key, value) = match change {
            Write::ClearRange(range) => {
                for (key, _) in self.rows(&range, i64::MAX) {
                    self.put(key, None);
                }
                written.push(range);
                return;
            }
            Write::Set(key, value) => (key, value),
            Write::Atomic(Atomic::Add, key, delta) => {
                let stored = self.get(&key, i64::MAX);
                let delta = i64::from_le_bytes(delta[..].try_into().unwrap());
                let sum = add_little_endian(stored.as_deref(), delta);
                (key, Bytes::copy_from_slice(&sum))
            }
            Write::Atomic(Atomic::VersionstampedKey, key, value) => (stamped(&key, stamp), value),
            Write::Atomic(Atomic::VersionstampedValue, key, value) => (key, stamped(&value, stamp)),
        };
        written.push(KeyRange::single(&key));
        self.put(key, Some(value));
    }

    fn put(&mut self, key: Bytes, value: Option<Bytes>) {
        self.data.entry(key).or_default().insert(self.version, value);
    }
}

fn newest(versions: &BTreeMap<i64, Option<Bytes>>, version: i64) -> Option<Bytes> {
    versions.range(..=version).next_back().and_then(|(_, value)| value.clone())
}

/// The last four bytes say where the versionstamp goes, and are dropped.
fn stamped(operand: &[u8], stamp: &Versionstamp) -> Bytes {
    let (bytes, offset) = operand.split_at(operand.len() - 4);
    let offset = usize::try_from(u32::from_le_bytes(offset.try_into().unwrap())).unwrap();
    let mut filled = bytes.to_vec();
    filled[offset..offset + VERSIONSTAMP_BYTES].copy_from_slice(stamp);
    Bytes::from(filled)
}

/// What the client checks before it sends.
fn check(sent: &Sent) -> Result<(), Code> {
    // Such a commit would be a success of which the cluster never hears.
    assert!(!sent.changes.is_empty() || !sent.writes.is_empty(), "a commit that is no commit");
    let mut bytes = 0;
    for range in sent.reads.iter().chain(&sent.writes) {
        assert!(range.begin < range.end, "an empty or inverted range");
        bytes += RANGE_BYTES + range.begin.len() + range.end.len();
    }
    for change in &sent.changes {
        let (key, value) = match change {
            Write::Set(key, value) | Write::Atomic(_, key, value) => (key, value),
            Write::ClearRange(range) => (&range.begin, &range.end),
        };
        let is_range = matches!(change, Write::ClearRange(_));
        if key.len() > CLUSTER_KEY_BYTES_MAX && !is_range {
            return Err(Code::KEY_TOO_LARGE);
        }
        if value.len() > VALUE_BYTES_MAX && !is_range {
            return Err(Code::VALUE_TOO_LARGE);
        }
        let conflict = if is_range { key.len() + value.len() } else { 2 * key.len() + 1 };
        bytes += MUTATION_BYTES + key.len() + value.len() + RANGE_BYTES + conflict;
    }
    if bytes > TRANSACTION_BYTES_MAX { Err(Code::TRANSACTION_TOO_LARGE) } else { Ok(()) }
}
