//! Small files with checksums: the identity of the directory, the vote in two copies, and the
//! note of how far the log was durable. The log itself is in `log`, snapshots in `snapshot_file`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use node_env::{Disk, DiskError, DiskFile, OpenMode, Rng};
use schema_types::cluster::NodeId;

use crate::config::{ClusterId, Incarnation, Options};
use crate::error::StartError;
use crate::records::{Ballot, Position};

pub(crate) const IDENTITY_FILE: &str = "identity";
pub(crate) const VOTE_FILE: &str = "vote";
pub(crate) const NOTE_FILE: &str = "note";
/// Ending of a file that is being written.
const NEW_ENDING: &str = ".new";
const FORMAT: u32 = 1;
const IDENTITY_MAGIC: u32 = u32::from_le_bytes(*b"MRID");
const VOTE_MAGIC: u32 = u32::from_le_bytes(*b"MRVT");
const NOTE_MAGIC: u32 = u32::from_le_bytes(*b"MRNT");
/// Distance of the two copies: no write touches the page of the other.
const COPY_DISTANCE_BYTES: u64 = 4_096;

/// A record of eight-byte numbers with magic, format and checksum in front.
fn seal(magic: u32, fields: &[u64]) -> Vec<u8> {
    let mut body = FORMAT.to_le_bytes().to_vec();
    for field in fields {
        body.extend_from_slice(&field.to_le_bytes());
    }
    let mut bytes = magic.to_le_bytes().to_vec();
    bytes.extend_from_slice(&crc32c::crc32c(&body).to_le_bytes());
    bytes.extend_from_slice(&body);
    bytes
}

/// The numbers of such a record, or nothing when it is not one.
fn unseal<const COUNT: usize>(magic: u32, bytes: &[u8]) -> Option<[u64; COUNT]> {
    let bytes = bytes.get(..12 + COUNT * 8)?;
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let whole = word(0)? == magic && word(4)? == crc32c::crc32c(&bytes[8..]) && word(8)? == FORMAT;
    if !whole {
        return None;
    }
    let mut fields = [0; COUNT];
    for (field, chunk) in fields.iter_mut().zip(bytes[12..].chunks_exact(8)) {
        *field = u64::from_le_bytes(chunk.try_into().ok()?);
    }
    Some(fields)
}

fn halves(id: [u8; 16]) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = id;
    [u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes([i, j, k, l, m, n, o, p])]
}

fn joined(halves: [u64; 2]) -> [u8; 16] {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&halves[0].to_le_bytes());
    id[8..].copy_from_slice(&halves[1].to_le_bytes());
    id
}

/// Writes a file as a whole: another name, sync, rename, sync of the directory.
pub(crate) fn replace_file(
    disk: &dyn Disk,
    directory: &Path,
    name: &str,
    bytes: &[u8],
) -> Result<(), DiskError> {
    let new = directory.join(format!("{name}{NEW_ENDING}"));
    let file = disk.open(&new, OpenMode::CreateOrOpen)?;
    file.truncate(0)?;
    file.write_at(0, bytes)?;
    if !node_env::planted!("raft-snapshot-not-synced") {
        file.sync_data()?;
    }
    disk.rename(&new, &directory.join(name))?;
    disk.sync_dir(directory)
}

