//! Clusters in one process: over a faked network, faked disks and paused time, and over loopback
//! with real files.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic")]

mod batching;
mod cluster;
mod faults;
mod hub;
mod ledger;
mod membership;
mod tcp;
mod world;
