//! Every limit of the runtime, by name (LIM-1). Past one, callers get `Overloaded`.

/// Commands of one entity that may wait or be in flight at once.
pub const ENTITY_IN_FLIGHT_MAX: u32 = 512;
/// Commands of one node that may wait or be in flight at once.
pub const NODE_IN_FLIGHT_MAX: usize = 16_384;
/// Units that may wait for the committer.
pub const COMMIT_QUEUE_UNITS_MAX: usize = 32_768;
/// Units in one transaction.
pub const BATCH_UNITS_MAX: usize = 4_096;
/// Bytes of mutations after which a batch is closed.
pub const BATCH_BYTES_WANTED_MAX: usize = 1_000_000;
/// Bytes above which bodies are written ahead of the atomic commit that refers to them.
pub const UNIT_INLINE_BYTES_MAX: usize = 2_000_000;
/// Bytes of a value stored in place; longer ones are stored by digest in chunks.
pub const VALUE_INLINE_BYTES_MAX: usize = 90_000;
/// Bytes of one staging transaction.
pub const STAGE_BYTES_MAX: usize = 900_000;
/// Room that an idle actor keeps for the names of commands whose marks are not durable yet.
pub const RECENT_COMMANDS_KEPT: usize = 1;
/// Messages that one decision may send.
pub const SENDS_PER_COMMAND_MAX: usize = 1_023;
/// Outbox messages that may wait in one lane in memory; more wait in the store.
pub const OUTBOX_LANE_MAX: usize = 1_024;
/// Commands of one source to one entity that wait for each other on a node that sends them on.
pub const ORDER_LINE_MAX: usize = 1_024;
/// Tables that keep their order, so that few commands meet at one lock.
pub const ORDER_TABLES: usize = 64;
/// Lanes of the outbox dispatcher; messages of one sender share a lane and keep their order.
pub const OUTBOX_LANES: usize = 64;
/// Timers fired per shard and turn.
pub const TIMERS_PER_TURN_MAX: usize = 256;
/// Entities that the passivator may be told about at once; the rest waits for its sweep.
pub const PASSIVATION_QUEUE_MAX: usize = 4_096;
/// Keys of one page when a range is read to its end.
pub const PAGE_ITEMS_MAX: usize = 1_000;
/// Journal rows that a timeline or replay reads for one request.
pub const REPLAY_ROWS_MAX: usize = 1_000_000;
/// Bytes of a source, a command id, a principal, a purpose or an operation, each.
pub const NAME_BYTES_MAX: usize = 2_048;
/// Shortest retry hint that goes with `Overloaded`, in milliseconds.
pub const RETRY_AFTER_MS: u64 = 50;
/// Longest retry hint, in milliseconds.
pub const RETRY_AFTER_MS_MAX: u64 = 2_000;
/// Bulk commands in flight that are always let in, however slow the node was lately.
pub const ADMISSION_BULK_FLOOR: usize = 1_536;
/// Bulk in flight is held to what the node settles in this time, in milliseconds.
pub const ADMISSION_QUEUE_TARGET_MS: u64 = 250;
/// How often the room for bulk is fitted to the node's pace, in milliseconds.
pub const ADMISSION_INTERVAL_MS: u64 = 100;
/// Transactions of the committer in flight at once.
pub const COMMITS_IN_FLIGHT_MAX: usize = 4;
/// Share of the commands in flight that must wait before a batch joins others in flight, as a
/// divisor: small batches would cost a sync each.
pub const BATCH_SHARE_DIVISOR: usize = 2;
/// Entities that one audit record may point to.
pub const TOUCHED_MAX: usize = 10_000;
/// Audit leaves between heads that are kept for good.
pub const HEAD_INTERVAL_LEAVES: u64 = 1_024;
/// Entities of one kind that write a snapshot before they sleep, at once.
pub const PASSIVATIONS_AT_ONCE_MAX: usize = 256;
/// Events behind its snapshot with which an entity sleeps without writing another: loading reads
/// the journal anyway.
pub const PASSIVATION_EVENTS_MAX: u32 = 32;
/// Share of the resident entities, as a divisor, that are drowsy rather than kept by the policy.
pub const DROWSY_SHARE_DIVISOR: u64 = 16;
/// How often the passivator looks for who is idle when nobody needs room, in milliseconds.
pub const PASSIVATION_TURN_MS: u64 = 250;
/// Pause before the passivator looks again for room that it did not find, in milliseconds.
pub const PASSIVATION_PAUSE_MS: u64 = 10;
/// Turns in which the passivator looks at every resident entity once, if those are not too many.
pub const SWEEP_TURNS: usize = 16;
/// Entities that the passivator looks at in one turn.
pub const SWEEP_SLOTS_MAX: usize = 4_096;
/// Share of the wanted residents, as a divisor, by which they may grow before entities that sleep
/// are refused; or the commands in flight of the node, if those are more.
pub const RESIDENT_MARGIN_DIVISOR: u64 = 4;

