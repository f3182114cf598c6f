//! What the subcommands do. Each answers whether all was well.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is what a user reads")]

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;
use sim_world::fault::CLASSES;

use crate::catalogue;
use crate::html;
use crate::interpose::Child;
use crate::run::{Plan, Report, begin, live};
use crate::shrink::shrink;
use crate::{evidence, sweep as runs};

/// Runs that shrinking may take.
const SHRINK_RUNS_MAX: usize = 80;
/// Processor time of a run that is written down, seconds.
const SHOWN_CPU_SECONDS_MAX: u64 = 300;
/// Seeds from which on a sweep must have seen every class of fault.
const MARKED_SEEDS_MIN: u64 = 100;

/// What `reproduce` writes.
pub(crate) struct Shown {
    pub(crate) html: Option<PathBuf>,
    pub(crate) log: Option<PathBuf>,
}

/// Says why nothing could be done.
pub(crate) fn complain(error: &anyhow::Error) {
    eprintln!("{error:#}");
}

fn again(plan: &Plan, mutation: Option<&str>) -> String {
    let mutation = mutation.map(|id| format!(" --mutation {id}")).unwrap_or_default();
    let commit = option_env!("MEDULLA_COMMIT").unwrap_or("this commit");
    format!("again ({commit}): sim-runner run --seed {}{mutation}", plan.seed)
}

fn line(report: &Report) -> String {
    let faults: u64 = report.faults.values().sum();
    let state = if report.violations.is_empty() { "ok" } else { "FAILED" };
    format!(
        "seed {} {state}: {} of {} answered, {} reads, {faults} faults, {} ms simulated in {} ms \
         of CPU, trace {:016x}",
        report.seed,
        report.answered,
        report.operations,
        report.reads,
        report.simulated_ms,
        report.cpu_ms,
        report.trace_hash,
    )
}

fn show_violations(report: &Report) {
    for broken in report.violations.iter().take(12) {
        let at = broken.at_ms.map_or_else(String::new, |at| format!(" at {at} ms"));
        println!("  {} ({}){at}: {}", broken.property, broken.invariant, broken.detail);
    }
    for (why, count) in report.ends.iter().take(12) {
        println!("  ended by itself {count} times: {why}");
    }
}

fn check_name(mutation: Option<&str>) -> Result<()> {
    let ids: Vec<String> = mutation.into_iter().map(str::to_owned).collect();
    catalogue::named(&ids).map(drop)
}

/// One seed.
pub(crate) fn run(seed: u64, mutation: Option<&str>) -> Result<bool> {
    check_name(mutation)?;
    let plan = Plan::draw(seed);
    let report = runs::run(&plan, mutation)?;
    println!("{}", line(&report));
    println!("{}", serde_json::to_string(&report)?);
    if report.violations.is_empty() {
        return Ok(true);
    }
    show_violations(&report);
    println!("{}", again(&plan, mutation));
    let shrunk = shrink(&plan, &report, (mutation, SHRINK_RUNS_MAX))?;
    println!(
        "shrunk from {} to {} faults in {} runs:",
        plan.faults.len(),
        shrunk.plan.faults.len(),
        shrunk.runs
    );
    for planned in &shrunk.plan.faults {
        println!(
            "  at {} ms, host {}, for {} ms: {:?}",
            planned.at_micros / 1_000,
            planned.host,
            planned.for_micros / 1_000,
            planned.fault
        );
    }
    show_violations(&shrunk.report);
    println!("plan: {}", serde_json::to_string(&shrunk.plan)?);
    Ok(false)
}

/// Sums over the reports of a sweep.
#[derive(Default)]
struct Totals {
    seeds: u64,
    failed: Vec<u64>,
    faults: BTreeMap<String, u64>,
    marks: BTreeMap<String, u64>,
    unchecked: BTreeMap<String, u64>,
    per_seed: Vec<u64>,
    simulated_ms: u64,
    cpu_ms: u64,
    answered: u64,
}

impl Totals {
    fn add(&mut self, report: &Report) {
        self.seeds += 1;
        if !report.violations.is_empty() {
            self.failed.push(report.seed);
        }
        for (from, into) in [(&report.faults, &mut self.faults), (&report.marks, &mut self.marks)] {
            for (name, count) in from {
                *into.entry(name.clone()).or_default() += count;
            }
        }
        for reason in &report.unchecked {
            *self.unchecked.entry(reason.clone()).or_default() += 1;
        }
        self.per_seed.push(report.faults.values().sum());
        self.simulated_ms += report.simulated_ms;
        self.cpu_ms += report.cpu_ms;
        self.answered += report.answered;
    }

    fn show(&mut self) {
        self.per_seed.sort_unstable();
        let median = self.per_seed.get(self.per_seed.len() / 2).copied().unwrap_or(0);
        let summary = json!({
            "seeds": self.seeds,
            "failed": self.failed,
            "seeds_per_cpu_minute": self.seeds * 60_000 / self.cpu_ms.max(1),
            "simulated_per_cpu_second": self.simulated_ms / self.cpu_ms.max(1),
            "simulated_s_per_seed": self.simulated_ms / 1_000 / self.seeds.max(1),
            "faults_median": median,
            "faults": self.faults,
            "answered": self.answered,
            "marks": self.marks,
            "unchecked": self.unchecked,
        });
        println!("{summary:#}");
    }

    /// Classes of faults that no seed saw.
    fn unseen(&self) -> Vec<&'static str> {
        CLASSES.into_iter().filter(|class| !self.faults.contains_key(*class)).collect()
    }
}

