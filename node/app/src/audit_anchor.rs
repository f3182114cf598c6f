//! Audit heads kept outside the store (AUD-2): a file to which the newest signed head of every
//! shard is appended now and then. It shows a truncated or rolled-back log, which the store alone
//! cannot. A cluster anchors heads in its Raft state too; alone, copy the file elsewhere.

use crate::error::NodeError;
use actors_audit::SignedTreeHead;
use actors_runtime::Runtime;
use node_env::{Disk, DiskError, DiskFile, OpenMode};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

const ANCHOR_FILE: &str = "audit-anchors.log";

/// The path of the anchor file of a data directory.
#[must_use]
pub fn path(data: &Path) -> PathBuf {
    data.join(ANCHOR_FILE)
}

/// Every head in the anchor file; a torn last one is left out.
///
/// # Errors
/// [`NodeError::Disk`] when it cannot be read.
pub fn read(disk: &dyn Disk, data: &Path) -> Result<Vec<SignedTreeHead>, NodeError> {
    let file = match disk.open(&path(data), OpenMode::Read) {
        Ok(file) => file,
        Err(DiskError::NotFound { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut heads = Vec::new();
    let mut row = [0; SignedTreeHead::ENCODED_ALONE_BYTES];
    let mut offset = 0;
    while file.read_at(offset, &mut row)? == row.len() {
        // A row that does not decode is damage; the signature check of the others still counts.
        heads.extend(SignedTreeHead::decode(&row));
        offset += row_bytes();
    }
    Ok(heads)
}

fn row_bytes() -> u64 {
    u64::try_from(SignedTreeHead::ENCODED_ALONE_BYTES).unwrap_or(u64::MAX)
}

/// Appends heads to the anchor file.
pub struct AnchorWriter {
    file: Arc<dyn DiskFile>,
    state: Mutex<AnchorState>,
}

struct AnchorState {
    offset: u64,
    sizes: BTreeMap<u16, u64>,
}

impl AnchorWriter {
    /// Opens the anchor file for appending, behind its last whole row.
    ///
    /// # Errors
    /// [`NodeError::Disk`].
    pub fn open(disk: &dyn Disk, data: &Path) -> Result<Self, NodeError> {
        let known = read(disk, data)?;
        let file = disk.open(&path(data), OpenMode::CreateOrOpen)?;
        disk.sync_dir(data)?;
        let rows = file.length()? / row_bytes();
        let mut sizes = BTreeMap::new();
        for signed in known {
            sizes.insert(signed.head.shard.0, signed.head.size);
        }
        let state = AnchorState { offset: rows * row_bytes(), sizes };
        Ok(Self { file, state: Mutex::new(state) })
    }

    /// Appends the newest durable head of every shard of this node whose log grew since the last
    /// call; gives the heads.
    ///
    /// # Errors
    /// [`NodeError`] when the store cannot be read or the file cannot be written.
    pub async fn write(&self, runtime: &Runtime) -> Result<Vec<SignedTreeHead>, NodeError> {
        let heads = runtime.anchor_heads().await?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut is_new = false;
        for signed in &heads {
            let shard = signed.head.shard.0;
            if state.sizes.get(&shard) == Some(&signed.head.size) {
                continue;
            }
            self.file.write_at(state.offset, &signed.encode())?;
            state.offset += row_bytes();
            state.sizes.insert(shard, signed.head.size);
            is_new = true;
        }
        if is_new && !node_env::planted!("anchor-file-not-synced") {
            self.file.sync_data()?;
        }
        Ok(heads)
    }
}
