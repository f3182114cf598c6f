//! The planner from outside: its rules one by one, its reasons, the lint, and that rounds come to
//! an end.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic")]

mod converge;
mod lints;
mod reasons;
mod rules;
mod world;
