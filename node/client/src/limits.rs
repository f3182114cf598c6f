//! Every limit of the client, by name (LIM-1).

/// Calls that may wait for the client's thread; more wait in `await`, each within its deadline.
pub const CALLS_QUEUED_MAX: usize = 4_096;
/// Calls in flight on one connection.
pub const CALLS_IN_FLIGHT_MAX: usize = 1_024;
/// Items of one batch; the server refuses more.
pub const BATCH_ITEMS_MAX: usize = 1_024;
/// Pushes of a subscription that wait for the application; a full buffer slows the server.
pub const SUBSCRIPTION_PUSHES_MAX: usize = 4;
/// Capabilities of patients that one connection holds; the node allows 65,536.
pub const PATIENTS_HELD_MAX: usize = 16_384;
/// Longest wait between tries, in milliseconds.
pub const BACKOFF_MS_MAX: u64 = 5_000;
/// Time that opening a connection and logging in may take, in milliseconds.
pub const CONNECT_MS_MAX: u64 = 5_000;
/// Words of one message from the server; a larger one breaks the connection.
pub const MESSAGE_WORDS_MAX: usize = 8 * 1024 * 1024;
