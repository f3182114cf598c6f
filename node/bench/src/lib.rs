//! Measuring a node: load in closed and open loops, latencies as histograms, what the node and the
//! process used meanwhile, and reference implementations of the same work in the same run. The
//! command line and the screen are in `node/medulla`; nothing here prints.

pub mod counters;
pub mod disk;
pub mod error;
pub mod histogram;
pub mod limits;
pub mod load;
pub mod observe;
pub mod people;
pub mod plan;
pub mod process;
pub mod report;
pub mod vitals;

pub use error::BenchError;
pub use plan::{Durability, Plan};
pub use report::Report;
