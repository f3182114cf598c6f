//! Recovery: reads the log segments that the manifest names and follows the chain of records to
//! its end. A break is a torn tail only if no later record says that what is missing was
//! durable; otherwise acknowledged data is damaged and the store refuses to open (ACK-1).

use std::path::Path;
use std::sync::Arc;

use actors_store::{ReadError, Version};
use bytes::Bytes;
use node_env::{Disk, DiskError, OpenMode};

use crate::batch::Batch;
use crate::codec::to_usize;
use crate::error::{OpenError, Problem};
use crate::index::RunSet;
use crate::limits::{RECORD_ALIGNMENT_BYTES, RECOVERED_EXTRA_BYTES_MAX, RECOVERED_ROWS_MAX};
use crate::manifest::Manifest;
use crate::part::Part;
use crate::record::{self, Record};
use crate::segment::{self, SEGMENT_HEADER_BYTES, Sealed, Segment};
use crate::view::Layers;

/// What to do about damage of acknowledged data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Refuse.
    Strict,
    /// Note it and go on behind it.
    Salvage,
}

/// Last record of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LogEnd {
    pub(crate) sequence: u64,
    pub(crate) version: Version,
    pub(crate) crc: u32,
}

/// What recovery found.
#[derive(Default)]
pub(crate) struct Scanned {
    pub(crate) end: LogEnd,
    pub(crate) records: u64,
    pub(crate) sealed: Vec<Sealed>,
    /// Newest segments, without any record.
    pub(crate) unused: Vec<Sealed>,
    pub(crate) problems: Vec<Problem>,
    /// The runs, and above them what the log holds beyond them.
    pub(crate) layers: Layers,
}

/// Reads the log and lays above the runs what they do not hold yet.
pub(crate) fn scan(
    disk: &dyn Disk,
    directory: &Path,
    manifest: &Manifest,
    runs: &Arc<RunSet>,
    mode: Mode,
) -> Result<Scanned, OpenError> {
    let mut chain = Chain {
        manifest,
        layers: Layers { runs: Arc::clone(runs), ..Layers::default() },
        batch: Batch::default(),
        mode,
        end: LogEnd::default(),
        end_at: (manifest.lowest_segment, SEGMENT_HEADER_BYTES as u64),
        durable_sequence: manifest.base_sequence,
        scanned: Scanned::default(),
    };
    for number in manifest.lowest_segment..=manifest.highest_segment {
        match load(disk, directory, manifest, number) {
            Ok(bytes) => chain.follow(number, &bytes)?,
            Err(what) => {
                let file = segment::file_name(number);
                let problem = Problem { file, offset: 0, version: chain.end.version, what };
                chain.note(problem)?;
            }
        }
    }
    chain.finish()
}

/// Syncs the segments that hold records: after a killed process they may be in the system's
/// cache only, and from now on they count as durable.
pub(crate) fn make_durable(
    disk: &dyn Disk,
    directory: &Path,
    sealed: &[Sealed],
) -> Result<(), DiskError> {
    for sealed in sealed {
        let path = directory.join(segment::file_name(sealed.number));
        disk.open(&path, OpenMode::ReadWrite)?.sync_data()?;
    }
    Ok(())
}

/// Opens the unused segments again for writing.
pub(crate) fn reopen(
    disk: &dyn Disk,
    directory: &Path,
    unused: &[Sealed],
) -> Result<Vec<Segment>, DiskError> {
    let open = |sealed: &Sealed| {
        let path = directory.join(segment::file_name(sealed.number));
        let file = disk.open(&path, OpenMode::ReadWrite)?;
        Ok(Segment { number: sealed.number, length: sealed.length, file })
    };
    unused.iter().map(open).collect()
}

fn load(
    disk: &dyn Disk,
    directory: &Path,
    manifest: &Manifest,
    number: u64,
) -> Result<Bytes, &'static str> {
    let path = directory.join(segment::file_name(number));
    let read = || -> Result<Bytes, DiskError> {
        let file = disk.open(&path, OpenMode::Read)?;
        let mut buffer = vec![0; to_usize(file.length()?)];
        let read = file.read_at(0, &mut buffer)?;
        buffer.truncate(read);
        Ok(Bytes::from(buffer))
    };
    let bytes = match read() {
        Ok(bytes) => bytes,
        Err(DiskError::NotFound { .. }) => return Err("the log segment is missing"),
        Err(_unreadable) => return Err("the log segment cannot be read"),
    };
    match segment::parse_header(&bytes, manifest.store_id, number) {
        None => Err("the header of the log segment is damaged"),
        Some(length) if (bytes.len() as u64) < length => {
            Err("the log segment is shorter than it was made")
        }
        Some(_) => Ok(bytes),
    }
}

struct Chain<'a> {
    manifest: &'a Manifest,
    layers: Layers,
    /// Rows that are not in the layers yet.
    batch: Batch,
    mode: Mode,
    end: LogEnd,
    /// Segment and offset behind the last record of the chain.
    end_at: (u64, u64),
    /// Newest record that any record found says was durable.
    durable_sequence: u64,
    scanned: Scanned,
}

