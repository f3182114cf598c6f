//! Limits of the MLLP gateway beside those that an operator may change (LIM-1).

/// Bytes read from a connection at once.
pub const READ_BYTES_MAX: usize = 16 * 1024;
/// Bytes of unfinished messages that a connection may hold without asking for room.
pub const CONNECTION_FREE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of unfinished messages that all connections may hold together, beyond the free ones.
pub const UNFINISHED_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Silence inside a frame after which the frame counts as cut, seconds.
pub const FRAME_SILENCE_SECONDS_MAX: u64 = 120;
/// Silence after an end block after which a frame without its carriage return counts as whole,
/// milliseconds.
pub const CARRIAGE_RETURN_WAIT_MS_MAX: u64 = 200;
/// How long a message may be on its way when the gateway stops, milliseconds.
pub const LAST_MESSAGE_WAIT_MS_MAX: u64 = 100;
/// Time that a client may take to read an answer, seconds.
pub const WRITE_SECONDS_MAX: u64 = 30;
/// Time that a client gets to read the last answer before its connection is dropped, seconds.
pub const LINGER_SECONDS_MAX: u64 = 1;
/// Bytes thrown away meanwhile.
pub const LINGER_BYTES_MAX: usize = 1024 * 1024;
/// Connections that are told at once that there are too many; further ones are just closed.
pub const REFUSALS_MAX: usize = 64;
/// Pause after the system could not accept a connection, milliseconds.
pub const ACCEPT_PAUSE_MS: u64 = 100;

const _: () = assert!(READ_BYTES_MAX < CONNECTION_FREE_BYTES_MAX);
