//! Who the person is: each field keeps its newest statement, so that order does not matter (PAT-6).

use crate::state::State;
use schema_types::patient::{
    AdministrativeSex, Demographics, DemographicsPatch, FieldUpdate, PersonName, Registration,
    Stated,
};
use schema_types::phi::Phi;
use schema_types::time::Timestamp;

pub(super) fn evolve_demographics_stated(
    state: &mut State,
    registration: Registration,
    patch: &DemographicsPatch,
    stated_at: Timestamp,
) {
    state.registration = state.registration.max(registration);
    let birth_date = state.demographics.birth_date.value.clone();
    apply_patch(&mut state.demographics, patch, stated_at);
    if state.demographics.birth_date.value != birth_date {
        // Models are for ages: with another age every result has to be found again.
        state.scores.clear();
    }
}

/// Folds what a message says about a person. Of two statements of the same time the greater value
/// holds, and a value holds against a deletion: any order gives the same.
pub(crate) fn apply_patch(
    demographics: &mut Demographics,
    patch: &DemographicsPatch,
    stated_at: Timestamp,
) {
    for identifier in &patch.identifiers {
        if let Err(place) = demographics.identifiers.binary_search(identifier) {
            let identifiers = &mut demographics.identifiers;
            if identifiers.len() == identifiers.capacity() {
                identifiers.reserve_exact(1 + identifiers.len() / 4);
            }
            identifiers.insert(place, identifier.clone());
        }
    }
    let by_name = |name: &Phi<PersonName>| {
        let PersonName { family, given } = name.expose();
        (family.clone(), given.clone())
    };
    state_field(&mut demographics.name, &patch.name, stated_at, by_name);
    state_field(&mut demographics.birth_date, &patch.birth_date, stated_at, Phi::clone);
    state_field(&mut demographics.sex, &patch.sex, stated_at, |sex| sex_order(*sex));
    state_field(&mut demographics.address, &patch.address, stated_at, Phi::clone);
    state_field(&mut demographics.phone, &patch.phone, stated_at, Phi::clone);
    state_field(&mut demographics.deceased_at, &patch.deceased_at, stated_at, |at| *at);
}

const fn sex_order(sex: AdministrativeSex) -> u8 {
    match sex {
        AdministrativeSex::Unknown => 0,
        AdministrativeSex::Other => 1,
        AdministrativeSex::Male => 2,
        AdministrativeSex::Female => 3,
    }
}

fn state_field<T: Clone, K: Ord>(
    field: &mut Stated<T>,
    update: &FieldUpdate<T>,
    stated_at: Timestamp,
    order: impl Fn(&T) -> K,
) {
    let value = match update {
        FieldUpdate::Keep => return,
        FieldUpdate::Clear => None,
        FieldUpdate::Set(value) => Some(value),
    };
    let newer =
        (stated_at, value.map(&order)) > (field.stated_at, field.value.as_ref().map(&order));
    if newer {
        *field = Stated { value: value.cloned(), stated_at };
    }
}
