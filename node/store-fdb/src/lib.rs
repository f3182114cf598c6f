//! The FoundationDB adapter of the store port. With the feature `fdb` it talks to a cluster;
//! without it, opening says that the program was built so. All of the adapter's own logic (order,
//! unknown outcomes, retries, pages, limits) is above a narrow seam, [`client`], and is built and
//! tested either way. What it promises is in the README.

mod attempt;
pub mod client;
mod code;
mod commit;
pub mod config;
mod core;
pub mod error;
mod layout;
pub mod limits;
#[cfg(feature = "fdb")]
mod native;
#[cfg(feature = "fdb")]
mod network;
mod queues;
mod settle;
mod snapshot;
mod stats;
mod store;
mod versions;

pub use code::Code;
pub use config::{Environment, FdbConfig};
pub use error::FdbError;
#[cfg(feature = "fdb")]
pub use network::stop_network;
pub use stats::FdbStats;
pub use store::FdbStore;

/// Stops the client's network thread; there is none without the feature `fdb`.
#[cfg(not(feature = "fdb"))]
pub fn stop_network() {}