/// Shards of which a node may have to hear at once that they are another's: as many as there are.
pub const SHARDS_LOST_MAX: usize = 1 << 16;
/// First pause before a command for a shard on the move is tried again, milliseconds.
pub const FORWARD_PAUSE_MS: u64 = 2;
/// Longest such pause, milliseconds.
pub const FORWARD_PAUSE_MS_MAX: u64 = 100;
/// How often a shard that closes looks whether its last commands are settled, milliseconds.
pub const CLOSE_PAUSE_MS: u64 = 5;

/// Bytes of a call to another node: a bundle of the largest size, and what was read from it.
pub const REMOTE_CALL_BYTES_MAX: usize = 128 << 20;
/// Bytes of an answer to another node: the whole state of the largest entity.
pub const REMOTE_ANSWER_BYTES_MAX: usize = 128 << 20;

/// Entities of this node that may be held for groups of other nodes at once.
pub const GROUP_HOLDS_MAX: usize = 4_096;
/// Names of holds that are over and are still known, so that a late call for one does nothing.
pub const GROUP_HOLDS_REMEMBERED_MAX: usize = 8_192;
/// Bytes of the name of a hold.
pub const GROUP_HOLD_NAME_BYTES_MAX: usize = 256;
/// Members of one group that are held on other nodes.
pub const GROUP_MEMBERS_MAX: usize = 1_024;
/// Bytes that the members of one group write, if some of them are on other nodes.
pub const GROUP_BYTES_MAX: usize = 8_000_000;
/// How long an entity is held before its owner stops waiting for the group, milliseconds.
pub const GROUP_HOLD_MS_MAX: u64 = 10_000;
/// How long a group takes to hold all its members from the first one on another node on,
/// milliseconds.
pub const GROUP_PREPARE_MS_MAX: u64 = 6_000;
/// How long an entity of a shard that closes is still held, milliseconds.
pub const GROUP_CLOSING_MS_MAX: u64 = 250;
/// How often an owner that holds an entity looks whether its shard closes, and pause before a mark
/// is renewed again, milliseconds.
pub const GROUP_PAUSE_MS: u64 = 50;

const _: () = assert!(GROUP_PREPARE_MS_MAX < GROUP_HOLD_MS_MAX);
const _: () = assert!(GROUP_BYTES_MAX < actors_store::limits::TRANSACTION_BYTES_MAX);
const _: () = assert!(NODE_IN_FLIGHT_MAX < COMMIT_QUEUE_UNITS_MAX);
const _: () = assert!(VALUE_INLINE_BYTES_MAX < actors_store::limits::VALUE_BYTES_MAX);
const _: () = assert!(
    UNIT_INLINE_BYTES_MAX + BATCH_BYTES_WANTED_MAX < actors_store::limits::TRANSACTION_BYTES_MAX
);
