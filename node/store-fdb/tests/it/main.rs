//! The FoundationDB adapter against its port's conformance suite, unknown outcomes, zombies,
//! outages and full limits: over a hostile cluster in memory always, over a real one when
//! `MEDULLA_FDB_CLUSTER_FILE` names one.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic")]

mod cluster;
mod conform;
mod fence;
#[cfg(feature = "fdb")]
mod library;
mod limits;
mod order;
mod outcomes;
mod property;
#[cfg(feature = "fdb")]
mod real;
mod stores;
mod world;
