//! ADT messages: the person, and movements of stays in any order, late or repeated (PAT-1).

use super::draft::Draft;
use super::{Decided, Refusal, person, scores};
use crate::command::AdtReport;
use crate::event::Event;
use crate::evolve::{is_rewritable, position_of};
use crate::limits::{ENCOUNTERS_MAX, MOVEMENTS_MAX};
use schema_types::clinical::Movement;
use schema_types::ids::EncounterId;
use schema_types::patient::Registration;

pub(super) fn decide_apply_adt(draft: &mut Draft<'_>, report: AdtReport) -> Decided {
    let registration =
        if report.registers { Registration::Registered } else { Registration::Provisional };
    let age_changed = person::state_person(draft, registration, report.patch, report.stated_at)?;
    if let Some((encounter, movement)) = report.movement {
        record_movement(draft, &encounter, movement)?;
    }
    if age_changed {
        scores::reinterpret(draft);
    }
    Ok(())
}

/// Records a movement unless it is a repeat: one of the same time, kind and message id.
pub(super) fn record_movement(
    draft: &mut Draft<'_>,
    encounter: &EncounterId,
    movement: Movement,
) -> Decided {
    if draft.encounters_with(encounter) > ENCOUNTERS_MAX {
        return Err(Refusal::limit("too many stays"));
    }
    let movements = draft.encounter(encounter).map_or(&[][..], |stay| &stay.movements);
    let is_repeat = match position_of(movements, &movement) {
        Ok(place) => !is_rewritable(&movement) || movements[place] == movement,
        Err(_) => false,
    };
    if is_repeat {
        return Ok(());
    }
    if movements.len() >= MOVEMENTS_MAX {
        return Err(Refusal::limit("too many movements of one stay"));
    }
    draft.emit(Event::MovementRecorded { encounter: encounter.clone(), movement });
    draft.changes().movements_recorded += 1;
    Ok(())
}
