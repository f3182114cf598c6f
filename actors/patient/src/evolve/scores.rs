//! Current results: the newest of each model. Present results stand before future-dated ones
//! (PAT-4); a result is dropped with a value that it was made from, so that nothing rests on what
//! was withdrawn (PAT-5).

use schema_types::measure::Measure;
use schema_types::patient::MeasuredValue;
use schema_types::score::{Score, ScoreModel};
use std::collections::BTreeMap;

/// Keeps `score` as the current result unless a newer one or a present one stands.
pub(crate) fn record(
    scores: &mut BTreeMap<ScoreModel, Score>,
    score: &Score,
    is_future: bool,
    current_is_future: bool,
) {
    let replaces = match scores.get(&score.model) {
        None => true,
        Some(_) if is_future != current_is_future => current_is_future,
        Some(current) => score.as_of >= current.as_of,
    };
    if replaces {
        scores.insert(score.model, score.clone());
    }
}

/// Drops the results that used any of these values, or that hold for the time of one: the newest
/// input of a model may be one that it does not use.
pub(super) fn drop_dependent(
    scores: &mut BTreeMap<ScoreModel, Score>,
    gone: &[(Measure, MeasuredValue)],
) {
    scores.retain(|_, score| {
        let used = |measure: Measure, value: &MeasuredValue| {
            let mut inputs = score.parts.iter().flat_map(|part| &part.inputs);
            inputs.any(|one| one.measure == measure && one.observation == value.observation)
        };
        !gone
            .iter()
            .any(|(measure, value)| score.as_of == value.effective_at || used(*measure, value))
    });
}
