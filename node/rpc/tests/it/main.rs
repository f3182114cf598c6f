//! The RPC server over real sockets, on the in-memory store, met by its Rust client and by bytes
//! that no client sends. The store outlives the server: a new server over it is a restarted node.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod capabilities;
mod hostile;
mod objects;
mod once;
mod overload;
mod peer;
mod python;
mod schema;
mod secured;
mod subscriptions;
mod world;
