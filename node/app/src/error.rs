//! Why a node does not start or run on, with stable codes for the operator.

use crate::cluster::ClusterError;
use actors_runtime::SubmitError;
use node_env::DiskError;
use node_store_embedded::OpenError;
use node_store_fdb::FdbError;
use node_store_remote::{ConnectError, IncarnationError};
use schema_types::error_code::ErrorCode;

/// Why a node does not start or run on.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// Stored data contradict themselves, or the store cannot be used.
    #[error(transparent)]
    Runtime(#[from] SubmitError),
    /// A file of the data directory beside the store.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A listening address is taken.
    #[error("address {address} is in use")]
    AddressInUse {
        /// The address.
        address: String,
    },
    /// A listening address cannot be used.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// The served store is not there, or does not want this node.
    #[error(transparent)]
    RemoteStore(#[from] ConnectError),
    /// FoundationDB cannot be used.
    #[error(transparent)]
    Fdb(#[from] FdbError),
    /// The file that counts the starts of this node cannot be used.
    #[error(transparent)]
    Starts(#[from] IncarnationError),
    /// The node does not come into its cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The signing key file is not one.
    #[error("audit signing key is damaged")]
    SigningKey,
}

impl NodeError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Store(error) => open_code(error),
            Self::Runtime(error) => error.code(),
            Self::Disk(error) => disk_code(error),
            Self::AddressInUse { .. } => ErrorCode::AddressInUse,
            Self::Listen { .. } => ErrorCode::BadRequest,
            Self::RemoteStore(_) => ErrorCode::StoreStopped,
            Self::Fdb(error) => fdb_code(error),
            Self::Starts(IncarnationError::Disk(error)) => disk_code(error),
            Self::Cluster(error) => error.code(),
            Self::SigningKey | Self::Starts(IncarnationError::Damaged { .. }) => {
                ErrorCode::DataDamaged
            }
        }
    }
}

const fn open_code(error: &OpenError) -> ErrorCode {
    match error {
        OpenError::Locked { .. } => ErrorCode::DataDirectoryInUse,
        OpenError::ReadOnly { .. } => ErrorCode::DataDirectoryReadOnly,
        OpenError::NoSpace { .. } => ErrorCode::DiskFull,
        OpenError::Damaged(_) | OpenError::UnknownFormat { .. } => ErrorCode::DataDamaged,
        OpenError::Disk(_) | OpenError::Stopped { .. } | OpenError::Spawn(_) => {
            ErrorCode::StoreStopped
        }
    }
}

const fn fdb_code(error: &FdbError) -> ErrorCode {
    match error {
        FdbError::NotBuilt
        | FdbError::ClientLibraryMissing { .. }
        | FdbError::ClientLibraryTooOld { .. } => ErrorCode::NotAvailable,
        FdbError::Config { .. } | FdbError::Client { .. } => ErrorCode::BadRequest,
        FdbError::NetworkStopped | FdbError::Unreachable { .. } => ErrorCode::StoreStopped,
        FdbError::Foreign { .. } => ErrorCode::DataDamaged,
    }
}

const fn disk_code(error: &DiskError) -> ErrorCode {
    match error {
        DiskError::NoSpace { .. } => ErrorCode::DiskFull,
        DiskError::Permission { .. } => ErrorCode::DataDirectoryReadOnly,
        DiskError::Locked { .. } => ErrorCode::DataDirectoryInUse,
        DiskError::NotFound { .. } | DiskError::AlreadyExists { .. } | DiskError::Io { .. } => {
            ErrorCode::StoreStopped
        }
    }
}
