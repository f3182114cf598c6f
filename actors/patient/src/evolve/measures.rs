//! Values of known measures: ordered, each observation once, bounded on each timeline (PAT-3). The
//! journal keeps what leaves these histories.

use crate::limits::{HISTORY_MICROS_MAX, HISTORY_VALUES_MAX};
use crate::state::State;
use schema_types::clinical::{Observation, ObservationStatus, Origin};
use schema_types::history::Series;
use schema_types::measure::Measure;
use schema_types::patient::MeasuredValue;
use schema_types::time::Timestamp;

/// The time of a contributed value that was withdrawn at its source: it stands in no history, but
/// outweighs earlier copies of the value that arrive after it.
pub(crate) const WITHDRAWN_AT: Timestamp = Timestamp::MIN;

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
    state.measures.remove(&observation.id);
    if let Some((measure, value)) = measured_value(observation, recorded_at, future_dated) {
        state.measures.insert(measure, value, |series, index| {
            if index.has_future_dated() {
                bound(series, |gone| index.forget(gone));
            } else if let Some(newest) = series.back() {
                // Nothing in a series of one's own is withdrawn, so all values are of one kind.
                for _ in 0..surplus(&*series, newest, series.len()) {
                    series.pop_front().iter().for_each(|gone| index.forget(gone));
                }
            }
        });
    }
}

/// The value that an observation brings to a history.
pub(crate) fn measured_value(
    observation: &Observation,
    recorded_at: Timestamp,
    future_dated: bool,
) -> Option<(Measure, MeasuredValue)> {
    let (measure, value) = observation.measured?;
    if observation.status == ObservationStatus::Withdrawn {
        return None;
    }
    let value = MeasuredValue {
        value,
        effective_at: observation.effective_at,
        recorded_at,
        observation: observation.id.clone(),
        future_dated,
        provenance: Origin::from(&observation.provenance),
    };
    Some((measure, value))
}

/// Whether two values of one observation say the same.
pub(crate) fn says_the_same(one: &MeasuredValue, other: &MeasuredValue) -> bool {
    (one.value, one.effective_at, one.future_dated)
        == (other.value, other.effective_at, other.future_dated)
}

/// Lets go of what is beyond the bounds of each kind of value; the newest of each stays.
pub(crate) fn bound(series: &mut Series, mut gone: impl FnMut(&MeasuredValue)) {
    let mut kinds: Vec<MeasuredValue> = Vec::new();
    for value in series.iter() {
        if !kinds.iter().any(|kind| is_comparable(kind, value)) {
            kinds.push(value.clone());
        }
    }
    for kind in kinds {
        let of_kind: Vec<&MeasuredValue> =
            series.iter().filter(|one| is_comparable(one, &kind)).collect();
        let Some(newest) = of_kind.last() else { continue };
        let mut surplus = surplus(of_kind.iter().copied(), newest, of_kind.len());
        series.retain(|one| {
            let leaves = surplus > 0 && is_comparable(one, &kind);
            if leaves {
                surplus -= 1;
                gone(one);
            }
            !leaves
        });
    }
}

/// How many of the oldest among comparable values, oldest first, are beyond the bounds when there
/// are `count` with `newest`.
pub(crate) fn surplus<'a>(
    values: impl IntoIterator<Item = &'a MeasuredValue>,
    newest: &MeasuredValue,
    count: usize,
) -> usize {
    let oldest_kept = newest.effective_at.plus_micros(-HISTORY_MICROS_MAX);
    let old = values.into_iter().take_while(|one| one.effective_at < oldest_kept).count();
    old.max(count.saturating_sub(HISTORY_VALUES_MAX))
}
