//! Measuring a node: load in closed and open loops, latencies as histograms, what the node and the
//! process used meanwhile, and reference implementations of the same work in the same run. The
//! command line and the screen are in `node/medulla`; nothing here prints.

pub mod child;
pub mod cluster;
pub mod cold;
pub mod contest;
pub mod counters;
pub mod disk;
pub mod error;
pub mod failover;
pub mod goals;
pub mod histogram;
pub mod http;
pub mod limits;
pub mod load;
pub mod local;
pub mod node;
pub mod overload;
pub mod people;
pub mod plan;
pub mod prepare;
pub mod process;
pub mod queries;
pub mod reference;
pub mod report;
pub mod rpc;
pub mod steady;
pub mod vitals;
pub mod wire;

pub use error::BenchError;
pub use plan::{Durability, Plan, World};
pub use report::Report;
