//! Limits of one device (LIM-1). Past a limit a command is refused with `EntityLimit`, except
//! where a limit says that it forgets.

use schema_types::time::{MICROS_PER_DAY, MICROS_PER_MINUTE};

/// Open gaps remembered; past it the oldest gap is forgotten, and a batch that fills it later
/// counts as a repeat. Its observations are forwarded all the same.
pub const GAPS_MAX: usize = 256;

/// Past associations remembered; past it the oldest is forgotten, and samples from that time are
/// kept with the device instead of being forwarded.
pub const PAST_ASSOCIATIONS_MAX: usize = 256;

/// Current FHIR resources of one device, deleted ones included.
pub const RESOURCES_MAX: usize = 10_000;

/// Observations in one batch.
pub const OBSERVATIONS_PER_BATCH_MAX: usize = 2_000;

/// Writes in one command.
pub const WRITES_PER_COMMAND_MAX: usize = 1_000;

/// Longest expected interval between batches, microseconds.
pub const INTERVAL_MICROS_MAX: i64 = 7 * MICROS_PER_DAY;

/// A device is silent when this many intervals pass without a batch.
pub const SILENCE_INTERVALS: i64 = 3;

/// A live batch that puts the clock offset lower than the estimate by more than this shows a clock
/// that was set, not a delay; microseconds.
pub const CLOCK_STEP_MICROS: i64 = 5 * MICROS_PER_MINUTE;

/// How slowly the clock offset follows batches with more delay: by one part in this many.
pub const CLOCK_DECAY_DIVISOR: i64 = 8;

/// Full charge, percent; a report above it is not believed.
pub const BATTERY_PERCENT_MAX: u8 = 100;

const _: () = assert!(INTERVAL_MICROS_MAX <= i64::MAX / SILENCE_INTERVALS);
const _: () = assert!(CLOCK_DECAY_DIVISOR > 1);
const _: () = assert!(GAPS_MAX > 0 && PAST_ASSOCIATIONS_MAX > 0);
