//! The shortest list of faults with which a plan still fails, by delta debugging (Zeller and
//! Hildebrandt 2002): leave out halves, then quarters, and so on, as long as the same property
//! is violated.

use sim_world::fault::Planned;

use crate::run::{Plan, Report};
use crate::sweep;

/// What shrinking found.
pub(crate) struct Shrunk {
    pub(crate) plan: Plan,
    pub(crate) report: Report,
    pub(crate) runs: usize,
}

fn properties(report: &Report) -> Vec<&str> {
    report.violations.iter().map(|broken| broken.property.as_str()).collect()
}

/// Whether a run fails as the first one did.
fn fails_alike(first: &Report, other: &Report) -> bool {
    let wanted = properties(first);
    properties(other).iter().any(|property| wanted.contains(property))
}

/// Shortens the faults of a plan that fails, in at most `runs_max` runs.
pub(crate) fn shrink(
    plan: &Plan,
    report: &Report,
    (mutation, runs_max): (Option<&str>, usize),
) -> std::io::Result<Shrunk> {
    let mut shrunk = Shrunk { plan: plan.clone(), report: report.clone(), runs: 0 };
    let mut parts = 1;
    while shrunk.runs < runs_max && !shrunk.plan.faults.is_empty() {
        let Some(next) = shorter(&mut shrunk, parts, (mutation, runs_max))? else {
            if parts >= shrunk.plan.faults.len() {
                break;
            }
            parts = (parts * 2).min(shrunk.plan.faults.len());
            continue;
        };
        shrunk.plan = next.0;
        shrunk.report = next.1;
        parts = parts.saturating_sub(1).max(1);
    }
    Ok(shrunk)
}

/// Leaves out one of `parts` equal parts of the faults, the first one without which the run still
/// fails.
fn shorter(
    shrunk: &mut Shrunk,
    parts: usize,
    (mutation, runs_max): (Option<&str>, usize),
) -> std::io::Result<Option<(Plan, Report)>> {
    let length = shrunk.plan.faults.len().div_ceil(parts);
    let starts = (0..shrunk.plan.faults.len()).step_by(length.max(1));
    let without = |start: usize| -> Vec<Planned> {
        let faults = shrunk.plan.faults.iter().enumerate();
        let left = faults.filter(|(at, _)| !(start..start + length).contains(at));
        left.map(|(_, planned)| *planned).collect()
    };
    let plans: Vec<Plan> =
        starts.map(|start| Plan { faults: without(start), ..shrunk.plan.clone() }).collect();
    for plan in plans {
        if shrunk.runs >= runs_max {
            break;
        }
        shrunk.runs += 1;
        let report = sweep::run(&plan, mutation)?;
        if fails_alike(&shrunk.report, &report) {
            return Ok(Some((plan, report)));
        }
    }
    Ok(None)
}
