//! What an operator may set, with the defaults, and what the world supplies.

use std::path::PathBuf;
use std::sync::Arc;

use actors_store::limits::TRANSACTION_BYTES_MAX;
use node_env::{Clock, Rng};

use crate::error::FdbError;
use crate::limits::{DATABASES_MAX, NAME_CHARACTERS_MAX};

/// Settings of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FdbConfig {
    /// Cluster file. Default: the client's own (`FDB_CLUSTER_FILE`, else
    /// `/etc/foundationdb/fdb.cluster`).
    pub cluster_file: Option<PathBuf>,
    /// Name of the store: stores with different names in one cluster do not meet. 1 to 100 ASCII
    /// characters without spaces. Default `medulla`.
    pub prefix: String,
    /// Database handles among which work goes round. They share the client's network thread unless
    /// `client_threads` is above 1. Default 2.
    pub databases: usize,
    /// Network threads of the client. Above 1 it needs `client_library` and as many `databases`;
    /// counts for the process, set by whoever opens first. Default 1.
    pub client_threads: usize,
    /// Path of `libfdb_c.so`, of which the client loads a copy for each thread. Default none.
    pub client_library: Option<PathBuf>,
    /// Folder for the client's own trace files; it must exist. Default none: no traces.
    pub trace_directory: Option<PathBuf>,
    /// Time for which opening tries to reach the cluster, milliseconds. Default 30 000: a new
    /// cluster takes some 25 s to get healthy.
    pub open_ms_max: u64,
    /// Time within which a read must be answered, tries and waits included, milliseconds. Default
    /// 5 000.
    pub read_ms_max: u64,
    /// Time after which one try of a commit is given up and looked into, milliseconds. Default
    /// 6 000: longer than the cluster takes to replace a process.
    pub commit_try_ms_max: u64,
    /// Time within which a commit is tried again, and its outcome looked for, milliseconds; then
    /// the caller hears `Overloaded` if it had no effect, else `UnknownResult`. Default 20 000.
    pub commit_ms_max: u64,
    /// Commits that wait or are in flight; past it callers get `Overloaded`. Default 8 192.
    pub commits_max: usize,
    /// Bytes of commits that wait or are in flight; past it callers get `Overloaded`. Default
    /// 128 Mi.
    pub commit_bytes_max: usize,
}

impl Default for FdbConfig {
    fn default() -> Self {
        Self {
            cluster_file: None,
            prefix: "medulla".to_owned(),
            databases: 2,
            client_threads: 1,
            client_library: None,
            trace_directory: None,
            open_ms_max: 30_000,
            read_ms_max: 5_000,
            commit_try_ms_max: 6_000,
            commit_ms_max: 20_000,
            commits_max: 8_192,
            commit_bytes_max: 128 << 20,
        }
    }
}

impl FdbConfig {
    /// Checks the settings and their relations.
    ///
    /// # Errors
    /// [`FdbError::Config`].
    pub fn validate(&self) -> Result<(), FdbError> {
        let length = self.prefix.len();
        let is_plain = self.prefix.bytes().all(|byte| byte.is_ascii_graphic());
        let checks = [
            (
                (1..=NAME_CHARACTERS_MAX).contains(&length) && is_plain,
                "the prefix must have 1 to 100 visible ASCII characters",
            ),
            ((1..=DATABASES_MAX).contains(&self.databases), "databases must be 1 to 64"),
            (
                self.client_threads >= 1 && self.client_threads <= self.databases,
                "client_threads must be at least 1 and at most databases",
            ),
            (
                self.client_threads <= 1 || self.client_library.is_some(),
                "client_threads above 1 need client_library",
            ),
            (self.commits_max >= 1, "commits_max must be at least 1"),
            (
                self.commit_bytes_max >= TRANSACTION_BYTES_MAX,
                "commit_bytes_max must hold at least one transaction of 10,000,000 bytes",
            ),
            (
                self.commit_try_ms_max >= 1 && self.commit_try_ms_max < self.commit_ms_max,
                "commit_ms_max must be above commit_try_ms_max",
            ),
            (self.read_ms_max >= 1 && self.open_ms_max >= 1, "a time limit must not be zero"),
        ];
        match checks.into_iter().find(|(holds, _)| !holds) {
            None => Ok(()),
            Some((_, reason)) => Err(FdbError::Config { reason: reason.to_owned() }),
        }
    }
}

/// What the world supplies. Threads are the client library's own and tokio's.
#[derive(Clone)]
pub struct Environment {
    /// Ages of snapshots and of known versions; no promise rests on it (TIME-1).
    pub clock: Arc<dyn Clock>,
    /// Tells this opening of the store from others, and spreads what is tried again.
    pub rng: Arc<dyn Rng>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_without_sense_are_refused() {
        let wrong: [fn(&mut FdbConfig); 8] = [
            |config| config.prefix.clear(),
            |config| config.prefix = "two words".to_owned(),
            |config| config.databases = 0,
            |config| config.client_threads = 3,
            |config| config.client_threads = 2,
            |config| config.commit_bytes_max = 1,
            |config| config.commit_ms_max = config.commit_try_ms_max,
            |config| config.read_ms_max = 0,
        ];
        assert_eq!(FdbConfig::default().validate(), Ok(()));
        for (number, break_it) in wrong.into_iter().enumerate() {
            let mut config = FdbConfig::default();
            break_it(&mut config);
            assert!(matches!(config.validate(), Err(FdbError::Config { .. })), "{number}");
        }
    }
}
