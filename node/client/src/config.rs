//! What a client is told when it is made.

use node_env::{Network, Rng, Spawner};
use std::sync::Arc;

/// Settings of a client. Everything has a default but the address.
#[derive(Clone)]
pub struct ClientConfig {
    /// Host and port of the node's RPC listener, for example `127.0.0.1:7700`.
    pub address: String,
    /// Who acts, as the audit log will name them. Default `client`.
    pub principal: String,
    /// Purpose of use (HL7 v3 PurposeOfUse code). Default `TREAT`.
    pub purpose: String,
    /// TCP connections; calls go round them in turn. Default 1.
    pub connections: usize,
    /// Milliseconds that a call may take, tries and waits included. Default 10 000.
    pub deadline_ms: u64,
    /// When and how often to try again.
    pub retry: RetryPolicy,
    /// Who does the client's work. Default: a thread of the operating system.
    pub execution: Execution,
    /// Carries the connections. Default: TCP of the machine.
    pub network: Arc<dyn Network>,
    /// Names commands that the caller did not name. Default: randomness of the operating system.
    pub rng: Arc<dyn Rng>,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:7700".to_owned(),
            principal: "client".to_owned(),
            purpose: "TREAT".to_owned(),
            connections: 1,
            deadline_ms: 10_000,
            retry: RetryPolicy::default(),
            execution: Execution::Thread(Arc::new(node_env::real::ThreadSpawner)),
            network: Arc::new(node_env::real::TcpNetwork),
            rng: Arc::new(node_env::real::RealRng),
        }
    }
}

/// Who does the work of a client.
#[derive(Clone)]
pub enum Execution {
    /// One thread of its own.
    Thread(Arc<dyn Spawner>),
    /// A local task of the caller: for simulation, where everything is on one thread.
    Inline,
}

/// When and how often a call is tried again. Only transient failures are: a lost connection, no
/// room, a restarted entity. Writes keep their command id, so a retry has no second effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries of one call, the first included. Default 8.
    pub tries_max: u32,
    /// First wait between tries, milliseconds; doubles each time. Default 20.
    pub backoff_ms: u64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { tries_max: 8, backoff_ms: 20 }
    }
}

impl RetryPolicy {
    /// Never tries again.
    pub const NEVER: Self = Self { tries_max: 1, backoff_ms: 0 };
}
