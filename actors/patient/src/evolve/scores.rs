//! Current results: the newest of each model. Present results stand before future-dated ones
//! (PAT-4); a result is dropped with a value that it was made from, so that nothing rests on what
//! was withdrawn (PAT-5). Which values those are is found again from the values still held.

use super::measures::says_the_same;
use crate::event::Event;
use crate::state::State;
use crate::view::{Timeline, View, replay};
use schema_types::ids::EntityId;
use schema_types::measure::Measure;
use schema_types::patient::{Demographics, Link, MeasuredValue};
use schema_types::score::{ScoreModel, ScoreResult, Scores};
use std::collections::BTreeMap;

/// Keeps `result` as the current one unless a newer one or a present one stands.
pub(crate) fn record(scores: &mut Scores, result: &ScoreResult) {
    let replaces = match scores.get(&result.model) {
        None => true,
        Some(current) if result.future_dated != current.future_dated => current.future_dated,
        Some(current) => {
            result.as_of >= current.as_of || node_env::planted!("score-late-replaces-newer")
        }
    };
    if replaces {
        scores.insert(*result);
    }
}

/// What results rest on, before an event.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) present: View<'a>,
    pub(crate) future: View<'a>,
    pub(crate) links: &'a BTreeMap<EntityId, Link>,
    pub(crate) demographics: &'a Demographics,
    pub(crate) scores: &'a Scores,
}

impl<'a> Ground<'a> {
    pub(crate) const fn of(state: &'a State) -> Self {
        Self {
            present: View::of(state, Timeline::Present),
            future: View::of(state, Timeline::Future),
            links: &state.links,
            demographics: &state.demographics,
            scores: &state.scores,
        }
    }

    /// The results that fall with the event: those that used a value which it takes away, or that
    /// hold for the time of one, as the newest input of a model may be one that it does not use.
    pub(crate) fn falls_with(&self, event: &Event) -> Vec<ScoreModel> {
        if self.scores.is_empty() {
            return Vec::new();
        }
        let gone = self.taken_away_by(event);
        if gone.is_empty() {
            return Vec::new();
        }
        let falls = |result: &&ScoreResult| self.rests_on(result, &gone);
        self.scores.values().filter(falls).map(|result| result.model).collect()
    }

    fn taken_away_by(&self, event: &Event) -> Vec<(Measure, &'a MeasuredValue)> {
        match event {
            Event::ObservationRecorded { observation, .. } => {
                self.present.find_own(&observation.id).into_iter().collect()
            }
            Event::ContributionReceived { from, measure, value } => {
                let series = self.links.get(from).and_then(|l| l.contributions.get(measure));
                let held = series.into_iter().flatten();
                let earlier = held.filter(|one| one.observation == value.observation);
                let other = earlier.filter(|one| !says_the_same(one, value));
                other.map(|one| (*measure, one)).collect()
            }
            Event::LinkRemoved { other, .. } => {
                let series = self.links.get(other).into_iter().flat_map(|l| &l.contributions);
                series.flat_map(|(measure, all)| all.iter().map(|one| (*measure, one))).collect()
            }
            Event::DemographicsStated { .. }
            | Event::MovementRecorded { .. }
            | Event::ScoreRecorded { .. }
            | Event::ScoresRecorded { .. }
            | Event::AlertRaised { .. }
            | Event::AlertSuppressed { .. }
            | Event::AlertSeverityChanged { .. }
            | Event::AlertCalmed { .. }
            | Event::AlertAcknowledged { .. }
            | Event::AlertEscalated { .. }
            | Event::AlertResolved { .. }
            | Event::ResourceStored { .. }
            | Event::DeviceAssociated { .. }
            | Event::DeviceDissociated { .. }
            | Event::LinkAdded { .. } => Vec::new(),
        }
    }

    fn rests_on(&self, result: &ScoreResult, gone: &[(Measure, &MeasuredValue)]) -> bool {
        if gone.iter().any(|(_, value)| result.as_of == value.effective_at) {
            return true;
        }
        let view = if result.future_dated { &self.future } else { &self.present };
        let Some(again) = replay(view, self.demographics, result) else {
            // It cannot be told what it was made from.
            return true;
        };
        again.inputs().any(|input| {
            gone.iter().any(|(measure, value)| {
                input.measure == *measure && input.value.observation == value.observation
            })
        })
    }
}
