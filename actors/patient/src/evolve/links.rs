//! Joined records: what a retired record contributes lives under its link and goes with it, so that
//! separating leaves no trace (PAT-8). Contributions converge: the copy sent last holds.

use super::measures;
use crate::state::State;
use schema_types::clinical::Provenance;
use schema_types::history::insert_in_order;
use schema_types::ids::EntityId;
use schema_types::measure::Measure;
use schema_types::patient::{Link, MeasuredValue};
use schema_types::time::Timestamp;
use std::collections::BTreeMap;

pub(super) fn evolve_survivor(
    state: &mut State,
    other: &EntityId,
    at: Timestamp,
    provenance: &Provenance,
) {
    state.links.entry(other.clone()).or_insert_with(|| Link {
        since: at,
        provenance: provenance.clone(),
        contributions: BTreeMap::new(),
    });
}

pub(super) fn evolve_link_removed(state: &mut State, other: &EntityId) {
    state.links.remove(other);
    if state.merged_into.as_ref().is_some_and(|(into, _)| into == other) {
        state.merged_into = None;
    }
}

pub(super) fn evolve_contribution_received(
    state: &mut State,
    from: &EntityId,
    measure: Measure,
    value: &MeasuredValue,
) {
    let Some(link) = state.links.get_mut(from) else { return };
    let values = link.contributions.entry(measure).or_default();
    if let Some(place) = values.iter().rposition(|one| one.observation == value.observation) {
        values.remove(place);
    }
    insert_in_order(values, value.clone());
    measures::bound(values, |_| {});
}
