//! What a device is, and the questions that decisions ask of it. Folding is in `evolve`.

use crate::gaps;
use crate::limits::{GAPS_MAX, PAST_ASSOCIATIONS_MAX, SILENCE_INTERVALS};
use schema_types::ids::EntityId;
use schema_types::time::Timestamp;

pub use schema_types::device::DeviceState as State;

/// Who was measured at `at`, on the hospital's clock. An association holds from its begin
/// (inclusive) to its end (exclusive), so nobody's samples reach another patient (DEV-1).
#[must_use]
pub fn measured_at(state: &State, at: Timestamp) -> Option<&EntityId> {
    if let Some((patient, since)) = &state.association
        && at >= *since
    {
        return Some(patient);
    }
    let past = state.past_associations.iter();
    past.rev().find(|(_, from, to)| at >= *from && at < *to).map(|(patient, _, _)| patient)
}

/// Before which instant no association may begin or end: where the newest one did.
#[must_use]
pub fn association_floor(state: &State) -> Timestamp {
    match &state.association {
        Some((_, since)) => *since,
        None => state.past_associations.last().map_or(Timestamp::MIN, |(_, _, to)| *to),
    }
}

/// When the device counts as silent, if nothing arrives after `received_at`; `None` when no
/// interval is known.
#[must_use]
pub fn silence_due(interval_micros: i64, received_at: Timestamp) -> Option<Timestamp> {
    let tolerated = interval_micros.saturating_mul(SILENCE_INTERVALS);
    (interval_micros > 0).then(|| received_at.plus_micros(tolerated))
}

/// What must hold of every state; each condition is one of the README's invariants.
///
/// # Errors
/// The text of the first condition that does not hold; it contains no data.
pub fn validate(state: &State) -> Result<(), &'static str> {
    let past = &state.past_associations;
    if past.iter().any(|(_, from, to)| from > to) {
        return Err("DEV-1: an association ends before it begins");
    }
    if past.windows(2).any(|pair| matches!(pair, [one, next] if next.1 < one.2)) {
        return Err("DEV-1: two associations overlap");
    }
    let last_end = past.last().map_or(Timestamp::MIN, |(_, _, to)| *to);
    if state.association.as_ref().is_some_and(|(_, since)| *since < last_end) {
        return Err("DEV-1: the association overlaps the one before");
    }
    if !gaps::are_ordered(&state.gaps, state.last_sequence) {
        return Err("DEV-2: gaps overlap or reach past the newest batch");
    }
    if state.gaps.len() > GAPS_MAX || past.len() > PAST_ASSOCIATIONS_MAX {
        return Err("DEV-7: a history is longer than its limit");
    }
    Ok(())
}
