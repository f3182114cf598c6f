//! What is to be measured.

use crate::load::{Pace, Span};
use node_app::{Environment, StoreConfig};
use std::path::PathBuf;

/// Whether commits reach the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// As in production.
    #[default]
    Fsync,
    /// Syncs do nothing: not durable, only to see what the disk costs.
    None,
}

/// The outside world of a measurement.
#[derive(Clone)]
pub struct World {
    /// What nodes in this process stand on.
    pub environment: Environment,
    /// This program, for nodes in processes of their own.
    pub program: PathBuf,
}

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Known patients.
    pub patients: u64,
    /// Callers at once.
    pub concurrency: usize,
    /// Connections that callers of the RPC API share; their calls are pipelined.
    pub connections: usize,
    /// Time that counts, milliseconds.
    pub measure_ms: u64,
    /// Time before that, milliseconds.
    pub warm_up_ms: u64,
    /// How requests come.
    pub pace: Pace,
    /// Whether commits reach the disk.
    pub durability: Durability,
    /// Where the node keeps its data; a temporary folder when absent.
    pub data: Option<PathBuf>,
    /// Where a node of our own has its data.
    pub store: StoreConfig,
    /// Whether the node is called without sockets.
    pub in_process: bool,
    /// Host and port of a running node; a node of our own when absent.
    pub to: Option<String>,
    /// Operations in one call.
    pub batch: usize,
    /// OBX segments in one message.
    pub results: u32,
    /// Journal events that recovery has to read.
    pub events: u64,
    /// Whether every command gets a commit of its own.
    pub fsync_per_event: bool,
    /// Whether the reference implementations run too.
    pub compare: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            patients: 10_000,
            concurrency: 64,
            connections: 8,
            measure_ms: 10_000,
            warm_up_ms: 1_000,
            pace: Pace::Closed,
            durability: Durability::Fsync,
            data: None,
            store: StoreConfig::Embedded,
            in_process: false,
            to: None,
            batch: 1,
            results: 1,
            events: 1_000_000,
            fsync_per_event: false,
            compare: false,
        }
    }
}

impl Plan {
    /// The time that counts and the one before.
    #[must_use]
    pub const fn span(&self) -> Span {
        Span { warm_up_micros: self.warm_up_ms * 1_000, micros: self.measure_ms * 1_000 }
    }
}
