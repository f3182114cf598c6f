//! A disk in memory: seeded, with a power switch, limited space and failures at chosen
//! operations. What survives a power cut is only what was synced, plus a random part of the
//! rest, in any order. Slowness is not modelled.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{DirectoryLock, Disk, DiskError, DiskFile, DiskOperation, OpenMode};
use crate::fake::world::{Fault, World, power_error};

/// The faked disk; clones are the same disk.
#[derive(Debug, Clone)]
pub struct FakeDisk {
    world: Arc<Mutex<World>>,
}

impl FakeDisk {
    /// An empty disk whose misfortunes depend on the seed alone.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { world: Arc::new(Mutex::new(World::new(seed))) }
    }

    /// Another disk with the same contents, without locks and pending faults.
    #[must_use]
    pub fn fork(&self, seed: u64) -> Self {
        Self { world: Arc::new(Mutex::new(self.world().fork(seed))) }
    }

    /// Turns the power off now. Every operation fails until [`FakeDisk::restart`].
    pub fn cut_power(&self) {
        self.world().powered = false;
    }

    /// Turns the power off during the `count`-th changing operation from now (1 is the next).
    pub fn cut_power_after(&self, count: u64) {
        let mut world = self.world();
        world.cut_at = Some(world.operations + count);
    }

    /// Whether the power is on.
    #[must_use]
    pub fn is_powered(&self) -> bool {
        self.world().powered
    }

    /// Loses what was not durable (some of it, as a real disk does) and turns the power on.
    /// Files that were open stay unusable, locks are gone.
    pub fn restart(&self) {
        self.world().restart();
    }

    /// Ends the process that uses the disk, as kill -9 does: every operation of it fails from now
    /// on, and what it wrote stays. [`FakeDisk::restart_process`] lets the next one use it.
    pub fn halt(&self) {
        self.world().halted = true;
    }

    /// Lets a new process use the disk: files that were open stay unusable, locks are gone, what
    /// was written is there, synced or not.
    pub fn restart_process(&self) {
        self.world().restart_process();
    }

    /// Forgets faults that were asked for and did not come yet, and lifts limits.
    pub fn clear_faults(&self) {
        let mut world = self.world();
        world.faults.clear();
        world.cut_at = None;
        world.capacity_bytes = None;
        world.read_only = false;
    }

    /// Makes an operation of this kind fail, after `after` more of them succeeded.
    pub fn inject(&self, operation: DiskOperation, after: u64, fault: Fault) {
        self.world().faults.push((operation, after, fault));
    }

    /// Limits the sum of all file lengths, or lifts the limit.
    pub fn set_capacity_bytes(&self, capacity_bytes: Option<usize>) {
        self.world().capacity_bytes = capacity_bytes;
    }

    /// Sum of all file lengths.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.world().live_bytes()
    }

    /// Makes every changing operation fail with `Permission`, or possible again.
    pub fn set_read_only(&self, read_only: bool) {
        self.world().read_only = read_only;
    }

    /// Lets a power cut fill sectors that were being written with garbage, as cheap drives do.
    pub fn set_garbage(&self, garbage: bool) {
        self.world().garbage = garbage;
    }

    /// Changing operations so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.world().operations
    }

    /// Successful `sync_data` calls so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.world().syncs
    }

    /// Flips one bit of a file on the medium; nothing happens beyond its end.
    pub fn flip_bit(&self, path: &Path, offset: usize, bit: u8) {
        let mut world = self.world();
        if let Some(&file) = world.names.get(path) {
            world.file(file).damage(offset, |byte| byte ^ (1 << (bit % 8)));
        }
    }

    /// Overwrites a part of a file on the medium; nothing happens beyond its end.
    pub fn damage(&self, path: &Path, offset: usize, bytes: &[u8]) {
        let mut world = self.world();
        if let Some(&file) = world.names.get(path) {
            for (position, &byte) in bytes.iter().enumerate() {
                world.file(file).damage(offset + position, |_| byte);
            }
        }
    }

    /// Contents of a file as programs see them, or nothing when it does not exist.
    #[must_use]
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let mut world = self.world();
        let file = *world.names.get(path)?;
        Some(world.file(file).live().to_vec())
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a changing operation of names, with faults and power cuts.
    fn change<T>(
        &self,
        operation: DiskOperation,
        path: &Path,
        change: impl FnOnce(&mut World) -> Result<T, DiskError>,
    ) -> Result<T, DiskError> {
        let mut world = self.world();
        let survives = world.begin(operation, path).map_err(|(error, _)| error)?;
        let changed = change(&mut world)?;
        if survives { Ok(changed) } else { Err(power_error(operation, path)) }
    }
}

