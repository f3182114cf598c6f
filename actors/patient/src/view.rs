//! What models may see of a patient: own values and those of retired records, on one timeline.
//! Future-dated values are only ever combined with each other (PAT-4).

use crate::evolve::measures::{WITHDRAWN_AT, value_order};
use crate::state::State;
use actors_risk::History;
use schema_types::ids::EntityId;
use schema_types::measure::Measure;
use schema_types::patient::{Link, MeasuredValue};
use schema_types::score::{Score, ScoreInput, ScoreModel};
use schema_types::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

type Values = BTreeMap<Measure, Vec<MeasuredValue>>;

/// Which values are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeline {
    /// Those dated when they were true.
    Present,
    /// Those dated in the future when they arrived.
    Future,
}

/// The values of one timeline: own ones joined with contributions of retired records.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// Values that a decision has not touched.
    base: &'a Values,
    /// Values that it has, and which measures those are.
    changed: Option<(&'a BTreeSet<Measure>, &'a Values)>,
    links: &'a BTreeMap<EntityId, Link>,
    timeline: Timeline,
}

impl<'a> View<'a> {
    /// A view of a state.
    #[must_use]
    pub const fn of(state: &'a State, timeline: Timeline) -> Self {
        Self { base: &state.measures, changed: None, links: &state.links, timeline }
    }

    /// A view of a state of which some measures were replaced.
    pub(crate) const fn of_changed(
        base: &'a State,
        changed: (&'a BTreeSet<Measure>, &'a Values),
        links: &'a BTreeMap<EntityId, Link>,
        timeline: Timeline,
    ) -> Self {
        Self { base: &base.measures, changed: Some(changed), links, timeline }
    }

    /// This record's own values of a measure, both timelines, oldest first.
    #[must_use]
    pub(crate) fn own(&self, measure: Measure) -> &'a [MeasuredValue] {
        let values = match self.changed {
            Some((touched, changed)) if touched.contains(&measure) => changed.get(&measure),
            Some(_) | None => self.base.get(&measure),
        };
        values.map(Vec::as_slice).unwrap_or_default()
    }

    /// Own and contributed values, each list oldest first, with the record they come from.
    fn sources(
        &self,
        measure: Measure,
    ) -> impl Iterator<Item = (Option<&'a EntityId>, &'a [MeasuredValue])> + use<'a> {
        let contributed = self.links.iter().filter_map(move |(from, link)| {
            link.contributions.get(&measure).map(|values| (Some(from), values.as_slice()))
        });
        std::iter::once((None, self.own(measure))).chain(contributed)
    }

    const fn shows(&self, value: &MeasuredValue) -> bool {
        value.future_dated == matches!(self.timeline, Timeline::Future)
            && value.effective_at.unix_micros() != WITHDRAWN_AT.unix_micros()
    }

    /// The newest value of a measure at or before `as_of`.
    #[must_use]
    pub fn newest_value(&self, measure: Measure, as_of: Timestamp) -> Option<&'a MeasuredValue> {
        self.sources(measure)
            .filter_map(|(_, values)| {
                values.iter().rfind(|value| value.effective_at <= as_of && self.shows(value))
            })
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
            .flat_map(|(_, values)| values)
            .filter(|value| from < value.effective_at && value.effective_at <= to)
            .filter(|value| self.shows(value))
            .collect();
        values.sort_by(|one, other| value_order(one).cmp(&value_order(other)));
        Box::new(values.into_iter())
    }
}
