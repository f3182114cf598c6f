//! Time as a value that is handed in. Civil time and zones are not here; no safety argument
//! may rest on either reading (TIME-1).

/// A source of time. Cheap: one call is tens of nanoseconds.
pub trait Clock: Send + Sync + 'static {
    /// Wall time in microseconds since 1970-01-01T00:00:00Z; can jump either way.
    fn wall_unix_micros(&self) -> i64;

    /// Microseconds since some fixed moment of this process; never goes back.
    fn monotonic_micros(&self) -> u64;
}
