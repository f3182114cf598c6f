//! What a segment meets on its way from one host to another.

use node_env::fake::SeededRng;
use serde::{Deserialize, Serialize};

/// How a network is on its ordinary days, drawn once for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Shortest time on the way, microseconds; not below the world's step.
    pub latency_min_micros: u64,
    /// Spread above it, microseconds.
    pub latency_spread_micros: u64,
    /// How many of a thousand segments take long.
    pub tail_permille: u64,
    /// How long those take at most, microseconds.
    pub tail_max_micros: u64,
    /// How many of a thousand segments are lost and sent again.
    pub loss_permille: u64,
}

impl Profile {
    /// A good local network.
    pub const CALM: Self = Self {
        latency_min_micros: 1_000,
        latency_spread_micros: 1_000,
        tail_permille: 2,
        tail_max_micros: 30_000,
        loss_permille: 0,
    };

    /// Time on the way of one segment, microseconds.
    pub(super) fn draw_micros(&self, rng: &SeededRng) -> u64 {
        let mut micros = self.latency_min_micros + rng.below(self.latency_spread_micros + 1);
        if rng.chance_permille(self.tail_permille) {
            micros += rng.below(self.tail_max_micros + 1);
        }
        if rng.chance_permille(self.loss_permille) {
            micros += RETRANSMIT_MICROS + rng.below(RETRANSMIT_MICROS);
        }
        micros
    }
}

/// When a sender that hears nothing sends again, microseconds (RFC 6298: not below 200 ms in
/// common implementations).
pub(super) const RETRANSMIT_MICROS: u64 = 200_000;
/// Longest time between two attempts, microseconds.
pub(super) const RETRANSMIT_MICROS_MAX: u64 = 2_000_000;
/// Attempts after which a stream counts as broken.
pub(super) const RETRANSMITS_MAX: u32 = 12;

/// The state of the way from one host to another; the way back has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Link {
    /// Nothing arrives.
    pub is_cut: bool,
    /// More time on the way, microseconds.
    pub delay_micros: u64,
    /// Bytes a second that pass; 0: no limit.
    pub bytes_per_second: u64,
}

/// Time after which attempt number `attempt` follows the one before, microseconds.
pub(super) fn retransmit_micros(attempt: u32) -> u64 {
    RETRANSMIT_MICROS.saturating_mul(1 << attempt.min(8)).min(RETRANSMIT_MICROS_MAX)
}
