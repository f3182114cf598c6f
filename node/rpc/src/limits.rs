//! Every limit of the RPC server, by name (LIM-1). Past one, callers get `Overloaded` or are cut.

/// Items of one batch.
pub const BATCH_ITEMS_MAX: usize = 1_024;
/// Items of an observation stream that wait for their outcome.
pub const STREAM_ITEMS_MAX: usize = 2_048;
/// Failures that an observation stream remembers.
pub const STREAM_FAILURES_MAX: usize = 1_024;
/// Connections handed to one RPC thread that it has not yet taken.
pub const HANDOVER_QUEUE_MAX: usize = 64;
/// Bytes of an identifier, a code or a key in a request.
pub const TEXT_BYTES_MAX: usize = 512;
/// Bytes of an observation's text value.
pub const VALUE_TEXT_BYTES_MAX: usize = 16 * 1024;
/// Items of one push.
pub const PUSH_ITEMS_MAX: usize = 64;
/// Pushes of one subscription that are not acknowledged.
pub const PUSHES_UNACKNOWLEDGED_MAX: usize = 4;
/// Audit records that a subscription reads before it lets others work.
pub const FOLLOW_RECORDS_PER_TURN_MAX: u64 = 512;
/// Changes that the follower keeps for subscribers; who is further behind reads the store.
pub const FOLLOWER_CHANGES_MAX: usize = 1_024;
/// How often the follower looks for new commits, milliseconds.
pub const FOLLOW_INTERVAL_MS: u64 = 50;
/// Items of one page of a timeline.
pub const TIMELINE_ITEMS_MAX: usize = 1_000;
/// Records retired into a patient that its timeline includes.
pub const JOINED_RECORDS_MAX: usize = 32;
/// Patients of one page of alerts.
pub const ALERT_PATIENTS_MAX: usize = 1_000;
/// Patients of one page of alerts when the caller names no number.
pub const ALERT_PATIENTS_DEFAULT: usize = 100;
/// Longest message to a subscriber that is being cut, milliseconds.
pub const FAREWELL_MS: u64 = 500;
/// The longest time that a caller may ask to wait, milliseconds.
pub const DEADLINE_MS_MAX: u32 = 120_000;
/// Retry hint of a connection that has no room, milliseconds.
pub const RETRY_AFTER_MS: u64 = 50;

/// Limits that an operator may set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcLimits {
    /// Connections of the node. Default 1 024.
    pub connections_max: usize,
    /// Calls in flight on one connection. Default 1 024.
    pub calls_in_flight_max: usize,
    /// Items of batches in flight on one connection. Default 4 096.
    pub items_in_flight_max: usize,
    /// Capabilities held by one connection. Default 65 536.
    pub capabilities_max: usize,
    /// Subscriptions of one connection. Default 16.
    pub subscriptions_max: usize,
    /// Words (8 bytes) of one message; also what reading it may traverse. Default 1 Mi.
    pub message_words_max: usize,
    /// Nesting of pointers in a message. Default 32.
    pub nesting_max: i32,
    /// Time within which a connection must log in, milliseconds. Default 5 000.
    pub login_ms_max: u64,
    /// Time without a call or a push after which a connection is closed, milliseconds. Default
    /// 600 000.
    pub idle_ms_max: u64,
    /// Time a call waits for its outcome when the caller names none, milliseconds. Default 10 000.
    pub deadline_ms: u32,
    /// Life of a session until it is renewed, milliseconds. Default 43 200 000 (12 h).
    pub session_ms: u64,
    /// Time within which a subscriber must acknowledge something, milliseconds. Default 10 000.
    pub subscriber_stall_ms_max: u64,
}

impl Default for RpcLimits {
    fn default() -> Self {
        Self {
            connections_max: 1_024,
            calls_in_flight_max: 1_024,
            items_in_flight_max: 4_096,
            capabilities_max: 65_536,
            subscriptions_max: 16,
            message_words_max: 1 << 20,
            nesting_max: 32,
            login_ms_max: 5_000,
            idle_ms_max: 600_000,
            deadline_ms: 10_000,
            session_ms: 12 * 3_600_000,
            subscriber_stall_ms_max: 10_000,
        }
    }
}

const _: () = assert!(PUSH_ITEMS_MAX * PUSHES_UNACKNOWLEDGED_MAX <= FOLLOWER_CHANGES_MAX);
const _: () = assert!(BATCH_ITEMS_MAX <= STREAM_ITEMS_MAX);
