//! A transaction of the cluster in memory: calls are collected, answers come some turns later, and
//! what goes wrong is drawn.

use std::sync::{Arc, Mutex};
use std::task::Poll;

use actors_store::KeyRange;
use bytes::Bytes;
use futures::FutureExt;
use node_store_fdb::Code;
use node_store_fdb::client::{
    Atomic, ClientFuture, ClientTransaction, ConflictSide, Landed, Purpose, RangeRead, Rows,
};

use super::state::{Sent, Write};
use super::{Mishap, Shared};

/// Errors of read versions and reads that FoundationDB gives in bad times.
const READ_ERRORS: [Code; 5] = [
    Code::FUTURE_VERSION,
    Code::PROCESS_BEHIND,
    Code::CLUSTER_VERSION_CHANGED,
    Code::GRV_PROXY_MEMORY_LIMIT,
    Code::TRANSACTION_TIMED_OUT,
];
/// Errors of commits that certainly have no effect.
const COMMIT_ERRORS: [Code; 4] = [
    Code::COMMIT_PROXY_MEMORY_LIMIT,
    Code::DATABASE_LOCKED,
    Code::TAG_THROTTLED,
    Code::PROXY_TAG_THROTTLED,
];
/// Errors of commits that say nothing about their effect; broken promise is one nobody expects.
const UNKNOWN_ERRORS: [Code; 5] = [
    Code::COMMIT_UNKNOWN_RESULT,
    Code::CLUSTER_VERSION_CHANGED,
    Code::TRANSACTION_TIMED_OUT,
    Code::TRANSACTION_CANCELLED,
    Code(1_100),
];
const TURNS_MAX: u64 = 6;

pub(crate) struct ModelTransaction {
    shared: Arc<Shared>,
    purpose: Purpose,
    sent: Arc<Mutex<Sent>>,
}

