//! A whole node over a faked disk or a real one: what an operator meets.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod census;
mod trouble;
mod world;
