//! Limits and sizes of the control plane's log, network and batching, and their relations
//! (LIM-1). What an operator may change is in `config`.

/// Bytes of one encoded command, at most; past it callers get `TooLarge`.
pub const COMMAND_BYTES_MAX: usize = 64 << 10;
/// Commands in one Raft entry, at most.
pub const BATCH_COMMANDS_MAX: usize = 1_024;
/// Bytes of commands in one Raft entry, at most.
pub const BATCH_BYTES_MAX: usize = 512 << 10;
/// Proposals that wait on one node, at most; past it callers get `Overloaded`.
pub const PROPOSALS_MAX: usize = 4_096;
/// Calls (proposals, reads, questions) under way on one node, and as many more that wait, at
/// most; past it `Overloaded`.
pub const CALLS_MAX: usize = 8_192;
/// Delay that an overloaded caller is told to wait, in milliseconds.
pub const RETRY_AFTER_MS: u64 = 20;
/// Pause before a proposal looks for the leader again, in milliseconds.
pub const LEADER_RETRY_PAUSE_MS: u64 = 25;

/// Bytes of entries in one replication message, at most; one larger entry still goes alone.
pub const APPEND_BYTES_MAX: usize = 1 << 20;
/// Entries in one replication message, at most.
pub const APPEND_ENTRIES_MAX: u64 = 256;
/// Bytes of one frame on the wire, at most; a longer one ends the connection.
pub const FRAME_BYTES_MAX: usize = 4 << 20;
/// Bytes of one piece of a snapshot on the wire.
pub const SNAPSHOT_CHUNK_BYTES: usize = 256 << 10;
/// Bytes of a snapshot, at most; a machine has to bound its state below this.
pub const SNAPSHOT_BYTES_MAX: usize = 256 << 20;
/// Time to send and take in one piece of a snapshot, in milliseconds.
pub const SNAPSHOT_CHUNK_TIMEOUT_MS: u64 = 10_000;

/// Requests of one connection that are worked on at once, at most.
pub const CONNECTION_REQUESTS_MAX: usize = 1_024;
/// Requests that wait for a connection to a peer, at most.
pub const PEER_QUEUE_MAX: usize = 1_024;
/// Requests sent to a peer and not answered yet, at most.
pub const PEER_PENDING_MAX: usize = 4_096;
/// Connections accepted at once, at most.
pub const CONNECTIONS_MAX: usize = 64;
/// Time to connect and say hello, in milliseconds.
pub const HELLO_TIMEOUT_MS: u64 = 2_000;
/// Pause after a failed connection, in milliseconds; doubles up to the maximum.
pub const RECONNECT_PAUSE_MS: u64 = 50;
/// Longest pause between two tries to connect, in milliseconds.
pub const RECONNECT_PAUSE_MS_MAX: u64 = 1_000;
/// A connection with requests open and nothing heard for this long is closed, in milliseconds.
pub const SILENCE_MS_MAX: u64 = 2_000;
/// Pause after the transport failed to accept, in milliseconds.
pub const ACCEPT_RETRY_PAUSE_MS: u64 = 100;

/// Alignment of blocks in the log, in bytes: no write touches a page that holds an acknowledged
/// block.
pub const BLOCK_ALIGNMENT_BYTES: usize = 4_096;
/// Bytes of entries kept in memory beside the log, at most.
pub const LOG_CACHE_BYTES_MAX: usize = 16 << 20;
/// Jobs that wait for a disk thread, at most.
pub const DISK_JOBS_MAX: usize = 16;
/// Ids of nodes that the cluster remembers for ever, at most.
pub const KNOWN_NODES_MAX: usize = 65_536;
/// Voters, at most.
pub const VOTERS_MAX: usize = 5;
/// Members (voters and learners), at most.
pub const MEMBERS_MAX: usize = 128;
/// Entries that a learner may lag behind when it becomes a voter, at most.
pub const PROMOTION_LAG_ENTRIES_MAX: u64 = 64;
/// How often a node looks after unfinished membership changes and the size of its log, in
/// milliseconds.
pub const MAINTENANCE_INTERVAL_MS: u64 = 500;

const _: () = assert!(COMMAND_BYTES_MAX < BATCH_BYTES_MAX);
const _: () = assert!(BATCH_BYTES_MAX < APPEND_BYTES_MAX);
const _: () = assert!(APPEND_BYTES_MAX + BATCH_BYTES_MAX < FRAME_BYTES_MAX);
const _: () = assert!(SNAPSHOT_CHUNK_BYTES < FRAME_BYTES_MAX);
const _: () = assert!(BATCH_COMMANDS_MAX <= PROPOSALS_MAX && PROPOSALS_MAX <= CALLS_MAX);
const _: () = assert!(RECONNECT_PAUSE_MS <= RECONNECT_PAUSE_MS_MAX);
