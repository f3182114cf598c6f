//! Every bound of one patient, with its unit and reason. What would pass one is rejected with
//! `EntityLimit` or, for histories, leaves the live state (the journal keeps all).

use schema_types::measure::Measure;
use schema_types::patient::{AlertCondition, Severity};
use schema_types::score::ScoreModel;
use schema_types::time::{MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE};

/// Stays of one patient.
pub const ENCOUNTERS_MAX: usize = 4_096;
/// Movements of one stay. A long stay with a daily update for a year stays below.
pub const MOVEMENTS_MAX: usize = 512;
/// Identifiers of one patient.
pub const IDENTIFIERS_MAX: usize = 128;
/// Observations in one command.
pub const OBSERVATIONS_MAX: usize = 10_000;
/// Resource writes in one command.
pub const WRITES_MAX: usize = 10_000;
/// FHIR resources of one patient, deleted ones included.
pub const RESOURCES_MAX: usize = 100_000;
/// Devices that measure one patient at the same time.
pub const DEVICES_MAX: usize = 64;
/// Records retired into one patient.
pub const LINKS_MAX: usize = 32;
/// Open alerts: every model, every measure and every device at once.
pub const OPEN_ALERTS_MAX: usize = 128;
/// Resolved alerts that the live state remembers.
pub const RESOLVED_ALERTS_MAX: usize = 32;

/// Values of one measure in the live state, on each of the two timelines (present and
/// future-dated): one value in a quarter of an hour for 16 hours, which is longer than a spot
/// value's validity, and far more laboratory values than a week brings.
pub const HISTORY_VALUES_MAX: usize = 64;
/// How much older than the newest value of its measure a value may be, microseconds. Creatinine
/// baselines reach back 7 days; one more day lets late results find their baseline. The newest
/// value is kept whatever its age.
pub const HISTORY_MICROS_MAX: i64 = 8 * MICROS_PER_DAY;
const _: () = assert!(HISTORY_MICROS_MAX > actors_risk::limits::BASELINE_MICROS_MAX);

/// How far after its arrival an observation may be dated before it counts as future-dated,
/// microseconds: covers wrong time zones.
pub const FUTURE_TOLERANCE_MICROS: i64 = 24 * MICROS_PER_HOUR;
/// How much older than the current result a late result may be and still raise an alert,
/// microseconds. Older ones are recorded and page nobody.
pub const LATE_ALERT_MICROS_MAX: i64 = 24 * MICROS_PER_HOUR;
/// Instants in the past at which one command runs each model again, the newest ones.
pub const LATE_INSTANTS_MAX: usize = 64;

/// Results in a row below the threshold that end an alert from a score or vital sign.
pub const CALM_RESULTS_NEEDED: u32 = 2;
/// The same for a laboratory value and for a device: one good result is the end of it.
pub const CALM_RESULTS_NEEDED_SINGLE: u32 = 1;

/// How long a critical alert waits for an answer before it is escalated, microseconds.
pub const ESCALATION_MICROS_CRITICAL: i64 = 5 * MICROS_PER_MINUTE;
/// The same for a warning.
pub const ESCALATION_MICROS_WARNING: i64 = 30 * MICROS_PER_MINUTE;
/// How often one alert is escalated.
pub const ESCALATIONS_MAX: u32 = 3;

/// Values in one notice from a retired record to its survivor; more go in several.
pub const CONTRIBUTION_VALUES_MAX: usize = 512;
/// Depth of records retired into records retired into this one.
pub const LINK_DEPTH_MAX: usize = 8;

/// How long an alert of this severity waits for an answer, microseconds.
#[must_use]
pub const fn escalation_micros(severity: Severity) -> i64 {
    match severity {
        Severity::Warning => ESCALATION_MICROS_WARNING,
        Severity::Critical => ESCALATION_MICROS_CRITICAL,
    }
}

/// How many results in a row below the threshold end an alert of this condition.
#[must_use]
pub const fn calm_results_needed(condition: &AlertCondition) -> u32 {
    match condition {
        AlertCondition::Score(_) => CALM_RESULTS_NEEDED,
        AlertCondition::CriticalValue(measure) if is_vital_sign(*measure) => CALM_RESULTS_NEEDED,
        AlertCondition::CriticalValue(_) | AlertCondition::DeviceSilent(_) => {
            CALM_RESULTS_NEEDED_SINGLE
        }
    }
}

const fn is_vital_sign(measure: Measure) -> bool {
    matches!(
        measure,
        Measure::RespiratoryRate
            | Measure::OxygenSaturation
            | Measure::SystolicPressure
            | Measure::DiastolicPressure
            | Measure::MeanPressure
            | Measure::HeartRate
            | Measure::BodyTemperature
            | Measure::Consciousness
            | Measure::GlasgowComaScale
    )
}

const _: () = assert!(OPEN_ALERTS_MAX >= ScoreModel::ALL.len() + Measure::ALL.len() + DEVICES_MAX);
