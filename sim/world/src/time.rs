//! Simulated time: one axis for the world, in microseconds since its beginning, and a clock for
//! each host that may be wrong about it.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use node_env::Clock;
use tokio::time::Instant;

/// Wall time at the beginning of the world, microseconds since 1970: 2026-01-01T00:00:00Z.
pub const WORLD_BEGINS_UNIX_MICROS: i64 = 1_767_225_600_000_000;
/// Parts of a million in one.
const PPM: i64 = 1_000_000;

/// When the executor of a host began, on the axis of the world and on its own.
#[derive(Debug, Clone, Copy)]
struct Began {
    world_micros: u64,
    executor: Instant,
}

/// Time as a host has it. Its executor may be behind the world while the host is paused.
#[derive(Debug)]
pub struct HostTime {
    world_micros: Arc<AtomicU64>,
    began: Mutex<Option<Began>>,
    offset_micros: AtomicI64,
    drift_ppm: AtomicI64,
}

impl HostTime {
    /// A host with a right clock in a world whose time is kept in `world_micros`.
    #[must_use]
    pub const fn new(world_micros: Arc<AtomicU64>) -> Self {
        Self {
            world_micros,
            began: Mutex::new(None),
            offset_micros: AtomicI64::new(0),
            drift_ppm: AtomicI64::new(0),
        }
    }

    /// Notes that an executor begins now. Called inside it.
    pub(crate) fn begin(&self) {
        let world_micros = self.world_micros.load(Ordering::SeqCst);
        *self.began() = Some(Began { world_micros, executor: Instant::now() });
    }

    /// Notes that there is no executor any longer.
    pub(crate) fn end(&self) {
        *self.began() = None;
    }

    fn began(&self) -> std::sync::MutexGuard<'_, Option<Began>> {
        self.began.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The moment of the executor that is this time of the world.
    pub(crate) fn executor_at(&self, world_micros: u64) -> Option<Instant> {
        let began = (*self.began())?;
        let since = world_micros.saturating_sub(began.world_micros);
        Some(began.executor + std::time::Duration::from_micros(since))
    }

    /// Time of the world, as exactly as the host can tell, microseconds.
    #[must_use]
    pub fn world_micros(&self) -> u64 {
        let world_micros = self.world_micros.load(Ordering::SeqCst);
        if tokio::runtime::Handle::try_current().is_err() {
            return world_micros;
        }
        let Some(began) = *self.began() else { return world_micros };
        let since = Instant::now().saturating_duration_since(began.executor).as_micros();
        began.world_micros + u64::try_from(since).unwrap_or(0)
    }

    /// Makes the wall clock wrong by this much more (or less), at once.
    pub fn jump_micros(&self, micros: i64) {
        self.offset_micros.fetch_add(micros, Ordering::SeqCst);
    }

    /// Makes the wall clock run fast by so many parts of a million (negative: slow).
    pub fn set_drift_ppm(&self, ppm: i64) {
        self.drift_ppm.store(ppm, Ordering::SeqCst);
    }
}

impl Clock for HostTime {
    fn wall_unix_micros(&self) -> i64 {
        let world = i64::try_from(self.world_micros()).unwrap_or(i64::MAX);
        let drift = world.saturating_mul(self.drift_ppm.load(Ordering::SeqCst)) / PPM;
        let offset = self.offset_micros.load(Ordering::SeqCst);
        WORLD_BEGINS_UNIX_MICROS.saturating_add(world).saturating_add(drift).saturating_add(offset)
    }

    fn monotonic_micros(&self) -> u64 {
        self.world_micros()
    }
}
