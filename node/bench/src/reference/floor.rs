//! What one durable append costs at least: 600 bytes written behind each other into a file that is
//! there already, each made durable before the next.

use super::Work;
use crate::error::BenchError;
use node_env::{Disk, DiskFile, OpenMode};
use std::path::Path;
use std::sync::Arc;

/// Bytes of one append: about what one observation leaves in the log.
const APPEND_BYTES: u64 = 600;
/// Bytes of the file; appends start over at its end.
const FILE_BYTES: u64 = 64 * 1024 * 1024;

/// Appends that are synced one by one.
pub struct Floor {
    file: Arc<dyn DiskFile>,
    offset: u64,
}

impl Floor {
    /// Prepares the file.
    ///
    /// # Errors
    /// [`BenchError::Outside`].
    pub fn open(disk: &Arc<dyn Disk>, folder: &Path) -> Result<Self, BenchError> {
        let failed = |error: node_env::DiskError| BenchError::outside("floor file", error);
        disk.create_dir(folder).map_err(failed)?;
        let file = disk.open(&folder.join("floor"), OpenMode::CreateNew).map_err(failed)?;
        file.allocate(FILE_BYTES).map_err(failed)?;
        file.sync_data().map_err(failed)?;
        Ok(Self { file, offset: 0 })
    }
}

impl Work for Floor {
    fn step(&mut self) -> Result<u32, String> {
        let bytes = [0x5a_u8; 600];
        if self.offset + APPEND_BYTES > FILE_BYTES {
            self.offset = 0;
        }
        let written = self.file.write_at(self.offset, &bytes);
        self.offset += APPEND_BYTES;
        let durable = written.and_then(|()| self.file.sync_data());
        durable.map(|()| 1).map_err(|error| error.to_string())
    }
}
