//! The fold: pure and total (DET-1). Which statement wins is decided before an event is made;
//! a fold only takes it over.

use crate::event::Event;
use crate::state::State;

/// Folds one event into the state.
pub fn evolve(state: &mut State, event: &Event) {
    match event {
        Event::StayNoted { encounter, stay } => {
            let key = (stay.patient.clone(), encounter.clone());
            let before = state.stays.insert(key, stay.clone());
            state.movements_total += stay.movements.len();
            state.movements_total -= before.map_or(0, |before| before.movements.len());
        }
        Event::BedStatusSet { bed, status, at } => {
            state.beds.insert(bed.clone(), (*status, *at));
        }
        Event::ResourceStored { meta } => {
            state.resources.insert(meta.key.clone(), meta.clone());
        }
    }
}
