//! The fold: one event into the state. Pure and total (DET-1): any event leaves a valid state, in
//! debug builds checked by `validate`. What an event means for one part is in the files beside.

mod alerts;
mod demographics;
mod links;
pub(crate) mod measures;
pub(crate) mod scores;
mod stays;

pub(crate) use demographics::apply_patch;
pub(crate) use scores::Ground;
pub(crate) use stays::{REWRITABLE, is_rewritable, position_of};

use crate::event::{Event, LinkRole};
use crate::state::State;
use crate::validate::validate;
use crate::view::{Timeline, View};

/// Folds one event into the state (DET-1).
pub fn evolve(state: &mut State, event: &Event) {
    for model in Ground::of(state).falls_with(event) {
        state.scores.remove(model);
    }
    match event {
        Event::ScoreRecorded { score } => {
            let is_future = View::of(state, Timeline::Future).is_input_of(score);
            scores::record(&mut state.scores, &score.result(is_future));
        }
        Event::ObservationRecorded { observation, recorded_at, future_dated, .. } => {
            measures::evolve_observation_recorded(state, observation, *recorded_at, *future_dated);
        }
        Event::DemographicsStated { .. }
        | Event::MovementRecorded { .. }
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
        | Event::LinkAdded { .. }
        | Event::LinkRemoved { .. }
        | Event::ContributionReceived { .. } => evolve_part(state, event),
    }
    debug_assert!(validate(state).is_ok(), "{:?}", validate(state));
}

/// Folds an event that concerns one part only, also into a state that holds no other part: the
/// draft of a decision copies only what it changes. Values and what falls with them are not folded
/// here, see [`evolve`].
pub(crate) fn evolve_part(state: &mut State, event: &Event) {
    match event {
        Event::DemographicsStated { registration, patch, stated_at } => {
            demographics::evolve_demographics_stated(state, *registration, patch, *stated_at);
        }
        Event::MovementRecorded { encounter, movement } => {
            stays::evolve_movement_recorded(state, encounter, movement);
        }
        Event::ObservationRecorded { .. } | Event::ScoreRecorded { .. } => {}
        Event::ScoresRecorded { results } => {
            results.iter().for_each(|result| scores::record(&mut state.scores, result));
        }
        Event::AlertRaised { .. }
        | Event::AlertSuppressed { .. }
        | Event::AlertSeverityChanged { .. }
        | Event::AlertCalmed { .. }
        | Event::AlertAcknowledged { .. }
        | Event::AlertEscalated { .. }
        | Event::AlertResolved { .. } => alerts::evolve_alert(state, event),
        Event::ResourceStored { meta } => {
            state.resources.insert(meta.key.clone(), meta.clone());
        }
        Event::DeviceAssociated { device, at } => {
            state.devices.insert(device.clone(), *at);
        }
        Event::DeviceDissociated { device, .. } => {
            state.devices.remove(device);
        }
        Event::LinkAdded { other, role, at, provenance } => match role {
            LinkRole::Survivor => links::evolve_survivor(state, other, *at, provenance),
            LinkRole::Retired => state.merged_into = Some((other.clone(), *at)),
        },
        Event::LinkRemoved { other, .. } => links::evolve_link_removed(state, other),
        Event::ContributionReceived { from, measure, value } => {
            links::evolve_contribution_received(state, from, *measure, value);
        }
    }
}
