//! Service comes back (LIVE-1): once healed, as many commands are done in a given time as before
//! the first fault, nearly. What stays slow after its cause is gone is a metastable failure
//! (Bronson, HotOS 2021).

use crate::evidence::Evidence;
use crate::findings::{Findings, Judge};
use crate::history::Micros;
use crate::limits::GOODPUT_OPERATIONS_MIN;

/// The property's name.
pub const NAME: &str = "goodput-returns";
/// What it enforces.
pub const INVARIANT: &str = "LIVE-1";

/// Checks it.
#[must_use]
pub fn check(evidence: &Evidence) -> Findings {
    let mut judge = Judge::of(NAME);
    let Some(first_fault) = evidence.faults.iter().map(|fault| fault.from).min() else {
        return judge.done();
    };
    let done: Vec<Micros> = evidence.history.iter().filter_map(|one| one.done_at()).collect();
    let Some(first) = evidence.history.iter().map(|one| one.invoked_at).min() else {
        return judge.done();
    };
    let served_from = evidence.healed_at.saturating_add(evidence.bounds.service_micros);
    // Clients stop at some time; from then on nothing is to be done.
    let last = evidence.history.iter().map(|one| one.invoked_at).max().unwrap_or(0);
    let before = Window { from: first, to: first_fault };
    let after = Window { from: served_from, to: last };
    let (count_before, count_after) = (before.count(&done), after.count(&done));
    if count_before < GOODPUT_OPERATIONS_MIN || after.length() < before.length() / 4 {
        judge.skip("too little was done before the faults or asked for after them");
        return judge.done();
    }
    let percent = 100 * rate(count_after, after) / rate(count_before, before).max(1);
    judge.figure("goodput after healing, percent of before", percent);
    if percent < evidence.bounds.goodput_percent_min {
        judge.violate(INVARIANT, served_from, format!("goodput is {percent} % of what it was"));
    }
    judge.done()
}

#[derive(Clone, Copy)]
struct Window {
    from: Micros,
    to: Micros,
}

impl Window {
    const fn length(self) -> Micros {
        self.to.saturating_sub(self.from)
    }

    fn count(self, done: &[Micros]) -> usize {
        done.iter().filter(|at| (self.from..=self.to).contains(*at)).count()
    }
}

/// Commands in a thousand seconds.
fn rate(count: usize, window: Window) -> u64 {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    count.saturating_mul(1_000_000_000) / window.length().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expect_violation, fault, right_run, silent};

    /// One command each `step` microseconds before and after the faults.
    fn run(before_step: usize, after_step: usize) -> Evidence {
        let template = right_run().history.into_iter().find(|one| one.done_at().is_some()).unwrap();
        let mut run = Evidence { healed_at: 200_000, ..Evidence::default() };
        run.bounds.service_micros = 10_000;
        run.faults = vec![fault(100_000, Some(200_000))];
        let times = (0..100_000).step_by(before_step).chain((210_000..300_000).step_by(after_step));
        for at in times {
            let mut one = template.clone();
            (one.invoked_at, one.completed_at) = (at, Some(at + 1));
            run.history.push(one);
        }
        run
    }

    #[test]
    fn service_that_stays_slow_is_found_live_1() {
        let findings = check(&run(1_000, 1_000));
        assert_eq!(findings.figures.len(), 1);
        silent(findings);
        expect_violation(&check(&run(1_000, 2_000)), INVARIANT, "goodput is");
        assert_eq!(check(&run(50_000, 50_000)).unchecked.len(), 1);
    }
}
