//! The limits of the control plane, with their units (LIM-1).

/// Most nodes that have not left.
pub const NODES_MAX: usize = 128;
/// Most nodes that left and are still listed; older ones are forgotten, their ids stay used.
pub const NODES_LEFT_MAX: usize = 256;
/// Most shards at one time.
pub const SHARDS_MAX: usize = 16_384;
/// Most shard ids over the life of a cluster: one for each number of the id.
pub const SHARD_IDS_MAX: u32 = 65_536;
/// Most features that a node may name.
pub const FEATURES_MAX: usize = 256;
/// Most tenants.
pub const TENANTS_MAX: usize = 10_000;
/// Most policies.
pub const POLICIES_MAX: usize = 1_024;
/// Largest policy, in bytes.
pub const POLICY_BYTES_MAX: usize = 24_576;
/// All policies together, in bytes.
pub const POLICIES_BYTES_MAX: usize = 16 << 20;
/// Longest settings of a tenant, in bytes.
pub const TENANT_SETTINGS_BYTES_MAX: usize = 1_024;
/// Longest name of a node, zone, version, tenant or policy, in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest address, in bytes.
pub const ADDRESS_BYTES_MAX: usize = 256;
/// Longest signed audit head, in bytes.
pub const AUDIT_HEAD_BYTES_MAX: usize = 1_024;
/// Largest encoded proposal, in bytes: the largest policy in hexadecimal and what is around it.
pub const PROPOSAL_BYTES_MAX: usize = 2 * POLICY_BYTES_MAX + 12_288;
/// Most nodes that one refusal names.
pub const NODES_NAMED_MAX: usize = 8;
/// Shortest lease, in milliseconds.
pub const LEASE_MS_MIN: u64 = 200;
/// Longest lease, in milliseconds.
pub const LEASE_MS_MAX: u64 = 600_000;
/// Shortest time before a step counts as overdue, in milliseconds.
pub const STEP_PATIENCE_MS_MIN: u64 = 200;
/// Longest time before a step counts as overdue, in milliseconds.
pub const STEP_PATIENCE_MS_MAX: u64 = 600_000;
/// Fewest leases that an observer must have renewed itself, in the time that it watched another
/// node's lease stand still, before its word counts.
pub const OBSERVER_RENEWALS_MIN: u32 = 2;
/// The highest epoch that a cluster starts from or that is taken over from the store: commits
/// number their generations in the upper half of 64 bits.
pub const EPOCH_TAKEN_OVER_MAX: u64 = 1 << 31;

/// The log takes commands up to this size, in bytes (`consensus/raft`).
const LOG_COMMAND_BYTES_MAX: usize = 64 << 10;

const _: () = assert!(PROPOSAL_BYTES_MAX <= LOG_COMMAND_BYTES_MAX);
const _: () = assert!(SHARDS_MAX <= SHARD_IDS_MAX as usize);
const _: () = assert!(POLICY_BYTES_MAX <= POLICIES_BYTES_MAX);
const _: () = assert!(LEASE_MS_MIN < LEASE_MS_MAX && STEP_PATIENCE_MS_MIN < STEP_PATIENCE_MS_MAX);
