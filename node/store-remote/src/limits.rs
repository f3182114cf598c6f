//! Limits and times of the remote store and their relations (LIM-1). The limits of the port
//! (keys, values, transactions, the window) are in `actors_store::limits`; those that an operator
//! may set are in [`config`](crate::config).

use actors_store::limits::{
    KEY_BYTES_MAX, LANES_MAX, TRANSACTION_BYTES_MAX, TRANSACTION_WINDOW_MICROS_MAX, VALUE_BYTES_MAX,
};

/// Bytes of a frame, at most; a larger one ends the connection.
pub const FRAME_BYTES_MAX: usize = 32 << 20;
/// Bytes of a frame before the two sides have greeted each other, at most.
pub const GREETING_BYTES_MAX: usize = 2 << 10;
/// Mutations and conflict ranges of one commit together, at most; FoundationDB has no such limit,
/// but a frame and the memory for what is in it need one.
pub const ITEMS_MAX: usize = 1 << 20;
/// Bytes of memory that a mutation or a range is reckoned at beside its keys and values.
pub const ITEM_MEMORY_BYTES: usize = 96;
/// Bytes that a mutation or a range takes in a frame beside its keys and values, at most.
pub const ITEM_FRAME_BYTES_MAX: usize = 13;
/// Bytes of a reason that is sent along, at most; a longer one is cut.
pub const REASON_BYTES_MAX: usize = 1 << 10;
/// Bytes of one page of a range, at most, one item not counted; the page is shorter then and says
/// that there is more.
pub const PAGE_BYTES_MAX: usize = 4 << 20;
/// Items that the server asks its store for at once while it puts a page together, at most.
pub const PAGE_PART_ITEMS_MAX: usize = 512;
/// Bytes by which a read buffer grows at once, at most, so that a length in a header costs
/// nothing before its bytes are there.
pub const READ_BUFFER_BYTES: usize = 64 << 10;
/// Capacity that an emptied write buffer keeps, in bytes.
pub const WRITE_BUFFER_KEPT_BYTES: usize = 1 << 20;

/// Reads that one client has in flight, at most; further ones wait their turn.
pub const READS_IN_FLIGHT_MAX: usize = 1_024;
/// Reads that the server works on at once for one session, at most; further ones stay in the
/// socket.
pub const READS_AT_ONCE_MAX: usize = 64;
/// Bytes of replies that wait for the socket; past it the server reads no further requests.
pub const REPLIES_WAITING_BYTES_MAX: usize = 8 << 20;
/// Clients whose incarnations the server remembers, at most; one more is refused.
pub const CLIENTS_MAX: usize = 1_024;
/// Delay that an overloaded caller is told to wait, in milliseconds.
pub const RETRY_AFTER_MS: u64 = 10;
/// Time for which the server keeps a snapshot, in milliseconds: the window and some slack for
/// the store's own clock, so that it is the store that says `TooOld`.
pub const SNAPSHOT_MS_MAX: u64 = TRANSACTION_WINDOW_MICROS_MAX / 1_000 + 1_000;
/// Pause after a connection that could not be accepted, in milliseconds.
pub const ACCEPT_PAUSE_MS: u64 = 5;

const _: () =
    assert!(TRANSACTION_BYTES_MAX + ITEMS_MAX * ITEM_FRAME_BYTES_MAX + 1_024 <= FRAME_BYTES_MAX);
const _: () = assert!(PAGE_BYTES_MAX + KEY_BYTES_MAX + VALUE_BYTES_MAX + 1_024 <= FRAME_BYTES_MAX);
const _: () = assert!(PAGE_BYTES_MAX <= REPLIES_WAITING_BYTES_MAX);
const _: () = assert!(REASON_BYTES_MAX < GREETING_BYTES_MAX);
const _: () = assert!(READS_AT_ONCE_MAX <= READS_IN_FLIGHT_MAX);
const _: () = assert!(CLIENTS_MAX <= LANES_MAX);
