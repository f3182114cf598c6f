//! The directory of a node: opened once, locked while the node lives. It ties the files together;
//! what is in them is said in `files`, `log` and `snapshot_file`.

use std::path::Path;
use std::sync::{Arc, Mutex};

use node_env::{DirectoryLock, Disk, OpenMode, Rng};

use crate::config::Options;
use crate::error::StartError;
use crate::files::{Identity, VOTE_FILE, VoteFile, damaged};
use crate::log::{self, Log};
use crate::records::Ballot;
use crate::snapshot_file::{SnapshotFile, Stored};

/// Everything that the directory holds.
pub(crate) struct Storage {
    pub(crate) identity: Identity,
    pub(crate) log: Log,
    pub(crate) vote: VoteFile,
    pub(crate) ballot: Ballot,
    pub(crate) snapshot_file: SnapshotFile,
    pub(crate) snapshot: Option<Stored>,
    pub(crate) lock: Box<dyn DirectoryLock>,
}

/// Shared with the disk thread.
pub(crate) type SharedLog = Arc<Mutex<Log>>;
pub(crate) type SharedVote = Arc<Mutex<VoteFile>>;

impl Storage {
    /// Opens the directory, or makes it when it is new.
    pub(crate) fn open(
        disk: &Arc<dyn Disk>,
        rng: &dyn Rng,
        options: &Options,
    ) -> Result<Self, StartError> {
        let directory = options.directory.as_path();
        disk.create_dir(directory)?;
        let lock = disk.lock_dir(directory)?;
        let identity = match Identity::read(disk.as_ref(), directory)? {
            Some(identity) => identity,
            None => create(disk, rng, options)?,
        };
        check_identity(&identity, options)?;
        let (vote, ballot) = VoteFile::open(disk.as_ref(), directory)?;
        let segment_bytes = options.config.segment_bytes;
        let log = Log::open(disk, directory, identity.log_id, segment_bytes)?;
        let snapshot_file = SnapshotFile::new(Arc::clone(disk), directory);
        let snapshot = snapshot_file.read()?;
        check_covered(&log, snapshot.as_ref())?;
        Ok(Self { identity, log, vote, ballot, snapshot_file, snapshot, lock })
    }
}

/// Makes the files of a new node; the identity last, so that it stands for all of them.
fn create(disk: &Arc<dyn Disk>, rng: &dyn Rng, options: &Options) -> Result<Identity, StartError> {
    let directory = options.directory.as_path();
    check_unused(disk.as_ref(), directory)?;
    let identity = Identity::draw(options, rng);
    VoteFile::create(disk.as_ref(), directory)?;
    log::create(disk, directory, identity.log_id)?;
    disk.sync_dir(directory)?;
    identity.write(disk.as_ref(), directory)?;
    Ok(identity)
}

/// A directory without identity may hold what an interrupted creation left behind, and nothing
/// that was ever used.
fn check_unused(disk: &dyn Disk, directory: &Path) -> Result<(), StartError> {
    let used = "the identity of the directory is missing, but it has been in use";
    for name in disk.list(directory)? {
        let path = directory.join(&name);
        let is_log = log::segment_number(&name).is_some();
        if name == crate::snapshot_file::SNAPSHOT_FILE || log::segment_number(&name) > Some(0) {
            return Err(damaged(crate::files::IDENTITY_FILE, used));
        }
        let length = disk.open(&path, OpenMode::Read)?.length()?;
        if is_log && length > log::EMPTY_BYTES {
            return Err(damaged(crate::files::IDENTITY_FILE, used));
        }
        let voted = name == VOTE_FILE
            && VoteFile::open(disk, directory).is_ok_and(|(_, vote)| vote != Ballot::default());
        if voted {
            return Err(damaged(crate::files::IDENTITY_FILE, used));
        }
    }
    Ok(())
}

fn check_identity(identity: &Identity, options: &Options) -> Result<(), StartError> {
    if identity.cluster == options.cluster && identity.node == options.node {
        return Ok(());
    }
    let named = |cluster: &crate::config::ClusterId, node| {
        let bytes = crate::config::Incarnation(cluster.0);
        format!("node {node} of cluster {bytes}")
    };
    Err(StartError::WrongDirectory {
        found: named(&identity.cluster, identity.node),
        wanted: named(&options.cluster, options.node),
    })
}

/// What was purged from the log has to be in the snapshot.
fn check_covered(log: &Log, snapshot: Option<&Stored>) -> Result<(), StartError> {
    let held = snapshot.and_then(|stored| stored.record.last).map(|last| last.index);
    let purged = log.purged().map(|purged| purged.index);
    if purged <= held {
        return Ok(());
    }
    let what = "the snapshot lacks entries that the log gave up";
    Err(damaged(crate::snapshot_file::SNAPSHOT_FILE, what))
}
