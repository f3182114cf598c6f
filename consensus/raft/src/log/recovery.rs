//! Reads the log again. A block that does not follow is a torn tail, and is cut, only when
//! nothing says that it was acknowledged: no later block, no note. Otherwise the log is damaged
//! and the node refuses to start, because it would forget what it promised.

use std::path::Path;
use std::sync::Arc;

use node_env::{Disk, DiskError, OpenMode, sometimes};

use super::block::{self, Block, HEADER_BYTES};
use super::index::Index;
use super::writer::{End, file_name, number_of};
use crate::error::StartError;
use crate::files::Note;
use crate::limits::BLOCK_ALIGNMENT_BYTES;

/// What was found.
pub(crate) struct Recovered {
    pub(crate) index: Index,
    pub(crate) end: End,
    pub(crate) lowest_segment: u64,
}

struct Reader<'a> {
    disk: &'a dyn Disk,
    directory: &'a Path,
    log_id: u64,
    index: Index,
    /// Behind the last block that was followed.
    end: End,
    followed_any: bool,
}

/// Follows the segments to the end of the log and cuts a torn tail.
pub(crate) fn recover(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    log_id: u64,
    note: Note,
) -> Result<Recovered, StartError> {
    let numbers = segments(disk.as_ref(), directory)?;
    let end = End { segment: numbers[0], offset: 0, next_sequence: 0, previous_crc: 0 };
    let mut reader = Reader {
        disk: disk.as_ref(),
        directory,
        log_id,
        index: Index::default(),
        end,
        followed_any: false,
    };
    for (place, &number) in numbers.iter().enumerate() {
        let bytes = reader.load(number)?;
        if !reader.follow_segment(number, &bytes)? {
            reader.check_torn(&numbers[place..], note)?;
            reader.cut(&numbers[place..], bytes.len() as u64)?;
            break;
        }
    }
    reader.finish(numbers[0], note)
}

/// Numbers of the segments, which have to be consecutive.
fn segments(disk: &dyn Disk, directory: &Path) -> Result<Vec<u64>, StartError> {
    let names = disk.list(directory)?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| number_of(name)).collect();
    numbers.sort_unstable();
    if numbers.is_empty() {
        return Err(damage(0, 0, "the log is missing"));
    }
    for pair in numbers.windows(2) {
        if pair[1] != pair[0] + 1 {
            return Err(damage(pair[0] + 1, 0, "a segment of the log is missing"));
        }
    }
    Ok(numbers)
}

fn damage(segment: u64, offset: u64, what: &'static str) -> StartError {
    StartError::Damaged { file: file_name(segment), offset, what }
}

impl Reader<'_> {
    fn load(&self, number: u64) -> Result<Vec<u8>, StartError> {
        let path = self.directory.join(file_name(number));
        Ok(crate::files::read_file(self.disk, &path)?.unwrap_or_default())
    }

    /// Follows the blocks of a segment; false when one of them does not follow.
    fn follow_segment(&mut self, number: u64, bytes: &[u8]) -> Result<bool, StartError> {
        let mut at = 0;
        loop {
            let whole_end = at > 0 && at == bytes.len();
            if whole_end {
                return Ok(true);
            }
            let Some(block) = block::parse(bytes, at).filter(|block| self.follows(number, block))
            else {
                return Ok(false);
            };
            let payload_at = (at + HEADER_BYTES) as u64;
            self.index
                .follow(&block.body, number, payload_at)
                .map_err(|impossible| damage(number, at as u64, impossible.0))?;
            at += block.stored_bytes;
            self.followed_any = true;
            self.end = End {
                segment: number,
                offset: at as u64,
                next_sequence: block.header.sequence + 1,
                previous_crc: block.crc,
            };
        }
    }

    fn follows(&self, number: u64, block: &Block) -> bool {
        let header = &block.header;
        let ours = header.log_id == self.log_id && header.segment == number;
        let next = header.sequence == self.end.next_sequence
            && header.previous_crc == self.end.previous_crc;
        ours && (next || !self.followed_any)
    }

    /// Refuses when anything says that what is broken was acknowledged.
    fn check_torn(&self, numbers: &[u64], note: Note) -> Result<(), StartError> {
        let lost = "an acknowledged part of the log is damaged or missing";
        if node_env::planted!("raft-damage-taken-for-torn-tail") {
            return Ok(());
        }
        let broken_at = if numbers[0] == self.end.segment { self.end.offset } else { 0 };
        if !self.followed_any || note.sequence >= self.end.next_sequence {
            return Err(damage(numbers[0], broken_at, lost));
        }
        for &number in numbers {
            let bytes = self.load(number)?;
            let mut at = 0;
            while at < bytes.len() {
                let later = block::parse(&bytes, at).is_some_and(|block| {
                    block.header.log_id == self.log_id
                        && block.header.sequence > self.end.next_sequence
                });
                if later {
                    return Err(damage(numbers[0], broken_at, lost));
                }
                at += BLOCK_ALIGNMENT_BYTES;
            }
        }
        Ok(())
    }

    /// Removes the torn block, and segments that were begun behind it.
    fn cut(&self, numbers: &[u64], length: u64) -> Result<(), DiskError> {
        sometimes!(length > self.end.offset, "raft.log.torn_tail");
        for &number in numbers.iter().rev() {
            let path = self.directory.join(file_name(number));
            if number == self.end.segment {
                let file = self.disk.open(&path, OpenMode::ReadWrite)?;
                file.truncate(self.end.offset)?;
            } else {
                self.disk.remove(&path)?;
            }
        }
        self.disk.sync_dir(self.directory)
    }

    fn finish(self, lowest_segment: u64, note: Note) -> Result<Recovered, StartError> {
        let end = &self.end;
        if note.sequence >= end.next_sequence {
            let what = "the end of the log is missing";
            return Err(damage(end.segment, end.offset, what));
        }
        if !self.index.is_whole() {
            return Err(damage(
                lowest_segment,
                0,
                "entries at the beginning of the log are missing",
            ));
        }
        // After a killed process the last block may be in the system's cache only, its segment's
        // name too, and from now on both count as durable. A new file, because after a failed sync
        // the cache may be taken for clean and a further sync does nothing (Rebello et al., USENIX
        // ATC 2020).
        let bytes = self.load(end.segment)?;
        crate::files::replace_file(self.disk, self.directory, &file_name(end.segment), &bytes)?;
        Ok(Recovered { index: self.index, end: self.end, lowest_segment })
    }
}
