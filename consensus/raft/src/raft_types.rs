//! The types that openraft is used with. Nothing here is public: openraft stays inside this
//! crate.

use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use openraft::{ErrorSubject, ErrorVerb, StorageError, StorageIOError};

use crate::config::Incarnation;
use crate::runtime::NodeRuntime;

/// The commands of one entry.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    /// Encoded list of encoded commands.
    pub(crate) commands: Arc<[u8]>,
    /// Set when the local log takes the entry in: from then on it may be committed, whatever
    /// else is heard of it. openraft answers alike for an entry that it never took and for one
    /// that a later leader replaced.
    pub(crate) logged: Option<Arc<AtomicBool>>,
}

/// Encoded outcomes of the commands of one entry, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcomes(pub(crate) Vec<Vec<u8>>);

/// Where a member is and which disk it has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Member {
    pub(crate) address: String,
    pub(crate) incarnation: Incarnation,
}

openraft::declare_raft_types!(
    /// Node ids are plain numbers inside.
    pub(crate) TypeConfig:
        D = Batch,
        R = Outcomes,
        NodeId = u64,
        Node = Member,
        Entry = openraft::Entry<TypeConfig>,
        SnapshotData = Cursor<Vec<u8>>,
        AsyncRuntime = NodeRuntime,
);

pub(crate) type Raft = openraft::Raft<TypeConfig>;
pub(crate) type Entry = openraft::Entry<TypeConfig>;
pub(crate) type Metrics = openraft::RaftMetrics<u64, Member>;

/// An error of the log or the snapshots in openraft's words; it makes openraft stop for good.
pub(crate) fn storage_error(
    subject: ErrorSubject<u64>,
    verb: ErrorVerb,
    reason: impl std::fmt::Display,
) -> StorageError<u64> {
    let source = openraft::AnyError::error(reason);
    StorageError::IO { source: StorageIOError::new(subject, verb, source) }
}
