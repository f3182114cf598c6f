//! Stays as patients tell them: the whole stay each time, so that neither order nor repeats of
//! notices matter (FAC-1).

use super::{happened, nothing};
use crate::Facility;
use crate::command::Reply;
use crate::event::Event;
use crate::limits::{MOVEMENTS_MAX, MOVEMENTS_PER_STAY_MAX, NAME_BYTES_MAX, STAYS_MAX};
use crate::state::State;
use actors_core::stay::movement_order;
use actors_core::{AuditNote, Context, Decision, Rejection};
use schema_types::audit::AuditAction;
use schema_types::clinical::{Location, Movement};
use schema_types::error_code::ErrorCode;
use schema_types::facility::Stay;
use schema_types::ids::{EncounterId, EntityKind};

pub(super) fn decide_stay_changed(
    state: &State,
    context: &Context<'_>,
    encounter: EncounterId,
    mut stay: Stay,
) -> Result<Decision<Facility>, Rejection> {
    let audit = AuditNote::new(AuditAction::Update, "facility-stay");
    let is_own_tenant = stay.patient.tenant() == context.entity.tenant();
    if stay.patient.kind() != EntityKind::Patient || !is_own_tenant {
        let reason = "a stay is of a patient of the same tenant";
        return Err(Rejection::wrong(ErrorCode::BadRequest, reason, audit));
    }
    let name = (stay.patient.clone(), encounter.clone());
    let known = state.stays.get(&name);
    if known.is_some_and(|known| known.revision >= stay.revision) {
        return Ok(nothing(Reply::Done { changed: false }, audit));
    }
    if exceeds_limits(state, known, &stay) || encounter.as_str().len() > NAME_BYTES_MAX {
        let reason = "the stay, or all stays together, would exceed what a facility keeps";
        return Err(Rejection::wrong(ErrorCode::EntityLimit, reason, audit));
    }
    stay.movements.sort_by(|one, other| movement_order(one).cmp(&movement_order(other)));
    Ok(happened(Event::StayNoted { encounter, stay }, audit))
}

fn exceeds_limits(state: &State, known: Option<&Stay>, stay: &Stay) -> bool {
    let before = known.map_or(0, |known| known.movements.len());
    let added = stay.movements.len().saturating_sub(before);
    let is_one_too_many = known.is_none() && state.stays.len() >= STAYS_MAX;
    is_one_too_many
        || stay.movements.len() > MOVEMENTS_PER_STAY_MAX
        || stay.movements.iter().any(has_long_name)
        || (added > 0 && state.movements_total + added > MOVEMENTS_MAX)
}

fn has_long_name(movement: &Movement) -> bool {
    let is_long = |location: &Location| {
        let Location { facility, ward, room, bed } = location;
        [facility, ward, room, bed].iter().any(|name| name.len() > NAME_BYTES_MAX)
    };
    movement.message_id.len() > NAME_BYTES_MAX
        || movement.location.as_ref().is_some_and(is_long)
        || movement.prior_location.as_ref().is_some_and(is_long)
}
