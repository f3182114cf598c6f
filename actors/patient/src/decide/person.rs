//! What is said about the person: recorded when it changes anything (PAT-6).

use super::draft::Draft;
use super::{Decided, Refusal};
use crate::event::Event;
use crate::evolve::apply_patch;
use crate::limits::{FUTURE_TOLERANCE_MICROS, IDENTIFIERS_MAX};
use schema_types::patient::{DemographicsPatch, Registration};
use schema_types::time::Timestamp;

/// Records a statement. A time further ahead than the tolerance counts as the tolerance's end, so
/// that one wrong clock does not shut a field for years.
///
/// Returns whether the birth date changed, and with it the age that models see.
pub(super) fn state_person(
    draft: &mut Draft<'_>,
    registration: Registration,
    patch: DemographicsPatch,
    stated_at: Timestamp,
) -> Decided<bool> {
    let stated_at = stated_at.min(draft.context.now.plus_micros(FUTURE_TOLERANCE_MICROS));
    let before = draft.demographics();
    let mut after = before.clone();
    apply_patch(&mut after, &patch, stated_at);
    if after.identifiers.len() > IDENTIFIERS_MAX {
        return Err(Refusal::limit("too many identifiers"));
    }
    let changes_age = after.birth_date.value != before.birth_date.value;
    if after != *before || registration > draft.registration() {
        draft.emit(Event::DemographicsStated { registration, patch, stated_at });
    }
    Ok(changes_age)
}

/// Makes a patient never heard of a provisional one.
pub(super) fn make_provisional(draft: &mut Draft<'_>) {
    if draft.registration() == Registration::Unknown {
        draft.emit(Event::DemographicsStated {
            registration: Registration::Provisional,
            patch: DemographicsPatch::default(),
            stated_at: Timestamp::MIN,
        });
    }
}
