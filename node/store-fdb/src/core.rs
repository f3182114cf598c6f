//! What the parts of an open store share: the handles, the settings, the counters, whether it is
//! open, and how something is tried again.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use crate::client::{Client, ClientFuture, ClientTransaction, Purpose};
use crate::code::Code;
use crate::config::{Environment, FdbConfig};
use crate::layout::{Instance, Layout};
use crate::limits::{
    BACKOFF_MS_MAX, BACKOFF_MS_MIN, CLIENT_GRACE_MS, COMMITS_IN_FLIGHT_MAX, READS_IN_FLIGHT_MAX,
    RECENT_VERSION_MICROS_MAX,
};
use crate::stats::Counters;

/// See the module.
pub(crate) struct Core {
    clients: Vec<Arc<dyn Client>>,
    next_client: AtomicUsize,
    pub(crate) config: FdbConfig,
    pub(crate) environment: Environment,
    pub(crate) layout: Layout,
    pub(crate) instance: Instance,
    next_ticket: AtomicU64,
    pub(crate) counters: Counters,
    pub(crate) runtime: Handle,
    pub(crate) reads: Semaphore,
    pub(crate) in_flight: Semaphore,
    newest: Mutex<Newest>,
    /// Commits that were answered `UnknownResult` and of which nobody knows yet what became.
    in_doubt: watch::Sender<usize>,
    closed: AtomicBool,
}

/// The newest version that was heard of, and when.
#[derive(Debug, Clone, Copy, Default)]
struct Newest {
    version: i64,
    heard_at_micros: u64,
}

impl Core {
    pub(crate) fn new(
        clients: Vec<Arc<dyn Client>>,
        config: FdbConfig,
        environment: Environment,
    ) -> Self {
        let mut instance = Instance::default();
        environment.rng.fill(&mut instance);
        Self {
            clients,
            next_client: AtomicUsize::new(0),
            layout: Layout::new(&config.prefix),
            config,
            environment,
            instance,
            next_ticket: AtomicU64::new(1),
            counters: Counters::default(),
            runtime: Handle::current(),
            reads: Semaphore::new(READS_IN_FLIGHT_MAX),
            in_flight: Semaphore::new(COMMITS_IN_FLIGHT_MAX),
            newest: Mutex::default(),
            in_doubt: watch::Sender::new(0),
            closed: AtomicBool::new(false),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// A transaction on the next handle in turn.
    pub(crate) fn transaction(&self, purpose: Purpose) -> Result<Box<dyn ClientTransaction>, Code> {
        let turn = self.next_client.fetch_add(1, Ordering::Relaxed);
        let client = turn.checked_rem(self.clients.len()).and_then(|at| self.clients.get(at));
        client.ok_or(Code::TRANSACTION_CANCELLED)?.transaction(purpose)
    }

    pub(crate) fn next_ticket(&self) -> u64 {
        self.next_ticket.fetch_add(1, Ordering::Relaxed)
    }

    fn newest(&self) -> MutexGuard<'_, Newest> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a version that the cluster has reached.
    pub(crate) fn heard_of(&self, version: i64) {
        let heard_at_micros = self.environment.clock.monotonic_micros();
        let mut newest = self.newest();
        if version >= newest.version {
            *newest = Newest { version, heard_at_micros };
        }
    }

    /// Whether the cluster is known to have reached a version.
    pub(crate) fn has_reached(&self, version: i64) -> bool {
        version <= self.newest().version
    }

    /// A version that was heard of just now.
    pub(crate) fn recent(&self) -> Option<i64> {
        let now = self.environment.clock.monotonic_micros();
        let newest = *self.newest();
        let age = now.saturating_sub(newest.heard_at_micros);
        (newest.version > 0 && age <= RECENT_VERSION_MICROS_MAX).then_some(newest.version)
    }

    /// Adds a commit in doubt, until the guard is dropped.
    pub(crate) fn doubt(self: &Arc<Self>) -> Doubt {
        self.in_doubt.send_modify(|count| *count += 1);
        Doubt(Arc::clone(self))
    }

    /// Ends when no commit is in doubt.
    pub(crate) async fn without_doubt(&self) {
        if *self.in_doubt.borrow() == 0 {
            return;
        }
        let mut in_doubt = self.in_doubt.subscribe();
        // The sender lives as long as this.
        let _is_zero = in_doubt.wait_for(|count| *count == 0).await.is_ok();
    }
}

/// See [`Core::doubt`].
pub(crate) struct Doubt(Arc<Core>);

impl Drop for Doubt {
    fn drop(&mut self) {
        self.0.in_doubt.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// Waits for a call of the client, which has its own time limit, and not much longer than that.
pub(crate) async fn within<T>(limit_ms: u64, call: ClientFuture<T>) -> Result<T, Code> {
    let limit = Duration::from_millis(limit_ms.saturating_add(CLIENT_GRACE_MS));
    tokio::time::timeout(limit, call).await.unwrap_or(Err(Code::TRANSACTION_TIMED_OUT))
}

/// Tries and pauses up to a deadline.
pub(crate) struct Tries {
    deadline: Option<Instant>,
    pause_ms: u64,
}

impl Tries {
    pub(crate) fn within_ms(limit_ms: u64) -> Self {
        let deadline = Instant::now().checked_add(Duration::from_millis(limit_ms));
        Self { deadline, pause_ms: BACKOFF_MS_MIN }
    }

    pub(crate) fn forever() -> Self {
        Self { deadline: None, pause_ms: BACKOFF_MS_MIN }
    }

    /// Pauses before the next try; `false` when there is no time for one.
    pub(crate) async fn again(&mut self, core: &Core) -> bool {
        let half = self.pause_ms / 2;
        let drawn = core.environment.rng.next_u64().checked_rem(half + 1).unwrap_or(0);
        let pause = Duration::from_millis(half + drawn);
        self.pause_ms = self.pause_ms.saturating_mul(2).min(BACKOFF_MS_MAX);
        let has_time = self.deadline.is_none_or(|deadline| Instant::now() + pause < deadline);
        if has_time {
            core.counters.retries.add();
            tokio::time::sleep(pause).await;
        }
        has_time
    }
}
