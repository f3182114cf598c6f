//! `assemble(environment, config)`: the one place where a node is put together. Production, tests
//! and simulation call the same function and differ only in the environment that they hand in.

pub mod assemble;
pub mod audit_anchor;
pub mod cluster;
pub mod config;
pub mod error;
pub mod offline;
pub mod signing_key;
mod store;
pub mod telemetry;

pub use assemble::{Environment, Node, assemble, enrol};
pub use config::{NodeConfig, StoreConfig};
pub use error::NodeError;
pub use node_rpc::peer::may_be_logged;
