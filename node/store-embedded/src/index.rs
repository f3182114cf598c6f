//! The index: the runs that together hold what the log made durable, newest first. Writes a new
//! run at a checkpoint and merges runs of similar size; both become visible by the manifest.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use actors_store::{KeyRange, ReadError};
use bytes::Bytes;
use node_env::{Disk, DiskError};

use crate::limits::RUNS_MERGED;
use crate::manifest::Catalog;
use crate::merge::{Direction, Merge, Source};
use crate::overlay::similar;
use crate::row::Wanted;
use crate::run::{Damage, Run, WriteError, file_name, write_run};

/// The runs of one moment; readers keep theirs while newer ones appear.
#[derive(Clone, Default)]
pub(crate) struct RunSet {
    runs: Vec<Arc<Run>>,
    /// Leave damaged blocks out instead of failing; for salvage only.
    lenient: bool,
}

impl RunSet {
    pub(crate) fn new(runs: Vec<Arc<Run>>, lenient: bool) -> Self {
        Self { runs, lenient }
    }

    /// Newest entry of a key; the inner `None` is a cleared key.
    pub(crate) fn get(&self, wanted: &Wanted<'_>) -> Result<Option<Option<Bytes>>, ReadError> {
        for run in &self.runs {
            match run.get(wanted) {
                Ok(None) => {}
                Ok(Some(found)) => return Ok(Some(found)),
                Err(_damage) if self.lenient => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Adds one source per run for a range, newest first.
    pub(crate) fn sources<'a>(
        &'a self,
        range: &'a KeyRange,
        direction: Direction,
        sources: &mut Vec<Source<'a>>,
    ) -> Result<(), ReadError> {
        for run in &self.runs {
            sources.push(Source::Run(run.cursor(range, direction, self.lenient)?));
        }
        Ok(())
    }

    /// Number of runs.
    pub(crate) fn len(&self) -> usize {
        self.runs.len()
    }

    /// Length of all files, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.runs.iter().map(|run| run.bytes).sum()
    }

    /// Positions of runs of similar size that should become one, if there are enough of them.
    fn to_merge(&self) -> Option<std::ops::Range<usize>> {
        let sizes: Vec<u64> = self.runs.iter().map(|run| run.count).collect();
        similar(&sizes, RUNS_MERGED)
    }
}

/// Writes and replaces runs. One thread at a time.
pub(crate) struct Index {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    catalog: Arc<Catalog>,
}

fn opened(run: Result<Run, Damage>) -> Result<Arc<Run>, WriteError> {
    match run {
        Ok(run) => Ok(Arc::new(run)),
        Err(Damage::Disk(error)) => Err(error.into()),
        Err(Damage::Bytes { offset, what }) => {
            let place = format!("new run at offset {offset}: {what}");
            Err(ReadError::Corrupt { place }.into())
        }
    }
}

impl Index {
    pub(crate) fn new(disk: Arc<dyn Disk>, directory: &Path, catalog: Arc<Catalog>) -> Self {
        Self { disk, directory: directory.to_path_buf(), catalog }
    }

    /// Writes entries as the newest run and makes them part of the store, up to this version
    /// and log record; log segments below `lowest_segment` are no longer needed then.
    pub(crate) fn add(
        &self,
        runs: &RunSet,
        entries: &mut Merge<'_>,
        (version, sequence): (u64, u64),
        lowest_segment: u64,
    ) -> Result<RunSet, WriteError> {
        let id = self.catalog.get().next_run;
        let mut changed = runs.clone();
        if self.write(id, entries, runs.len() > 0)?.is_some() {
            changed.runs.insert(0, opened(Run::open(self.disk.as_ref(), &self.directory, id))?);
        }
        let ids: Vec<u64> = changed.runs.iter().map(|run| run.id).collect();
        self.catalog.update(|manifest| {
            manifest.base_version = version;
            manifest.base_sequence = sequence;
            manifest.next_run = id + 1;
            manifest.runs = ids;
            manifest.lowest_segment = lowest_segment;
        })?;
        Ok(changed)
    }

    fn write(
        &self,
        id: u64,
        entries: &mut Merge<'_>,
        keep_cleared: bool,
    ) -> Result<Option<u64>, WriteError> {
        let disk = self.disk.as_ref();
        let written = write_run(disk, &self.directory, id, entries, keep_cleared);
        match &written {
            Ok(Some(_)) => self.disk.sync_dir(&self.directory)?,
            Ok(None) => {}
            Err(_) => {
                let _removed = self.disk.remove(&self.directory.join(file_name(id)));
            }
        }
        written
    }

    /// Merges runs of similar size, if there are enough; nothing when there are not. Files that
    /// are replaced are removed; readers that hold them can go on.
    pub(crate) fn compact(&self, runs: &RunSet) -> Result<Option<RunSet>, WriteError> {
        let Some(positions) = runs.to_merge() else { return Ok(None) };
        let reaches_oldest = positions.end == runs.runs.len();
        let merged = &runs.runs[positions.clone()];
        let all = KeyRange::prefix(b"");
        let mut sources = Vec::new();
        for run in merged {
            sources.push(Source::Run(run.cursor(&all, Direction::Forward, false)?));
        }
        let mut entries = Merge::new(sources, Direction::Forward);
        let id = self.catalog.get().next_run;
        let keep = !reaches_oldest && !node_env::planted!("compaction-drops-clears");
        let written = self.write(id, &mut entries, keep)?;
        let mut changed = runs.clone();
        let mut replacement = Vec::new();
        if written.is_some() {
            replacement.push(opened(Run::open(self.disk.as_ref(), &self.directory, id))?);
        }
        changed.runs.splice(positions, replacement);
        let ids: Vec<u64> = changed.runs.iter().map(|run| run.id).collect();
        self.catalog.update(|manifest| {
            manifest.next_run = id + 1;
            manifest.runs = ids;
        })?;
        for run in merged {
            self.remove(run.id)?;
        }
        Ok(Some(changed))
    }

    fn remove(&self, id: u64) -> Result<(), DiskError> {
        self.disk.remove(&self.directory.join(file_name(id)))
    }
}
