//! Reproducible randomness: SplitMix64 (Steele, Lea, Flood 2014).

use std::sync::atomic::{AtomicU64, Ordering};

use crate::rng::Rng;

const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// Random numbers that depend on the seed alone.
#[derive(Debug)]
pub struct SeededRng {
    state: AtomicU64,
}

impl SeededRng {
    /// A stream for this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: AtomicU64::new(seed) }
    }

    /// Uniform enough number in `0..bound`; zero when `bound` is zero.
    pub fn below(&self, bound: u64) -> u64 {
        self.next_u64().checked_rem(bound).unwrap_or(0)
    }

    /// Whether an event of this probability, in per mille, happens.
    pub fn chance_permille(&self, permille: u64) -> bool {
        self.below(1000) < permille
    }
}

impl Rng for SeededRng {
    fn next_u64(&self) -> u64 {
        let state = self.state.fetch_add(GOLDEN_GAMMA, Ordering::SeqCst).wrapping_add(GOLDEN_GAMMA);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}
