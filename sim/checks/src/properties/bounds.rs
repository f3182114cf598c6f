//! Everything is bounded (LIM-1): no queue, cache or store of a node passes its named limit, and no
//! command is tried without end.

use crate::evidence::Evidence;
use crate::findings::{Findings, Judge};
use crate::history::{commands, label};

/// The property's name.
pub const NAME: &str = "bounded";
/// What it enforces.
pub const INVARIANT: &str = "LIM-1";

/// Checks it.
#[must_use]
pub fn check(evidence: &Evidence) -> Findings {
    let mut judge = Judge::of(NAME);
    for sample in &evidence.samples {
        for node in &sample.nodes {
            for gauge in node.gauges.iter().filter(|gauge| gauge.value > gauge.limit) {
                let (node, name, value, limit) = (node.node, gauge.name, gauge.value, gauge.limit);
                let detail = format!("{node}: {name} is {value}, at most {limit} is allowed");
                judge.violate(INVARIANT, sample.at, detail);
            }
        }
    }
    let most = evidence.bounds.attempts_max;
    for (key, command) in commands(&evidence.history) {
        let attempts = command.attempts.len();
        if attempts > most {
            let detail = format!("{} was tried {attempts} times, at most {most}", label(key));
            judge.violate(INVARIANT, command.invoked_at(), detail);
        }
    }
    judge.done()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expect_violation, right_run, silent};

    #[test]
    fn what_passes_its_limit_is_found_lim_1() {
        let mut run = right_run();
        silent(check(&run));
        run.bounds.attempts_max = 0;
        expect_violation(&check(&run), INVARIANT, "was tried");
        let mut run = right_run();
        let gauge = &mut run.samples[0].nodes[0].gauges[0];
        gauge.value = gauge.limit + 1;
        expect_violation(&check(&run), INVARIANT, "is allowed");
    }
}