struct FakeFile {
    disk: FakeDisk,
    path: PathBuf,
    file: u64,
    incarnation: u64,
    writable: bool,
}

impl FakeFile {
    fn world(&self, operation: DiskOperation) -> Result<MutexGuard<'_, World>, DiskError> {
        let world = self.disk.world();
        if world.incarnation != self.incarnation {
            return Err(power_error(operation, &self.path));
        }
        let reads = operation == DiskOperation::Read || operation == DiskOperation::SyncData;
        if !self.writable && !reads {
            return Err(DiskError::Permission { path: self.path.clone() });
        }
        Ok(world)
    }

    fn no_space(&self) -> DiskError {
        DiskError::NoSpace { path: self.path.clone() }
    }

    fn grow(&self, operation: DiskOperation, length: u64) -> Result<(), DiskError> {
        let mut world = self.world(operation)?;
        let survives = world.begin(operation, &self.path).map_err(|(error, _)| error)?;
        let length = position(length);
        let space = world.space_left();
        let state = world.file(self.file);
        if length.saturating_sub(state.live().len()) > space {
            return Err(self.no_space());
        }
        if operation == DiskOperation::Truncate || length > state.live().len() {
            state.set_length(length);
        }
        if survives { Ok(()) } else { Err(power_error(operation, &self.path)) }
    }
}

/// Offsets of this disk fit the memory of the machine.
fn position(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

impl DiskFile for FakeFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, DiskError> {
        let mut world = self.world(DiskOperation::Read)?;
        world.begin(DiskOperation::Read, &self.path).map_err(|(error, _)| error)?;
        let live = world.file(self.file).live();
        let begin = position(offset).min(live.len());
        let count = buffer.len().min(live.len() - begin);
        buffer[..count].copy_from_slice(&live[begin..begin + count]);
        Ok(count)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let mut world = self.world(DiskOperation::Write)?;
        let offset = position(offset);
        let survives = match world.begin(DiskOperation::Write, &self.path) {
            Ok(survives) => survives,
            Err((error, fault)) => {
                if fault.is_some() {
                    let part = bytes.len() / 2;
                    world.file(self.file).write(offset, &bytes[..part]);
                }
                return Err(error);
            }
        };
        let space = world.space_left();
        let state = world.file(self.file);
        let fits = state.live().len().saturating_add(space).saturating_sub(offset);
        state.write(offset, &bytes[..bytes.len().min(fits)]);
        if !survives {
            return Err(power_error(DiskOperation::Write, &self.path));
        }
        if fits < bytes.len() { Err(self.no_space()) } else { Ok(()) }
    }

    fn allocate(&self, length: u64) -> Result<(), DiskError> {
        self.grow(DiskOperation::Allocate, length)
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        let mut world = self.world(DiskOperation::SyncData)?;
        match world.begin(DiskOperation::SyncData, &self.path) {
            Ok(true) => {
                world.sync(self.file);
                Ok(())
            }
            Ok(false) => {
                world.fail_sync(self.file);
                Err(power_error(DiskOperation::SyncData, &self.path))
            }
            Err((error, fault)) => {
                if fault.is_some() {
                    world.fail_sync(self.file);
                }
                Err(error)
            }
        }
    }

    fn length(&self) -> Result<u64, DiskError> {
        let mut world = self.world(DiskOperation::Read)?;
        world.check_power(DiskOperation::Read, &self.path)?;
        Ok(world.file(self.file).live().len() as u64)
    }

    fn truncate(&self, length: u64) -> Result<(), DiskError> {
        self.grow(DiskOperation::Truncate, length)
    }
}

