//! The patient through its public contract: commands in, events, effects and replies out. One file
//! per concern; each rule `PAT-n` of the README is named where it is tested.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test names the events it is about")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod adt;
mod alerts;
mod links;
mod observations;
mod person;
mod reads;
mod resources;
mod scores;
mod support;
