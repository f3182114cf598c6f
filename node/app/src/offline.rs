//! Offline checks of a data directory, damaged or not, without starting a node: the audit logs
//! against their signed heads and outside anchors, and the files of the store.

use crate::audit_anchor;
use crate::error::NodeError;
use crate::signing_key;
use actors_audit::Report;
use actors_runtime::trail;
use node_env::Disk;
use node_store_embedded::inspect;
use std::path::Path;

/// The folder of the store within a data directory.
pub const STORE_FOLDER: &str = "store";

/// What an offline check found.
#[derive(Debug)]
pub struct OfflineReport {
    /// Damage in the store's files: file, offset and what is wrong.
    pub problems: Vec<String>,
    /// One report per shard.
    pub shards: Vec<Report>,
}

impl OfflineReport {
    /// Nothing was found.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty() && self.shards.iter().all(|report| report.ok)
    }

    /// How many audit records were read.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.shards.iter().map(|report| report.records).sum()
    }

    /// The first bad index, with its shard.
    #[must_use]
    pub fn first_bad(&self) -> Option<(u16, u64)> {
        self.shards.iter().find_map(|report| report.first_bad.map(|index| (report.shard.0, index)))
    }
}

/// Checks a data directory that no node uses.
///
/// # Errors
/// [`NodeError`] when there is nothing to check: no manifest, no signing key.
pub async fn check(disk: &dyn Disk, data: &Path) -> Result<OfflineReport, NodeError> {
    let public = signing_key::public_key(disk, data)?.ok_or(NodeError::SigningKey)?;
    let anchors = audit_anchor::read(disk, data)?;
    let inspection = inspect(disk, &data.join(STORE_FOLDER))?;
    let problems = inspection.problems.iter().map(ToString::to_string).collect();
    let reader = &*inspection.reader;
    let anchored = anchors.iter().map(|signed| signed.head.shard.0 + 1).max().unwrap_or(0);
    // The count row itself may be what is lost; anchors still say how many shards there were.
    let count = trail::shard_count(reader).await.ok().flatten().unwrap_or(0).max(anchored);
    let mut shards = Vec::with_capacity(usize::from(count));
    for shard in 0..count {
        shards.push(trail::verify_shard(reader, shard, &[public], &anchors).await?);
    }
    Ok(OfflineReport { problems, shards })
}
