//! Once faults heal, work goes on (LIVE-1): commands are done again within their time, nobody waits
//! for ever, outboxes run empty, due timers fire and no shard stays in hand-off. With a minority
//! that stays broken for ever too: only the nodes that count are asked.

use crate::evidence::Evidence;
use crate::findings::{Findings, Judge};
use crate::history::{Operation, Outcome};

/// The property's name.
pub const NAME: &str = "liveness";
/// What it enforces.
pub const INVARIANT: &str = "LIVE-1";

/// Checks it.
#[must_use]
pub fn check(evidence: &Evidence) -> Findings {
    let mut judge = Judge::of(NAME);
    let served_from = evidence.healed_at.saturating_add(evidence.bounds.service_micros);
    for operation in &evidence.history {
        check_operation(&mut judge, evidence, operation, served_from);
    }
    let drained_from = evidence.healed_at.saturating_add(evidence.bounds.drain_micros);
    let waits = !evidence.durable.outbox.is_empty() || !evidence.durable.timers.is_empty();
    if evidence.ended_at >= drained_from {
        check_drained(&mut judge, evidence);
    } else if waits {
        judge.skip("the run ended before outboxes and timers had their time");
    }
    judge.done()
}

fn check_operation(
    judge: &mut Judge,
    evidence: &Evidence,
    operation: &Operation,
    served_from: u64,
) {
    let begun = operation.invoked_at.max(served_from);
    let due = begun.saturating_add(evidence.bounds.command_micros);
    match operation.completed_at {
        Some(at) if at > due => {
            let detail = format!("{} took {} us", operation.label(), at - operation.invoked_at);
            judge.violate(INVARIANT, at, detail);
        }
        None if evidence.ended_at > due => {
            judge.violate(INVARIANT, due, format!("{} was never answered", operation.label()));
        }
        Some(at) if operation.invoked_at >= served_from => {
            let refusal = match &operation.outcome {
                Outcome::Done(_) | Outcome::Refused { is_judged: true, .. } => return,
                Outcome::Refused { code, is_judged: false } => code.as_str(),
                Outcome::Unknown => "an unknown outcome",
            };
            let detail = format!("{} got {refusal} though all was well", operation.label());
            judge.violate(INVARIANT, at, detail);
        }
        Some(_) | None => {}
    }
}

fn check_drained(judge: &mut Judge, evidence: &Evidence) {
    let drain = i64::try_from(evidence.bounds.drain_micros).unwrap_or(i64::MAX);
    let due = evidence.ended_wall.plus_micros(drain.saturating_neg()).unix_micros();
    for (sender, sequence) in &evidence.durable.outbox {
        let detail = format!("message {sequence} of {sender:?} was not delivered");
        judge.violate(INVARIANT, evidence.ended_at, detail);
    }
    for timer in evidence.durable.timers.iter().filter(|timer| timer.due_unix_micros <= due) {
        let (hash, shard) = (timer.entity.hash, timer.shard);
        let detail = format!("a due timer of {hash:016x} in shard {shard} did not fire");
        judge.violate(INVARIANT, evidence.ended_at, detail);
    }
    let Some(last) = evidence.samples.last() else { return };
    for node in last.nodes.iter().filter(|node| evidence.counting.contains(&node.node)) {
        for (shard, _) in node.view.iter().filter(|(_, place)| !place.is_open) {
            let detail = format!("{} sees shard {} in hand-off at the end", node.node, shard.0);
            judge.violate(INVARIANT, last.at, detail);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expect_violation, right_run, silent};
    use actors_store::keys::{EntityOwned, TimerKey};
    use schema_types::error_code::ErrorCode;

    fn late(run: &mut Evidence) -> &mut Operation {
        let from = run.healed_at + run.bounds.service_micros;
        run.history.iter_mut().find(|one| one.invoked_at >= from).unwrap()
    }

    #[test]
    fn clients_that_wait_or_are_turned_away_are_found_live_1() {
        silent(check(&right_run()));
        let mut run = right_run();
        late(&mut run).completed_at = None;
        expect_violation(&check(&run), INVARIANT, "was never answered");
        let mut run = right_run();
        late(&mut run).completed_at = Some(u64::MAX);
        expect_violation(&check(&run), INVARIANT, "took");
        let mut run = right_run();
        late(&mut run).outcome = Outcome::Refused { code: ErrorCode::Overloaded, is_judged: false };
        expect_violation(&check(&run), INVARIANT, "got MED-NODE-001");
        let mut run = right_run();
        late(&mut run).outcome = Outcome::Unknown;
        expect_violation(&check(&run), INVARIANT, "got an unknown outcome");
    }

    #[test]
    fn what_stays_behind_is_found() {
        let mut run = right_run();
        let entity = run.durable.journals.keys().next().unwrap().clone();
        run.durable.outbox.push((entity, 7));
        expect_violation(&check(&run), INVARIANT, "was not delivered");
        let mut run = right_run();
        let entity = EntityOwned { hash: 1, tenant: "t".into(), kind: 1, key: "k".into() };
        let due_unix_micros = run.ended_wall.unix_micros();
        run.durable.timers = vec![TimerKey { shard: 1, due_unix_micros, entity, name: "a".into() }];
        silent(check(&run));
        run.durable.timers[0].due_unix_micros = 0;
        expect_violation(&check(&run), INVARIANT, "did not fire");
        let mut run = right_run();
        let places = run.samples.iter_mut().flat_map(|sample| &mut sample.nodes);
        places.flat_map(|node| node.view.values_mut()).for_each(|place| place.is_open = false);
        expect_violation(&check(&run), INVARIANT, "in hand-off");
    }
}
