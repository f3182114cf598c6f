//! The control plane from outside: its rules one by one, each step of a hand-off with either side
//! killed, and random histories with a store that knows who owns what.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic")]

mod barrier;
mod golden;
mod handoff;
mod histories;
mod kills;
mod nodes;
mod ranges;
mod registry;
mod world;
