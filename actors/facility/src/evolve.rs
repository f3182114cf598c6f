//! The fold: pure and total (DET-1). Which statement wins is decided before an event is made;
//! a fold only takes it over.

use crate::event::Event;
use crate::state::State;

/// Folds one event into the state.
pub fn evolve(state: &mut State, event: &Event) {
    match event {
        Event::StayNoted { encounter, stay } => {
            state.stays.insert((stay.patient.clone(), encounter.clone()), stay.clone());
        }
        Event::BedStatusSet { bed, status, at } => {
            state.beds.insert(bed.clone(), (*status, *at));
        }
        Event::ResourceStored { meta } => {
            state.resources.insert(meta.key.clone(), meta.clone());
        }
    }
}
