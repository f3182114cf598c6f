//! Models run again when their inputs changed: at the newest input, and at each late one. After a
//! command, each current result is what its model says of the values held (PAT-5).

use super::alerts::{self, Finding, Standing};
use super::draft::Draft;
use crate::event::Event;
use crate::limits::{LATE_ALERT_MICROS_MAX, LATE_INSTANTS_MAX};
use crate::person::person_at;
use crate::view::Timeline;
use schema_types::measure::Measure;
use schema_types::patient::AlertCondition;
use schema_types::score::{Score, ScoreModel};
use schema_types::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Why models run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// Something was observed or corrected.
    NewValues,
    /// Nothing was observed: records were joined or separated, or the age became another.
    Reinterpreted,
}

/// What changed the inputs of models: measures, and the times of new values on each timeline.
#[derive(Debug, Default)]
pub(super) struct Touched {
    measures: BTreeSet<Measure>,
    present: BTreeMap<Measure, BTreeSet<Timestamp>>,
    future: BTreeSet<Measure>,
    /// Whether any value is gone: the fold may then have dropped the result of any model.
    has_lost: bool,
}

impl Touched {
    /// A value of this measure is gone.
    pub(super) fn lost(&mut self, measure: Measure) {
        self.has_lost = true;
        self.measures.insert(measure);
    }

    /// There is a value of this measure and time.
    pub(super) fn gained(&mut self, measure: Measure, at: Timestamp, future_dated: bool) {
        self.measures.insert(measure);
        if future_dated {
            self.future.insert(measure);
        } else {
            self.present.entry(measure).or_default().insert(at);
        }
    }

    fn models(&self) -> BTreeSet<ScoreModel> {
        if self.has_lost {
            return ScoreModel::ALL.iter().copied().collect();
        }
        self.measures.iter().flat_map(|measure| actors_risk::models_for(*measure)).collect()
    }

    fn instants(&self, model: ScoreModel) -> BTreeSet<Timestamp> {
        let reads = actors_risk::depends_on(model);
        reads.iter().filter_map(|measure| self.present.get(measure)).flatten().copied().collect()
    }

    fn touches_future(&self, model: ScoreModel) -> bool {
        actors_risk::depends_on(model).iter().any(|measure| self.future.contains(measure))
    }
}

/// Runs every model again at its newest input.
pub(super) fn reinterpret(draft: &mut Draft<'_>) {
    for model in ScoreModel::ALL {
        rescore_now(draft, *model, Cause::Reinterpreted);
    }
}

/// Runs the models that read what was touched, each once at its newest input and at up to
/// `late_max` late ones.
pub(super) fn rescore(draft: &mut Draft<'_>, touched: &Touched, late_max: usize) {
    for model in touched.models() {
        rescore_late(draft, model, touched, late_max.min(LATE_INSTANTS_MAX));
        rescore_now(draft, model, Cause::NewValues);
        if touched.touches_future(model) {
            rescore_future(draft, model);
        }
    }
}

fn evaluate(
    draft: &Draft<'_>,
    model: ScoreModel,
    timeline: Timeline,
    at: Timestamp,
) -> Option<Score> {
    let person = person_at(&draft.work().demographics, at);
    actors_risk::evaluate(model, &draft.view(timeline), at, &person)
}

/// At late inputs: older than the result that was current before, which they never replace.
fn rescore_late(draft: &mut Draft<'_>, model: ScoreModel, touched: &Touched, late_max: usize) {
    let Some(newest_before) = draft.view_before(Timeline::Present).newest_trigger(model) else {
        return;
    };
    let Some(newest) = draft.view(Timeline::Present).newest_trigger(model) else { return };
    let is_late = |at: &Timestamp| *at < newest_before && *at < newest;
    let mut late: Vec<Timestamp> = touched.instants(model).into_iter().filter(is_late).collect();
    late.drain(..late.len().saturating_sub(late_max));
    for at in late {
        let Some(score) = evaluate(draft, model, Timeline::Present, at) else { continue };
        draft.emit(Event::ScoreRecorded { score: score.clone() });
        if newest.micros_since(at) <= LATE_ALERT_MICROS_MAX {
            alerts::judge(draft, finding(&score), Standing::Late);
        }
    }
}

fn rescore_now(draft: &mut Draft<'_>, model: ScoreModel, cause: Cause) {
    let newest = draft.view(Timeline::Present).newest_trigger(model);
    let score = newest.and_then(|at| evaluate(draft, model, Timeline::Present, at));
    match score {
        Some(score) => {
            let standing = match cause {
                Cause::NewValues => Standing::Newest,
                Cause::Reinterpreted => Standing::Reinterpreted,
            };
            record_if_changed(draft, score, standing);
        }
        None if draft.base.scores.contains_key(&model) => {
            rescore_future(draft, model);
            if !draft.work().scores.contains_key(&model) {
                // What the alert rested on is gone, and no further result will come.
                alerts::end(draft, &AlertCondition::Score(model));
            }
        }
        None => rescore_future(draft, model),
    }
}

/// Among future-dated values only (PAT-4). Present results stand before it.
fn rescore_future(draft: &mut Draft<'_>, model: ScoreModel) {
    let Some(at) = draft.view(Timeline::Future).newest_trigger(model) else { return };
    if let Some(score) = evaluate(draft, model, Timeline::Future, at) {
        record_if_changed(draft, score, Standing::Future);
    }
}

fn record_if_changed(draft: &mut Draft<'_>, score: Score, standing: Standing) {
    let is_known = draft.work().scores.get(&score.model) == Some(&score)
        || draft.changes().scores.last() == Some(&score);
    if is_known {
        return;
    }
    // The fold drops results that may rest on what is gone; the same one again is no news.
    let is_news = draft.base.scores.get(&score.model) != Some(&score);
    draft.emit(Event::ScoreRecorded { score: score.clone() });
    if is_news {
        alerts::judge(draft, finding(&score), standing);
    }
}

/// What a result means for the alert of its model.
pub(super) fn finding(score: &Score) -> Finding {
    Finding {
        condition: AlertCondition::Score(score.model),
        severity: actors_risk::alert_severity(score),
        observed_at: score.as_of,
        trigger: score.minimum,
        observation: score
            .parts
            .iter()
            .flat_map(|part| &part.inputs)
            .max_by_key(|input| input.observed_at)
            .map(|input| input.observation.clone()),
    }
}
