//! Looking into a data directory offline, damaged or not: what is wrong with it, and a reader
//! over everything that can still be read. Changes nothing and takes no lock, so no other
//! process may be writing.

use std::path::Path;
use std::sync::Arc;

use actors_store::{Snapshot, Version};
use node_env::Disk;

use crate::error::{OpenError, Problem};
use crate::index::RunSet;
use crate::manifest::{self, Manifest};
use crate::recovery::{self, Mode, Scanned};
use crate::run::{self, Damage, Run};
use crate::view::{View, ViewSnapshot};

/// What was found in a data directory.
pub struct Inspection {
    /// Everything that is not as it was written; empty for a sound directory. A torn tail of
    /// the log, which was never acknowledged, is none.
    pub problems: Vec<Problem>,
    /// Newest version that can be read.
    pub version: Version,
    /// Reader over everything that can be read, damaged parts left out; never too old. With
    /// problems it may lack acknowledged commits.
    pub reader: Arc<dyn Snapshot>,
    /// Length of the log segments and runs, in bytes.
    pub bytes: u64,
}

/// Reads and verifies a whole data directory. Costs a read of every file.
///
/// # Errors
/// [`OpenError`] when there is no manifest to start from, or it is damaged or of an unknown
/// format; [`OpenError::Disk`] when the directory cannot be read.
pub fn inspect(disk: &dyn Disk, directory: &Path) -> Result<Inspection, OpenError> {
    let manifest = manifest::read(disk, directory)?.ok_or_else(|| Problem {
        file: manifest::MANIFEST.to_owned(),
        offset: 0,
        version: 0,
        what: "the manifest is missing",
    })?;
    let mut problems = Vec::new();
    let runs = verified_runs(disk, directory, &manifest, &mut problems);
    let bytes = runs.bytes();
    let runs = Arc::new(runs);
    let scanned = match recovery::scan(disk, directory, &manifest, &runs, Mode::Strict) {
        Err(OpenError::Damaged(_)) => {
            recovery::scan(disk, directory, &manifest, &runs, Mode::Salvage)?
        }
        other => other?,
    };
    let Scanned { end, sealed, unused, problems: of_log, layers, .. } = scanned;
    problems.extend(of_log);
    let log_bytes: u64 = sealed.iter().chain(&unused).map(|segment| segment.length).sum();
    let version = end.version;
    let view = Arc::new(View { version, layers });
    let reader: Arc<dyn Snapshot> = Arc::new(ViewSnapshot::timeless(view));
    Ok(Inspection { problems, version, reader, bytes: bytes + log_bytes })
}

fn verified_runs(
    disk: &dyn Disk,
    directory: &Path,
    manifest: &Manifest,
    problems: &mut Vec<Problem>,
) -> RunSet {
    let version = manifest.base_version;
    let mut runs = Vec::new();
    for id in &manifest.runs {
        let mut note = |damage| {
            let (offset, what) = match damage {
                Damage::Disk(_) => (0, "the run is missing or cannot be read"),
                Damage::Bytes { offset, what } => (offset, what),
            };
            problems.push(Problem { file: run::file_name(*id), offset, version, what });
        };
        match Run::open(disk, directory, *id) {
            Ok(run) => {
                run.verify().into_iter().for_each(&mut note);
                runs.push(Arc::new(run));
            }
            Err(damage) => note(damage),
        }
    }
    RunSet::new(runs, true)
}
