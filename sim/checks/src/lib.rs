//! The properties that the simulator and chaos check after a run, one per file, each with the
//! invariant that it enforces. Pure: what a run left behind goes in as [`Evidence`], what does not
//! hold comes out. No clock, no I/O; only the store port is asked, by [`read_durable`].

mod commits;
mod durable;
mod evidence;
mod findings;
mod history;
pub mod limits;
pub mod oracle;
pub mod properties;
mod registry;
mod stored_rows;

// The tests' run is shared with the example, which names this crate from outside.
#[cfg(test)]
extern crate self as sim_checks;
#[cfg(test)]
mod testing;

pub use commits::{CommitEntry, CommitLog, RecordingStore, WorldClock, Written};
pub use durable::{AuditLog, Durable, Events, JournalRow, StoredSnapshot, read_durable};
pub use evidence::{
    AuditEvidence, Bounds, CensusSeen, ClusterSample, CollectedText, Evidence, Fault, Gauge,
    NodeSample, Page, Place, RaftSample,
};
pub use findings::{Figure, Findings, Unchecked, Violation};
pub use history::{
    Certainty, ClientId, Micros, Observed, Operation, OperationKind, Outcome, Reply, Seen,
};
pub use registry::{Cost, PROPERTIES, Property, check_all};
