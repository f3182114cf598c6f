//! The hospital: senders of HL7 v2 that repeat until they are answered, and readers. Each keeps
//! what it did and saw, as the checkers want it.

mod messages;
mod reader;
mod sender;

pub(crate) use reader::{ReaderPlan, reader_program};
pub(crate) use sender::{SenderPlan, sender_program};

use std::cell::RefCell;
use std::rc::Rc;

use sim_checks::Operation;

/// Strings that are patient data and occur nowhere else: names of patients begin with it.
pub(crate) const CANARY: &str = "Zzcanaryname";

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
