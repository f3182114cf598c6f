//! Stays: movements in canonical order without repeats, and what they fold to (PAT-1).

use crate::state::State;
use actors_core::stay::{fold_stay, movement_order};
use schema_types::clinical::{EncounterClass, Movement};
use schema_types::ids::EncounterId;
use schema_types::patient::{Encounter, EncounterStatus};

/// How the message ids of movements begin that stand for a FHIR `Encounter`: such a resource is
/// rewritten as a whole, so a movement of the same id replaces the earlier one.
pub(crate) const REWRITABLE: &str = "fhir-encounter/";

/// Whether a movement is replaced, not repeated, by another one with its message id.
pub(crate) fn is_rewritable(movement: &Movement) -> bool {
    movement.message_id.starts_with(REWRITABLE)
}

/// Where a movement stands among others in canonical order, or where it would stand.
pub(crate) fn position_of(movements: &[Movement], movement: &Movement) -> Result<usize, usize> {
    movements.binary_search_by(|one| movement_order(one).cmp(&movement_order(movement)))
}

pub(super) fn evolve_movement_recorded(
    state: &mut State,
    encounter: &EncounterId,
    movement: &Movement,
) {
    let stay = state.encounters.entry(encounter.clone()).or_insert_with(|| {
        Box::new(Encounter {
            movements: Vec::new(),
            status: EncounterStatus::Planned,
            class: EncounterClass::Unknown,
            location: None,
            started_at: None,
            ended_at: None,
        })
    });
    if is_rewritable(movement) {
        stay.movements.retain(|one| one.message_id != movement.message_id);
    }
    if let Err(place) = position_of(&stay.movements, movement) {
        // Most stays have few movements, and those are large.
        if stay.movements.len() == stay.movements.capacity() {
            stay.movements.reserve_exact(1 + stay.movements.len() / 4);
        }
        stay.movements.insert(place, movement.clone());
    }
    let folded = fold_stay(&stay.movements, None);
    stay.status = folded.status;
    stay.class = folded.class;
    stay.location = folded.location.filter(|_| folded.status == EncounterStatus::Open);
    stay.started_at = folded.started_at;
    stay.ended_at = folded.ended_at;
}
