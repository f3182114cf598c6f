//! What the scenarios over several nodes share: a cluster under load, and the verdict at its end.

use super::Outcome;
use crate::arguments::Run;
use crate::cluster::Cluster;
use crate::process;
use crate::workload::{self, Acknowledged, Progress};
use anyhow::{Result, anyhow};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

/// Nodes of the clusters under test.
const NODES: usize = 3;

/// A cluster whose clients send.
pub(crate) struct Loaded {
    pub(crate) cluster: Cluster,
    pub(crate) progress: Arc<Progress>,
    clients: Vec<JoinHandle<Acknowledged>>,
}

impl Loaded {
    pub(crate) fn start(run: &Run) -> Result<Self> {
        let cluster = Cluster::start(process::binary(run.binary.as_deref())?, NODES)?;
        let progress = Arc::new(Progress::default());
        let clients = workload::start(run.clients, &cluster.mllp(), &progress);
        Ok(Self { cluster, progress, clients })
    }

    /// Ends the load and checks that all that was acknowledged is there once (ACK-1, ONCE-1) and
    /// that the audit logs verify (AUD-2).
    pub(crate) fn conclude(self, outcome: &mut Outcome, notes: &Value) -> Result<()> {
        let Self { cluster, progress, clients } = self;
        progress.is_over.store(true, Ordering::Release);
        let mut acknowledged = Vec::new();
        for client in clients {
            acknowledged.push(client.join().map_err(|_| anyhow!("a client panicked"))?);
        }
        let verdict = workload::check(cluster.nodes[0].http, &acknowledged)?;
        outcome.acknowledged = verdict.acknowledged;
        outcome.lost = verdict.lost;
        outcome.duplicated = verdict.duplicated;
        outcome.audit_ok = cluster.audit_ok()?;
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        outcome.notes = json!({
            "nodes": NODES,
            "refused": load(&progress.refused),
            "unanswered": load(&progress.unanswered),
            "resent": load(&progress.resent),
            "scenario": notes,
        });
        Ok(())
    }

    /// Calls that a client saw fail so far.
    pub(crate) fn failed_calls(&self) -> u64 {
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        load(&self.progress.refused) + load(&self.progress.unanswered)
    }
}

/// Median, 99th percentile and maximum of ascending numbers.
pub(crate) fn spread(sorted: &[u64]) -> Value {
    let at = |percent: usize| {
        sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1)))
    };
    json!({
        "count": sorted.len(),
        "p50": at(50),
        "p99": at(99),
        "max": sorted.last(),
    })
}
