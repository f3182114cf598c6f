//! The hospital: senders of HL7 v2 that repeat until they are answered, and readers. Each keeps
//! what it did and saw, as the checkers want it.

mod messages;
mod reader;
mod sender;

pub(crate) use reader::reader_program;
pub(crate) use sender::sender_program;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use node_env::Clock;
use sim_checks::Operation;
use sim_world::HostContext;

/// Strings that are patient data and occur nowhere else: names of patients begin with it.
pub(crate) const CANARY: &str = "Zzcanaryname";

/// What a client does.
#[derive(Debug, Clone)]
pub(crate) struct ClientPlan {
    pub(crate) client: u32,
    pub(crate) nodes: Vec<u8>,
    /// Patients that it is about; the first of them most often.
    pub(crate) patients: Vec<u64>,
    /// Milliseconds between two calls, on average.
    pub(crate) pause_ms: u64,
    /// Begins at this time of the world, microseconds.
    pub(crate) begins_micros: u64,
    /// Begins nothing new after this time, microseconds.
    pub(crate) ends_micros: u64,
}

impl ClientPlan {
    /// Waits until it is time to begin.
    async fn wait_for_begin(&self, context: &HostContext) {
        let left = self.begins_micros.saturating_sub(context.time.monotonic_micros());
        tokio::time::sleep(Duration::from_micros(left)).await;
    }

    /// Waits between two calls.
    async fn pause(&self, context: &HostContext) {
        let pause = self.pause_ms / 2 + context.rng.below(self.pause_ms + 1);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

/// What clients did and saw; the world keeps it when a client's host goes.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) operations: Vec<Operation>,
    pub(crate) answered: u64,
    pub(crate) reads: Vec<ReadSeen>,
}

/// A read whose command id only the audit log knows: it is found there by its principal.
#[derive(Debug, Clone)]
pub(crate) struct ReadSeen {
    pub(crate) principal: String,
    pub(crate) patient: String,
    pub(crate) invoked_at: u64,
    pub(crate) completed_at: u64,
    /// The answer's status; nothing when none came.
    pub(crate) status: Option<u16>,
    /// The newest value of each measure, by the ids of the observations.
    pub(crate) newest: Vec<(String, String)>,
}

pub(crate) type SharedLedger = Rc<RefCell<Ledger>>;
