//! State of the faked disk: what programs see, what is durable, and what happens to the
//! difference when the power goes. The lock around it and the traits are in `disk`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{DiskError, DiskOperation};
use crate::fake::SeededRng;
use crate::rng::Rng;

/// Smallest piece that a torn write keeps or loses as a whole, in bytes.
const SECTOR_BYTES: usize = 512;

/// A failure to inject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// EIO. After a failed sync some of the unsynced data is lost although it is still readable
    /// until the power goes.
    Io,
    /// ENOSPC, after a part of the data was written.
    NoSpace,
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

#[derive(Debug, Clone, Default)]
pub(super) struct FileState {
    live: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug, Clone)]
enum NameChange {
    Link { path: PathBuf, file: u64 },
    Unlink { path: PathBuf },
    Rename { from: PathBuf, to: PathBuf },
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) rng: SeededRng,
    pub(super) files: BTreeMap<u64, FileState>,
    pub(super) names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    pending_names: Vec<NameChange>,
    pub(super) directories: BTreeSet<PathBuf>,
    pub(super) locks: BTreeSet<PathBuf>,
    next_file: u64,
    pub(super) incarnation: u64,
    pub(super) operations: u64,
    pub(super) syncs: u64,
    pub(super) powered: bool,
    pub(super) halted: bool,
    pub(super) cut_at: Option<u64>,
    pub(super) faults: Vec<(DiskOperation, u64, Fault)>,
    pub(super) capacity_bytes: Option<usize>,
    pub(super) read_only: bool,
    pub(super) garbage: bool,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: SeededRng::new(seed),
            files: BTreeMap::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending_names: Vec::new(),
            directories: BTreeSet::new(),
            locks: BTreeSet::new(),
            next_file: 0,
            incarnation: 0,
            operations: 0,
            syncs: 0,
            powered: true,
            halted: false,
            cut_at: None,
            faults: Vec::new(),
            capacity_bytes: None,
            read_only: false,
            garbage: false,
        }
    }

    /// The same contents on another disk, with no locks, faults or power trouble.
    pub(super) fn fork(&self, seed: u64) -> Self {
        let mut copy = Self::new(seed);
        copy.files.clone_from(&self.files);
        copy.names.clone_from(&self.names);
        copy.durable_names.clone_from(&self.durable_names);
        copy.pending_names.clone_from(&self.pending_names);
        copy.directories.clone_from(&self.directories);
        copy.next_file = self.next_file;
        copy
    }

    /// Counts one changing operation and decides whether the power goes during it or a fault
    /// was asked for. `Ok(false)` means that the power goes now: do it, then answer an error.
    pub(super) fn begin(
        &mut self,
        operation: DiskOperation,
        path: &Path,
    ) -> Result<bool, (DiskError, Option<Fault>)> {
        self.check_power(operation, path).map_err(|error| (error, None))?;
        let reads = operation == DiskOperation::Read || operation == DiskOperation::List;
        if self.read_only && !reads {
            return Err((DiskError::Permission { path: path.to_path_buf() }, None));
        }
        if let Some(fault) = self.take_fault(operation) {
            let path = path.to_path_buf();
            let error = match fault {
                Fault::NoSpace => DiskError::NoSpace { path },
                Fault::Io => DiskError::Io { operation, path, kind: io::ErrorKind::Other },
            };
            return Err((error, Some(fault)));
        }
        if reads {
            return Ok(true);
        }
        self.operations += 1;
        if self.cut_at.is_some_and(|at| self.operations >= at) {
            self.powered = false;
            return Ok(false);
        }
        Ok(true)
    }

    pub(super) fn check_power(
        &self,
        operation: DiskOperation,
        path: &Path,
    ) -> Result<(), DiskError> {
        if self.powered && !self.halted { Ok(()) } else { Err(power_error(operation, path)) }
    }

    fn take_fault(&mut self, operation: DiskOperation) -> Option<Fault> {
        let mut taken = None;
        self.faults.retain_mut(|(on, countdown, fault)| {
            if *on != operation || taken.is_some() {
                return true;
            }
            if *countdown == 0 {
                taken = Some(*fault);
                return false;
            }
            *countdown -= 1;
            true
        });
        taken
    }

    pub(super) fn create(&mut self, path: &Path) -> u64 {
        let file = self.next_file;
        self.next_file += 1;
        self.files.insert(file, FileState::default());
        self.names.insert(path.to_path_buf(), file);
        self.pending_names.push(NameChange::Link { path: path.to_path_buf(), file });
        file
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> bool {
        let Some(file) = self.names.remove(from) else { return false };
        self.names.insert(to.to_path_buf(), file);
        let (from, to) = (from.to_path_buf(), to.to_path_buf());
        self.pending_names.push(NameChange::Rename { from, to });
        true
    }

    pub(super) fn remove(&mut self, path: &Path) -> bool {
        self.pending_names.push(NameChange::Unlink { path: path.to_path_buf() });
        self.names.remove(path).is_some()
    }

    pub(super) fn sync_dir(&mut self) {
        for change in std::mem::take(&mut self.pending_names) {
            self.apply_name(change);
        }
    }

    fn apply_name(&mut self, change: NameChange) {
        match change {
            NameChange::Link { path, file } => {
                self.durable_names.insert(path, file);
            }
            NameChange::Unlink { path } => {
                self.durable_names.remove(&path);
            }
            NameChange::Rename { from, to } => {
                if let Some(file) = self.durable_names.remove(&from) {
                    self.durable_names.insert(to, file);
                }
            }
        }
    }

    pub(super) fn live_bytes(&self) -> usize {
        self.names.values().filter_map(|file| self.files.get(file)).map(|f| f.live.len()).sum()
    }

    /// How many more bytes fit.
    pub(super) fn space_left(&self) -> usize {
        self.capacity_bytes.map_or(usize::MAX, |most| most.saturating_sub(self.live_bytes()))
    }

    /// Contents of a file, which must exist.
    pub(super) fn file(&mut self, file: u64) -> &mut FileState {
        self.files.entry(file).or_default()
    }

    pub(super) fn sync(&mut self, file: u64) {
        self.syncs += 1;
        self.file(file).sync();
    }

    /// A sync that failed: some of the data is durable, the rest is lost, nothing is pending.
    pub(super) fn fail_sync(&mut self, file: u64) {
        let Self { rng, files, garbage, .. } = self;
        if let Some(state) = files.get_mut(&file) {
            state.lose_power(rng, *garbage);
        }
    }

    /// Decides what survived, makes that the contents, and turns the power on again.
    pub(super) fn restart(&mut self) {
        let Self { rng, files, garbage, .. } = self;
        for state in files.values_mut() {
            state.lose_power(rng, *garbage);
            state.live.clone_from(&state.durable);
        }
        let pending = std::mem::take(&mut self.pending_names);
        let kept = self.rng.below(pending.len() as u64 + 1);
        for change in pending.into_iter().take(usize::try_from(kept).unwrap_or(0)) {
            self.apply_name(change);
        }
        self.names.clone_from(&self.durable_names);
        let Self { files, names, .. } = self;
        let named: BTreeSet<u64> = names.values().copied().collect();
        files.retain(|file, _| named.contains(file));
        self.faults.clear();
        self.powered = true;
        self.restart_process();
    }

    /// Nothing is lost, but no file is open and no lock is held.
    pub(super) fn restart_process(&mut self) {
        self.locks.clear();
        self.cut_at = None;
        self.incarnation += 1;
        self.halted = false;
    }
}