/// Lets others go first, whatever executor runs this.
async fn turns(mut count: u64) {
    std::future::poll_fn(|context| {
        if count == 0 {
            return Poll::Ready(());
        }
        count -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl ModelTransaction {
    pub(crate) fn new(shared: Arc<Shared>, purpose: Purpose) -> Self {
        Self { shared, purpose, sent: Arc::default() }
    }

    fn change(&self, change: Write) {
        assert_eq!(self.purpose, Purpose::Commit, "a transaction for reading writes");
        self.sent.lock().unwrap().changes.push(change);
    }
}

/// What every call meets: turns, outages, late commits that arrive, faults.
async fn weather(shared: &Shared, permille: impl Fn(&Shared) -> u64) -> Result<(), Code> {
    let count = shared.state().rng.below(TURNS_MAX);
    turns(count).await;
    shared.reachable().await;
    let now = shared.now();
    let permille = permille(shared);
    let mut state = shared.state();
    if state.chance(250) {
        state.deliver_one_late(now);
    }
    if state.chance(permille) {
        return Err(draw(&state.rng, &READ_ERRORS));
    }
    Ok(())
}

fn draw(rng: &node_env::fake::SeededRng, codes: &[Code]) -> Code {
    let count = u64::try_from(codes.len()).unwrap();
    codes[usize::try_from(rng.below(count)).unwrap()]
}

async fn version_of(shared: &Shared, sent: &Mutex<Sent>) -> Result<i64, Code> {
    if let Some(version) = sent.lock().unwrap().read_version {
        return Ok(version);
    }
    weather(shared, |shared| shared.state().faults.read_version).await?;
    let version = shared.state().show(shared.now());
    Ok(*sent.lock().unwrap().read_version.get_or_insert(version))
}

impl ClientTransaction for ModelTransaction {
    fn set_read_version(&self, version: i64) {
        let before = self.sent.lock().unwrap().read_version.replace(version);
        assert_eq!(before, None, "the read version is set once");
    }

    fn read_version(&self) -> ClientFuture<i64> {
        let (shared, sent) = (Arc::clone(&self.shared), Arc::clone(&self.sent));
        async move { version_of(&shared, &sent).await }.boxed()
    }

    fn get(&self, key: &[u8]) -> ClientFuture<Option<Bytes>> {
        let (shared, sent) = (Arc::clone(&self.shared), Arc::clone(&self.sent));
        let key = Bytes::copy_from_slice(key);
        let reading = async move {
            let version = version_of(&shared, &sent).await?;
            weather(&shared, |shared| shared.state().faults.read).await?;
            let now = shared.now();
            let state = shared.state();
            state.readable(version, now)?;
            Ok(state.get(&key, version))
        };
        reading.boxed()
    }

    fn get_range(&self, read: &RangeRead) -> ClientFuture<Rows> {
        assert!(read.limit > 0 && read.begin < read.end, "a read of nothing");
        let (shared, sent) = (Arc::clone(&self.shared), Arc::clone(&self.sent));
        let read = read.clone();
        let reading = async move {
            let version = version_of(&shared, &sent).await?;
            weather(&shared, |shared| shared.state().faults.read).await?;
            let now = shared.now();
            let state = shared.state();
            state.readable(version, now)?;
            let mut rows = state.rows(&KeyRange::new(read.begin, read.end), version);
            if read.reverse {
                rows.reverse();
            }
            let mut limit = read.limit;
            if state.chance(state.faults.short_page) {
                limit = limit.min(1 + usize::try_from(state.rng.below(3)).unwrap());
            }
            // FoundationDB may say that there is more when the limit was met exactly.
            let more = rows.len() > limit || (rows.len() == limit && state.chance(500));
            rows.truncate(limit);
            Ok(Rows { items: rows, more })
        };
        reading.boxed()
    }

    fn set(&self, key: &[u8], value: &[u8]) {
        self.change(Write::Set(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
    }

    fn clear_range(&self, begin: &[u8], end: &[u8]) {
        self.change(Write::ClearRange(KeyRange::new(begin.to_vec(), end.to_vec())));
    }

    fn atomic(&self, kind: Atomic, key: &[u8], operand: &[u8]) {
        let (key, operand) = (Bytes::copy_from_slice(key), Bytes::copy_from_slice(operand));
        self.change(Write::Atomic(kind, key, operand));
    }

    fn add_conflict(&self, side: ConflictSide, begin: &[u8], end: &[u8]) -> Result<(), Code> {
        let range = KeyRange::new(begin.to_vec(), end.to_vec());
        let mut sent = self.sent.lock().unwrap();
        match side {
            ConflictSide::Read => sent.reads.push(range),
            ConflictSide::Write => sent.writes.push(range),
        }
        Ok(())
    }

    fn commit(self: Box<Self>) -> ClientFuture<Landed> {
        let shared = Arc::clone(&self.shared);
        let mut sent = self.sent.lock().unwrap().clone();
        let now = shared.now();
        let (id, mishap) = {
            let mut state = shared.state();
            let newest = state.show(now);
            sent.read_version.get_or_insert(newest);
            let is_blind = sent.reads.len() <= 1;
            let id = state.take(sent);
            let drawn = state.mishaps.pop_front();
            let mishap = drawn.unwrap_or_else(|| draw_mishap(&state, is_blind));
            (id, mishap)
        };
        let guard = OnItsWay { shared: Arc::clone(&shared), id };
        async move { decide(&shared, guard, mishap).await }.boxed()
    }
}

/// A commit that somebody waits for; given up when dropped.
struct OnItsWay {
    shared: Arc<Shared>,
    id: u64,
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        // Not while a test fails with the lock held.
        if !std::thread::panicking() {
            self.shared.state().give_up(self.id);
        }
    }
}

fn draw_mishap(state: &super::State, is_blind: bool) -> Mishap {
    let faults = state.faults;
    if state.chance(faults.commit) {
        return Mishap::Lost(draw(&state.rng, &COMMIT_ERRORS));
    }
    if state.chance(faults.false_conflict) || (is_blind && state.chance(faults.commit)) {
        return Mishap::Lost(Code::NOT_COMMITTED);
    }
    if !state.chance(faults.unknown) {
        return Mishap::Nothing;
    }
    let code = draw(&state.rng, &UNKNOWN_ERRORS);
    match state.rng.below(3) {
        0 => Mishap::Landed(code),
        1 => Mishap::Lost(code),
        _later => Mishap::Late(code),
    }
}

async fn decide(shared: &Shared, guard: OnItsWay, mishap: Mishap) -> Result<Landed, Code> {
    weather(shared, |_| 0).await?;
    let now = shared.now();
    let mut state = shared.state();
    let result = match mishap {
        Mishap::Nothing => state.decide(guard.id, now),
        // What the cluster refuses it refuses, reply or not.
        Mishap::Landed(code) => state.decide(guard.id, now).and(Err(code)),
        Mishap::Lost(code) => {
            state.pending.remove(&guard.id);
            Err(code)
        }
        Mishap::Late(code) => Err(code),
    };
    let version = result.map_or(0, |landed| landed.version);
    if version > 0 {
        state.show(now);
    }
    drop(state);
    drop(guard);
    result
}
