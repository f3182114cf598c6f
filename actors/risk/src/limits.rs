//! Named limits of the models that are not rows of a published table.

use schema_types::time::{MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE};

/// Youngest age, in completed years, at which the adult models are used. NEWS2 states that it is
/// not for people under 16 (RCP 2017); the other adult models follow it here.
pub const ADULT_AGE_YEARS_MIN: u32 = 16;

/// How far back a creatinine value may lie to count as baseline, in microseconds, inclusive.
pub const BASELINE_MICROS_MAX: i64 = 7 * MICROS_PER_DAY;

/// How far back a creatinine value may lie for the 0.3 mg/dL rule, in microseconds, inclusive.
pub const RISE_MICROS_MAX: i64 = 48 * MICROS_PER_HOUR;

/// Longest distance between two hourly urine volumes that still counts as gapless, in
/// microseconds: an hour and the time by which charting on a ward is late.
pub const URINE_GAP_MICROS_MAX: i64 = 75 * MICROS_PER_MINUTE;

/// Decimals of mg/dL at which creatinine is compared. Molar values arrive converted: 353.6 umol/L
/// become 3.999 92 mg/dL and 26.5 umol/L 0.299 77, which the guideline equates with 4.0 and 0.3.
/// Laboratories report 0.01 mg/dL or 0.1 umol/L (0.0011 mg/dL), so nothing real is blurred.
pub const CREATININE_DECIMALS: u32 = 3;

/// Decimals of the shock index as stored and shown; its bands use the exact ratio.
pub const SHOCK_INDEX_DECIMALS: u32 = 2;

const _: () = assert!(RISE_MICROS_MAX < BASELINE_MICROS_MAX);
const _: () = assert!(URINE_GAP_MICROS_MAX > MICROS_PER_HOUR);
