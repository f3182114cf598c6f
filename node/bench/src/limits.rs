//! Every limit of the measurements, by name (LIM-1).

/// Patients of one run.
pub const PATIENTS_MAX: u64 = 10_000_000;
/// Callers at once.
pub const CONCURRENCY_MAX: usize = 65_536;
/// Connections of the RPC client.
pub const CONNECTIONS_MAX: i64 = 1_024;
/// Seconds of one measurement.
pub const SECONDS_MAX: u64 = 3_600;
/// Longest latency that is told apart from longer ones, microseconds.
pub const LATENCY_MICROS_MAX: u64 = 600_000_000;
/// Registrations in flight while patients are prepared.
pub const PREPARE_CONCURRENCY: usize = 2_048;
/// A node that commits nothing for so long has finished what it was told, milliseconds: longer
/// than the outbox waits before it looks for messages that found no room in memory.
pub const QUIET_MS: u64 = 800;
