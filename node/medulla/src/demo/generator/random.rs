//! The generator's own random numbers (splitmix64), so that a seed gives the same hospital on every
//! machine and with every version of the dependencies.

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

impl Random {
    /// The stream of a seed with this number; streams are independent of each other.
    pub(crate) const fn new(seed: u64, stream: u64) -> Self {
        Self(mix(seed ^ mix(stream.wrapping_add(STEP))))
    }

    /// Any number.
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number from 0 inclusive to `bound` exclusive; 0 when `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// A number between two, both inclusive.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high.saturating_sub(low)).unwrap_or(0);
        low.saturating_add_unsigned(self.below(span.saturating_add(1)))
    }

    /// Whether something happens that happens this often in a thousand.
    pub(crate) fn chance(&mut self, per_thousand: u64) -> bool {
        self.below(1_000) < per_thousand
    }

    /// One of the items, which must not be none.
    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        let count = u64::try_from(items.len()).unwrap_or(1);
        let index = usize::try_from(self.below(count)).unwrap_or(0);
        items[index]
    }

    /// From 0 inclusive to 1 exclusive.
    pub(crate) fn fraction(&mut self) -> f64 {
        const RESOLUTION: u64 = 1 << 32;
        u32::try_from(self.below(RESOLUTION)).map_or(0.0, f64::from) / 4_294_967_296.0
    }

    /// Around 0, seldom further away than `spread`, never further than one and a half of it.
    pub(crate) fn noise(&mut self, spread: f64) -> f64 {
        let sum = self.fraction() + self.fraction() + self.fraction();
        (sum - 1.5) * spread
    }
}

const fn mix(seed: u64) -> u64 {
    let one = (seed ^ (seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let two = (one ^ (one >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    two ^ (two >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ() {
        let take = |seed, stream| {
            let mut random = Random::new(seed, stream);
            std::iter::repeat_with(|| random.next()).take(8).collect::<Vec<_>>()
        };
        assert_eq!(take(1, 2), take(1, 2));
        assert_ne!(take(1, 2), take(2, 1));
        assert_ne!(take(1, 2), take(1, 3));
    }

    #[test]
    fn numbers_stay_in_their_bounds_and_reach_them() {
        let mut random = Random::new(7, 0);
        let mut seen = [0_u32; 5];
        for _ in 0..1_000 {
            let number = random.between(-2, 2);
            seen[usize::try_from(number + 2).unwrap()] += 1;
            assert!((0.0..1.0).contains(&random.fraction()));
            assert!(random.noise(2.0).abs() <= 3.0);
        }
        assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
        assert_eq!(random.below(0), 0);
        assert!(!random.chance(0) && random.chance(1_000));
    }
}
