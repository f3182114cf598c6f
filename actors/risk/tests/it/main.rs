//! The models against every edge of their tables, written vectors, missing and stale input, and
//! properties that must hold for any input.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail the test")]
#![expect(clippy::print_stdout, reason = "tests say how many vectors agreed, or were skipped")]

mod alerts;
mod chart;
mod corpus;
mod edges;
mod kdigo;
mod missing;
mod properties;
