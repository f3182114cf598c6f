//! Every limit of the gateways, by name (LIM-1).

/// Bytes of one HL7 v2 message.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of one HTTP request body.
pub const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// MLLP connections at once.
pub const MLLP_CONNECTIONS_MAX: usize = 1_024;
/// HTTP requests in work at once.
pub const HTTP_IN_FLIGHT_MAX: usize = 4_096;
/// Seconds without a byte after which an MLLP connection is closed.
pub const MLLP_IDLE_SECONDS_MAX: u64 = 3_600;
/// Bytes of a refused message that quarantine keeps: all that was received, or it could not be
/// replayed.
pub const QUARANTINE_BYTES_MAX: usize = BODY_BYTES_MAX;
/// Items of one listing.
pub const PAGE_ITEMS_MAX: usize = 1_000;
/// Entries of one bundle.
pub const BUNDLE_ENTRIES_MAX: usize = 20_000;

const _: () = assert!(QUARANTINE_BYTES_MAX >= MESSAGE_BYTES_MAX);

/// Limits that an operator may change.
#[derive(Debug, Clone)]
pub struct IngestLimits {
    /// Bytes of one HL7 v2 message. Default [`MESSAGE_BYTES_MAX`].
    pub message_bytes_max: usize,
    /// Bytes of one HTTP request body. Default [`BODY_BYTES_MAX`].
    pub body_bytes_max: usize,
    /// MLLP connections at once. Default [`MLLP_CONNECTIONS_MAX`].
    pub mllp_connections_max: usize,
    /// Idle time of an MLLP connection, seconds. Default [`MLLP_IDLE_SECONDS_MAX`].
    pub mllp_idle_seconds_max: u64,
    /// Minutes east of UTC that HL7 times without an offset are in. Default 0.
    pub default_offset_minutes: i16,
}

impl Default for IngestLimits {
    fn default() -> Self {
        Self {
            message_bytes_max: MESSAGE_BYTES_MAX,
            body_bytes_max: BODY_BYTES_MAX,
            mllp_connections_max: MLLP_CONNECTIONS_MAX,
            mllp_idle_seconds_max: MLLP_IDLE_SECONDS_MAX,
            default_offset_minutes: 0,
        }
    }
}
