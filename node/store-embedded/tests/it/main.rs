//! The embedded store against its port's conformance suite, power cuts, damage and full disks.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic")]

mod checkpoint;
mod conform;
mod crash;
mod damage;
mod faults;
mod pipeline;
mod stepped;
mod world;
