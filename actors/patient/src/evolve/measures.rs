//! Values of known measures: ordered, each observation once, bounded on each timeline (PAT-3). The
//! journal keeps what leaves these histories.

use super::scores;
use crate::limits::{HISTORY_MICROS_MAX, HISTORY_VALUES_MAX};
use crate::state::State;
use schema_types::clinical::{Observation, ObservationStatus};
use schema_types::ids::ObservationId;
use schema_types::measure::Measure;
use schema_types::patient::MeasuredValue;
use schema_types::time::Timestamp;

/// The time of a contributed value that was withdrawn at its source: it stands in no history, but
/// outweighs earlier copies of the value that arrive after it.
pub(crate) const WITHDRAWN_AT: Timestamp = Timestamp::MIN;

/// The canonical order of values; of two at one instant the greater id counts as newer.
pub(crate) fn value_order(value: &MeasuredValue) -> (Timestamp, &ObservationId) {
    (value.effective_at, &value.observation)
}

/// Whether two values are shown and counted together: neither future-dated next to present ones,
/// nor withdrawn.
fn is_comparable(one: &MeasuredValue, other: &MeasuredValue) -> bool {
    let is_withdrawn = |value: &MeasuredValue| value.effective_at == WITHDRAWN_AT;
    one.future_dated == other.future_dated && is_withdrawn(one) == is_withdrawn(other)
}

pub(super) fn evolve_observation_recorded(
    state: &mut State,
    observation: &Observation,
    recorded_at: Timestamp,
    future_dated: bool,
) {
    state.observations_total = state.observations_total.saturating_add(1);
    let removed = remove_observation(state, &observation.id);
    if observation.status != ObservationStatus::Withdrawn
        && let Some((measure, value)) = observation.measured
    {
        let value = MeasuredValue {
            value,
            effective_at: observation.effective_at,
            recorded_at,
            observation: observation.id.clone(),
            future_dated,
            provenance: observation.provenance.clone(),
        };
        insert(state.measures.entry(measure).or_default(), value);
    }
    if let Some((measure, value)) = removed {
        scores::drop_dependent(&mut state.scores, &[(measure, value)]);
        if state.measures.get(&measure).is_some_and(Vec::is_empty) {
            state.measures.remove(&measure);
        }
    }
}

fn remove_observation(state: &mut State, id: &ObservationId) -> Option<(Measure, MeasuredValue)> {
    for (measure, values) in &mut state.measures {
        if let Some(place) = values.iter().rposition(|value| value.observation == *id) {
            return Some((*measure, values.remove(place)));
        }
    }
    None
}

/// Whether two values of one observation say the same.
pub(crate) fn says_the_same(one: &MeasuredValue, other: &MeasuredValue) -> bool {
    (one.value, one.effective_at, one.future_dated)
        == (other.value, other.effective_at, other.future_dated)
}

/// Inserts a value at its place and lets go of what is beyond the bounds of its timeline.
pub(super) fn insert(values: &mut Vec<MeasuredValue>, value: MeasuredValue) {
    let place = values.partition_point(|one| value_order(one) < value_order(&value));
    let kind = value.clone();
    values.insert(place, value);
    let newest = values.iter().rfind(|one| is_comparable(one, &kind));
    let Some(oldest_kept) = newest.map(|one| one.effective_at.plus_micros(-HISTORY_MICROS_MAX))
    else {
        return;
    };
    let count = values.iter().filter(|one| is_comparable(one, &kind)).count();
    let mut surplus = count.saturating_sub(HISTORY_VALUES_MAX);
    values.retain(|one| {
        if !is_comparable(one, &kind) {
            return true;
        }
        let is_surplus = surplus > 0;
        surplus = surplus.saturating_sub(1);
        !is_surplus && one.effective_at >= oldest_kept
    });
}
