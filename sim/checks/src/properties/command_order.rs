//! Commands that one source sent to one entity in an order take effect in that order (ORD-1). Only
//! commands of which the history names the order, that were sent once and were done, are compared:
//! a command that is sent again takes its place anew.

use crate::evidence::Evidence;
use crate::findings::{Findings, Judge};
use crate::history::{commands, label};
use schema_types::ids::{EntityId, SourceId};
use std::collections::BTreeMap;

/// The property's name.
pub const NAME: &str = "order-of-a-source";
/// What it enforces.
pub const INVARIANT: &str = "ORD-1";

/// Checks it.
#[must_use]
pub fn check(evidence: &Evidence) -> Findings {
    let mut judge = Judge::of(NAME);
    let mut lines: BTreeMap<(&EntityId, &SourceId), Vec<_>> = BTreeMap::new();
    for (key, command) in commands(&evidence.history) {
        let [only] = command.attempts[..] else { continue };
        let (Some(order), Some(_), true) = (only.order, only.done_at(), only.is_change()) else {
            continue;
        };
        if let Some(row) = evidence.durable.rows_of(key).next() {
            lines.entry((key.entity, key.source)).or_default().push((
                order,
                row.first_sequence,
                only,
            ));
        }
    }
    for line in lines.values_mut() {
        line.sort_unstable_by_key(|(order, ..)| *order);
        for pair in line.windows(2) {
            let [(_, sequence, earlier), (_, next, later)] = pair else { continue };
            if next < sequence {
                let (one, other) = (label(later.key()), &earlier.command_id);
                let detail = format!("{one} was sent after {other} and took effect before it");
                judge.violate(INVARIANT, later.completed_at, detail);
            }
        }
    }
    judge.done()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expect_violation, right_run, silent};

    #[test]
    fn commands_that_overtake_are_found_ord_1() {
        let mut run = right_run();
        assert!(run.history.iter().filter(|one| one.order.is_some()).count() > 1);
        silent(check(&run));
        for one in &mut run.history {
            one.order = one.order.map(|order| u64::MAX - order);
        }
        expect_violation(&check(&run), INVARIANT, "was sent after");
    }
}
