//! The properties, one per file. Each has `check`, which reads the evidence and says what does not
//! hold of it and what it could not look at.

pub mod acknowledged;
pub mod acknowledged_durable;
pub mod alerts;
pub mod append_only;
pub mod audit_complete;
pub mod audit_log;
pub mod bounds;
pub mod census;
pub mod command_order;
pub mod fencing;
pub mod fold;
pub mod goodput;
pub mod linearizable;
pub mod liveness;
pub mod once;
pub mod phi;
pub mod placement;
pub mod raft;
pub mod scores;
pub mod stale_owner;
pub mod version_order;
