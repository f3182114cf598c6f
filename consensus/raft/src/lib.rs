//! The Raft glue of the control plane: a replicated [`Machine`] behind a narrow handle,
//! [`ControlPlane`]. openraft is an implementation detail: no type of it is public, and nothing
//! of it is on disk or on the wire. What is replicated is decided elsewhere (`consensus/control`).

mod batcher;
mod codec;
mod config;
#[cfg(test)]
mod conformance_test;
mod control_plane;
mod core;
mod error;
mod files;
mod handler;
pub mod limits;
mod log;
mod log_store;
mod machine;
mod membership;
mod net;
mod network;
mod node;
mod raft_types;
mod records;
mod runtime;
mod snapshot_file;
mod state_machine;
mod status;
mod stop;
mod storage;
mod transport;
mod worker;

pub use config::{ClusterId, Config, Environment, Execution, Incarnation, Options};
pub use control_plane::ControlPlane;
pub use error::{IdReused, MembershipError, ProposeError, ReadError, StartError, StopReason};
pub use machine::{Machine, RestoreError};
pub use status::{MemberStatus, Role, Status};
pub use transport::{Connecting, Connection, PlainTransport, Transport};
