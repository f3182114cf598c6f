//! Integration tests of the stored forms.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod golden;
mod hostile;
mod round_trip;
mod samples;
mod sizes;
mod strategies;
