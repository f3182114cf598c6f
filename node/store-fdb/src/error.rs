//! Why a store cannot be opened, as values. Errors of reads and commits are the port's. No text
//! here holds a key or a value (PHI-1).

/// Why a store cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FdbError {
    /// The program was built without the client.
    #[error("this program was built without FoundationDB: build it with the feature `fdb`")]
    NotBuilt,
    /// The client library is not on this machine, or not where it is looked for.
    #[error(
        "the FoundationDB client library cannot be loaded: {reason}; install the package \
         foundationdb-clients {release} or name the library in FDB_LOCAL_CLIENT_LIBRARY_PATH"
    )]
    ClientLibraryMissing {
        /// What the loader says.
        reason: String,
        /// Release that is needed.
        release: &'static str,
    },
    /// The client library is too old.
    #[error(
        "the FoundationDB client library speaks API version {found} at most, {needed} is needed"
    )]
    ClientLibraryTooOld {
        /// What the library offers.
        found: i32,
        /// What this adapter uses.
        needed: i32,
    },
    /// A setting makes no sense.
    #[error("configuration of the FoundationDB store: {reason}")]
    Config {
        /// What is wrong.
        reason: String,
    },
    /// The client refuses, for instance because the cluster file does not parse.
    #[error("the FoundationDB client refuses: {reason}")]
    Client {
        /// What it says.
        reason: String,
    },
    /// The network thread of the client was stopped; it can run once in a process.
    #[error("the FoundationDB client of this process was stopped and cannot be started again")]
    NetworkStopped,
    /// The cluster does not answer.
    #[error("the FoundationDB cluster could not be reached within {waited_ms} ms: {reason}")]
    Unreachable {
        /// How long it was tried, in milliseconds.
        waited_ms: u64,
        /// What happened last.
        reason: String,
    },
    /// The keys of the store are used by something else.
    #[error("the keys of this store are in use by something else: {reason}")]
    Foreign {
        /// What was found.
        reason: String,
    },
}
