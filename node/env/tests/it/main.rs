//! Tests of the faked world, and of the real disk against the same contract.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic")]

mod disk;
mod faults;
mod trace;
