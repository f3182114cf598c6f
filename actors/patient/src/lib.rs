//! The patient as an entity: a pure core that decides commands and folds events (DET-1). It owns a
//! person's live record, scores and alerts; it performs no I/O, reads no clock and knows no runtime.

pub mod command;
pub mod limits;
pub mod state;

pub use command::{Command, Reply};
pub use state::State;
