//! A whole node over a faked disk or a real one: what an operator meets.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod alone;
mod census;
mod cluster;
mod cluster_world;
mod handoff;
mod trouble;
mod world;
