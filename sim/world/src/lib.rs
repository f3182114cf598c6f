//! The world, faked: hosts on executors with paused clocks, a network, disks and clocks that do
//! what a seed says, and a list of faults. It knows nothing of Medulla's logic; what runs on its
//! hosts is the production code.

pub mod fault;
pub mod host;
pub mod net;
pub mod seed;
pub mod time;
pub mod trace;
mod world;

pub use node_env::fake;

pub use host::{HostContext, Program};
pub use seed::Seed;
pub use world::{STEP_MICROS, World};
