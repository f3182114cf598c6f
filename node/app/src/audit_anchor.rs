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
            let size = sizes.entry(signed.head.shard.0).or_insert(0);
            *size = signed.head.size.max(*size);
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
        self.append(&heads)?;
        Ok(heads)
    }

    /// Appends what is news. A head counts as written only when it is durable, and one that was
    /// read before a longer one was written, by a call that came later, is no news.
    fn append(&self, heads: &[SignedTreeHead]) -> Result<(), NodeError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let known = |shard: u16| state.sizes.get(&shard).copied().unwrap_or(0);
        let is_news = |signed: &&SignedTreeHead| signed.head.size > known(signed.head.shard.0);
        let news: Vec<&SignedTreeHead> = heads.iter().filter(is_news).collect();
        if news.is_empty() {
            return Ok(());
        }
        let mut offset = state.offset;
        for signed in &news {
            self.file.write_at(offset, &signed.encode())?;
            offset += row_bytes();
        }
        if !node_env::planted!("anchor-file-not-synced") {
            self.file.sync_data()?;
        }
        state.offset = offset;
        state.sizes.extend(news.iter().map(|signed| (signed.head.shard.0, signed.head.size)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actors_audit::{HeadSigner, KeyId, TreeHead};
    use node_env::DiskOperation;
    use node_env::fake::{FakeDisk, Fault};
    use schema_types::ids::ShardId;
    use schema_types::time::Timestamp;

    fn head(size: u64) -> SignedTreeHead {
        let at = Timestamp::from_unix_micros(0);
        let head = TreeHead { shard: ShardId(3), size, root: [7; 32], at, key_id: KeyId([0; 8]) };
        HeadSigner::new(&[7; 32]).sign(head)
    }

    fn sizes(disk: &FakeDisk) -> Vec<u64> {
        let heads = read(disk, Path::new("/data")).unwrap();
        heads.iter().map(|signed| signed.head.size).collect()
    }

    fn writer(disk: &FakeDisk) -> AnchorWriter {
        AnchorWriter::open(disk, Path::new("/data")).unwrap()
    }

    fn disk() -> FakeDisk {
        let disk = FakeDisk::new(1);
        disk.create_dir(Path::new("/data")).unwrap();
        disk
    }

    #[test]
    fn a_head_that_was_read_earlier_is_not_written_behind_a_longer_one_aud_2() {
        let disk = disk();
        let anchors = writer(&disk);
        for size in [5, 4, 5, 6] {
            anchors.append(&[head(size)]).unwrap();
        }
        assert_eq!(sizes(&disk), [5, 6]);
        writer(&disk).append(&[head(6)]).unwrap();
        assert_eq!(sizes(&disk), [5, 6], "known from the file");
    }

    #[test]
    fn a_head_counts_only_when_it_is_durable_aud_2() {
        let disk = disk();
        let anchors = writer(&disk);
        disk.inject(DiskOperation::SyncData, 0, Fault::Io);
        assert!(anchors.append(&[head(5)]).is_err());
        disk.clear_faults();
        anchors.append(&[head(5)]).unwrap();
        let syncs = disk.syncs();
        anchors.append(&[head(5)]).unwrap();
        assert_eq!(disk.syncs(), syncs, "no news");
        disk.cut_power();
        disk.restart();
        assert_eq!(sizes(&disk), [5]);
    }
}
