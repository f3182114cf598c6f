//! The control plane as a pure state machine: who is in the cluster, which node should own which
//! range of the hash space in which epoch, and how a shard gets from one node to the next. No
//! clock, no randomness, no I/O, no patient data; Raft replicates its commands, nodes act on it.
//!
//! - [`ControlState::apply_bytes`] applies one proposal of the log; [`ControlState::encode`] and
//!   [`ControlState::decode`] are its snapshot.
//! - [`ControlState::due_actions`] tells a node what to do now; [`Action::done_by`] is its report.
//! - [`Watchdog::look`] tells what takes too long, and what to propose then.
//!
//! The plan, not the truth: what the store holds under `own/{shard}` decides (OWN-1).

pub mod bytes;
pub mod codec;
pub mod command;
mod decide;
pub mod due;
pub mod event;
pub mod feature;
pub mod limits;
pub mod node;
pub mod refusal;
pub mod registry;
pub mod shard;
pub mod state;
mod stored;
mod table;
pub mod watchdog;

pub use bytes::{Blob, Digest32, JoinKey, PublicKey};
pub use codec::{DecodeError, EncodeError};
pub use command::{Command, Proposal};
pub use due::{Action, Paused, WaitsFor};
pub use event::{Answer, Event, Outcome};
pub use feature::Feature;
pub use node::{Drain, Life, Node, NodeSpec, NodeState};
pub use refusal::{Ignored, Refusal};
pub use shard::{HandOff, Holding, Shard, Source, Step, Why};
pub use state::{ControlState, Timeouts};
pub use watchdog::{Overdue, Watchdog};
