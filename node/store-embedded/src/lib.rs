//! The embedded adapter of the store port: a write-ahead log with group commit, a resolver, an
//! overlay of recent versions in memory and, beneath it, an index of sorted runs that is written
//! at checkpoints. All files are reached through `node_env::Disk`, threads through `Spawner`; where
//! there are none, a `Driver` steps the stages.

mod batch;
mod codec;
mod core;
mod error;
mod index;
mod inspect;
pub mod limits;
mod log;
mod manifest;
mod merge;
mod overlay;
mod part;
mod queue;
mod record;
mod recovery;
mod resolver;
mod row;
mod run;
mod segment;
mod signal;
mod stages;
mod stats;
mod store;
mod view;
mod writer;

pub use error::{OpenError, Problem};
pub use inspect::{Inspection, inspect};
pub use stages::{Driver, Stage, Stages, Wake};
pub use stats::Stats;
pub use store::{EmbeddedStore, Environment, Execution, Options};