pub(super) fn power_error(operation: DiskOperation, path: &Path) -> DiskError {
    DiskError::Io { operation, path: path.to_path_buf(), kind: io::ErrorKind::BrokenPipe }
}

impl FileState {
    pub(super) fn live(&self) -> &[u8] {
        &self.live
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        overwrite(&mut self.live, offset, bytes);
        self.pending.push(Change::Write { offset, bytes: bytes.to_vec() });
    }

    pub(super) fn set_length(&mut self, length: usize) {
        self.live.resize(length, 0);
        self.pending.push(Change::Length(length));
    }

    /// Changes a byte on the medium itself, as rot does.
    pub(super) fn damage(&mut self, offset: usize, change: impl Fn(u8) -> u8) {
        for contents in [&mut self.live, &mut self.durable] {
            if let Some(byte) = contents.get_mut(offset) {
                *byte = change(*byte);
            }
        }
    }

    fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            match change {
                Change::Write { offset, bytes } => overwrite(&mut self.durable, offset, &bytes),
                Change::Length(length) => self.durable.resize(length, 0),
            }
        }
    }

    /// Each unsynced change is kept, lost or torn, independently of the others (the disk may
    /// reorder); sometimes all or none of them survive.
    fn lose_power(&mut self, rng: &SeededRng, garbage: bool) {
        let mood = rng.below(4);
        if mood == 0 {
            self.pending.clear();
        } else if mood == 1 {
            self.sync();
        }
        for change in std::mem::take(&mut self.pending) {
            match (change, rng.below(3)) {
                (_, 0) => {}
                (Change::Length(length), _) => self.durable.resize(length, 0),
                (Change::Write { offset, bytes }, 1) => {
                    overwrite(&mut self.durable, offset, &bytes);
                }
                (Change::Write { offset, bytes }, _) => self.tear(rng, garbage, offset, &bytes),
            }
        }
    }

    fn tear(&mut self, rng: &SeededRng, garbage: bool, offset: usize, bytes: &[u8]) {
        let mut position = 0;
        while position < bytes.len() {
            let in_sector = SECTOR_BYTES - (offset + position) % SECTOR_BYTES;
            let end = bytes.len().min(position + in_sector);
            match rng.below(8) {
                0..=3 => overwrite(&mut self.durable, offset + position, &bytes[position..end]),
                4 if garbage => {
                    let mut noise = vec![0; end - position];
                    rng.fill(&mut noise);
                    overwrite(&mut self.durable, offset + position, &noise);
                }
                _lost => {}
            }
            position = end;
        }
    }
}

fn overwrite(contents: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if contents.len() < end {
        contents.resize(end, 0);
    }
    contents[offset..end].copy_from_slice(bytes);
}
