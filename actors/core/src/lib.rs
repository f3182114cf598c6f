//! Contracts between the pure entity cores and the shell that runs them.
//!
//! An entity is two pure functions: `decide` turns a command into events, effects and a reply;
//! `evolve` folds an event into the state (DET-1). Neither reads a clock, draws a random number or
//! performs I/O: `now` arrives in the [`Context`], effects leave as data.

pub mod effect;
pub mod entity;
pub mod envelope;
pub mod purpose;
pub mod resource;
pub mod stay;

pub use effect::{Effect, IndexEntry, Notice, ResourceBody};
pub use entity::{AuditNote, Context, Decision, DecodeError, Entity, Rejection};
pub use envelope::Envelope;
pub use stay::{FoldedStay, fold_stay};
