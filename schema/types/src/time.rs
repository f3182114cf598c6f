//! Time as data: instants in microseconds since the Unix epoch, UTC. Nothing here reads a clock
//! (TIME-1); `now` travels inside commands.

use serde::{Deserialize, Serialize};

/// Microseconds in one second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;
/// Microseconds in one minute.
pub const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SECOND;
/// Microseconds in one hour.
pub const MICROS_PER_HOUR: i64 = 60 * MICROS_PER_MINUTE;
/// Microseconds in one day.
pub const MICROS_PER_DAY: i64 = 24 * MICROS_PER_HOUR;

/// An instant, in microseconds since 1970-01-01T00:00:00Z. May be negative (births before 1970).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest instant that can be expressed.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest instant that can be expressed.
    pub const MAX: Self = Self(i64::MAX);

    /// An instant from microseconds since the Unix epoch.
    #[must_use]
    pub const fn from_unix_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// An instant from whole seconds since the Unix epoch; saturates at the ends.
    #[must_use]
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(MICROS_PER_SECOND))
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn unix_micros(self) -> i64 {
        self.0
    }

    /// This instant moved by `micros` (negative: earlier); saturates at the ends.
    #[must_use]
    pub const fn plus_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// Microseconds from `earlier` to `self`; negative when `earlier` is later. Saturates.
    #[must_use]
    pub const fn micros_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// How exactly a source stated a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precision {
    /// Only the year is known.
    Year,
    /// Year and month.
    Month,
    /// Year, month and day.
    Day,
    /// To the hour.
    Hour,
    /// To the minute.
    Minute,
    /// To the second.
    Second,
    /// Finer than a second.
    Fraction,
}

/// A time as a source stated it: the instant where it begins, how exact it is, and the offset from
/// UTC in minutes if the source gave one (absent: the facility's zone was assumed).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatedTime {
    /// The start of the stated interval.
    pub at: Timestamp,
    /// How exact the statement is.
    pub precision: Precision,
    /// Minutes east of UTC, if stated.
    pub offset_minutes: Option<i16>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_and_is_signed() {
        let noon = Timestamp::from_unix_seconds(43_200);
        assert_eq!(noon.plus_micros(-MICROS_PER_HOUR).unix_micros(), 39_600_000_000);
        assert_eq!(noon.micros_since(noon.plus_micros(5)), -5);
        assert_eq!(Timestamp::MAX.plus_micros(1), Timestamp::MAX);
    }
}
