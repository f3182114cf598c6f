//! The network between hosts: byte streams like those of TCP, with latency that has a heavy tail,
//! lost segments that come late, cut and clogged links, resets, and ends that nobody hears of.
//! Order and integrity within a stream are kept, as TCP keeps them; what fails is time, and the
//! stream as a whole.

mod endpoint;
mod link;
#[cfg(test)]
mod net_test;
mod sim_net;
mod state;

pub use endpoint::HostNetwork;
pub use link::{Link, Profile};
pub use sim_net::SimNet;
pub use state::NetCounts;
