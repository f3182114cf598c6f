//! The limits of a plan, with their units (LIM-1).

/// Most commands in one plan; the rest comes in the next round.
pub const PLAN_COMMANDS_MAX: usize = 1_024;
/// Most reasons in one plan.
pub const REASONS_MAX: usize = 64;
/// Highest load of one shard that is told apart from a higher one, in the unit of the figures.
pub const LOAD_MAX: u64 = 1 << 40;
/// Highest weight of a node.
pub const WEIGHT_MAX: u32 = 10_000;
/// The weight of a node that no figure names.
pub const WEIGHT_DEFAULT: u32 = 100;
/// How far above its even share a zone may be at least, in percent of the whole.
pub const ZONE_SLACK_PERCENT: u64 = 10;
/// A shard is hot from a load on that is at least this many times the load below which two
/// neighbours are cold, so that what was merged is never split at once.
pub const HOT_TO_COLD_MIN: u64 = 4;

const _: () = assert!(LOAD_MAX.checked_mul(consensus_control::limits::SHARDS_MAX as u64).is_some());
