//! What beds are ready for. The newest statement holds, in whatever order statements arrive
//! (FAC-3).

use super::{happened, nothing};
use crate::Facility;
use crate::command::Reply;
use crate::event::Event;
use crate::limits::{BEDS_MAX, NAME_BYTES_MAX};
use crate::state::State;
use actors_core::{AuditNote, Decision, Rejection};
use schema_types::audit::AuditAction;
use schema_types::error_code::ErrorCode;
use schema_types::facility::{BedKey, BedStatus};
use schema_types::time::Timestamp;

pub(super) fn decide_set_bed_status(
    state: &State,
    bed: BedKey,
    status: BedStatus,
    at: Timestamp,
) -> Result<Decision<Facility>, Rejection> {
    let audit = AuditNote::new(AuditAction::Update, "facility-bed-status");
    if bed.ward.is_empty() || bed.bed.is_empty() {
        let reason = "a bed is named by its ward and its bed";
        return Err(Rejection::wrong(ErrorCode::BadRequest, reason, audit));
    }
    let longest = bed.ward.len().max(bed.room.len()).max(bed.bed.len());
    let is_new = !state.beds.contains_key(&bed);
    if longest > NAME_BYTES_MAX || (is_new && state.beds.len() >= BEDS_MAX) {
        let reason = format!("at most {BEDS_MAX} beds with names of {NAME_BYTES_MAX} bytes");
        return Err(Rejection::wrong(ErrorCode::EntityLimit, reason, audit));
    }
    let said = (at, caution(status));
    let known = state.beds.get(&bed).map(|(status, at)| (*at, caution(*status)));
    if known.is_some_and(|known| known >= said) {
        return Ok(nothing(Reply::Done { changed: false }, audit));
    }
    Ok(happened(Event::BedStatusSet { bed, status, at }, audit))
}

/// Of two statements of one instant the more cautious one holds.
const fn caution(status: BedStatus) -> u8 {
    match status {
        BedStatus::Ready => 0,
        BedStatus::Reserved => 1,
        BedStatus::Cleaning => 2,
        BedStatus::Dirty => 3,
        BedStatus::Closed => 4,
        BedStatus::Blocked => 5,
    }
}
