//! The client of the actor RPC API: patients, devices and facilities as objects over Cap'n Proto,
//! behind a handle that can be sent and cloned. It reconnects, retries by the same command id
//! (ONCE-1), keeps calls within deadlines and never queues without a bound (LIM-1).
//!
//! Nothing here knows a clinical rule; what a call means is written in `rpc.capnp`.

mod calls;
mod client;
pub mod config;
pub mod error;
pub mod limits;
pub mod model;
pub mod observation;
mod read;
mod stream;
mod subscriber;
pub mod transport;
mod worker;

pub use client::Client;
pub use config::{ClientConfig, Execution, RetryPolicy};
pub use error::ClientError;
pub use model::{
    AlertChange, AlertItem, AlertSummary, CensusView, Explained, LiveState, NodeStatus, Position,
    QueryRow, Receipt, ScoreView, TimelinePage, VitalView,
};
pub use observation::NewObservation;
pub use stream::AlertStream;
