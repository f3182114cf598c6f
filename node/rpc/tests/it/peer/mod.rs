//! The node-to-node transport over real sockets with TLS: calls in both directions, faults,
//! strangers, and peers in processes of their own that are killed and stopped.

mod calls;
mod child;
mod faults;
mod lines;
mod logs;
mod processes;
pub(crate) mod strangers;
pub(crate) mod world;
