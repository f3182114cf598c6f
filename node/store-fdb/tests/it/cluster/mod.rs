//! A FoundationDB cluster in memory that does its worst: behind the adapter's seam, with the
//! semantics of the C API at version 730 as far as they are used. Commits of one client overtake
//! each other, replies get lost, commits land long after they were given up, versions jump as in a
//! recovery, reads and read versions fail for the reasons that FoundationDB has, pages are short,
//! and everything can hang.

mod state;
mod transaction;

use std::sync::{Arc, Mutex, MutexGuard};

use actors_store::Mutation;
use bytes::Bytes;
use node_env::Clock;
use node_env::fake::ManualClock;
use node_store_fdb::Code;
use node_store_fdb::client::{Client, ClientTransaction, Purpose};
use tokio::sync::Notify;

use state::State;
use transaction::ModelTransaction;

/// How often what goes wrong, in per mille.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// Read versions that fail.
    pub(crate) read_version: u64,
    /// Reads that fail.
    pub(crate) read: u64,
    /// Pages that are shorter than they could be.
    pub(crate) short_page: u64,
    /// Commits that fail and say so.
    pub(crate) commit: u64,
    /// Commits that do not say what became of them.
    pub(crate) unknown: u64,
    /// Commits that conflict with nothing; FoundationDB may say so.
    pub(crate) false_conflict: u64,
}

impl Faults {
    /// Bad enough to meet everything, and nothing that a caller may see.
    pub(crate) const HOSTILE: Self = Self {
        read_version: 60,
        read: 60,
        short_page: 300,
        commit: 60,
        unknown: 150,
        false_conflict: 0,
    };
}

/// What becomes of the next commits, first come first served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// Takes effect, says this.
    Landed(Code),
    /// Has no effect, says this.
    Lost(Code),
    /// Says this, and takes effect later, if nothing is in the way then.
    Late(Code),
    /// Goes well.
    Nothing,
}

pub(crate) struct Shared {
    pub(crate) clock: Arc<ManualClock>,
    state: Mutex<State>,
    restored: Notify,
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Microseconds, which versions follow.
    pub(crate) fn now(&self) -> i64 {
        i64::try_from(self.clock.monotonic_micros()).unwrap()
    }

    /// Hangs while the cluster does.
    pub(crate) async fn reachable(&self) {
        loop {
            let restored = self.restored.notified();
            tokio::pin!(restored);
            restored.as_mut().enable();
            if !self.state().is_out {
                return;
            }
            restored.await;
        }
    }
}

/// The cluster; clones are the same.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) shared: Arc<Shared>,
}

impl Cluster {
    pub(crate) fn new(seed: u64) -> Self {
        let shared = Shared {
            clock: Arc::new(ManualClock::new(0)),
            state: Mutex::new(State::new(seed)),
            restored: Notify::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn clients(&self) -> Vec<Arc<dyn Client>> {
        (0..2).map(|_| Arc::new(self.clone()) as Arc<dyn Client>).collect()
    }

    pub(crate) fn set_faults(&self, faults: Faults) {
        self.shared.state().faults = faults;
    }

    pub(crate) fn mishap(&self, mishap: Mishap) {
        self.shared.state().mishaps.push_back(mishap);
    }

    /// Nothing is answered any more, until it is.
    pub(crate) fn set_out(&self, is_out: bool) {
        self.shared.state().is_out = is_out;
        self.shared.restored.notify_waiters();
    }

    /// The cluster recovers: versions jump, and no older commit can be checked any more.
    pub(crate) fn recover(&self) {
        self.shared.state().recover(self.shared.now());
    }

    /// Lets what is late arrive.
    pub(crate) fn deliver_late(&self) {
        let now = self.shared.now();
        let mut state = self.shared.state();
        while state.deliver_one_late(now) {}
    }

    /// Everything stored, as the cluster sees it.
    pub(crate) fn dump(&self) -> Vec<(Bytes, Bytes)> {
        self.shared.state().dump()
    }

    /// Writes as another program would.
    pub(crate) fn write_foreign(&self, key: &[u8]) {
        let mutation = Mutation::set(key.to_vec(), b"foreign".to_vec());
        self.shared.state().write_now(&mutation);
    }
}

impl Client for Cluster {
    fn transaction(&self, purpose: Purpose) -> Result<Box<dyn ClientTransaction>, Code> {
        Ok(Box::new(ModelTransaction::new(Arc::clone(&self.shared), purpose)))
    }
}
