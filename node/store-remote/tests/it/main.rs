//! The remote store against its port's conformance suite, broken connections, zombies, hostile
//! peers and full limits; over a network in memory and, for the suite, over TCP.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic")]

mod breaks;
mod conform;
mod hostile;
mod limits;
mod net;
mod property;
mod raw;
mod sessions;
mod stops;
mod threads;
mod world;
