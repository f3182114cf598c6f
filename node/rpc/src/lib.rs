//! The Cap'n Proto RPC server of a node: patients, devices and facilities as capabilities that can
//! be weakened, expire and be revoked; batches; subscriptions that resume without gap or repeat.
//! What the calls mean is written in `rpc.capnp`; deciding is the entities' business.

mod access;
mod admin;
mod alerts;
pub mod auth;
mod cohort;
mod connection;
mod device;
mod facility;
pub mod failure;
mod gate;
mod history;
pub mod limits;
mod observe;
mod patient;
pub mod peer;
pub mod secured;
mod server;
mod service;
mod session;
mod show;
mod stream;
mod subscribe;
mod timeline;

pub use auth::{Authenticator, Credentials, DevelopmentAuthenticator, Grants};
pub use failure::Failure;
pub use limits::RpcLimits;
pub use server::{RpcExecution, RpcParts, RpcServer};
