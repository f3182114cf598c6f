//! What is to be measured, and the node that it is measured on.

use crate::counters::Counters;
use crate::disk::UnsyncedDisk;
use crate::error::BenchError;
use crate::histogram::Observed;
use crate::load::{self, Pace, Span};
use crate::observe::observers;
use crate::people;
use crate::report::Report;
use node_app::{Environment, Node, NodeConfig, assemble};
use std::path::PathBuf;
use std::sync::Arc;

/// Whether commits reach the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// As in production.
    #[default]
    Fsync,
    /// Syncs do nothing: not durable, only to see what the disk costs.
    None,
}

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Patients.
    pub patients: u64,
    /// Callers at once.
    pub concurrency: usize,
    /// Time that counts, seconds.
    pub seconds: u64,
    /// Time before that, milliseconds.
    pub warm_up_ms: u64,
    /// How requests come.
    pub pace: Pace,
    /// Whether commits reach the disk.
    pub durability: Durability,
    /// Where the node keeps its data; a temporary folder when absent.
    pub data: Option<PathBuf>,
}

impl Plan {
    fn span(&self) -> Span {
        Span { warm_up_micros: self.warm_up_ms * 1_000, micros: self.seconds * 1_000_000 }
    }
}

/// A node of this process on a folder of its own.
pub struct OwnNode {
    /// The node.
    pub node: Node,
    /// Removed when this is dropped.
    _folder: Option<tempfile::TempDir>,
}

/// Starts a node without listeners.
///
/// # Errors
/// [`BenchError`].
pub async fn start(environment: &Environment, plan: &Plan) -> Result<OwnNode, BenchError> {
    let folder = match plan.data {
        Some(_) => None,
        None => {
            let folder = tempfile::Builder::new().prefix("medulla-bench-").tempdir();
            Some(folder.map_err(|error| BenchError::outside("temporary folder", error))?)
        }
    };
    let own = folder.as_ref().map(|folder| folder.path().join("data"));
    let data = plan.data.clone().or(own).unwrap_or_default();
    let mut environment = environment.clone();
    if plan.durability == Durability::None {
        environment.disk = Arc::new(UnsyncedDisk(environment.disk));
    }
    let mut config = NodeConfig::new(data);
    config.runtime.resident_entities_max = config.runtime.resident_entities_max.max(plan.patients);
    Ok(OwnNode { node: assemble(environment, config).await?, _folder: folder })
}

/// `observe` in this process.
///
/// # Errors
/// [`BenchError`].
pub async fn observe(environment: &Environment, plan: &Plan) -> Result<Report, BenchError> {
    let own = start(environment, plan).await?;
    let gateway = own.node.gateway();
    people::register(gateway, 0, plan.patients).await?;
    let run = environment.rng.next_u64() >> 40;
    let callers = observers(gateway, plan.patients, plan.concurrency, run);
    let clock = &environment.clock;
    let sample = || Counters::of(&own.node);
    let loaded = load::run(callers, clock, plan.pace, plan.span(), sample).await;
    let counters = loaded.samples.1.since(&loaded.samples.0);
    let report = observed_report("observe", plan, (&loaded.observed, loaded.micros), &counters);
    drop(loaded.callers);
    own.node.stop().await;
    Ok(report)
}

fn observed_report(
    workload: &str,
    plan: &Plan,
    (observed, micros): (&Observed, u64),
    counters: &Counters,
) -> Report {
    let mut report = Report::new(workload);
    report.set("transport", "in-process");
    report.set("patients", plan.patients);
    report.set("concurrency", plan.concurrency);
    report.set("durable", plan.durability == Durability::Fsync);
    match plan.pace {
        Pace::Closed => report.set("loop", "closed"),
        Pace::Open { rate } => {
            report.set("loop", "open");
            report.set("rate", rate);
        }
    }
    report.set_observed(observed, micros);
    report.set_counters(counters, observed.operations);
    report
}
