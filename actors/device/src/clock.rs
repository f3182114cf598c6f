//! The estimate of a device's clock error (DEV-3). A live batch shows the clock offset minus its
//! delay on the way, and a delay is never negative; so the estimate rises at once to a batch with
//! less delay and falls slowly otherwise. Batches that were stored on the device show nothing.

use crate::limits::{CLOCK_DECAY_DIVISOR, CLOCK_STEP_MICROS};
use crate::state::State;
use schema_types::device::SampleSummary;
use schema_types::time::Timestamp;

/// Device clock minus hospital clock after a live batch, microseconds.
#[must_use]
pub fn offset_after(state: &State, summary: &SampleSummary) -> i64 {
    let estimate = state.clock_offset_micros;
    if summary.stored_and_forwarded {
        return estimate;
    }
    let seen = summary.device_time.micros_since(summary.received_at);
    let is_first = state.last_received_at.is_none();
    let was_set_back = seen < estimate.saturating_sub(CLOCK_STEP_MICROS);
    if is_first || was_set_back || seen >= estimate {
        return seen;
    }
    estimate - (estimate - seen) / CLOCK_DECAY_DIVISOR
}

/// A time of the device's clock on the hospital's clock.
#[must_use]
pub const fn corrected(device_time: Timestamp, offset_micros: i64) -> Timestamp {
    device_time.plus_micros(offset_micros.saturating_neg())
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema_types::clinical::Provenance;

    fn live(state: &State, device_seconds: i64, received_seconds: i64) -> i64 {
        let summary = SampleSummary {
            samples: 1,
            sequence: None,
            device_time: Timestamp::from_unix_seconds(device_seconds),
            received_at: Timestamp::from_unix_seconds(received_seconds),
            stored_and_forwarded: false,
            battery_percent: None,
            provenance: Provenance::default(),
        };
        let late = SampleSummary { stored_and_forwarded: true, ..summary.clone() };
        assert_eq!(offset_after(state, &late), state.clock_offset_micros, "stored: no news");
        offset_after(state, &summary)
    }

    #[test]
    fn dev_3_offset_follows_the_least_delay() {
        let known = |seconds: i64| State {
            clock_offset_micros: seconds * 1_000_000,
            last_received_at: Some(Timestamp::from_unix_seconds(0)),
            ..State::default()
        };
        assert_eq!(live(&State::default(), 90, 100), -10_000_000, "the first batch is believed");
        assert_eq!(live(&known(-10), 197, 200), -3_000_000, "less delay is believed at once");
        assert_eq!(live(&known(0), 192, 200), -1_000_000, "more delay moves it by an eighth");
        assert_eq!(live(&known(7_200), 7_300, 7_200), 100_000_000, "the clock was set back");
        assert_eq!(live(&known(0), 7_300, 100), 7_200_000_000, "the clock was set forward");
    }

    #[test]
    fn extremes_saturate() {
        let summary = SampleSummary {
            samples: 1,
            sequence: None,
            device_time: Timestamp::MIN,
            received_at: Timestamp::MAX,
            stored_and_forwarded: false,
            battery_percent: None,
            provenance: Provenance::default(),
        };
        let state = State {
            clock_offset_micros: i64::MIN,
            last_received_at: Some(Timestamp::MIN),
            ..State::default()
        };
        assert_eq!(offset_after(&state, &summary), i64::MIN);
        assert_eq!(corrected(Timestamp::MAX, i64::MIN), Timestamp::MAX);
    }
}
