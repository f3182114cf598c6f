//! The patient through its public contract: commands in, events, effects and replies out. One file
//! per concern; each rule `PAT-n` of the README is named where it is tested.

mod adt;
mod alerts;
mod links;
mod observations;
mod person;
mod reads;
mod resources;
mod scores;
mod support;
