//! No acknowledged write is lost (ACK-1): after every node lost power, the store that was recovered
//! from the disks alone holds the whole effect of every command that a client was told is done.

use crate::durable::{Durable, JournalRow};
use crate::evidence::Evidence;
use crate::findings::{Findings, Judge};
use crate::history::{Certainty, Command, CommandKey, Observed, OperationKind, commands, label};
use schema_types::clinical::Movement;
use schema_types::ids::{EncounterId, EntityId};
use schema_types::patient::PatientEvent;

/// The property's name.
pub const NAME: &str = "acknowledged-writes-last";
/// What it enforces.
pub const INVARIANT: &str = "ACK-1";

/// Checks it.
#[must_use]
pub fn check(evidence: &Evidence) -> Findings {
    let mut judge = Judge::of(NAME);
    for damage in &evidence.durable.damage {
        judge.violate(INVARIANT, None, format!("cannot be read: {damage}"));
    }
    for (key, command) in commands(&evidence.history) {
        if command.is_change() && command.certainty() == Certainty::Acknowledged {
            check_command(&mut judge, &evidence.durable, key, &command);
        }
    }
    judge.done()
}

fn check_command(judge: &mut Judge, durable: &Durable, key: CommandKey<'_>, command: &Command<'_>) {
    let at = command.acknowledged_at();
    let row = durable.rows_of(key).next();
    if row.is_none() && !is_marked(durable, key) {
        judge.violate(INVARIANT, at, format!("{} is lost", label(key)));
        return;
    }
    if let (Some(row), Some(version)) = (row, command.version())
        && row.last_sequence() != version
    {
        let found = row.last_sequence();
        let detail = format!("{} was version {version}, is {found} now", label(key));
        judge.violate(INVARIANT, at, detail);
    }
    let missing = match command.kind() {
        Some(OperationKind::Observe(observed)) => missing_values(row, observed),
        Some(OperationKind::Move { encounter, movement }) => {
            usize::from(!has_movement(durable, key.entity, encounter, movement))
        }
        Some(OperationKind::Change | OperationKind::Read) | None => 0,
    };
    if missing > 0 {
        let detail = format!("{missing} statements of {} are lost", label(key));
        judge.violate(INVARIANT, at, detail);
    }
}

/// A command that found nothing to do leaves only its mark, or that of its message.
fn is_marked(durable: &Durable, CommandKey { command_id, source, entity }: CommandKey<'_>) -> bool {
    let mark = (entity.clone(), source.clone(), command_id.clone());
    let message = (entity.tenant().clone(), source.clone(), command_id.as_str().to_owned());
    durable.done.contains_key(&mark) || durable.messages.contains(&message)
}

fn missing_values(row: Option<&JournalRow>, observed: &[Observed]) -> usize {
    let events = row.map_or(&[][..], JournalRow::patient_events);
    let kept = events.iter().filter_map(|event| {
        let PatientEvent::ObservationRecorded { observation, .. } = event else { return None };
        Some(observation)
    });
    let is_kept = |one: &&Observed| {
        kept.clone().any(|observation| {
            observation.id == one.observation
                && observation.measured == Some((one.measure, one.value))
                && observation.effective_at == one.effective_at
        })
    };
    observed.iter().filter(|one| !is_kept(one)).count()
}

/// A movement that was known already is in the row of the command that told it first.
fn has_movement(
    durable: &Durable,
    entity: &EntityId,
    encounter: &EncounterId,
    movement: &Movement,
) -> bool {
    let rows = durable.journals.get(entity).map_or(&[][..], Vec::as_slice);
    rows.iter().flat_map(JournalRow::patient_events).any(|event| {
        let PatientEvent::MovementRecorded { encounter: told, movement: kept } = event else {
            return false;
        };
        told == encounter
            && (kept.at, kept.kind) == (movement.at, movement.kind)
            && kept.message_id == movement.message_id
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expect_violation, right_run, silent};

    #[test]
    fn a_lost_row_is_found_ack_1() {
        let mut run = right_run();
        silent(check(&run));
        let rows = run.durable.journals.values_mut().next().unwrap();
        let lost = rows.pop().unwrap();
        run.durable
            .done
            .retain(|(_, source, id), _| (source, id) != (&lost.source, &lost.command_id));
        expect_violation(&check(&run), INVARIANT, "is lost");
    }

    #[test]
    fn a_row_without_its_value_is_found() {
        let mut run = right_run();
        crate::testing::spoil_values(&mut run, |value| *value += schema_types::Decimal::ONE);
        expect_violation(&check(&run), INVARIANT, "statements of");
    }

    #[test]
    fn another_version_is_found() {
        let mut run = right_run();
        for row in run.durable.journals.values_mut().flatten() {
            row.first_sequence += 1;
        }
        expect_violation(&check(&run), INVARIANT, "was version");
    }

    #[test]
    fn damage_is_told() {
        let mut run = right_run();
        run.durable.damage.push("j row: cut".to_owned());
        expect_violation(&check(&run), INVARIANT, "cannot be read");
    }
}
