//! The remote adapter of the store port: a server that serves any open store, and a
//! client that is a store. For the development cluster without FoundationDB: the server is one
//! process and not highly available; a plain connection is neither encrypted nor authenticated
//! (`node_rpc::secured` goes under it for that). What the two sides promise is in the README.

mod client;
mod codec;
pub mod config;
pub mod error;
mod frame;
mod gather;
mod incarnation;
pub mod limits;
mod message;
mod server;
mod silence;
pub mod stream;

pub use client::RemoteStore;
pub use config::{ClientConfig, ClientId, ClientIdentity, Liveness, ServerConfig};
pub use error::{ConnectError, Farewell, ProtocolError};
pub use incarnation::{IncarnationError, next_incarnation};
pub use message::PROTOCOL_VERSION;
pub use server::{RemoteServer, ServedStore, ServerStats};
pub use stream::{Acceptor, Connector, PlainAcceptor, PlainConnector};
