//! Limits of the demo, by name (LIM-1): the generated day is held in memory.

/// Hours of one day that are generated at most.
pub(crate) const HOURS_MAX: u32 = 24 * 7;
/// Patients.
pub(crate) const PATIENTS_MAX: u32 = 5_000;
/// Patients times hours: about 4 messages of 1 kB each.
pub(crate) const PATIENT_HOURS_MAX: u64 = 120_000;
/// Connections of each kind.
pub(crate) const LANES: usize = 16;
/// Alerts of one hour that are shown one by one.
pub(crate) const ALERTS_SHOWN_MAX: usize = 6;
/// Time that the wards get to hear of the last movements, seconds.
pub(crate) const SETTLE_SECONDS_MAX: u64 = 60;
/// Between two looks whether they did, milliseconds.
pub(crate) const SETTLE_INTERVAL_MS: u64 = 100;
/// Patients asked at the same time when the summary is made.
pub(crate) const SUMMARY_AT_ONCE: usize = 8;

const _: () = assert!(HOURS_MAX as u64 <= PATIENT_HOURS_MAX);
const _: () = assert!(PATIENTS_MAX as u64 <= PATIENT_HOURS_MAX);

/// Nodes of a demo.
pub(crate) const NODES_MAX: u32 = 9;
/// How long messages go on before a node of several is killed, milliseconds.
pub(crate) const KILL_AFTER_MS: u64 = 100;