/// The whole file, or nothing when it does not exist.
pub(crate) fn read_file(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>, DiskError> {
    let file = match disk.open(path, OpenMode::Read) {
        Ok(file) => file,
        Err(DiskError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = vec![0; usize::try_from(file.length()?).unwrap_or(usize::MAX)];
    let read = file.read_at(0, &mut bytes)?;
    bytes.truncate(read);
    Ok(Some(bytes))
}

/// Who this directory belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) cluster: ClusterId,
    pub(crate) node: NodeId,
    pub(crate) incarnation: Incarnation,
    /// Marks the blocks of this log.
    pub(crate) log_id: u64,
}

impl Identity {
    /// A new identity with a new incarnation.
    pub(crate) fn draw(options: &Options, rng: &dyn Rng) -> Self {
        let mut incarnation = [0; 16];
        rng.fill(&mut incarnation);
        Self {
            cluster: options.cluster,
            node: options.node,
            incarnation: Incarnation(incarnation),
            log_id: rng.next_u64(),
        }
    }

    pub(crate) fn write(&self, disk: &dyn Disk, directory: &Path) -> Result<(), DiskError> {
        let (cluster, incarnation) = (halves(self.cluster.0), halves(self.incarnation.0));
        let fields =
            [cluster[0], cluster[1], self.node.0, incarnation[0], incarnation[1], self.log_id];
        replace_file(disk, directory, IDENTITY_FILE, &seal(IDENTITY_MAGIC, &fields))
    }

    pub(crate) fn read(disk: &dyn Disk, directory: &Path) -> Result<Option<Self>, StartError> {
        let Some(bytes) = read_file(disk, &directory.join(IDENTITY_FILE))? else {
            return Ok(None);
        };
        let Some([c0, c1, node, i0, i1, log_id]) = unseal(IDENTITY_MAGIC, &bytes) else {
            let what = "the identity of the directory does not match its checksum";
            return Err(damaged(IDENTITY_FILE, what));
        };
        Ok(Some(Self {
            cluster: ClusterId(joined([c0, c1])),
            node: NodeId(node),
            incarnation: Incarnation(joined([i0, i1])),
            log_id,
        }))
    }
}

pub(crate) fn damaged(file: &str, what: &'static str) -> StartError {
    StartError::Damaged { file: file.to_owned(), offset: 0, what }
}

/// The vote, twice in one file. The first copy is durable before the second is touched, so after
/// a crash one of them holds the last vote that was promised, and when one copy rots the other
/// still does.
pub(crate) struct VoteFile {
    file: Arc<dyn DiskFile>,
    counter: u64,
}

impl VoteFile {
    /// Makes the file with the vote of nobody.
    pub(crate) fn create(disk: &dyn Disk, directory: &Path) -> Result<(), DiskError> {
        let path = directory.join(VOTE_FILE);
        let file = disk.open(&path, OpenMode::CreateOrOpen)?;
        file.truncate(0)?;
        let mut created = Self { file, counter: 0 };
        created.write(Ballot::default())
    }

    /// Opens the file and reads the vote.
    pub(crate) fn open(disk: &dyn Disk, directory: &Path) -> Result<(Self, Ballot), StartError> {
        let file = match disk.open(&directory.join(VOTE_FILE), OpenMode::ReadWrite) {
            Ok(file) => file,
            Err(DiskError::NotFound { .. }) => {
                return Err(damaged(VOTE_FILE, "the vote is missing; it could be given twice"));
            }
            Err(error) => return Err(error.into()),
        };
        let first = read_copy(file.as_ref(), 0)?;
        let second = read_copy(file.as_ref(), 1)?;
        let newest = first.max(second);
        let Some([counter, term, node, won]) = newest else {
            return Err(damaged(VOTE_FILE, "both copies of the vote are damaged"));
        };
        let ballot = Ballot { term, node, won: won == 1 };
        let mut opened = Self { file, counter };
        if first != second {
            opened.write(ballot)?;
        }
        Ok((opened, ballot))
    }

    /// Makes a vote durable.
    pub(crate) fn write(&mut self, ballot: Ballot) -> Result<(), DiskError> {
        self.counter += 1;
        let fields = [self.counter, ballot.term, ballot.node, u64::from(ballot.won)];
        let bytes = seal(VOTE_MAGIC, &fields);
        for copy in 0..2 {
            self.file.write_at(copy * COPY_DISTANCE_BYTES, &bytes)?;
            if !node_env::planted!("raft-vote-not-synced") {
                self.file.sync_data()?;
            }
        }
        Ok(())
    }
}

fn read_copy(file: &dyn DiskFile, copy: u64) -> Result<Option<[u64; 4]>, DiskError> {
    let mut bytes = [0; 12 + 4 * 8];
    let read = file.read_at(copy * COPY_DISTANCE_BYTES, &mut bytes)?;
    Ok(unseal(VOTE_MAGIC, &bytes[..read]))
}

/// How far the log was durable and committed, written after the fact and not synced: a stale or
/// missing note is harmless, a present one convicts a log that lost its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Note {
    /// Number of the last block that was durable.
    pub(crate) sequence: u64,
    /// Last entry known to be committed.
    pub(crate) committed: Option<Position>,
}

pub(crate) struct NoteFile {
    file: Arc<dyn DiskFile>,
    counter: u64,
}

impl NoteFile {
    pub(crate) fn open(disk: &dyn Disk, directory: &Path) -> Result<(Self, Note), DiskError> {
        let path: PathBuf = directory.join(NOTE_FILE);
        let file = disk.open(&path, OpenMode::CreateOrOpen)?;
        let mut newest = None;
        for copy in 0..2 {
            let mut bytes = [0; 12 + 6 * 8];
            let read = file.read_at(copy * COPY_DISTANCE_BYTES, &mut bytes)?;
            newest = newest.max(unseal::<6>(NOTE_MAGIC, &bytes[..read]));
        }
        let Some([counter, sequence, present, term, leader, index]) = newest else {
            return Ok((Self { file, counter: 0 }, Note::default()));
        };
        let committed = (present == 1).then_some(Position { term, leader, index });
        Ok((Self { file, counter }, Note { sequence, committed }))
    }

    /// Writes the older of the two copies.
    pub(crate) fn write(&mut self, note: Note) -> Result<(), DiskError> {
        self.counter += 1;
        let at = note.committed.unwrap_or(Position { term: 0, leader: 0, index: 0 });
        let present = u64::from(note.committed.is_some());
        let fields = [self.counter, note.sequence, present, at.term, at.leader, at.index];
        let copy = self.counter % 2;
        self.file.write_at(copy * COPY_DISTANCE_BYTES, &seal(NOTE_MAGIC, &fields))
    }
}

#[cfg(test)]
#[path = "files_test.rs"]
mod tests;
