//! What the runtime is told when it starts. Read once; no environment is consulted here.

use crate::limits;

/// Settings of the runtime.
#[derive(Debug, Clone)]
pub struct RuntimeConfig {
    /// The node's name in `own/{shard}` rows. Default `node-1`.
    pub node: String,
    /// Equal ranges of the hash space; fixed when a data directory is created. Default 16.
    pub shards: u16,
    /// Whether the node claims every shard when it starts; a cluster gives them out one by one.
    /// Default yes.
    pub opens_all_shards: bool,
    /// Public keys of other nodes whose audit heads count (AUD-2). Default none.
    pub trusted_audit_keys: Vec<[u8; 32]>,
    /// Entities of one kind kept resident. Past it, idle ones are put to sleep; past it by a
    /// quarter or by `in_flight_max`, whichever is more, entities that sleep are refused as
    /// overloaded until others do. Default 50 000.
    pub resident_entities_max: u64,
    /// Idle time after which an entity is put to sleep, seconds. Default 600.
    pub idle_seconds_max: u64,
    /// Commands in flight on the node. Default [`limits::NODE_IN_FLIGHT_MAX`].
    pub in_flight_max: usize,
    /// Commands in flight per entity. Default [`limits::ENTITY_IN_FLIGHT_MAX`].
    pub entity_in_flight_max: u32,
    /// Units in one transaction. Default [`limits::BATCH_UNITS_MAX`]; 1 gives every command a
    /// commit of its own, to measure what batching is worth.
    pub batch_units_max: usize,
    /// Events between snapshots of an entity. Default 64.
    pub snapshot_interval_events: u32,
    /// Time a caller waits for a durable result, milliseconds. Default 30 000.
    pub deadline_ms: u64,
    /// How often due timers are looked for, milliseconds. Default 200.
    pub timer_interval_ms: u64,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            node: "node-1".to_owned(),
            shards: 16,
            opens_all_shards: true,
            trusted_audit_keys: Vec::new(),
            resident_entities_max: 50_000,
            idle_seconds_max: 600,
            in_flight_max: limits::NODE_IN_FLIGHT_MAX,
            entity_in_flight_max: limits::ENTITY_IN_FLIGHT_MAX,
            batch_units_max: limits::BATCH_UNITS_MAX,
            snapshot_interval_events: 64,
            deadline_ms: 30_000,
            timer_interval_ms: 200,
        }
    }
}