impl Chain<'_> {
    /// Follows the chain through one segment. Behind the break, if there is one, the rest is
    /// searched for records that tell what was durable.
    fn follow(&mut self, number: u64, segment: &Bytes) -> Result<(), OpenError> {
        let owner = (self.manifest.store_id, number);
        let length = segment.len() as u64;
        let mut found = Sealed { number, length, last_sequence: 0 };
        let mut any = false;
        let mut at = SEGMENT_HEADER_BYTES;
        let spare = usize::from(node_env::planted!("log-last-block-ignored"));
        while at + spare * RECORD_ALIGNMENT_BYTES < segment.len() {
            let Some(record) = record::parse(segment, at, owner) else {
                at += RECORD_ALIGNMENT_BYTES;
                continue;
            };
            let after = at + record.stored_bytes;
            if node_env::planted!("log-recovery-drops-last")
                && number == self.manifest.highest_segment
                && record::parse(segment, after, owner).is_none()
            {
                break;
            }
            any = true;
            self.durable_sequence = self.durable_sequence.max(record.header.durable_sequence);
            if self.continues(&record) || self.skips(&record)? {
                self.accept(&record, (number, at as u64))?;
                found.last_sequence = record.header.sequence;
                self.end_at = (number, (at + record.stored_bytes) as u64);
            }
            at += record.stored_bytes;
        }
        if any {
            self.scanned.sealed.append(&mut self.scanned.unused);
            self.scanned.sealed.push(found);
        } else {
            self.scanned.unused.push(found);
        }
        Ok(())
    }

    /// Whether the record is the next one of the chain, or the chain may start anew with it
    /// because all before it is in the runs.
    fn continues(&self, record: &Record) -> bool {
        let header = &record.header;
        let next = header.sequence == self.end.sequence + 1
            && header.previous_crc == self.end.crc
            && header.version >= self.end.version;
        let in_runs = header.sequence <= self.manifest.base_sequence + 1
            && header.sequence > self.end.sequence;
        next || in_runs
    }

    /// In salvage, whether to go on with this record although records before it are missing.
    fn skips(&mut self, record: &Record) -> Result<bool, OpenError> {
        if self.mode == Mode::Strict || record.header.sequence <= self.end.sequence {
            return Ok(false);
        }
        let problem = self.break_problem();
        self.note(problem)?;
        Ok(true)
    }

    fn accept(&mut self, record: &Record, at: (u64, u64)) -> Result<(), OpenError> {
        let header = &record.header;
        let version = header.version;
        self.end = LogEnd { sequence: header.sequence, version, crc: record.crc };
        if header.sequence <= self.manifest.base_sequence {
            return Ok(());
        }
        self.scanned.records += 1;
        let problem = |what| Problem {
            file: segment::file_name(at.0),
            offset: at.1,
            version: version.saturating_sub(1),
            what,
        };
        let Some(changes) = record.changes() else {
            return self.note(problem("a record makes no sense"));
        };
        let place = self.batch.take(&record.payload);
        for change in &changes {
            match self.batch.apply(version, place, change, &self.layers) {
                Ok(()) => {}
                Err(ReadError::Corrupt { .. }) => {
                    self.note(problem("a record changes a key whose stored value is damaged"))?;
                }
                Err(ReadError::TooOld | ReadError::Stopped { .. } | ReadError::Failed { .. }) => {
                    self.note(problem("a record changes a key that cannot be read"))?;
                }
            }
        }
        let many = self.batch.len() >= RECOVERED_ROWS_MAX
            || self.batch.extra_bytes() >= RECOVERED_EXTRA_BYTES_MAX;
        if many {
            self.seal();
        }
        Ok(())
    }

    /// Makes a part of the rows gathered so far. What they replaced nobody can see any more.
    fn seal(&mut self) {
        let (part, _) = std::mem::take(&mut self.batch).finish(0);
        let (version, sequence) = (self.end.version, self.end.sequence);
        let layers = &mut self.layers;
        layers.active = Arc::new(layers.active.with(&Arc::new(part), version, sequence));
        while let Some(group) = layers.active.to_merge() {
            let merged = Arc::new(Part::merged(group, Version::MAX));
            let Some(changed) = layers.active.replaced(group, merged) else { break };
            layers.active = Arc::new(changed);
        }
    }

    fn break_problem(&self) -> Problem {
        Problem {
            file: segment::file_name(self.end_at.0),
            offset: self.end_at.1,
            version: self.end.version.max(self.manifest.base_version),
            what: "an acknowledged record is damaged or missing",
        }
    }

    fn note(&mut self, problem: Problem) -> Result<(), OpenError> {
        match self.mode {
            Mode::Strict => Err(problem.into()),
            Mode::Salvage => {
                self.scanned.problems.push(problem);
                Ok(())
            }
        }
    }

    fn finish(mut self) -> Result<Scanned, OpenError> {
        if self.end.sequence > self.manifest.base_sequence {
            self.seal();
        }
        if self.end.sequence < self.manifest.base_sequence {
            let (sequence, mut version) = (self.manifest.base_sequence, self.manifest.base_version);
            if node_env::planted!("version-forgotten-at-checkpoint") {
                version = 0;
            }
            self.end = LogEnd { sequence, version, crc: 0 };
        }
        let lost = self.durable_sequence > self.end.sequence;
        if lost && !node_env::planted!("log-damage-taken-for-end") {
            let problem = self.break_problem();
            self.note(problem)?;
        }
        self.scanned.end = self.end;
        self.scanned.layers = self.layers;
        Ok(self.scanned)
    }
}
