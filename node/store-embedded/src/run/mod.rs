//! Runs: immutable sorted files of keys and values, the durable form of the index. Each block
//! has a checksum that covers where it belongs and is verified on every read, so damage is
//! noticed and never served. Which runs exist is the manifest's business.

mod cursor;
mod filter;
mod reader;
mod writer;

pub(crate) use cursor::RunCursor;
pub(crate) use reader::{Damage, Run};
pub(crate) use writer::{WriteError, write_run};

/// Name of the file of a run.
pub(crate) fn file_name(id: u64) -> String {
    format!("run-{id:016x}")
}

/// Whether a file of this name is a run.
pub(crate) fn is_run(name: &str) -> bool {
    name.starts_with("run-")
}

/// First bytes of the trailer.
const MAGIC: u64 = 0x314E_5552_4C55_4445;
/// Fixed end of the file.
const TRAILER_BYTES: usize = 64;
/// Value length that stands for a cleared key.
const CLEARED: u32 = u32::MAX;

/// Checksum of a part of a run; includes the run and the offset, so that a block that was
/// written to or read from the wrong place does not pass.
fn part_checksum(id: u64, offset: u64, payload: &[u8]) -> u32 {
    crate::codec::checksum(&[&id.to_le_bytes(), &offset.to_le_bytes(), payload])
}
