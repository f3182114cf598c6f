//! A clock that only moves when told to.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::clock::Clock;

/// Clock moved by hand; wall and monotonic time can be moved together or apart.
#[derive(Debug, Default)]
pub struct ManualClock {
    wall_unix_micros: AtomicI64,
    monotonic_micros: AtomicU64,
}

impl ManualClock {
    /// A clock at the given wall time, monotonic reading zero.
    #[must_use]
    pub fn new(wall_unix_micros: i64) -> Self {
        Self {
            wall_unix_micros: AtomicI64::new(wall_unix_micros),
            monotonic_micros: AtomicU64::new(0),
        }
    }

    /// Moves both readings forward.
    pub fn advance_micros(&self, micros: u32) {
        self.wall_unix_micros.fetch_add(i64::from(micros), Ordering::SeqCst);
        self.monotonic_micros.fetch_add(u64::from(micros), Ordering::SeqCst);
    }

    /// Sets the wall reading only, as a jump of the machine's clock does.
    pub fn set_wall_unix_micros(&self, micros: i64) {
        self.wall_unix_micros.store(micros, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn wall_unix_micros(&self) -> i64 {
        self.wall_unix_micros.load(Ordering::SeqCst)
    }

    fn monotonic_micros(&self) -> u64 {
        self.monotonic_micros.load(Ordering::SeqCst)
    }
}