/// Many seeds.
pub(crate) fn sweep(seeds: Range<u64>, jobs: usize, wants_marks: bool) -> Result<bool> {
    let count = seeds.end - seeds.start;
    let mut totals = Totals::default();
    runs::run_all(seeds.map(Plan::draw), (jobs, None), |plan, report| {
        totals.add(&report);
        if !report.violations.is_empty() {
            println!("{}", line(&report));
            show_violations(&report);
            println!("{}", again(plan, None));
        }
        true
    })?;
    totals.show();
    let unseen = totals.unseen();
    let lacks = wants_marks && count >= MARKED_SEEDS_MIN && !unseen.is_empty();
    if lacks {
        println!("never seen: {unseen:?}");
    }
    Ok(totals.failed.is_empty() && !lacks)
}

/// Each seed twice.
pub(crate) fn meta(seeds: Range<u64>, jobs: usize) -> Result<bool> {
    let mut first: BTreeMap<u64, Report> = BTreeMap::new();
    let mut same = 0_u64;
    let mut parted = Vec::new();
    let twice = seeds.flat_map(|seed| [Plan::draw(seed), Plan::draw(seed)]);
    runs::run_all(twice, (jobs, None), |plan, report| {
        let Some(before) = first.remove(&plan.seed) else {
            first.insert(plan.seed, report);
            return true;
        };
        let is_same = before.trace_hash == report.trace_hash
            && before.trace_events == report.trace_events
            && before.violations == report.violations;
        if is_same {
            same += 1;
        } else {
            let pairs = before.trace_marks.iter().zip(&report.trace_marks);
            let at = pairs.take_while(|(one, other)| one == other).count();
            println!("seed {} parts after {} thousand events", plan.seed, at);
            parted.push(plan.seed);
        }
        true
    })?;
    println!("{}", json!({ "same": same, "parted": parted }));
    Ok(parted.is_empty())
}

/// One run again, written down.
pub(crate) fn reproduce(
    (seed, file): (u64, Option<PathBuf>),
    mutation: Option<&str>,
    shown: Shown,
) -> Result<bool> {
    check_name(mutation)?;
    let plan = match file {
        None => Plan::draw(seed),
        Some(file) => read_plan(&file)?,
    };
    let body = || {
        begin(&plan);
        if let Some(id) = mutation {
            drop(node_env::mutation::select(id));
        }
        evidence::note_panics();
        evidence::take_logs(shown.log.is_some());
        let (report, lines) = live(&plan, true);
        let log = evidence::logged();
        serde_json::to_vec(&(&report, &lines, &log)).unwrap_or_default()
    };
    let (answer, died) = Child::start(SHOWN_CPU_SECONDS_MAX, body)?.wait();
    let parsed = serde_json::from_slice::<(Report, serde_json::Value, String)>(&answer);
    let (report, lines, log) = match (parsed, died) {
        (Ok(parsed), _) => parsed,
        (Err(_), died) => {
            let reason = died.unwrap_or_else(|| "no report".to_owned());
            (Report::died(&plan, reason), json!([]), String::new())
        }
    };
    println!("{}", line(&report));
    show_violations(&report);
    if let Some(file) = shown.html {
        std::fs::write(&file, html::page(&plan, &report, &lines)?)
            .with_context(|| file.display().to_string())?;
        println!("trace: {}", file.display());
    }
    if let Some(file) = shown.log {
        std::fs::write(&file, log).with_context(|| file.display().to_string())?;
        println!("log: {}", file.display());
    }
    println!("{}", again(&plan, mutation));
    Ok(report.violations.is_empty())
}

fn read_plan(file: &Path) -> Result<Plan> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    serde_json::from_str(&text).with_context(|| file.display().to_string())
}

/// Plants bugs.
pub(crate) fn mutate(
    ids: &[String],
    seeds: Range<u64>,
    (jobs, percent_min): (usize, u64),
) -> Result<bool> {
    let wanted = catalogue::named(ids)?;
    let mut found = Vec::new();
    let mut held_out = (0_u64, 0_u64);
    for mutation in &wanted {
        let (seeds_needed, caught) = hunt(&mutation.id, seeds.clone(), jobs)?;
        held_out.1 += u64::from(mutation.held_out);
        match &caught {
            Some(report) => {
                found.push(seeds_needed);
                held_out.0 += u64::from(mutation.held_out);
                let by: Vec<&str> =
                    report.violations.iter().map(|broken| broken.property.as_str()).collect();
                let by: std::collections::BTreeSet<&str> = by.into_iter().collect();
                println!(
                    "{}: seed {} (number {seeds_needed}), by {by:?}",
                    mutation.id, report.seed
                );
            }
            None => println!("{}: MISSED in {seeds_needed} seeds", mutation.id),
        }
    }
    found.sort_unstable();
    let percent = found.len() as u64 * 100 / (wanted.len() as u64).max(1);
    println!(
        "{}",
        json!({
            "bugs": wanted.len(),
            "found": found.len(),
            "percent": percent,
            "median_seeds": found.get(found.len() / 2),
            "held_out": format!("{} of {}", held_out.0, held_out.1),
        })
    );
    Ok(percent >= percent_min)
}

/// The first seed that finds a bug, and how many it took.
fn hunt(id: &str, seeds: Range<u64>, jobs: usize) -> Result<(u64, Option<Report>)> {
    let mut taken = 0;
    let mut caught = None;
    runs::run_all(seeds.map(Plan::draw), (jobs, Some(id)), |_, report| {
        taken += 1;
        let fails = !report.violations.is_empty();
        if fails {
            caught = Some(report);
        }
        !fails
    })?;
    Ok((taken, caught))
}
