//! What models may see of a patient: own values and those of retired records, on one timeline.
//! Future-dated values are only ever combined with each other (PAT-4).

use crate::evolve::measures::WITHDRAWN_AT;
use crate::person::person_at;
use crate::state::State;
use actors_risk::{Evaluation, History};
use schema_types::history::{Measures, Series, value_order};
use schema_types::ids::EntityId;
use schema_types::measure::Measure;
use schema_types::patient::{Link, MeasuredValue};
use schema_types::score::{Score, ScoreInput, ScoreModel, ScoreResult};
use schema_types::time::Timestamp;
use std::collections::BTreeMap;

/// Which values are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeline {
    /// Those dated when they were true.
    Present,
    /// Those dated in the future when they arrived.
    Future,
}

/// What a decision has made of the values of a measure so far.
#[derive(Debug)]
pub(crate) enum Changed {
    /// One value joined behind all others, and the oldest ones left.
    Appended {
        /// How many left.
        left: usize,
        /// The value that joined.
        value: MeasuredValue,
    },
    /// Anything else: all values.
    Replaced(Series),
}

/// Values oldest first, as up to three runs.
#[derive(Clone, Copy, Default)]
pub(crate) struct Values<'a> {
    runs: [&'a [MeasuredValue]; 3],
}

impl<'a> Values<'a> {
    fn of(series: &'a Series, left: usize, joined: &'a [MeasuredValue]) -> Self {
        let (older, newer) = series.as_slices();
        let left_of_older = left.min(older.len());
        let left_of_newer = (left - left_of_older).min(newer.len());
        Self { runs: [&older[left_of_older..], &newer[left_of_newer..], joined] }
    }

    pub(crate) fn iter(self) -> impl DoubleEndedIterator<Item = &'a MeasuredValue> {
        let [older, newer, joined] = self.runs;
        older.iter().chain(newer).chain(joined)
    }
}

/// The values of one timeline: own ones joined with contributions of retired records.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// Values that a decision has not touched.
    base: &'a Measures,
    /// What a decision has touched.
    changed: &'a [(Measure, Changed)],
    links: &'a BTreeMap<EntityId, Link>,
    timeline: Timeline,
}

impl<'a> View<'a> {
    /// A view of a state.
    #[must_use]
    pub const fn of(state: &'a State, timeline: Timeline) -> Self {
        Self { base: &state.measures, changed: &[], links: &state.links, timeline }
    }

    /// A view of a state of which some measures were changed.
    pub(crate) const fn of_changed(
        base: &'a State,
        changed: &'a [(Measure, Changed)],
        links: &'a BTreeMap<EntityId, Link>,
        timeline: Timeline,
    ) -> Self {
        Self { base: &base.measures, changed, links, timeline }
    }

    /// This record's own values of a measure, both timelines, oldest first.
    #[must_use]
    pub(crate) fn own(&self, measure: Measure) -> Values<'a> {
        let base = || self.base.get(&measure);
        match self.changed.iter().find(|(changed, _)| *changed == measure) {
            None => base().map(|series| Values::of(series, 0, &[])).unwrap_or_default(),
            Some((_, Changed::Replaced(series))) => Values::of(series, 0, &[]),
            Some((_, Changed::Appended { left, value })) => {
                let joined = std::slice::from_ref(value);
                base().map_or(Values { runs: [joined, &[], &[]] }, |series| {
                    Values::of(series, *left, joined)
                })
            }
        }
    }

    /// The measure and value of an observation, if this record holds it.
    pub(crate) fn find_own(
        &self,
        id: &schema_types::ids::ObservationId,
    ) -> Option<(Measure, &'a MeasuredValue)> {
        let find = |measure: Measure, values: Values<'a>| {
            let value = values.iter().rfind(|value| value.observation == *id);
            value.map(|value| (measure, value))
        };
        let found = self.changed.iter().find_map(|(one, _)| find(*one, self.own(*one)));
        found.or_else(|| {
            let (measure, _) = self.base.find(id)?;
            find(measure, self.own(measure))
        })
    }

    /// Own and contributed values, each list oldest first, with the record they come from.
    fn sources(
        &self,
        measure: Measure,
    ) -> impl Iterator<Item = (Option<&'a EntityId>, Values<'a>)> + use<'a> {
        let contributed = self.links.iter().filter_map(move |(from, link)| {
            let series = link.contributions.get(&measure)?;
            Some((Some(from), Values::of(series, 0, &[])))
        });
        std::iter::once((None, self.own(measure))).chain(contributed)
    }

    fn shows(&self, value: &MeasuredValue) -> bool {
        value.future_dated == matches!(self.timeline, Timeline::Future)
            && value.effective_at != WITHDRAWN_AT
    }

    /// The newest value of a measure at or before `as_of`.
    #[must_use]
    pub fn newest_value(&self, measure: Measure, as_of: Timestamp) -> Option<&'a MeasuredValue> {
        let newest = |values: Values<'a>| {
            values.iter().rfind(|value| value.effective_at <= as_of && self.shows(value))
        };
        if self.links.is_empty() {
            return newest(self.own(measure));
        }
        self.sources(measure)
            .filter_map(|(_, values)| newest(values))
            .max_by(|one, other| value_order(one).cmp(&value_order(other)))
    }

    /// The time of the newest value that a model reads.
    #[must_use]
    pub fn newest_trigger(&self, model: ScoreModel) -> Option<Timestamp> {
        let newest = |measure: &Measure| self.newest_value(*measure, Timestamp::MAX);
        actors_risk::depends_on(model)
            .iter()
            .filter_map(newest)
            .map(|value| value.effective_at)
            .max()
    }

    /// Whether an input of the score is a value of this timeline.
    #[must_use]
    pub fn is_input_of(&self, score: &Score) -> bool {
        let mut inputs = score.parts.iter().flat_map(|part| &part.inputs);
        inputs.any(|input| self.find(input).is_some())
    }

    /// The value behind an input of a score, and the record that contributed it.
    #[must_use]
    pub fn find(&self, input: &ScoreInput) -> Option<(Option<&'a EntityId>, &'a MeasuredValue)> {
        let is_it = |value: &&MeasuredValue| {
            value.effective_at == input.observed_at
                && value.observation == input.observation
                && self.shows(value)
        };
        self.sources(input.measure)
            .find_map(|(from, values)| values.iter().rfind(is_it).map(|value| (from, value)))
    }
}

