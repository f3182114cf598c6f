//! The end of the log to which records are appended, one positioned write each. Syncing is the
//! caller's, so that the next record is written while the last one is being synced.

use std::sync::Arc;

use actors_store::Version;
use node_env::{DiskError, DiskFile};

use crate::codec::to_usize;
use crate::record::{self, RecordHeader};
use crate::segment::{SEGMENT_HEADER_BYTES, Sealed, Segment, SegmentPool};

/// Where the next record goes.
pub(crate) struct Log {
    pool: Arc<SegmentPool>,
    store_id: u64,
    epoch: u64,
    current: Option<Open>,
    next_sequence: u64,
    previous_crc: u32,
}

/// Where room for a record was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// In the present segment.
    Present,
    /// In a new segment; one more should be made ready.
    NewSegment,
}

struct Open {
    segment: Segment,
    position: u64,
}

impl Log {
    /// A log that goes on after the record `last_sequence` (with its checksum), in a new segment.
    pub(crate) fn new(
        pool: Arc<SegmentPool>,
        (store_id, epoch): (u64, u64),
        last_sequence: u64,
        previous_crc: u32,
    ) -> Self {
        let next_sequence = last_sequence + 1;
        Self { pool, store_id, epoch, current: None, next_sequence, previous_crc }
    }

    /// Number of the last record that was appended.
    pub(crate) fn last_sequence(&self) -> u64 {
        self.next_sequence - 1
    }

    /// Makes sure that a record of this length fits; nothing is written to the log. After
    /// `NoSpace` the log is as it was.
    pub(crate) fn reserve(&mut self, unpadded_bytes: usize) -> Result<Room, DiskError> {
        let wanted = record::stored_bytes(unpadded_bytes) as u64;
        if let Some(open) = &self.current
            && open.segment.length - open.position >= wanted
        {
            return Ok(Room::Present);
        }
        let last_sequence = self.last_sequence();
        let full = self.current.as_ref().map(|open| {
            let (number, length) = (open.segment.number, open.segment.length);
            Sealed { number, length, last_sequence }
        });
        let segment = self.pool.take(wanted, full)?;
        self.current = Some(Open { segment, position: SEGMENT_HEADER_BYTES as u64 });
        Ok(Room::NewSegment)
    }

    /// Finishes the record in the buffer and writes it; gives the file that must be synced. Room
    /// must have been reserved.
    pub(crate) fn append(
        &mut self,
        buffer: &mut Vec<u8>,
        version: Version,
        durable_sequence: u64,
    ) -> Result<Option<Arc<dyn DiskFile>>, DiskError> {
        let Some(open) = &mut self.current else { return Ok(None) };
        let header = RecordHeader {
            previous_crc: self.previous_crc,
            store_id: self.store_id,
            segment: open.segment.number,
            sequence: self.next_sequence,
            version,
            epoch: self.epoch,
            durable_sequence,
        };
        let crc = record::finish(buffer, &header);
        let fits = to_usize(open.segment.length - open.position) >= buffer.len();
        node_env::always!(fits, "STORE-2", "a record fits the room reserved for it");
        open.segment.file.write_at(open.position, buffer)?;
        open.position += buffer.len() as u64;
        self.previous_crc = crc;
        self.next_sequence += 1;
        Ok(Some(Arc::clone(&open.segment.file)))
    }
}
