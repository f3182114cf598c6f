//! Latencies of many callers as one HdrHistogram: three digits, one microsecond to ten minutes.

use crate::limits::LATENCY_MICROS_MAX;
use std::collections::BTreeMap;

/// What callers saw while they were measured.
#[derive(Debug, Clone)]
pub struct Observed {
    /// Operations that succeeded; a batch counts each of its members.
    pub operations: u64,
    /// Calls that failed, by code.
    pub errors: BTreeMap<String, u64>,
    /// From when a call was due.
    latency: hdrhistogram::Histogram<u64>,
    /// From when it was made: less where the generator itself was late.
    answered_in: hdrhistogram::Histogram<u64>,
}

impl Default for Observed {
    fn default() -> Self {
        Self { operations: 0, errors: BTreeMap::new(), latency: empty(), answered_in: empty() }
    }
}

#[expect(clippy::expect_used, reason = "the bounds are constants that the histogram accepts")]
fn empty() -> hdrhistogram::Histogram<u64> {
    let histogram = hdrhistogram::Histogram::new_with_bounds(1, LATENCY_MICROS_MAX, 3);
    histogram.expect("one to ten minutes with three digits is a valid range")
}

impl Observed {
    /// Counts a call that succeeded: how many operations it stood for and how long it took.
    pub fn success(&mut self, operations: u32, micros: u64) {
        self.success_of(operations, (micros, micros));
    }

    /// Counts a call that succeeded: how many operations it stood for, and the time from when it
    /// was due and from when it was made.
    pub fn success_of(&mut self, operations: u32, (since_due, since_made): (u64, u64)) {
        self.operations += u64::from(operations);
        self.latency.saturating_record(since_due.max(1));
        self.answered_in.saturating_record(since_made.max(1));
    }

    /// Counts a call that failed.
    pub fn failure(&mut self, code: &str) {
        match self.errors.get_mut(code) {
            Some(count) => *count += 1,
            None => drop(self.errors.insert(code.to_owned(), 1)),
        }
    }

    /// Adds what others saw.
    pub fn merge(&mut self, other: &Self) {
        self.operations += other.operations;
        for (code, count) in &other.errors {
            *self.errors.entry(code.clone()).or_default() += count;
        }
        let _same_bounds = self.latency.add(&other.latency);
        let _same_bounds = self.answered_in.add(&other.answered_in);
    }

    /// Calls that succeeded.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.latency.len()
    }

    /// Calls that failed.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.errors.values().sum()
    }

    /// The latency that this share of the calls (0 to 1) did not exceed, microseconds; 0 when
    /// there was no call.
    #[must_use]
    pub fn quantile(&self, share: f64) -> u64 {
        self.latency.value_at_quantile(share)
    }

    /// Like [`Observed::quantile`], of the time from when calls were made.
    #[must_use]
    pub fn answered_quantile(&self, share: f64) -> u64 {
        self.answered_in.value_at_quantile(share)
    }

    /// The longest latency, microseconds.
    #[must_use]
    pub fn longest(&self) -> u64 {
        self.latency.max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_histograms_are_the_histogram_of_all() {
        let mut one = Observed::default();
        let mut other = Observed::default();
        let mut all = Observed::default();
        for micros in 1..=1_000 {
            let part = if micros % 3 == 0 { &mut one } else { &mut other };
            part.success(2, micros);
            all.success(2, micros);
        }
        one.failure("MED-NODE-001");
        other.failure("MED-NODE-001");
        one.merge(&other);
        assert_eq!((one.operations, one.calls(), one.failures()), (2_000, 1_000, 2));
        for share in [0.0, 0.5, 0.99, 0.999, 1.0] {
            assert_eq!(one.quantile(share), all.quantile(share), "{share}");
        }
        assert_eq!(one.quantile(0.5), 500);
        assert_eq!(one.longest(), 1_000);
    }

    #[test]
    fn nothing_and_too_much_are_told() {
        let mut observed = Observed::default();
        assert_eq!((observed.quantile(0.99), observed.longest()), (0, 0));
        observed.success(1, u64::MAX);
        assert!(observed.longest() >= LATENCY_MICROS_MAX);
    }
}
