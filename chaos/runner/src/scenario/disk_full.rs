//! The disk fills up under load and gets space again: refusals instead of loss, reads go on, work
//! resumes. Needs root (a small tmpfs).

use super::{Outcome, verify_audit};
use crate::arguments::Run;
use crate::http;
use crate::process::{self, NodeProcess, now, pause};
use crate::workload::{self, Progress};
use anyhow::{Context, Result, anyhow, ensure};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const DISK_MEGABYTES: u64 = 160;

/// A small file system in memory, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(folder: &Path) -> Result<Self> {
        let size = format!("size={DISK_MEGABYTES}m");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "medulla-chaos"])
            .arg(folder)
            .status()?;
        ensure!(mount.success(), "mount failed: the scenario needs root");
        Ok(Self(folder.to_path_buf()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if !Command::new("umount").arg("-l").arg(&self.0).status().is_ok_and(|s| s.success()) {
            eprintln!("{} is still mounted", self.0.display());
        }
    }
}

pub(crate) fn run(run: &Run) -> Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let disk = SmallDisk::mount(folder.path())?;
    let data = disk.0.join("data");
    let mut node = NodeProcess::new(process::binary(run.binary.as_deref())?, &data, Vec::new())?;
    node.start()?;
    node.wait_ready()?;
    let progress = Arc::new(Progress::default());
    let clients = workload::start(run.clients, &[node.mllp], &progress);
    let mut outcome = Outcome { scenario: "disk-full", ..Outcome::default() };
    wait_for(|| progress.acknowledged.load(Ordering::Relaxed) > 200).context("no load")?;
    let ballast = disk.0.join("ballast");
    let refused_before = progress.refused.load(Ordering::Relaxed);
    fill(&ballast)?;
    outcome.faults = 1;
    let is_refusing = || progress.refused.load(Ordering::Relaxed) > refused_before;
    if wait_for(is_refusing).is_err() {
        outcome.violations.push("a full disk refused nothing".to_owned());
    }
    if !node.is_running()? {
        outcome.violations.push("the node ended when the disk was full".to_owned());
    } else if http::get(node.http, "/health").map_or(0, |response| response.status) != 200 {
        outcome.violations.push("the node is not healthy on a full disk".to_owned());
    }
    std::fs::remove_file(&ballast)?;
    let freed = now();
    let acknowledged_full = progress.acknowledged.load(Ordering::Relaxed);
    let resumes = || progress.acknowledged.load(Ordering::Relaxed) > acknowledged_full + 200;
    if wait_for(resumes).is_err() {
        outcome.violations.push("work did not resume when space returned".to_owned());
    }
    outcome.rto_ms = freed.elapsed().as_millis();
    progress.is_over.store(true, Ordering::Release);
    let mut acknowledged = Vec::new();
    for client in clients {
        acknowledged.push(client.join().map_err(|_| anyhow!("a client panicked"))?);
    }
    let verdict = workload::check(node.http, &acknowledged)?;
    outcome.acknowledged = verdict.acknowledged;
    outcome.lost = verdict.lost;
    outcome.duplicated = verdict.duplicated;
    outcome.failed_calls = progress.refused.load(Ordering::Relaxed);
    outcome.notes = json!({ "resent": progress.resent.load(Ordering::Relaxed) });
    node.terminate()?;
    verify_audit(&node, &data, &mut outcome)?;
    Ok(outcome)
}

fn wait_for(condition: impl Fn() -> bool) -> Result<()> {
    const SECONDS_MAX: u64 = 60;
    let begin = now();
    while begin.elapsed() < Duration::from_secs(SECONDS_MAX) {
        if condition() {
            return Ok(());
        }
        pause(Duration::from_millis(20));
    }
    Err(anyhow!("not within {SECONDS_MAX} s"))
}

/// Writes until the file system has no byte left.
fn fill(path: &Path) -> Result<()> {
    use std::io::Write as _;
    let mut file = std::fs::File::create(path)?;
    let mut block = vec![0_u8; 1 << 20];
    while !block.is_empty() {
        match file.write(&block) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                block.truncate(block.len() / 2);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