struct FakeLock {
    disk: FakeDisk,
    directory: PathBuf,
    incarnation: u64,
}

impl DirectoryLock for FakeLock {}

impl Drop for FakeLock {
    fn drop(&mut self) {
        let mut world = self.disk.world();
        if world.incarnation == self.incarnation {
            world.locks.remove(&self.directory);
        }
    }
}

impl Disk for FakeDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn DiskFile>, DiskError> {
        let mut world = self.world();
        world.check_power(DiskOperation::Open, path)?;
        let existing = world.names.get(path).copied();
        let writable = mode != OpenMode::Read;
        if writable && world.read_only {
            return Err(DiskError::Permission { path: path.to_path_buf() });
        }
        let create = mode == OpenMode::CreateNew || mode == OpenMode::CreateOrOpen;
        let file = match existing {
            Some(_) if mode == OpenMode::CreateNew => {
                return Err(DiskError::AlreadyExists { path: path.to_path_buf() });
            }
            Some(file) => file,
            None if create => {
                let survives =
                    world.begin(DiskOperation::Open, path).map_err(|(error, _)| error)?;
                let file = world.create(path);
                if !survives {
                    return Err(power_error(DiskOperation::Open, path));
                }
                file
            }
            None => return Err(DiskError::NotFound { path: path.to_path_buf() }),
        };
        let incarnation = world.incarnation;
        drop(world);
        let path = path.to_path_buf();
        Ok(Arc::new(FakeFile { disk: self.clone(), path, file, incarnation, writable }))
    }

    fn list(&self, directory: &Path) -> Result<Vec<String>, DiskError> {
        let mut world = self.world();
        world.begin(DiskOperation::List, directory).map_err(|(error, _)| error)?;
        if !world.directories.contains(directory) {
            return Err(DiskError::NotFound { path: directory.to_path_buf() });
        }
        let inside = world.names.keys().filter(|path| path.parent() == Some(directory));
        let names = inside.filter_map(|path| path.file_name());
        Ok(names.map(|name| name.to_string_lossy().into_owned()).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        self.change(DiskOperation::Rename, from, |world| {
            let renamed = world.rename(from, to);
            if renamed { Ok(()) } else { Err(DiskError::NotFound { path: from.to_path_buf() }) }
        })
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        self.change(DiskOperation::Remove, path, |world| {
            let removed = world.remove(path);
            if removed { Ok(()) } else { Err(DiskError::NotFound { path: path.to_path_buf() }) }
        })
    }

    fn sync_dir(&self, directory: &Path) -> Result<(), DiskError> {
        self.change(DiskOperation::SyncDir, directory, |world| {
            if world.powered {
                world.sync_dir();
            }
            Ok(())
        })
    }

    fn create_dir(&self, directory: &Path) -> Result<(), DiskError> {
        if self.world().directories.contains(directory) {
            return Ok(());
        }
        self.change(DiskOperation::CreateDir, directory, |world| {
            let parents = directory.ancestors().map(Path::to_path_buf);
            world.directories.extend(parents);
            Ok(())
        })
    }

    fn lock_dir(&self, directory: &Path) -> Result<Box<dyn DirectoryLock>, DiskError> {
        let mut world = self.world();
        world.check_power(DiskOperation::Lock, directory)?;
        if world.read_only {
            return Err(DiskError::Permission { path: directory.to_path_buf() });
        }
        if !world.directories.contains(directory) {
            return Err(DiskError::NotFound { path: directory.to_path_buf() });
        }
        if !world.locks.insert(directory.to_path_buf()) {
            return Err(DiskError::Locked { path: directory.to_path_buf() });
        }
        let incarnation = world.incarnation;
        drop(world);
        let directory = directory.to_path_buf();
        Ok(Box::new(FakeLock { disk: self.clone(), directory, incarnation }))
    }
}
