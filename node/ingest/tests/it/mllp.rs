//! The MLLP gateway over real sockets, on the in-memory store.

mod bytes;
mod corpus;
mod messages;
mod quarantine;
mod stream;
mod trouble;
mod world;
