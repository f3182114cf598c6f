//! Streams of random numbers: one for each concern, so that one more draw in one of them leaves
//! the others as they were.

use node_env::fake::SeededRng;

/// FNV-1a, 64 bit (Fowler, Noll, Vo).
const FNV_OFFSET: u64 = 0xCBF2_9CE4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01B3;

/// The number from which everything in a run follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seed(pub u64);

impl Seed {
    /// The stream of a concern such as `net.latency`, the same for every call.
    #[must_use]
    pub fn stream(self, concern: &str) -> SeededRng {
        SeededRng::new(self.number(concern))
    }

    /// A number for a concern.
    #[must_use]
    pub fn number(self, concern: &str) -> u64 {
        let bytes = self.0.to_le_bytes().into_iter().chain(concern.bytes());
        bytes.fold(FNV_OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use node_env::Rng;

    #[test]
    fn concerns_and_seeds_have_streams_of_their_own() {
        let draw = |seed: u64, concern| Seed(seed).stream(concern).next_u64();
        assert_eq!(draw(7, "net"), draw(7, "net"));
        assert_ne!(draw(7, "net"), draw(7, "disk"));
        assert_ne!(draw(7, "net"), draw(8, "net"));
    }
}
