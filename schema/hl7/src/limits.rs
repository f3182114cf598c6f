//! The named limits of the codec (LIM-1). Sizes are in bytes unless the name says otherwise.

/// Largest message that is decoded. Gateways give the same number to the frame decoder.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most segments in one message.
pub const SEGMENTS_MAX: usize = 50_000;
/// Most fields in one segment; the longest standard segment has fewer than 100.
pub const FIELDS_PER_SEGMENT_MAX: usize = 1_000;
/// How many bytes of an oversize frame are kept for quarantine.
pub const OVERSIZE_KEPT_BYTES_MAX: usize = 64 * 1024;
/// Most blank lines or spaces that one formatting escape (`\.sp99\`) may produce.
pub const ESCAPE_REPEAT_MAX: usize = 100;
/// Most messages taken from one file.
pub const BATCH_MESSAGES_MAX: usize = 1_000_000;
/// Longest control id (MSH-10). The standard allows 199 characters since version 2.7.
pub const CONTROL_ID_BYTES_MAX: usize = 199;
/// How far in the future a clinical time may lie: clocks differ and zones get confused, but no
/// event is known a day before it happens.
pub const FUTURE_TOLERANCE_MICROS_MAX: i64 = schema_types::time::MICROS_PER_DAY;

const _: () = assert!(OVERSIZE_KEPT_BYTES_MAX < MESSAGE_BYTES_MAX);
