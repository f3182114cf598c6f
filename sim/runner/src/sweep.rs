//! Many runs: each in a process of its own, some at once.

use std::collections::VecDeque;

use crate::evidence;
use crate::interpose::Child;
use crate::run::{Plan, Report, begin, live};

/// Processor time that one run may take, seconds.
const RUN_CPU_SECONDS_MAX: u64 = 60;

/// Starts a run in a process of its own. `mutation` is the planted bug that it has.
pub(crate) fn start(plan: &Plan, mutation: Option<&str>) -> std::io::Result<Child> {
    Child::start(RUN_CPU_SECONDS_MAX, || {
        begin(plan);
        if let Some(id) = mutation {
            // Nothing was selected in this process before.
            drop(node_env::mutation::select(id));
        }
        evidence::note_panics();
        evidence::take_logs(false);
        let (report, _) = live(plan, false);
        serde_json::to_vec(&report).unwrap_or_default()
    })
}

/// Waits for the report of a run.
pub(crate) fn finish(plan: &Plan, child: Child) -> Report {
    let (answer, died) = child.wait();
    match serde_json::from_slice(&answer) {
        Ok(report) if died.is_none() => report,
        _ => Report::died(plan, died.unwrap_or_else(|| "no report".to_owned())),
    }
}

/// One run.
pub(crate) fn run(plan: &Plan, mutation: Option<&str>) -> std::io::Result<Report> {
    Ok(finish(plan, start(plan, mutation)?))
}

/// Runs plans, `jobs` at once, and gives each report in the order of the plans. Stops early when
/// `each` says so.
pub(crate) fn run_all(
    plans: impl IntoIterator<Item = Plan>,
    (jobs, mutation): (usize, Option<&str>),
    mut each: impl FnMut(&Plan, Report) -> bool,
) -> std::io::Result<()> {
    let mut plans = plans.into_iter();
    let mut running: VecDeque<(Plan, Child)> = VecDeque::new();
    loop {
        while running.len() < jobs.max(1) {
            let Some(plan) = plans.next() else { break };
            let child = start(&plan, mutation)?;
            running.push_back((plan, child));
        }
        let Some((plan, child)) = running.pop_front() else { return Ok(()) };
        let report = finish(&plan, child);
        if !each(&plan, report) {
            for (plan, child) in running {
                drop(finish(&plan, child));
            }
            return Ok(());
        }
    }
}
