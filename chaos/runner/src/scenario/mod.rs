//! The scenarios and what each reports.

mod cluster_load;
mod disk_full;
mod failover;
mod fsync_order;
mod kill9;
mod moves;
mod rolling;
mod zombie;

use crate::arguments::Run;
use anyhow::{Result, bail};
use serde_json::{Value, json};

/// A scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    /// kill -9 at random moments under load.
    Kill9,
    /// No acknowledgement leaves before the sync that it depends on, by the kernel's account.
    FsyncOrder,
    /// The disk fills up under load and gets space again.
    DiskFull,
    /// kill -9 of one node after the other of a cluster.
    Failover,
    /// A node of a cluster stands still and goes on.
    Zombie,
    /// Every node of a cluster is drained and restarted.
    Rolling,
    /// A hundred shards move.
    Moves,
}

const ALL: [Name; 7] = [
    Name::Kill9,
    Name::FsyncOrder,
    Name::DiskFull,
    Name::Failover,
    Name::Zombie,
    Name::Rolling,
    Name::Moves,
];

impl Name {
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Kill9 => "kill9",
            Self::FsyncOrder => "fsync-order",
            Self::DiskFull => "disk-full",
            Self::Failover => "failover",
            Self::Zombie => "zombie",
            Self::Rolling => "rolling",
            Self::Moves => "moves",
        }
    }
}

/// The scenarios that a word names.
pub(crate) fn named(word: &str) -> Result<Vec<Name>> {
    if word == "all" {
        return Ok(ALL.to_vec());
    }
    match ALL.into_iter().find(|name| name.label() == word) {
        Some(name) => Ok(vec![name]),
        None => {
            let known = ALL.map(Name::label).join(", ");
            bail!("there is no scenario {word:?}; there are {known} and all")
        }
    }
}

/// What a scenario found.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) scenario: &'static str,
    pub(crate) faults: u64,
    pub(crate) acknowledged: u64,
    pub(crate) lost: u64,
    pub(crate) duplicated: u64,
    pub(crate) failed_calls: u64,
    /// Longest time from a kill to readiness, milliseconds.
    pub(crate) rto_ms: u128,
    /// Audit log verified offline, where the scenario checks it.
    pub(crate) audit_ok: bool,
    /// Further findings; any makes the scenario fail.
    pub(crate) violations: Vec<String>,
    /// Figures for people.
    pub(crate) notes: Value,
}

impl Outcome {
    pub(crate) fn is_ok(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.audit_ok && self.violations.is_empty()
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "scenario": self.scenario,
            "faults": self.faults,
            "acknowledged": self.acknowledged,
            "lost": self.lost,
            "duplicated": self.duplicated,
            "failed_calls": self.failed_calls,
            "rto_ms": self.rto_ms,
            "audit_ok": self.audit_ok,
            "violations": self.violations,
            "notes": self.notes,
            "ok": self.is_ok(),
        })
    }
}

/// Runs one scenario.
pub(crate) fn run(name: Name, run: &Run) -> Result<Outcome> {
    match name {
        Name::Kill9 => kill9::run(run),
        Name::FsyncOrder => fsync_order::run(run),
        Name::DiskFull => disk_full::run(run),
        Name::Failover => failover::run(run),
        Name::Zombie => zombie::run(run),
        Name::Rolling => rolling::run(run),
        Name::Moves => moves::run(run),
    }
}

/// Verifies the audit log of a stopped node offline.
pub(crate) fn verify_audit(
    node: &crate::process::NodeProcess,
    data: &std::path::Path,
    outcome: &mut Outcome,
) -> Result<()> {
    let verdict =
        node.ask(&["audit", "verify", "--data", &data.display().to_string(), "--json"])?;
    outcome.audit_ok = verdict["ok"] == true;
    if !outcome.audit_ok {
        outcome.violations.push(format!("audit log does not verify (AUD-2): {verdict}"));
    }
    Ok(())
}
