//! What a facility is, and what must hold of it. Folding is in `evolve`; what the stays amount to
//! is in `places`, `census` and `board`.

use crate::limits::{BEDS_MAX, MOVEMENTS_MAX, RESOURCES_MAX, STAYS_MAX};
use actors_core::stay::movement_order;

pub use schema_types::facility::FacilityState as State;

/// What must hold of every state. Cost: one step per movement.
///
/// # Errors
/// The text of the first condition that does not hold; it contains no data.
pub fn validate(state: &State) -> Result<(), &'static str> {
    let in_order = state.stays.values().all(|stay| {
        stay.movements.is_sorted_by(|one, next| movement_order(one) <= movement_order(next))
    });
    if !in_order {
        return Err("FAC-1: movements are not in canonical order");
    }
    let movements: usize = state.stays.values().map(|stay| stay.movements.len()).sum();
    if movements != state.movements_total {
        return Err("FAC-1: the movements were not counted along");
    }
    if state.stays.len() > STAYS_MAX || movements > MOVEMENTS_MAX {
        return Err("FAC-7: more stays than the limit");
    }
    if state.beds.len() > BEDS_MAX || state.resources.len() > RESOURCES_MAX {
        return Err("FAC-7: more beds or resources than the limit");
    }
    Ok(())
}
