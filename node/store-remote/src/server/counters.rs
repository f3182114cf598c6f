//! What the server counted since it started.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($( $(#[$doc:meta])* $name:ident = $metric:literal; )*) => {
        /// Numbers of a server since it started.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct ServerStats { $( $(#[$doc])* pub $name: u64, )* }

        #[derive(Debug, Default)]
        pub(crate) struct Counters { $( pub(crate) $name: AtomicU64, )* }

        impl Counters {
            pub(crate) fn stats(&self) -> ServerStats {
                ServerStats { $( $name: self.$name.load(Ordering::Relaxed), )* }
            }
        }

        impl ServerStats {
            /// Names of metrics and their values.
            #[must_use]
            pub fn metrics(&self) -> Vec<(&'static str, u64)> {
                vec![$( ($metric, self.$name) ),*]
            }
        }
    };
}

counters! {
    /// Sessions that were let in.
    sessions = "medulla_store_remote_sessions_total";
    /// Connections that were refused, or were none of this protocol.
    refused = "medulla_store_remote_connections_refused_total";
    /// Sessions ended because their client came again.
    superseded = "medulla_store_remote_sessions_superseded_total";
    /// Sessions ended because the other side was silent or took no replies.
    lost = "medulla_store_remote_sessions_lost_total";
    /// Sessions ended because what came broke the protocol.
    broken = "medulla_store_remote_sessions_broken_total";
    /// Commits handed to the store.
    commits = "medulla_store_remote_commits_total";
    /// Commits that failed, refused ones included.
    commits_failed = "medulla_store_remote_commits_failed_total";
    /// Commits refused because too many, or too many bytes, were in flight.
    overloaded = "medulla_store_remote_commits_overloaded_total";
    /// Commits answered after their session was over.
    orphaned = "medulla_store_remote_commits_orphaned_total";
    /// Snapshots begun.
    snapshots = "medulla_store_remote_snapshots_total";
    /// Snapshots that a session lost because it held too many.
    snapshots_evicted = "medulla_store_remote_snapshots_evicted_total";
    /// Gets and range pages.
    reads = "medulla_store_remote_reads_total";
}

/// Counts one.
pub(crate) fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