impl History for View<'_> {
    fn newest(&self, measure: Measure, as_of: Timestamp) -> Option<&MeasuredValue> {
        self.newest_value(measure, as_of)
    }

    fn between(
        &self,
        measure: Measure,
        from: Timestamp,
        to: Timestamp,
    ) -> Box<dyn Iterator<Item = &MeasuredValue> + '_> {
        let mut values: Vec<&MeasuredValue> = self
            .sources(measure)
            .flat_map(|(_, values)| values.iter())
            .filter(|value| from < value.effective_at && value.effective_at <= to)
            .filter(|value| self.shows(value))
            .collect();
        values.sort_by(|one, other| value_order(one).cmp(&value_order(other)));
        Box::new(values.into_iter())
    }
}

/// A view whose newest values are looked up once: models share most of their inputs.
pub(crate) struct Newest<'a> {
    view: View<'a>,
    values: [Option<&'a MeasuredValue>; Measure::COUNT],
}

impl<'a> Newest<'a> {
    pub(crate) fn of(view: View<'a>) -> Self {
        let mut values = [None; Measure::COUNT];
        if view.links.is_empty() {
            let changed = view.changed.iter().map(|(measure, _)| measure);
            for measure in view.base.keys().chain(changed) {
                values[measure.index()] = view.newest_value(*measure, Timestamp::MAX);
            }
        } else {
            for (place, measure) in values.iter_mut().zip(Measure::ALL) {
                *place = view.newest_value(*measure, Timestamp::MAX);
            }
        }
        Self { view, values }
    }

    /// The time of the newest value that a model reads.
    pub(crate) fn trigger(&self, model: ScoreModel) -> Option<Timestamp> {
        let newest = |measure: &Measure| self.values[measure.index()];
        let reads = actors_risk::depends_on(model).iter().filter_map(newest);
        reads.map(|value| value.effective_at).max()
    }
}

impl History for Newest<'_> {
    fn newest(&self, measure: Measure, as_of: Timestamp) -> Option<&MeasuredValue> {
        let newest = self.values[measure.index()]?;
        if newest.effective_at <= as_of {
            return Some(newest);
        }
        self.view.newest_value(measure, as_of)
    }

    fn between(
        &self,
        measure: Measure,
        from: Timestamp,
        to: Timestamp,
    ) -> Box<dyn Iterator<Item = &MeasuredValue> + '_> {
        self.view.between(measure, from, to)
    }
}

/// The current result of a model with its parts, found again from the values held by the version of
/// the model that made it. `None` when that version is not built in, or no longer says anything of
/// these values, which after a command does not happen (PAT-5): such a result cannot be replayed.
#[must_use]
pub fn replayed(state: &State, result: &ScoreResult) -> Option<Score> {
    let timeline = if result.future_dated { Timeline::Future } else { Timeline::Present };
    let view = View::of(state, timeline);
    let again = replay(&view, &state.demographics, result)?;
    (again.result(result.future_dated) == *result).then(|| again.to_score())
}

/// What the version of the model that made a result says of a view, at the result's instant.
pub(crate) fn replay<'a>(
    view: &'a View<'_>,
    demographics: &schema_types::patient::Demographics,
    result: &ScoreResult,
) -> Option<Evaluation<'a>> {
    let person = person_at(demographics, result.as_of);
    let version = (result.model, result.model_version);
    actors_risk::evaluate_version(version, view, result.as_of, &person).ok()?
}

/// A result as a score without parts, for results that cannot be replayed.
#[must_use]
pub fn without_parts(result: &ScoreResult) -> Score {
    Score {
        model: result.model,
        model_version: result.model_version,
        as_of: result.as_of,
        minimum: result.minimum,
        maximum: result.maximum,
        band: result.band,
        parts: Vec::new(),
    }
}
