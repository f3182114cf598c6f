//! The rules that every state keeps, checked after each event in debug builds and in tests. Rules
//! about decisions (who pages, what is sent) are not visible in a state and are tested elsewhere.

use crate::evolve::{is_rewritable, position_of};
use crate::limits::{HISTORY_VALUES_MAX, RESOLVED_ALERTS_MAX};
use crate::state::State;
use actors_core::stay::fold_stay;
use schema_types::history::{Series, value_order};
use schema_types::patient::{AlertStatus, Encounter, EncounterStatus};
use std::collections::BTreeSet;

/// A broken rule of the state, by its id in the README.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{id}: {what}")]
pub struct Violation {
    /// For example `PAT-1`.
    pub id: &'static str,
    /// What is wrong, without patient data.
    pub what: &'static str,
}

/// Checks every rule that can be seen in a state.
///
/// # Errors
/// The first [`Violation`].
pub fn validate(state: &State) -> Result<(), Violation> {
    for encounter in state.encounters.values() {
        check_stay(encounter)?;
    }
    check_alerts(state)?;
    for values in state.measures.values() {
        check_values(values)?;
        rule(!values.is_empty(), "PAT-3", "a measure without values is listed")?;
    }
    rule(state.measures.is_consistent(), "PAT-3", "the index does not agree with the values")?;
    for link in state.links.values() {
        link.contributions.values().try_for_each(check_values)?;
    }
    let identifiers = &state.demographics.identifiers;
    rule(identifiers.is_sorted(), "PAT-6", "identifiers are not sorted")?;
    rule(identifiers.windows(2).all(|pair| pair[0] != pair[1]), "PAT-6", "identifier twice")?;
    let is_keyed = state.resources.iter().all(|(key, meta)| *key == meta.key && meta.version > 0);
    rule(is_keyed, "PAT-9", "a resource is kept under another name")?;
    let both = state.merged_into.as_ref().is_some_and(|(into, _)| state.links.contains_key(into));
    rule(!both, "PAT-10", "retired into a record that was retired into this one")
}

fn rule(holds: bool, id: &'static str, what: &'static str) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation { id, what }) }
}

fn check_stay(encounter: &Encounter) -> Result<(), Violation> {
    let movements = &encounter.movements;
    let in_place = movements
        .iter()
        .enumerate()
        .all(|(index, movement)| position_of(movements, movement) == Ok(index));
    rule(in_place, "PAT-1", "movements are out of order or repeated")?;
    let rewritable: Vec<&str> = movements
        .iter()
        .filter(|movement| is_rewritable(movement))
        .map(|movement| movement.message_id.as_str())
        .collect();
    let names: BTreeSet<&str> = rewritable.iter().copied().collect();
    rule(names.len() == rewritable.len(), "PAT-1", "a FHIR movement was not replaced")?;
    let folded = fold_stay(movements, None);
    rule(folded.status == encounter.status, "PAT-1", "status is not the fold")?;
    rule(folded.class == encounter.class, "PAT-1", "class is not the fold")?;
    let location = folded.location.filter(|_| folded.status == EncounterStatus::Open);
    rule(location == encounter.location, "PAT-1", "location is not the fold")?;
    let times = (folded.started_at, folded.ended_at);
    rule(times == (encounter.started_at, encounter.ended_at), "PAT-1", "times are not the fold")
}

fn check_alerts(state: &State) -> Result<(), Violation> {
    let mut ids = BTreeSet::new();
    for (condition, alert) in &state.alerts {
        rule(*condition == alert.condition, "PAT-2", "an alert under another condition")?;
        rule(alert.status != AlertStatus::Resolved, "PAT-2", "a resolved alert is open")?;
        rule(ids.insert(&alert.id), "PAT-2", "an alert id twice")?;
    }
    for alert in &state.resolved_alerts {
        rule(alert.status == AlertStatus::Resolved, "PAT-2", "an open alert is resolved")?;
        rule(ids.insert(&alert.id), "PAT-2", "an alert id twice")?;
    }
    let count = state.resolved_alerts.len();
    rule(count <= RESOLVED_ALERTS_MAX, "PAT-2", "too many resolved alerts")
}

fn check_values(values: &Series) -> Result<(), Violation> {
    let in_order = values.iter().is_sorted_by(|one, next| value_order(one) < value_order(next));
    rule(in_order, "PAT-3", "values are out of order")?;
    let ids: BTreeSet<_> = values.iter().map(|value| &value.observation).collect();
    rule(ids.len() == values.len(), "PAT-3", "an observation stands twice")?;
    // Present, future-dated and withdrawn contributed values are bounded each.
    rule(values.len() <= 3 * HISTORY_VALUES_MAX, "PAT-3", "too many values")
}
