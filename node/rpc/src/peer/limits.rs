//! Every limit and time of the node-to-node transport, by name (LIM-1). Past a limit callers get
//! `Overloaded` or `TooLarge`, strangers are closed.

/// Bytes of one cluster message: requests and replies that are ready together share it, larger
/// ones go in parts.
pub const BATCH_BYTES: usize = 64 * 1024;
/// Bytes of a request or reply in one batch.
pub(crate) const PART_BYTES_MAX: usize = BATCH_BYTES - 64;
/// Cluster messages that are handed to the transport and not yet written; what is ready meanwhile
/// joins the next batch, so the transport's own queues stay this short.
pub(crate) const BATCHES_UNWRITTEN_MAX: u64 = 2;
/// Cluster messages that were read and that the gateway has not yet dealt with; past it nothing
/// more is read, so the peer's connection fills instead of our memory.
pub(crate) const BATCHES_UNTAKEN_MAX: u64 = 16;
/// Bytes of the largest cluster frame: a batch and what the cluster crate adds to it.
pub(crate) const FRAME_BYTES_MAX: u64 = BATCH_BYTES as u64 + 1_024;
/// Shortest pause between two warnings about refused connections, microseconds; all are counted.
pub(crate) const WARNING_PAUSE_MICROS: u64 = 1_000_000;
/// Pause after a connection could not be accepted, milliseconds.
pub(crate) const ACCEPT_PAUSE_MS: u64 = 100;
/// Bytes of a greeting.
pub(crate) const HELLO_BYTES_MAX: usize = 256;
/// Bytes of a network's name.
pub const NETWORK_NAME_BYTES_MAX: usize = 32;
/// Retry hint when a peer has no room, milliseconds.
pub(crate) const RETRY_AFTER_MS: u32 = 20;
/// The longest time that a caller may ask to wait, milliseconds.
pub const CALL_DEADLINE_MS_MAX: u32 = 120_000;
/// How often a draining network looks whether its calls have ended, milliseconds.
pub(crate) const DRAIN_LOOK_MS: u64 = 5;
/// How long the tasks of a network that shuts down are waited for, milliseconds.
pub(crate) const TASK_END_MS_MAX: u64 = 5_000;
/// How long the actors of a session may take to end before they are killed, milliseconds.
pub(crate) const LINK_END_MS_MAX: u64 = 1_000;

/// Limits that an operator may set. Both sides of a session use the smaller of their windows.
///
/// What a network holds in memory is at most the four totals (calls, requests in work, replies
/// that wait, answers that nobody has taken yet), 1 GiB by default, and less than 2 MiB for each
/// peer beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerLimits {
    /// Requests in flight to one peer, and from it. Default 1 024.
    pub requests_in_flight_max: u32,
    /// Requests of all peers together that are worked on. Default 8 192.
    pub requests_in_work_total_max: u32,
    /// Bytes of the requests in flight to one peer, and from it. Default 128 MiB.
    pub bytes_in_flight_max: u32,
    /// Bytes of the requests in flight to all peers together, and from them. Default 256 MiB.
    pub bytes_in_flight_total_max: u64,
    /// Bytes of one request or reply. Default 128 MiB, the largest call and answer of
    /// `actors/runtime`; it is sent in parts.
    pub message_bytes_max: u32,
    /// Bytes of replies that wait to be sent to one peer; a reply past it becomes a refusal.
    /// Default 128 MiB.
    pub reply_bytes_waiting_max: u32,
    /// Bytes of replies that wait to be sent to all peers together, and of answers that have come
    /// and that their callers have not taken yet. Default 256 MiB.
    pub reply_bytes_waiting_total_max: u64,
    /// Strangers that shake hands at the same time; one more puts out the oldest. Default 64.
    pub handshakes_max: u32,
}

impl Default for PeerLimits {
    fn default() -> Self {
        Self {
            requests_in_flight_max: 1_024,
            requests_in_work_total_max: 8_192,
            bytes_in_flight_max: 128 << 20,
            bytes_in_flight_total_max: 256 << 20,
            message_bytes_max: 128 << 20,
            reply_bytes_waiting_max: 128 << 20,
            reply_bytes_waiting_total_max: 256 << 20,
            handshakes_max: 64,
        }
    }
}

/// Times that an operator may set, all in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerTimes {
    /// How often each side of a session says that it lives. Default 500.
    pub ping_every_ms: u32,
    /// A peer of whom not one byte was heard for so long is dead: the session is closed and its
    /// calls end with an unknown outcome. Default 2 000.
    pub dead_after_ms: u32,
    /// Time for connecting, TLS, greeting and opening together. Default 5 000.
    pub handshake_ms_max: u32,
    /// First pause before a peer is dialled again; doubles with each failure. Default 50.
    pub redial_ms: u32,
    /// Longest pause before a peer is dialled again. Default 2 000.
    pub redial_ms_max: u32,
}

impl Default for PeerTimes {
    fn default() -> Self {
        Self {
            ping_every_ms: 500,
            dead_after_ms: 2_000,
            handshake_ms_max: 5_000,
            redial_ms: 50,
            redial_ms_max: 2_000,
        }
    }
}

impl PeerTimes {
    /// Silent ticks of the heartbeat after which a peer is dead; at least two. Ticks, because a
    /// process that was stopped itself must first listen before it may judge.
    pub(crate) fn silent_ticks_max(&self) -> u32 {
        self.dead_after_ms.div_ceil(self.ping_every_ms.max(1)).max(2)
    }
}

const _: () = assert!(PART_BYTES_MAX < BATCH_BYTES);
const _: () = assert!(NETWORK_NAME_BYTES_MAX + 128 <= HELLO_BYTES_MAX);
