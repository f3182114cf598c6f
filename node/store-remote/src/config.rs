//! What an operator may set on either side, with the defaults; and who a client is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use node_env::Rng;

/// Which client: the same over restarts of its process, different between clients of one server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientId(pub u128);

impl ClientId {
    /// The id of a client that has a name, such as a node: a hash (FNV-1a) of it.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
        const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
        let step = |hash: u128, byte: &u8| (hash ^ u128::from(*byte)).wrapping_mul(PRIME);
        Self(name.as_bytes().iter().fold(BASIS, step))
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

/// Who a client says it is. Of one client id, the server serves the highest incarnation that it
/// has seen and refuses lower ones: what a dead or paused process sent takes effect before a
/// newer one is let in, or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientIdentity {
    /// Which client.
    pub client_id: ClientId,
    /// Grows with each start of the client's process: a counter that the process keeps on its own
    /// disk ([`next_incarnation`](crate::next_incarnation)), not a time (TIME-1). 0 is for
    /// clients that live once, see [`ClientIdentity::ephemeral`].
    pub incarnation: u64,
}

impl ClientIdentity {
    /// An identity that no earlier process had, for tools that keep nothing between their runs.
    /// What an earlier run had in flight can still take effect; a node must not use this.
    #[must_use]
    pub fn ephemeral(rng: &dyn Rng) -> Self {
        let mut id = [0; 16];
        rng.fill(&mut id);
        Self { client_id: ClientId(u128::from_le_bytes(id)), incarnation: 0 }
    }

    /// Whether the server forgets it with its last connection.
    pub(crate) fn is_ephemeral(incarnation: u64) -> bool {
        incarnation == 0
    }
}

/// How either side finds out that the other is gone. Times serve liveness only: no promise of the
/// store rests on them (TIME-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Liveness {
    /// How often something is sent at least, milliseconds. Default 500.
    pub heartbeat_ms: u64,
    /// Time without a byte from the other side, or without room for one to it, after which a
    /// connection is given up, milliseconds. Default 2 000.
    pub silence_ms_max: u64,
}

impl Default for Liveness {
    fn default() -> Self {
        Self { heartbeat_ms: 500, silence_ms_max: 2_000 }
    }
}

impl Liveness {
    pub(crate) fn heartbeat(self) -> Duration {
        Duration::from_millis(self.heartbeat_ms.max(1))
    }

    pub(crate) fn silence(self) -> Duration {
        Duration::from_millis(self.silence_ms_max)
    }
}

/// Settings of a client.
#[derive(Clone)]
pub struct ClientConfig {
    /// Who the client is.
    pub identity: ClientIdentity,
    /// Tells this process from others and spreads reconnects.
    pub rng: Arc<dyn Rng>,
    /// How a lost server is noticed.
    pub liveness: Liveness,
    /// Time within which a connection must be made and greeted, milliseconds. Longer than the
    /// server's `drain_ms_max`, so that it is the server that says why. Default 4 000.
    pub connect_ms_max: u64,
    /// Time for which [`RemoteStore::connect`](crate::RemoteStore::connect) tries, milliseconds.
    /// Default 10 000.
    pub first_connect_ms_max: u64,
    /// First pause between tries to connect, milliseconds; doubles. Default 20.
    pub backoff_ms_min: u64,
    /// Longest pause, milliseconds. Default 500.
    pub backoff_ms_max: u64,
    /// Time within which a read must be answered, the wait for a connection included,
    /// milliseconds. Default 5 000.
    pub read_ms_max: u64,
    /// Commits in flight; past it callers get `Overloaded`. The server may allow fewer. Default
    /// 4 096.
    pub commits_max: usize,
    /// Bytes of commits in flight; past it callers get `Overloaded`. The server may allow fewer.
    /// Default 64 Mi.
    pub commit_bytes_max: usize,
}

impl ClientConfig {
    /// The defaults.
    #[must_use]
    pub fn new(identity: ClientIdentity, rng: Arc<dyn Rng>) -> Self {
        Self {
            identity,
            rng,
            liveness: Liveness::default(),
            connect_ms_max: 4_000,
            first_connect_ms_max: 10_000,
            backoff_ms_min: 20,
            backoff_ms_max: 500,
            read_ms_max: 5_000,
            commits_max: 4_096,
            commit_bytes_max: 64 << 20,
        }
    }
}

/// Settings of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Sessions at once. Default 64.
    pub sessions_max: usize,
    /// Commits in flight of one session. Default 4 096.
    pub commits_max: usize,
    /// Bytes of commits in flight of one session. Default 64 Mi.
    pub commit_bytes_max: usize,
    /// Bytes of commits in flight of all sessions together. Default 256 Mi.
    pub commit_bytes_total_max: usize,
    /// Snapshots that one session holds; past it the oldest one is gone. Default 1 024.
    pub snapshots_max: usize,
    /// How a lost client is noticed.
    pub liveness: Liveness,
    /// Time within which a client must greet, milliseconds. Default 2 000.
    pub greeting_ms_max: u64,
    /// Time for which a new session waits until the commits of its client's last one are over,
    /// and a shutdown until all are, milliseconds. Default 3 000.
    pub drain_ms_max: u64,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            sessions_max: 64,
            commits_max: 4_096,
            commit_bytes_max: 64 << 20,
            commit_bytes_total_max: 256 << 20,
            snapshots_max: 1_024,
            liveness: Liveness::default(),
            greeting_ms_max: 2_000,
            drain_ms_max: 3_000,
        }
    }
}
